// A video or audio with the stream's events over it, at their time. What events say is set as text.
const SHOWN = 6      // seconds that a caption stays
const LINES = 4      // captions at once
const two = (number) => String(number).padStart(2, "0")

export function render({model}) {
  const root = document.createElement("div")
  root.className = `media ${model.kind}`
  if (!/^(https?:\/\/|\/(?![\/\\]))/i.test(model.url)) {
    const problem = document.createElement("p")
    problem.className = "problem"
    problem.setAttribute("role", "alert")
    problem.textContent = model.problem || "This stream has no media."
    root.append(problem)
    return root
  }
  const frame = document.createElement("div")
  frame.className = "frame"
  const player = document.createElement(model.kind === "audio" ? "audio" : "video")
  player.controls = true
  player.preload = "metadata"
  player.playsInline = true
  player.setAttribute("aria-label", "The stream's media")
  const lines = document.createElement("div")
  lines.className = "captions"
  lines.setAttribute("aria-live", "off")
  const foot = document.createElement("div")
  foot.className = "foot"
  const clock = document.createElement("time")
  clock.className = "clock"
  const problem = document.createElement("span")
  problem.className = "problem"
  problem.setAttribute("role", "status")
  foot.append(clock, problem)
  frame.append(player, lines)
  root.append(frame, foot)

  let start = null        // the moment the media begins with, milliseconds since 1970
  let captions = []
  let asked = null        // where Python sent the player, until it is there
  let told = -1           // the whole second that Python was told last

  function draw() {
    const t = player.currentTime
    const shown = captions.filter((one) => one.t <= t && one.t > t - SHOWN).slice(-LINES)
    const ids = shown.map((one) => one.id).join()
    if (lines.dataset.ids !== ids) {
      lines.dataset.ids = ids
      lines.replaceChildren(...shown.map((one) => {
        const line = document.createElement("p")
        line.className = "caption"
        line.dataset.captionId = one.id
        line.style.setProperty("--c", one.colour)
        const source = document.createElement("b")
        source.textContent = one.source
        const text = document.createElement("span")
        text.textContent = one.text
        text.dir = "auto"
        line.append(source, text)
        return line
      }))
    }
    if (start != null) {
      const at = new Date(start + t * 1000)
      const day = at.toLocaleDateString(undefined, {day: "numeric", month: "short"})
      const text = `${day}, ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
      if (clock.textContent !== text) clock.textContent = text
    }
  }

  function tell(sought) {
    told = Math.floor(player.currentTime)
    model.send_msg({op: "at", t: player.currentTime, duration: Number.isFinite(player.duration) ? player.duration : null, sought})
  }

  player.addEventListener("timeupdate", () => {
    draw()
    if (Math.floor(player.currentTime) !== told && !player.seeking) tell(false)
  })
  player.addEventListener("seeked", () => {
    draw()
    const own = asked != null && Math.abs(player.currentTime - asked) < 0.5
    asked = null
    tell(!own)
  })
  player.addEventListener("loadedmetadata", () => {
    problem.textContent = ""
    root.classList.remove("failed")
    if (asked != null) player.currentTime = asked
    else tell(false)
  })
  player.addEventListener("error", () => {
    root.classList.add("failed")  // what shows nothing takes no room
    problem.textContent = `The media can't be played: it is not there, or in a format that this browser does not know.`
  })
  function receive(message) {
    const data = JSON.parse(typeof message === "string" ? message : message.data)
    if (data.op === "captions") captions = data.rows
    else if (data.op === "start") start = data.at
    else if (data.op === "seek") {
      asked = data.t
      if (player.readyState > 0) player.currentTime = data.t
    }
    draw()
  }
  model.on("msg:custom", receive)
  model.on("remove", () => { player.pause(); player.removeAttribute("src"); player.load() })
  player.src = model.url
  draw()
  // Only now does this browser listen: what was sent before is asked for.
  model.send_msg({op: "ready"})
  return root
}
