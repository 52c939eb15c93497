// A small table of figures with a title. Everything is set as text; rows keep their place by key.
export function render({model}) {
  const make = (tag, name, text) => {
    const el = document.createElement(tag)
    if (name) el.className = name
    if (text != null) el.textContent = text
    return el
  }
  const root = make("section")
  const title = make("h2", null, model.title)
  const scroll = make("div", "scroll")
  scroll.tabIndex = 0
  scroll.setAttribute("role", "region")
  scroll.setAttribute("aria-label", model.title)
  if (model.tall) scroll.classList.add("tall")
  const table = make("table")
  const head = table.createTHead().insertRow()
  for (const [key, name] of model.columns) {
    const cell = make("th", name.endsWith("#") ? "number" : null, name.replace(/#$/, ""))
    cell.scope = "col"
    cell.dataset.column = key
    head.append(cell)
  }
  const body = table.createTBody()
  const empty = make("p", "empty", model.empty)
  scroll.append(table)
  root.append(title, scroll, empty)
  const set = (cell, text) => { if (cell.textContent !== text) cell.textContent = text }
  let rows = new Map()

  function draw() {
    const next = new Map()
    model.rows.forEach((data, index) => {
      let row = rows.get(data.key)
      if (!row) {
        row = make("tr")
        for (const [key, name] of model.columns) {
          const cell = row.insertCell()
          cell.dataset.column = key
          if (name.endsWith("#")) cell.className = "number"
          cell.append(make("span"))
        }
      }
      next.set(data.key, row)
      row.dataset.mark = data.mark ?? ""
      model.columns.forEach(([key], place) => set(row.cells[place].firstChild, data[key] ?? ""))
      if (body.rows[index] !== row) body.insertBefore(row, body.rows[index] ?? null)
    })
    for (const [key, row] of rows) if (!next.has(key)) row.remove()
    rows = next
    scroll.hidden = !model.rows.length
    empty.hidden = model.rows.length > 0
  }
  model.on("rows", draw)
  draw()
  return root
}
