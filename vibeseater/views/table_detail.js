// An opened row: what can be done with the event, all it says by name and value, and its JSON.
const SHOWN = 65536  // characters of JSON that are drawn at once: more would only slow the browser down
const COPY = "M8 3h11a2 2 0 0 1 2 2v11h-2V5H8zM5 7h9a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V9a2 2 0 0 1 2-2m0 2v10h9V9z"
const LINK = "M10.6 13.4a1 1 0 0 1 0-1.4l3-3a1 1 0 1 1 1.4 1.4l-3 3a1 1 0 0 1-1.4 0M7.8 16.2a3 3 0 0 1 0-4.3l1.7-1.7-1.4-1.4-1.7 1.7a5 5 0 0 0 7.1 7.1l1.7-1.7-1.4-1.4-1.7 1.7a3 3 0 0 1-4.3 0m8.4-8.4a3 3 0 0 1 0 4.3l-1.7 1.7 1.4 1.4 1.7-1.7a5 5 0 0 0-7.1-7.1L8.8 8.1l1.4 1.4 1.7-1.7a3 3 0 0 1 4.3 0"

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {  // a page that is not served over https has no clipboard
    const area = make("textarea")
    area.value = text
    area.style.cssText = "position:fixed;opacity:0"
    document.body.append(area)
    area.select()
    try { return document.execCommand("copy") } catch { return false } finally { area.remove() }
  }
}

function tool(label, path, press) {
  const button = make("button", "tool")
  button.type = "button"
  if (path) button.append(icon(path))
  button.append(make("span", null, label))
  button.addEventListener("click", press)
  return button
}

function copier(label, path, text) {
  const button = tool(label, path, async () => {
    const said = button.querySelector("span")
    said.textContent = await copy(text()) ? "Copied" : "Select it and copy it"
    setTimeout(() => { said.textContent = label }, 1600)
  })
  return button
}

function detailBox() {
  const box = make("div", "detail")
  box.setAttribute("role", "cell")
  box.append(make("p", "waiting", "Reading the event …"))
  return box
}

function marked(model, id, button, action) {
  const on = (model.marks[action.name] ?? []).includes(id)
  button.setAttribute("aria-pressed", String(on))
  setText(button.querySelector("span"), on ? action.pressed : action.label)
}

function fillDetail(box, told, model) {
  if (told.gone) return box.replaceChildren(make("p", "waiting", told.gone))
  const tools = make("div", "tools")
  tools.setAttribute("role", "group")
  tools.setAttribute("aria-label", "This event")
  tools.append(copier("Copy JSON", COPY, () => told.json))
  if (model.link) tools.append(copier("Copy link", LINK, () => new URL(model.link + told.id, location.href).href))
  for (const action of model.actions) {
    const button = tool(action.label, action.icon, () => model.send_msg({op: "act", name: action.name, id: told.id}))
    button.dataset.action = action.name
    marked(model, told.id, button, action)
    tools.append(button)
  }
  const list = make("dl", "fields")
  list.tabIndex = 0  // it is scrolled by keys, too
  for (const [name, value, address] of told.fields) {
    const key = make("dt", null, name)
    key.dir = "auto"
    const said = make("dd")
    said.dir = "auto"
    said.append(anchor(address, null, value) ?? value)
    list.append(key, said)
  }
  const json = make("pre", "json", told.json.slice(0, SHOWN))
  json.tabIndex = 0
  json.setAttribute("role", "region")
  json.setAttribute("aria-label", "JSON")
  const parts = [tools, list, json]
  if (told.json.length > SHOWN) {
    const more = tool(`Show all ${told.json.length.toLocaleString()} characters`, null, () => {
      json.textContent = told.json
      more.remove()
    })
    parts.push(more)
  }
  box.replaceChildren(...parts)
}
