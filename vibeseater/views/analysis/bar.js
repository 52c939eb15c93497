// What is asked of a stream as a whole. Times are the reader's own.
export function render({model}) {
  const root = document.createElement("div")
  const make = (tag, name, text) => {
    const el = document.createElement(tag)
    if (name) el.className = name
    if (text != null) el.textContent = text
    return el
  }
  const press = (el, act) => { el.type = "button"; el.addEventListener("click", act); return el }
  const two = (n) => String(n).padStart(2, "0")
  const local = (value) => {
    const at = new Date(value)
    return `${String(at.getFullYear()).padStart(4, "0")}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`
  }
  const ask = (fields) => model.send_msg({op: "ask", ...fields})

  const title = make("div", "title"), heading = make("h1"), span = make("span", "window"), watch = make("a", null, "Watch it")
  heading.dir = "auto"
  title.append(heading, span, watch)
  const bar = make("div", "bar")
  const choose = make("label"), select = make("select")
  choose.append(make("span", null, "Stream"), select)
  select.addEventListener("change", () => ask({stream: select.value}))
  const ranges = make("div", "segments"), by = make("div", "segments")
  ranges.setAttribute("role", "group")
  ranges.setAttribute("aria-label", "Range")
  by.setAttribute("role", "group")
  by.setAttribute("aria-label", "Told apart by")
  for (const {value, label} of model.ranges) {
    const button = press(make("button", null, label), () => { opened = false; own.hidden = true; ask({range: value}) })
    button.dataset.range = value
    ranges.append(button)
  }
  let opened = false
  const custom = press(make("button", null, "From … to"), () => { opened = !opened; draw(); if (!own.hidden) from.focus() })
  custom.setAttribute("aria-controls", "own")
  ranges.append(custom)
  for (const [value, label] of [["source", "By source"], ["type", "By type"]]) {
    const button = press(make("button", null, label), () => ask({by: value}))
    button.dataset.by = value
    by.append(button)
  }
  const again = press(make("button", "plain", "Read again"), () => model.send_msg({op: "again"}))
  again.title = "Look at what came since, too"
  bar.append(choose, ranges, by, again)

  const own = make("form", "own"), from = make("input"), to = make("input"), use = make("button", "plain", "Look at it")
  own.id = "own"
  own.noValidate = true
  from.type = to.type = "datetime-local"
  for (const [word, input] of [["From", from], ["to", to]]) {
    const label = make("label", null, word)
    label.append(input)
    own.append(label)
  }
  own.append(use)
  own.addEventListener("submit", (event) => {
    event.preventDefault()
    ask({within: [new Date(from.value).getTime() || null, new Date(to.value).getTime() || null]})
  })
  const status = make("div", "status"), note = make("p", "note"), problem = make("p", "problem")
  status.setAttribute("role", "status")
  const said = make("span")
  problem.setAttribute("role", "alert")
  problem.append(said, press(make("button", null, "Dismiss"), () => model.send_msg({op: "dismiss"})))
  bar.append(status)
  root.append(title, bar, own, note, problem)

  const day = {day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hour12: false}
  let filled = ""
  function draw() {
    const chosen = model.streams.find((one) => one.id === model.stream)
    heading.textContent = chosen?.title ?? "Analytics"
    span.textContent = model.window.length ? model.window.map((at) => new Date(at).toLocaleString(undefined, day)).join(" – ") : ""
    watch.hidden = !model.stream || model.fixed
    watch.href = `stream?id=${encodeURIComponent(model.stream)}`
    choose.hidden = model.fixed
    if (select.childElementCount !== model.streams.length || [...select.options].some((one, at) => one.value !== model.streams[at].id || one.text !== model.streams[at].title)) {
      select.replaceChildren(...model.streams.map((one) => {
        const option = make("option", null, one.title)
        option.value = one.id
        return option
      }))
    }
    select.value = model.stream
    const free = model.within.length > 0
    for (const button of ranges.children) button.setAttribute("aria-pressed", String(!free && button.dataset.range === model.range))
    custom.setAttribute("aria-pressed", String(free))
    own.hidden = !(opened || free)
    custom.setAttribute("aria-expanded", String(!own.hidden))
    for (const button of by.children) button.setAttribute("aria-pressed", String(button.dataset.by === model.by))
    const window = model.within.length ? model.within : model.window
    if (window.length && filled !== String(window)) {
      filled = String(window)
      from.value = local(window[0])
      to.value = local(window[1])
    }
    status.textContent = model.busy
    note.textContent = model.note
    note.hidden = !model.note
    said.textContent = model.problem
    problem.hidden = !model.problem
  }
  model.on(["stream", "streams", "range", "within", "window", "by", "busy", "problem", "note", "fixed"], draw)
  draw()
  ask({zone: Intl.DateTimeFormat().resolvedOptions().timeZone})
  return root
}
