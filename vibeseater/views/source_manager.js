// A button, and a drawer of the stream's sources: add one by its address, see how each fares. Everything is set as text.
const WAVES = "M5 17a2 2 0 1 1 0 4 2 2 0 0 1 0-4zM3 10v3a8 8 0 0 1 8 8h3A11 11 0 0 0 3 10zm0-7v3a15 15 0 0 1 15 15h3A18 18 0 0 0 3 3z"

export function render({model}) {
  const send = (op, more) => model.send_msg({op, ...more})

  const {root, sheet, dialog} = drawer("Sources", WAVES, () => {
    send("open")
    if (matchMedia("(pointer: fine)").matches && !model.denied) url.focus()
  })
  dialog.addEventListener("close", () => send("close"))

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
  const addProblem = alertLine()
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
  const empty = make("p", "empty", model.denied ? "No sources yet." : "No sources yet. Paste an address above.")
  const listProblem = alertLine()
  const drawItems = keyed(list, (id) => {
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
    const remove = twice("Remove", () => send("remove", {id}))
    if (!model.denied) bar.append(toggle, edit, remove)
    row.append(title, line, address, error, bar)
    return {row, draw(source) {
      setText(label, source.name)
      setText(kind, source.kind)
      setText(state, source.state)
      state.dataset.tone = source.tone
      setText(line, source.line)
      setText(error, source.error)
      error.hidden = !source.error
      setText(address, source.path ? `POST ${addressOf(source.path)}` : "")
      address.hidden = !source.path
      paused = source.paused
      again = source.again
      setText(toggle, paused ? "Resume" : again || "Pause")
      for (const one of [toggle, edit, remove]) one.disabled = Boolean(model.busy)
    }}
  })
  const drawList = () => {
    drawItems(model.sources)
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
  const editProblem = alertLine()
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
    const row = [...list.children].find((one) => one.dataset.sourceId === model.editing.id)
    if (!row) return editor.remove()
    newName.value = model.editing.name
    config.value = model.editing.config
    row.append(editor)
    newName.focus()
  }

  function drawState() {
    const where = model.problem.where
    for (const [key, el] of [["add", addProblem], ["edit", editProblem], ["list", listProblem]])
      setText(el, where === key ? model.problem.text : "")
    look.disabled = add.disabled = webhook.disabled = save.disabled = Boolean(model.busy)
    setText(look, model.busy === "look" ? "Looking …" : "Look")
    setText(add, model.busy === "add" ? "Adding …" : "Add source")
    drawList()
  }
  sheet.append(...(model.denied ? [deniedLine(model.denied)] : [form, webhook]), addProblem, preview, made, listProblem, list, empty)
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
