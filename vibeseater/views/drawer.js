// What drawers share: a button that opens a dialog at the side, and small parts whose text is only ever text.
const make = (tag, name, text) => {
  const el = document.createElement(tag)
  if (name) el.className = name
  if (text != null) el.textContent = text
  return el
}
const button = (name, text, press) => {
  const el = make("button", name, text)
  el.type = "button"
  if (press) el.addEventListener("click", press)
  return el
}
const field = (label, input) => {
  const box = make("label")
  input.autocomplete = "off"
  box.append(make("span", null, label), input)
  return box
}
const alertLine = () => {
  const el = make("p", "problem")
  el.setAttribute("role", "alert")
  return el
}
const deniedLine = (text) => {  // why what would be here is not
  const el = make("p", "denied", text)
  el.setAttribute("role", "note")
  return el
}
const setText = (el, text) => { if (el.textContent !== text) el.textContent = text }
const choose = (label, options, value) => {
  const el = make("select")
  el.setAttribute("aria-label", label)
  for (const [key, text] of options) {
    const option = make("option", null, text)
    option.value = key
    el.append(option)
  }
  if (value != null) el.value = value
  return el
}
const twice = (text, press) => {  // a button that has to be pressed a second time
  let sure = 0
  const el = button("plain", text, () => {
    if (performance.now() < sure) return press()
    sure = performance.now() + 4000
    el.textContent = `Really ${text.toLowerCase()}?`
    el.classList.add("danger")
    setTimeout(() => { el.textContent = text; el.classList.remove("danger") }, 4000)
  })
  return el
}
const when = (ms) => new Date(ms).toLocaleString([], {dateStyle: "medium", timeStyle: "medium", hour12: false})

// The opener with its icon and count, and the dialog with a heading. `shown` is called when it is opened.
function drawer(title, path, shown) {
  const root = make("div")
  const opener = button("opener", null, () => {
    if (dialog.open) return
    dialog.showModal()
    shown?.()
  })
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  svg.setAttribute("viewBox", "0 0 24 24")
  svg.setAttribute("aria-hidden", "true")
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path")
  shape.setAttribute("d", path)
  svg.append(shape)
  const count = make("span", "count")
  opener.append(svg, make("span", null, title), count)
  const dialog = make("dialog")
  dialog.setAttribute("aria-label", title)
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close() })
  const sheet = make("div", "sheet")
  const head = make("header")
  head.append(make("h2", null, title), button("plain", "Close", () => dialog.close()))
  sheet.append(head)
  dialog.append(sheet)
  root.append(opener, dialog)
  return {root, sheet, dialog, count}
}

// A list whose items are made once by key, kept in order, and drawn anew when their data changes.
function keyed(list, create) {
  const items = new Map()
  return (rows) => {
    const seen = new Set()
    rows.forEach((row, index) => {
      seen.add(row.id)
      let item = items.get(row.id)
      if (!item) items.set(row.id, item = create(row.id))
      item.draw(row)
      if (list.children[index] !== item.row) list.insertBefore(item.row, list.children[index] ?? null)
    })
    for (const [id, item] of items) if (!seen.has(id)) { item.row.remove(); items.delete(id) }
  }
}
