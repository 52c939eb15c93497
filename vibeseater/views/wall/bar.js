// What all streams of a wall share: one clock, one pause, one range. Times are the reader's own.
export function render({model}) {
  const root = document.createElement("div")
  const make = (tag, name, text) => {
    const el = document.createElement(tag)
    if (name) el.className = name
    if (text != null) el.textContent = text
    return el
  }
  const press = (el, act) => { el.type = "button"; el.addEventListener("click", act); return el }
  const bar = make("div", "bar"), clock = make("time", "clock"), face = make("span"), day = make("small")
  clock.append(face, day)
  const hold = press(make("button", "main"), () => model.send_msg({op: model.paused == null && !model.away ? "pause" : "back"}))
  const spans = make("div", "segments")
  spans.setAttribute("role", "group")
  spans.setAttribute("aria-label", "Time span of all plots")
  for (const {value, label} of model.spans) {
    const button = press(make("button", null, label), () => model.send_msg({op: "span", span: value}))
    button.dataset.span = value
    spans.append(button)
  }
  const end = make("div", "end"), even = press(make("button", "plain", "Even sizes"), () => model.send_msg({op: "even"}))
  const add = make("select")
  add.setAttribute("aria-label", "Add a stream")
  add.addEventListener("change", () => { if (add.value) model.send_msg({op: "add", id: add.value}); add.value = "" })
  end.append(even, add)
  bar.append(make("h1", null, "Wall"), clock, hold, spans, end)
  const problem = make("p", "problem"), said = make("span")
  problem.setAttribute("role", "alert")
  problem.append(said, press(make("button", null, "Dismiss"), () => model.send_msg({op: "dismiss"})))
  root.append(bar, problem)

  function tick() {
    const at = model.paused == null ? new Date() : new Date(model.paused * 1000)
    const time = at.toLocaleTimeString(undefined, {hour12: false})
    if (face.textContent !== time) face.textContent = time
    const date = at.toDateString() === new Date().toDateString() ? "" : at.toLocaleDateString(undefined, {day: "numeric", month: "short", year: "numeric"})
    if (day.textContent !== date) day.textContent = date
    clock.dateTime = at.toISOString()
  }
  const ticking = setInterval(tick, 250)
  model.on("remove", () => clearInterval(ticking))

  function draw() {
    const live = model.paused == null && !model.away
    root.classList.toggle("held", !live)
    hold.textContent = live ? "Pause all" : "Back to now"
    hold.setAttribute("aria-pressed", String(!live))
    for (const button of spans.children) button.setAttribute("aria-pressed", String(button.dataset.span === model.span))
    even.hidden = model.even
    const first = make("option", null, model.full ? "No room for more" : "Add a stream …")
    first.value = ""
    add.replaceChildren(first, ...model.streams.map((one) => {
      const option = make("option", null, one.title)
      option.value = one.id
      return option
    }))
    add.disabled = model.full || !model.streams.length
    said.textContent = model.problem
    problem.hidden = !model.problem
    tick()
  }
  model.on(["span", "paused", "away", "streams", "full", "even", "problem"], draw)
  draw()
  return root
}
