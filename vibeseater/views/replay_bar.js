// A replay's time line. Between two messages the handle moves on by itself, at the replay's speed.
const two = (number) => String(number).padStart(2, "0")
const day = (at) => at.toLocaleDateString(undefined, {day: "numeric", month: "short", year: "numeric"})
const clock = (at) => `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
const said = (t) => { const at = new Date(t * 1000); return `${day(at)} ${clock(at)}` }
const pace = (speed) => speed === 0 ? "Max" : `${speed}×`
const ICONS = {play: "M7 4.5v15l12-7.5z", pause: "M6 5h4v14H6zM14 5h4v14h-4z", step: "M5 4.5v15l10-7.5zM16 5h3v14h-3z", live: "M4 5l8 7-8 7zM12 5l8 7-8 7z", range: "M4 11h16v2H4zM4 6h2v12H4zM18 6h2v12h-2z"}
const WORDS = {opening: "OPENING", playing: "REPLAY", paused: "REPLAY", ended: "REPLAY", live: "LIVE", closed: "CLOSED"}
const OURS = ["id", "ids", "start", "end", "speed", "at"]
const SVG = "http://www.w3.org/2000/svg"

function made(tag, className = "", text = "") {
  const element = document.createElement(tag)
  element.className = className
  if (text) element.textContent = text
  return element
}
function icon(button, name) {
  let svg = button.querySelector("svg")
  if (!svg) {
    svg = document.createElementNS(SVG, "svg")
    svg.setAttribute("viewBox", "0 0 24 24")
    svg.setAttribute("aria-hidden", "true")
    svg.classList.add("icon")
    svg.append(document.createElementNS(SVG, "path"))
    button.prepend(svg)
  }
  svg.firstChild.setAttribute("d", ICONS[name])
}
function button(label, name, className = "") {
  const made_ = made("button", className)
  made_.type = "button"
  made_.append(made("span", "word", label))
  icon(made_, name)
  return made_
}
const forField = (t) => { const at = new Date(t * 1000); return new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 19) }

export function render({model}) {
  const root = made("section", "replay")
  root.setAttribute("aria-label", "Replay")
  const row = made("div", "row")
  const badge = made("span", "badge")
  const play = button("Play", "play", "main play")
  const step = button("Step", "step", "step")
  step.title = "Stand still, and show the next event (.)"
  const speed = made("select", "speed")
  speed.setAttribute("aria-label", "Speed")
  const at = made("span", "at")
  const range = button("Range", "range", "range")
  range.title = "Play another window"
  range.setAttribute("aria-expanded", "false")
  const live = button("Catch up to live", "live", "live")
  live.title = "Play the rest as fast as possible, then go on live: no event is missed or shown twice (L)"
  row.append(badge, play, step, speed, at, range, live)

  const line = made("div", "line")
  const bars = document.createElementNS(SVG, "svg")
  bars.setAttribute("class", "bars")
  bars.setAttribute("preserveAspectRatio", "none")
  bars.setAttribute("aria-hidden", "true")
  const all = document.createElementNS(SVG, "path"), played = document.createElementNS(SVG, "path")
  played.setAttribute("class", "played")
  bars.append(all, played)
  const marks = made("div", "marks")
  const handle = made("div", "handle")
  handle.tabIndex = 0
  handle.setAttribute("role", "slider")
  handle.setAttribute("aria-label", "Moment that is played")
  const hint = made("div", "hint")
  hint.hidden = true
  line.append(bars, made("div", "base"), marks, handle, hint)
  const ends = made("div", "ends")
  const from = made("span"), to = made("span")
  ends.append(from, to)
  const problem = made("div", "problem")
  problem.setAttribute("role", "alert")

  const form = made("form")
  form.hidden = true
  const field = (name) => {
    const label = made("label", "", name), input = made("input")
    input.type = "datetime-local"
    input.step = 1
    label.append(input)
    form.append(label)
    return input
  }
  const first = field("From"), last = field("To (empty: on to live)")
  const open = made("button", "main", "Replay it")
  open.type = "submit"
  form.append(open)
  root.append(row, line, ends, problem, form)
  range.hidden = !model.whole_page

  let held = null   // where a hand holds the handle, seconds since 1970
  let wanted = null, until = 0   // where it was let go, until the replay has got there
  let told = performance.now()   // when the clock was told
  let sent = 0

  const span = () => Math.max(model.end - model.start, 0.001)
  const place = (t) => Math.min(Math.max((t - model.start) / span(), 0), 1)
  function now() {
    if (held != null) return held
    if (wanted != null && performance.now() < until) return wanted
    if (model.mode === "live") return Date.now() / 1000
    if (model.mode !== "playing" || model.speed === 0) return model.clock
    return Math.min(model.clock + (performance.now() - told) / 1000 * model.speed, model.end)
  }
  function move() {
    const t = now(), x = model.mode === "live" && held == null ? 1 : place(t)
    handle.style.left = `${x * 100}%`
    played.style.clipPath = `inset(-2px ${100 - x * 100}% -2px 0)`
    at.textContent = model.mode === "opening" ? "" : said(t)
    handle.setAttribute("aria-valuenow", Math.round(t))
    handle.setAttribute("aria-valuetext", said(t))
  }
  function shape() {
    const {counts, first, bucket: width, start, end} = model
    const most = Math.max(1, ...counts), length = span()
    bars.setAttribute("viewBox", "0 0 1000 100")
    let path = ""
    counts.forEach((count, n) => {
      if (!count) return
      const left = Math.max((first + n * width - start) / length, 0) * 1000
      const right = Math.min((first + (n + 1) * width - start) / length, 1) * 1000
      const wide = Math.max(right - left - (right - left > 4 ? 1 : 0), 1)
      const high = Math.max(4, Math.sqrt(count / most) * 100)
      path += `M${left.toFixed(2)} 100v-${high.toFixed(2)}h${wide.toFixed(2)}v${high.toFixed(2)}z`
    })
    all.setAttribute("d", path)
    played.setAttribute("d", path)
    from.textContent = model.mode === "opening" ? "" : said(start)
    to.textContent = model.mode === "opening" ? "" : said(end)
    handle.setAttribute("aria-valuemin", Math.round(start))
    handle.setAttribute("aria-valuemax", Math.round(end))
    marks.replaceChildren(...model.marks.filter((one) => one.end >= start && one.start <= end).map((one) => {
      const mark = made("button", "mark")
      mark.type = "button"
      mark.style.setProperty("--c", one.colour)
      mark.style.left = `${place(one.start) * 100}%`
      mark.style.width = `max(8px, ${(place(one.end) - place(one.start)) * 100}%)`
      mark.title = `${one.note || "Bookmark"} · ${said(one.start)}`
      mark.setAttribute("aria-label", `Go to bookmark: ${mark.title}`)
      mark.dataset.bookmark = one.id
      mark.addEventListener("click", (event) => { event.stopPropagation(); seek(one.start) })
      return mark
    }))
    move()
  }
  function draw() {
    const runs = model.mode === "playing" || model.mode === "live"
    badge.dataset.mode = model.mode
    badge.textContent = WORDS[model.mode]
    play.querySelector(".word").textContent = runs ? "Pause" : model.mode === "ended" ? "Play again" : "Play"
    icon(play, runs ? "pause" : "play")
    play.title = `${runs ? "Stand still" : "Play"} (space)`
    play.disabled = model.mode === "opening" || model.mode === "closed"
    step.disabled = !["playing", "paused"].includes(model.mode)
    live.hidden = !model.can_go_live
    live.disabled = ["live", "opening", "closed"].includes(model.mode)
    speed.disabled = model.mode === "live" || model.mode === "closed"
    const speeds = [...new Set([...model.speeds, model.speed])].sort((a, b) => (a || Infinity) - (b || Infinity))
    speed.replaceChildren(...speeds.map((one) => {
      const option = made("option", "", pace(one))
      option.value = one
      option.selected = one === model.speed
      return option
    }))
    problem.textContent = model.problem
  }
  function seek(t) {
    wanted = t
    until = performance.now() + 1500
    model.send_msg({op: "seek", value: t})
    move()
  }
  function address() {
    if (!model.whole_page || !model.query) return
    const here = new URLSearchParams(location.search)
    for (const name of OURS) here.delete(name)
    const search = `?${[model.query, here.toString()].filter(Boolean).join("&")}`
    if (search !== location.search) history.replaceState(history.state, "", search + location.hash)
  }
  const timeAt = (event) => {
    const box = line.getBoundingClientRect()
    return model.start + Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * span()
  }
  line.addEventListener("pointerdown", (event) => {
    if (event.button || event.target.closest(".mark") || model.mode === "opening") return
    line.setPointerCapture(event.pointerId)
    held = timeAt(event)
    handle.focus({preventScroll: true})
    move()
  })
  line.addEventListener("pointermove", (event) => {
    const t = timeAt(event)
    hint.hidden = false
    hint.style.left = `${Math.min(Math.max(place(t) * 100, 8), 92)}%`
    hint.textContent = said(t)
    if (held == null) return
    held = t
    move()
    if (performance.now() - sent > 300) { sent = performance.now(); model.send_msg({op: "seek", value: t}) }
  })
  line.addEventListener("pointerleave", () => { if (held == null) hint.hidden = true })
  const letGo = () => { if (held == null) return; const t = held; held = null; hint.hidden = true; seek(t) }
  line.addEventListener("pointerup", letGo)
  line.addEventListener("pointercancel", letGo)
  play.addEventListener("click", () => model.send_msg({op: "toggle"}))
  step.addEventListener("click", () => model.send_msg({op: "step"}))
  live.addEventListener("click", () => model.send_msg({op: "live"}))
  speed.addEventListener("change", () => model.send_msg({op: "speed", value: Number(speed.value)}))
  range.addEventListener("click", () => {
    form.hidden = !form.hidden
    range.setAttribute("aria-expanded", String(!form.hidden))
    first.value = forField(model.start)
    last.value = new URLSearchParams(model.query).get("end") ? forField(model.end) : ""
  })
  form.addEventListener("submit", (event) => {
    event.preventDefault()
    const query = new URLSearchParams(model.query)
    query.delete("at")
    for (const [name, input] of [["start", first], ["end", last]]) {
      if (input.value) query.set(name, new Date(input.value).toISOString())
      else query.delete(name)
    }
    location.search = query.toString()
  })

  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return false
    const far = span() * (event.shiftKey ? 0.1 : 0.01)
    const speeds = model.speeds, here = speeds.indexOf(model.speed)
    switch (event.key) {
      case " ": model.send_msg({op: "toggle"}); return true
      case ".": if (!step.disabled) model.send_msg({op: "step"}); return true
      case "l": case "L": if (!live.disabled && !live.hidden) model.send_msg({op: "live"}); return true
      case "ArrowLeft": seek(Math.max(now() - far, model.start)); return true
      case "ArrowRight": seek(Math.min(now() + far, model.end)); return true
      case "<": if (here > 0) model.send_msg({op: "speed", value: speeds[here - 1]}); return true
      case ">": if (here >= 0 && here < speeds.length - 1) model.send_msg({op: "speed", value: speeds[here + 1]}); return true
    }
    if (event.target === handle || event.composedPath?.()[0] === handle) {
      if (event.key === "Home") { seek(model.start); return true }
      if (event.key === "End") { seek(model.end); return true }
    }
    return false
  }
  const own = (event) => {
    const tag = event.composedPath()[0].tagName
    if ((tag === "BUTTON" && event.key === " ") || tag === "SELECT" || tag === "INPUT") return
    if (key(event)) { event.preventDefault(); event.stopPropagation() }
  }
  const page = (event) => {
    if (event.defaultPrevented || event.composedPath()[0] !== document.body) return
    if (key(event)) event.preventDefault()
  }
  root.addEventListener("keydown", own)
  if (model.whole_page) document.addEventListener("keydown", page)
  const ticking = setInterval(move, 200)
  model.on("remove", () => { clearInterval(ticking); document.removeEventListener("keydown", page) })
  model.on("clock", () => { told = performance.now(); if (wanted != null && Math.abs(model.clock - wanted) < span() * 0.02) wanted = null; move() })
  model.on(["mode", "speed", "can_go_live", "problem"], () => { told = performance.now(); draw(); move() })
  model.on(["counts", "first", "bucket", "marks", "start", "end", "mode"], shape)
  model.on("query", address)
  draw()
  shape()
  address()
  return root
}
