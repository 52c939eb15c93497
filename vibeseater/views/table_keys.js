// The keyboard. What is typed into a field, and what is pressed outside of the view in a notebook, is left alone.
const KEYS = [
  ["Space", "Hold the table still, or let it follow again. Ingestion goes on"],
  ["↓ ↑", "Next row, row before"],
  ["Enter", "Open or close the row"],
  ["Esc", "Close what is open"],
  ["Home", "To the newest event, and follow"],
  ["End", "To the oldest row that is loaded; more are read"],
  ["/", "Search"],
  ["?", "These keys"],
]

const TYPED = "input, textarea, select, [contenteditable]:not([contenteditable=false]), [role=textbox], [role=combobox], [role=slider], [role=spinbutton]"
const PRESSED = "button, a, summary, [role=button], [role=radio], [role=tab], [role=menuitem], [role=option], [role=checkbox], [role=switch]"

// Whether a key that was pressed there is meant for the table.
function isFree(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return false
  const path = event.composedPath().filter((el) => el instanceof Element)
  if (path.some((el) => el.matches(TYPED) || el.isContentEditable || el.matches("dialog[open], [aria-modal=true]"))) return false
  const onButton = path.some((el) => el.matches(PRESSED))
  return !onButton || event.key === "Escape" || event.key === "?" || event.key === "/"
}

function keysBox(close) {
  const box = make("div", "keys")
  box.setAttribute("role", "dialog")
  box.setAttribute("aria-label", "Keys")
  box.hidden = true
  const list = make("dl")
  for (const [key, what] of KEYS) {
    const name = make("dt")
    for (const one of key.split(" ")) name.append(make("kbd", null, one))
    list.append(name, make("dd", null, what))
  }
  const button = make("button", "tool", "Close")
  button.type = "button"
  button.addEventListener("click", close)
  box.append(make("h2", null, "Keys"), list, button)
  return box
}
