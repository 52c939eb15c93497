// A table of facts. Everything is set as text.
export function render({model}) {
  const root = document.createElement("div")
  const make = (tag, name, text) => {
    const el = document.createElement(tag)
    if (name) el.className = name
    if (text != null) el.textContent = text
    return el
  }
  root.className = "scroll"
  root.setAttribute("role", "region")
  root.tabIndex = 0  // it scrolls: keys reach what is beyond its edge
  const when = (value) => {
    const at = new Date(value)
    const day = {day: "numeric", month: "short", ...(at.getFullYear() === new Date().getFullYear() ? {} : {year: "numeric"})}
    return `${at.toLocaleDateString(undefined, day)}, ${at.toLocaleTimeString(undefined, {hour12: false})}`
  }
  const share = (value) => `${Math.min(100, Math.max(0, value * 100))}%`

  function cell(column, row, index) {
    const td = make(index === 0 ? "th" : "td", column.kind), value = row[column.key]
    if (index === 0) { td.scope = "row"; td.style.cssText = "position: static; font-size: 13px; color: inherit; background: none" }
    const text = row[`${column.key}_text`]
    if (column.kind === "time") td.textContent = value == null ? "" : when(value)
    else if (column.kind === "bar") {
      const track = make("div", "track"), fill = make("div", "fill")
      fill.style.width = share(value)
      track.append(fill)
      td.append(track)
    } else if (column.kind === "interval") {
      const track = make("div", "track")
      if (value) {
        const [low, middle, high] = value
        const colour = row[`${column.key}_colour`]
        if (colour) track.style.setProperty("--c", colour)
        const span = make("div", "span"), point = make("div", "point")
        span.style.left = share(low)
        span.style.width = share(high - low)
        point.style.left = share(middle)
        track.append(span, point)
      }
      td.append(track)
    } else {
      const colour = row[`${column.key}_colour`]
      const name = make("span", "name", value ?? "")
      name.title = value ?? ""
      name.dir = "auto"
      if (colour) {
        const dot = make("span", "dot")
        dot.style.setProperty("--c", colour)
        td.append(dot)
      }
      if (model.presses && index === 0) {
        const button = make("button")
        button.type = "button"
        button.setAttribute("aria-pressed", String(row.id === model.chosen))
        button.append(...td.childNodes, name)
        td.append(button)
      } else td.append(name)
    }
    if (text) td.title = text
    return td
  }
  function draw() {
    const left = root.scrollLeft
    root.setAttribute("aria-label", model.label)
    const table = make("table"), head = make("thead"), line = make("tr"), body = make("tbody")
    for (const column of model.columns) {
      const th = make("th", column.kind, column.label)
      th.scope = "col"
      if (column.help) th.title = column.help
      line.append(th)
    }
    head.append(line)
    for (const row of model.rows) {
      const tr = make("tr")
      if (row.strong) tr.classList.add("strong")
      if (model.presses) {
        tr.classList.add("press")
        tr.classList.toggle("chosen", row.id === model.chosen)
        tr.addEventListener("click", () => model.send_msg({press: row.id}))
      }
      tr.append(...model.columns.map((column, index) => cell(column, row, index)))
      body.append(tr)
    }
    table.append(head, body)
    const focused = model.presses && root.contains(root.getRootNode().activeElement)
    root.replaceChildren(table)
    root.scrollLeft = left
    if (focused) root.querySelector("tr.chosen button")?.focus()
  }
  model.on(["columns", "rows", "chosen", "label"], draw)
  draw()
  return root
}
