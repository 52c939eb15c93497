// A button, and a drawer of the stream's sources: add one by its address, see how each fares. Everything is set as text.
export function render({model}) {
  const make = (tag, name, text) => {
    const el = document.createElement(tag)
    if (name) el.className = name
    if (text != null) el.textContent = text
    return el
  }
  const button = (name, text, press) => {
    const el = make("button", name, text)
    el.type = "button"
    el.addEventListener("click", press)
    return el
  }
  const field = (label, input) => {
    const box = make("label")
    input.autocomplete = "off"
    box.append(make("span", null, label), input)
    return box
  }
  const alert = () => {
    const el = make("p", "problem")
    el.setAttribute("role", "alert")
    return el
  }
  const set = (el, text) => { if (el.textContent !== text) el.textContent = text }
  const send = (op, more) => model.send_msg({op, ...more})

  const root = make("div")
  const opener = button("opener", null, () => {
    if (dialog.open) return
    dialog.showModal()
    send("open")
    if (matchMedia("(pointer: fine)").matches) url.focus()
    else close.focus()
  })
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  svg.setAttribute("viewBox", "0 0 24 24")
  svg.setAttribute("aria-hidden", "true")
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path")
  path.setAttribute("d", "M5 17a2 2 0 1 1 0 4 2 2 0 0 1 0-4zM3 10v3a8 8 0 0 1 8 8h3A11 11 0 0 0 3 10zm0-7v3a15 15 0 0 1 15 15h3A18 18 0 0 0 3 3z")
  svg.append(path)
  opener.append(svg, make("span", null, "Sources"))

  const dialog = make("dialog")
  dialog.setAttribute("aria-label", "Sources")
  dialog.addEventListener("close", () => send("close"))
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close() })
  const sheet = make("div", "sheet")
  dialog.append(sheet)
  root.append(opener, dialog)

  const close = button("plain", "Close", () => dialog.close())
  const head = make("header")
  head.append(make("h2", null, "Sources"), close)

  // Adding.
  const form = make("form", "add")
  const url = make("input")
  url.name = "url"
  url.inputMode = "url"
  url.placeholder = "https://…"
  url.required = true
  url.maxLength = 4000
  const look = make("button", "main", "Look")
  look.type = "submit"
  form.append(field("Address of a feed, a page, a JSON API or an event stream", url), look)
  form.addEventListener("submit", (event) => {
    event.preventDefault()
    if (!model.busy) send("look", {url: url.value})
  })
  const addProblem = alert()
  const preview = make("section", "preview")
  preview.setAttribute("aria-label", "What was found")
  const name = make("input")
  name.name = "name"
  name.maxLength = 500
  const add = button("main", "Add source", () => send("add", {name: name.value}))
  let looked = null
  function drawFound() {
    const found = model.found
    preview.hidden = !found.kind
    if (!found.kind || looked === found) return
    looked = found
    name.value = found.title
    const facts = make("p", "facts")
    facts.append(make("span", "kind", found.kind), make("span", "address", found.address))
    const items = make("ul")
    for (const item of found.items) {
      const row = make("li")
      const text = make("span", "title", item.title)
      text.dir = "auto"
      row.append(text, make("span", "when", item.when))
      items.append(row)
    }
    const more = [found.total, found.reading].filter(Boolean).join(" · ")
    const others = make("p", "others")
    others.hidden = !found.others.length
    others.append(make("span", null, "Also on that page: "))
    for (const other of found.others) others.append(button("link", other, () => {
      url.value = other
      send("look", {url: other})
    }))
    const foot = make("div", "foot")
    foot.append(field("Name", name), add)
    preview.replaceChildren(facts, items, make("p", "more", more || "Nothing there yet."), others, foot)
  }

  // A webhook: an address that others send to. Its token is told this once.
  const webhook = button("link", "Or make a webhook, to which others send events", () => send("webhook"))
  const made = make("section", "preview made")
  made.setAttribute("aria-label", "The new webhook")
  const addressOf = (path) => String(new URL(path, location.href))
  const copied = (label, text) => {
    const row = make("div", "copied")
    const code = make("code", null, text)
    const copy = button("plain", "Copy", async () => {
      try {
        await navigator.clipboard.writeText(text)
        copy.textContent = "Copied"
      } catch {
        getSelection().selectAllChildren(code)
        copy.textContent = "Press Ctrl+C"
      }
      setTimeout(() => { copy.textContent = "Copy" }, 2000)
    })
    copy.setAttribute("aria-label", `Copy: ${label}`)
    row.append(make("span", null, label), code, copy)
    return row
  }
  function drawMade() {
    made.hidden = !model.made.path
    if (made.hidden) return
    const address = addressOf(model.made.path)
    const trial = `curl -sS ${address} -H "Authorization: Bearer ${model.made.token}" -H "Content-Type: application/json" -d '{"title": "Hello"}'`
    made.replaceChildren(
      make("p", "more", "Send JSON there, with the token. The token is shown this once: keep it now. Events are taken while the stream is started."),
      copied("Address", address), copied("Token", model.made.token), copied("Try it", trial))
  }

  // The list.
  const list = make("ul", "list")
  const empty = make("p", "empty", "No sources yet. Paste an address above.")
  const listProblem = alert()
  const items = new Map()
  function makeItem(id) {
    const row = make("li", "source")
    row.dataset.sourceId = id
    const title = make("div", "title")
    const label = make("strong")
    label.dir = "auto"
    const kind = make("span", "kind")
    const state = make("span", "state")
    title.append(label, kind, state)
    const line = make("p", "line")
    const error = make("p", "fault")
    error.dir = "auto"
    const bar = make("div", "bar")
    let paused = false
    let again = ""
    const toggle = button("plain", "Pause", () => send(paused || again ? "resume" : "pause", {id}))
    const address = make("p", "sendto")
    const edit = button("plain", "Edit", () => send("edit", {id}))
    let sure = 0
    const remove = button("plain", "Remove", () => {
      if (performance.now() < sure) return send("remove", {id})
      sure = performance.now() + 4000
      remove.textContent = "Really remove?"
      remove.classList.add("danger")
      setTimeout(() => { remove.textContent = "Remove"; remove.classList.remove("danger") }, 4000)
    })
    bar.append(toggle, edit, remove)
    row.append(title, line, address, error, bar)
    return {row, editor: null, draw(source) {
      set(label, source.name)
      set(kind, source.kind)
      set(state, source.state)
      state.dataset.tone = source.tone
      set(line, source.line)
      set(error, source.error)
      error.hidden = !source.error
      set(address, source.path ? `POST ${addressOf(source.path)}` : "")
      address.hidden = !source.path
      paused = source.paused
      again = source.again
      set(toggle, paused ? "Resume" : again || "Pause")
      for (const one of [toggle, edit, remove]) one.disabled = Boolean(model.busy)
    }}
  }
  function drawList() {
    const seen = new Set()
    model.sources.forEach((source, index) => {
      seen.add(source.id)
      let item = items.get(source.id)
      if (!item) items.set(source.id, item = makeItem(source.id))
      item.draw(source)
      if (list.children[index] !== item.row) list.insertBefore(item.row, list.children[index] ?? null)
    })
    for (const [id, item] of items) if (!seen.has(id)) { item.row.remove(); items.delete(id) }
    empty.hidden = !model.loaded || model.sources.length > 0
  }

  // Editing, within the source's own lines.
  const editor = make("form", "editor")
  const newName = make("input")
  newName.required = true
  newName.maxLength = 500
  const config = make("textarea")
  config.spellcheck = false
  config.rows = 7
  const editProblem = alert()
  const save = make("button", "main", "Save")
  save.type = "submit"
  const buttons = make("div", "bar")
  buttons.append(save, button("plain", "Cancel", () => { model.editing = {} }))
  editor.append(field("Name", newName), field("Configuration (JSON)", config), editProblem, buttons)
  editor.addEventListener("submit", (event) => {
    event.preventDefault()
    if (!model.busy) send("save", {id: model.editing.id, name: newName.value, config: config.value})
  })
  function drawEditor() {
    const item = items.get(model.editing.id)
    if (!item) return editor.remove()
    newName.value = model.editing.name
    config.value = model.editing.config
    item.row.append(editor)
    newName.focus()
  }

  function drawState() {
    const where = model.problem.where
    for (const [key, el] of [["add", addProblem], ["edit", editProblem], ["list", listProblem]])
      set(el, where === key ? model.problem.text : "")
    look.disabled = add.disabled = webhook.disabled = save.disabled = Boolean(model.busy)
    set(look, model.busy === "look" ? "Looking …" : "Look")
    set(add, model.busy === "add" ? "Adding …" : "Add source")
    drawList()
  }
  sheet.append(head, form, webhook, addProblem, preview, made, listProblem, list, empty)
  model.on("found", () => { if (!model.found.kind && model.busy === "add") url.value = ""; drawFound() })
  model.on("made", drawMade)
  model.on(["sources", "loaded"], drawList)
  model.on(["problem", "busy"], drawState)
  model.on("editing", drawEditor)
  drawFound()
  drawMade()
  drawState()
  return root
}
