// A small table, one line a source: its colour, name, share, rate and last event.
const COLUMNS = [["name", "Source"], ["total", "Events"], ["rate", "per s"], ["last", "Last event"]]

export function render({model}) {
  const table = document.createElement("table")
  const head = table.createTHead().insertRow()
  for (const [key, title] of COLUMNS) {
    const cell = document.createElement("th")
    cell.scope = "col"
    cell.className = key
    cell.textContent = title
    head.append(cell)
  }
  const body = table.createTBody()
  const note = document.createElement("p")
  const root = document.createElement("div")
  root.className = "frame"
  root.append(table, note)
  function set(cell, text) { if (cell.textContent !== text) cell.textContent = text }
  function draw() {
    while (body.rows.length > model.sources.length) body.deleteRow(-1)
    model.sources.forEach((source, index) => {
      let row = body.rows[index]
      if (!row) {
        row = body.insertRow()
        for (const [key] of COLUMNS) {
          const cell = row.insertCell()
          cell.className = key
          cell.append(document.createElement("span"))
        }
        const trouble = document.createElement("small")
        trouble.setAttribute("role", "status")
        row.cells[0].append(trouble)
      }
      row.style.setProperty("--c", source.colour)
      row.dataset.source = source.key
      const [name, total, rate, last] = [...row.cells].map((cell) => cell.firstChild)
      set(name, source.name)
      name.parentNode.title = source.type ? `${source.name} (${source.type})` : source.name
      set(total, source.total)
      set(rate, source.rate)
      set(last, source.last)
      const trouble = row.cells[0].lastChild
      set(trouble, source.trouble)
      trouble.hidden = !source.trouble
      trouble.title = source.trouble
    })
    table.hidden = !model.sources.length
    note.hidden = !table.hidden
    note.textContent = "No sources yet. Attach one, or create events by hand."
  }
  model.on("sources", draw)
  draw()
  return root
}
