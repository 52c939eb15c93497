// Search, source, type, time and JSON path of a view; on a phone all but the search behind one button. All is set as text.
const WAIT = {search: 250, where: 450}   // milliseconds after the last key
const PRESETS = [["", "All time"], ["15m", "Last 15 minutes"], ["1h", "Last hour"], ["24h", "Last 24 hours"], ["7d", "Last 7 days"]]
const SYNTAX = [
  ["quake lima", "both words, in any order"],
  ['"near the coast"', "this phrase"],
  ["lima or tokyo", "one of them"],
  ["quake -alaska", "without that word"],
]
const PATHS = ["$.mag > 5", '$.place like_regex "alaska" flag "i"', 'exists($.url)']
const LOOK = "M10.5 4a6.5 6.5 0 1 0 4 11.6l4.7 4.7 1.1-1.1-4.7-4.7A6.5 6.5 0 0 0 10.5 4Zm0 1.6a4.9 4.9 0 1 1 0 9.8 4.9 4.9 0 0 1 0-9.8Z"
const SLIDERS = "M4 6.2h9.2a2.6 2.6 0 0 0 5 0H20V4.6h-1.8a2.6 2.6 0 0 0-5 0H4ZM4 12.8h1.8a2.6 2.6 0 0 0 5 0H20v-1.6h-9.2a2.6 2.6 0 0 0-5 0H4Zm0 6.6h9.2a2.6 2.6 0 0 0 5 0H20v-1.6h-1.8a2.6 2.6 0 0 0-5 0H4Z"

function make(tag, name, text) {
  const el = document.createElement(tag)
  if (name) el.className = name
  if (text != null) el.textContent = text
  return el
}
function press(name, text, act) {
  const button = make("button", name, text)
  button.type = "button"
  button.addEventListener("click", act)
  return button
}
function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  svg.setAttribute("viewBox", "0 0 24 24")
  svg.setAttribute("aria-hidden", "true")
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path")
  shape.setAttribute("d", path)
  svg.append(shape)
  return svg
}
const local = (text) => {   // an ISO moment as a datetime-local field has it
  const at = new Date(text)
  return Number.isNaN(at.getTime()) ? "" : new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16)
}
const said = (text) => {
  const preset = PRESETS.find(([value]) => value && value === text)
  if (preset) return preset[1]
  const at = new Date(text)
  return Number.isNaN(at.getTime()) ? text : at.toLocaleString(undefined, {dateStyle: "medium", timeStyle: "short"})
}

export function render({model}) {
  const root = make("div", "filters")
  root.setAttribute("role", "search")
  root.setAttribute("aria-label", "Search and filter events")
  const send = (fields) => model.send_msg({op: "set", fields})
  const timers = {}

  // A text field that is sent when the typing rests
  function typing(field, input) {
    const go = () => { clearTimeout(timers[field]); timers[field] = 0; if (input.value !== model.asked[field]) send({[field]: input.value}) }
    input.addEventListener("input", () => { clearTimeout(timers[field]); timers[field] = setTimeout(go, WAIT[field]); mirror() })
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") go()
      if (event.key === "Escape" && input === search && input.value) { event.stopPropagation(); event.preventDefault(); input.value = ""; go(); mirror() }
    })
    return go
  }

  const search = make("input")
  search.type = "search"
  search.placeholder = "Search in what events say"
  search.setAttribute("aria-label", "Search in what events say")
  search.maxLength = 1000
  search.spellcheck = false
  search.autocomplete = "off"
  search.setAttribute("enterkeyhint", "search")
  typing("search", search)
  const spinner = make("span", "spinner")
  const clear = press("plain clear", "×", () => { search.value = ""; send({search: ""}); search.focus(); mirror() })
  clear.setAttribute("aria-label", "Clear the search")
  const hint = make("kbd", "hint", "/")
  hint.title = "Press / to search"
  const help = press("plain help", "?", () => { syntax.hidden = !syntax.hidden; help.setAttribute("aria-expanded", String(!syntax.hidden)) })
  help.setAttribute("aria-label", "How to search")
  help.setAttribute("aria-expanded", "false")
  const syntax = make("div", "syntax")
  syntax.hidden = true
  syntax.append(make("b", null, "Words are found in every field, whatever their case."))
  for (const [example, meaning] of SYNTAX) {
    const line = press("example", null, () => { search.value = example; syntax.hidden = true; help.setAttribute("aria-expanded", "false"); send({search: example}); search.focus(); mirror() })
    line.append(make("code", null, example), make("span", null, meaning))
    syntax.append(line)
  }
  syntax.append(make("p", null, "Whole words only: quake does not find earthquake. For numbers and single fields use a JSON path."))
  const field = make("div", "field")
  field.append(icon(LOOK), search, spinner, clear, hint, help)

  // The panels: below their buttons where there is room, together in a sheet where there is little

  const sheet = make("dialog", "sheet")
  sheet.setAttribute("aria-label", "Filters")
  const panels = {}, buttons = {}
  let opened = ""
  const narrow = () => root.classList.contains("narrow")
  function close() {
    if (sheet.open) sheet.close()
  }
  function open(name) {
    if (sheet.open) { const same = opened === name; close(); if (same) return }
    opened = name
    for (const [key, panel] of Object.entries(panels)) panel.hidden = !narrow() && key !== name
    draw()
    if (narrow()) sheet.showModal()
    else {
      const button = buttons[name]
      const right = root.getBoundingClientRect().right - button.getBoundingClientRect().right
      sheet.style.right = `${Math.max(0, right)}px`
      sheet.style.top = `${button.offsetTop + button.offsetHeight + 6}px`
      sheet.show()
      sheet.querySelector("section:not([hidden]) :is(input, button)")?.focus()
    }
    for (const [key, button] of Object.entries(buttons)) button.setAttribute("aria-expanded", String(key === name))
  }
  sheet.addEventListener("close", () => {
    for (const button of Object.values(buttons)) button.setAttribute("aria-expanded", "false")
    all.setAttribute("aria-expanded", "false")
    buttons[opened]?.focus?.({preventScroll: true})
    opened = ""
  })
  sheet.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); event.preventDefault(); close() } })
  sheet.addEventListener("click", (event) => { if (event.target === sheet) close() })
  const outside = (event) => {
    const path = event.composedPath()
    if (sheet.open && !narrow() && !path.includes(sheet) && !Object.values(buttons).some((button) => path.includes(button))) close()
    if (!syntax.hidden && !path.includes(syntax) && !path.includes(help)) { syntax.hidden = true; help.setAttribute("aria-expanded", "false") }
  }
  document.addEventListener("pointerdown", outside)

  function panel(name, title) {
    const section = panels[name] = make("section", `panel ${name}`)
    section.append(make("h3", null, title))
    const button = buttons[name] = press("drop", null, () => open(name))
    button.dataset.panel = name
    button.setAttribute("aria-haspopup", "dialog")
    button.setAttribute("aria-expanded", "false")
    button.append(make("span", null, title), make("span", "number"), make("span", "arrow"))
    return section
  }

  // Lists of which several can be chosen
  function choices(name, title, field_) {
    const section = panel(name, title)
    const find = make("input", "find")
    find.type = "search"
    find.placeholder = `Find in ${title.toLowerCase()}s`
    find.setAttribute("aria-label", find.placeholder)
    find.addEventListener("input", () => draw())
    const list = make("div", "list")
    list.setAttribute("role", "group")
    list.setAttribute("aria-label", `${title}s`)
    const none = make("p", "none")
    section.append(find, list, none)
    return () => {
      const options = model[`${name}_options`]
      const chosen = model.asked[field_]
      const known = new Set(options.map((option) => option.value))
      const every = [...options, ...chosen.filter((one) => !known.has(one)).map((one) => ({value: one, label: one}))]
      const wanted = find.value.trim().toLowerCase()
      const seen = every.filter((option) => option.label.toLowerCase().includes(wanted))
      find.hidden = every.length < 9
      none.textContent = every.length ? (seen.length ? "" : "None is called so.") : "None yet."
      none.hidden = seen.length > 0
      while (list.childElementCount > seen.length) list.lastElementChild.remove()
      seen.forEach((option, index) => {
        let line = list.children[index]
        if (!line) {
          line = make("label", "choice")
          const box = make("input")
          box.type = "checkbox"
          box.addEventListener("change", () => {
            model.send_msg({op: "choose", field: field_, value: line.dataset.value, on: box.checked})
          })
          line.append(box, make("i", "dot"), make("span", "name"), make("span", "count"))
          list.append(line)
        }
        const [box, dot, label, count] = line.children
        line.dataset.value = option.value
        box.checked = chosen.includes(option.value)
        dot.hidden = !option.colour
        if (option.colour) dot.style.setProperty("--c", option.colour)
        if (label.textContent !== option.label) label.textContent = option.label
        const number = option.count == null ? "" : option.count.toLocaleString()
        if (count.textContent !== number) count.textContent = number
      })
    }
  }
  const drawSources = choices("sources", "Source", "sources")
  const drawTypes = choices("types", "Type", "types")

  const time = panel("time", "Time")
  const presets = make("div", "presets")
  for (const [value, label] of PRESETS) {
    const button = press("preset", label, () => { send({start: value, end: ""}); if (!narrow()) close() })
    button.dataset.value = value
    presets.append(button)
  }
  const span = make("div", "span")
  const moments = {}
  for (const [name, title] of [["start", "From"], ["end", "To"]]) {
    const label = make("label", null, title)
    const input = moments[name] = make("input")
    input.type = "datetime-local"
    input.addEventListener("change", () => {
      const at = new Date(input.value)
      send({[name]: input.value && !Number.isNaN(at.getTime()) ? at.toISOString() : ""})
    })
    const error = make("p", "fault")
    error.dataset.field = name
    label.append(input)
    span.append(label, error)
  }
  time.append(presets, span)

  const path = panel("where", "JSON path")
  const where = make("input", "path")
  where.type = "text"
  where.placeholder = "$.mag > 5"
  where.setAttribute("aria-label", "JSON path that must hold")
  where.spellcheck = false
  where.autocomplete = "off"
  where.autocapitalize = "off"
  where.maxLength = 1000
  typing("where", where)
  const examples = make("div", "examples")
  for (const example of PATHS) examples.append(press("example", example, () => { where.value = example; send({where: example}) }))
  const whereError = make("p", "fault")
  whereError.dataset.field = "where"
  path.append(where, whereError, make("p", "note", "An SQL/JSON path on the content, asked of PostgreSQL:"), examples)

  const top = make("div", "top")
  top.append(make("h2", null, "Filters"), press("plain done", "×", close))
  top.lastChild.setAttribute("aria-label", "Close")
  const bottom = make("div", "bottom")
  const clearAll = () => { search.value = where.value = ""; model.send_msg({op: "clear"}); mirror() }
  const show = press("show", "Show events", close)
  bottom.append(press("plain", "Clear all", clearAll), show)
  sheet.append(top, ...Object.values(panels), bottom)

  const all = press("all", null, () => { open("all"); all.setAttribute("aria-expanded", "true") })
  all.setAttribute("aria-haspopup", "dialog")
  all.setAttribute("aria-expanded", "false")
  all.append(icon(SLIDERS), make("span", null, "Filters"), make("span", "number"))
  const line = make("div", "line")
  line.append(field, ...Object.values(buttons), all)
  const error = make("p", "fault main")
  error.setAttribute("role", "alert")
  const active = make("div", "active")
  const found = make("span", "found")
  found.setAttribute("role", "status")
  const chips = make("div", "chips")
  chips.setAttribute("role", "list")
  chips.setAttribute("aria-label", "Active filters")
  const reset = press("plain reset", "Clear all", clearAll)
  active.append(found, chips, reset)
  root.append(line, syntax, sheet, error, active)

  // What is active, each with a way to take it off
  function actives() {
    const asked = model.asked
    const told = []
    const name = (options, value) => options.find((option) => option.value === value)
    if (asked.search) told.push({kind: "search", label: asked.search, field: "search"})
    for (const one of asked.sources) {
      const option = name(model.sources_options, one)
      told.push({kind: "source", label: option?.label ?? one, colour: option?.colour, value: one, field: "sources"})
    }
    for (const one of asked.types) told.push({kind: "type", label: one, value: one, field: "types"})
    if (asked.where) told.push({kind: "JSON path", label: asked.where, field: "where"})
    if (asked.start) told.push({kind: PRESETS.some(([value]) => value === asked.start) ? "time" : "from", label: said(asked.start), field: "start"})
    if (asked.end) told.push({kind: "to", label: said(asked.end), field: "end"})
    return told
  }

  function drawActive() {
    const told = actives()
    active.classList.toggle("idle", told.length === 0)  // its room is kept: the table below stays where it is
    reset.hidden = told.length === 0
    const fragment = document.createDocumentFragment()
    for (const one of told) {
      const chip = make("span", model.problems[one.field] ? "chip wrong" : "chip")
      chip.setAttribute("role", "listitem")
      chip.dataset.field = one.field
      if (one.colour) { const dot = make("i", "dot"); dot.style.setProperty("--c", one.colour); chip.append(dot) }
      const label = make("span", "label", one.label)
      label.title = one.label
      const off = press("off", "×", () => {
        if (one.field === "search") search.value = ""
        if (one.field === "where") where.value = ""
        if (one.value != null) model.send_msg({op: "choose", field: one.field, value: one.value, on: false})
        else send({[one.field]: ""})
        mirror()
      })
      off.setAttribute("aria-label", `Remove ${one.kind} ${one.label}`)
      chip.append(make("span", "kind", one.kind), label, off)
      fragment.append(chip)
    }
    chips.replaceChildren(fragment)
    const number = String(told.length || "")
    all.querySelector(".number").textContent = number
    const counts = {sources: model.asked.sources.length, types: model.asked.types.length, time: (model.asked.start ? 1 : 0) + (model.asked.end ? 1 : 0), where: model.asked.where ? 1 : 0}
    for (const [key, button] of Object.entries(buttons)) {
      button.querySelector(".number").textContent = counts[key] || ""
      button.classList.toggle("on", counts[key] > 0)
    }
    all.classList.toggle("on", told.length > 0)
  }

  function drawFound() {
    const text = model.busy ? "Searching …" : model.found === "" ? "All events" : model.found === "0" ? "No event matches" : model.found === "1" ? "1 event matches" : `${model.found} events match`
    if (found.textContent !== text) found.textContent = text
    show.textContent = model.found === "" ? "Show events" : model.found === "1" ? "Show 1 event" : `Show ${model.found} events`
    root.classList.toggle("busy", model.busy)
  }

  // What is typed and not sent yet stays as it is.
  function mirror() {
    for (const [field_, input] of [["search", search], ["where", where]])
      if (!timers[field_] && input.value !== model.asked[field_] && root.getRootNode().activeElement !== input) input.value = model.asked[field_]
    clear.hidden = !search.value
    hint.hidden = Boolean(search.value)
  }

  function drawProblems() {
    const told = model.problems
    for (const one of sheet.querySelectorAll(".fault")) one.textContent = told[one.dataset.field] ?? ""
    const names = {search: "Search", where: "JSON path", sources: "Source", types: "Type", start: "From", end: "To", url: "Address"}
    error.textContent = Object.entries(told).map(([key, text]) => `${names[key] ?? key}: ${text}`).join("\n")
    error.hidden = !error.textContent
    field.classList.toggle("wrong", Boolean(told.search))
    where.setAttribute("aria-invalid", String(Boolean(told.where)))
    search.setAttribute("aria-invalid", String(Boolean(told.search)))
  }

  function draw() {
    drawSources()
    drawTypes()
    for (const button of presets.children) button.setAttribute("aria-pressed", String(button.dataset.value === model.asked.start && !model.asked.end))
    for (const [name, input] of Object.entries(moments))
      if (root.getRootNode().activeElement !== input) input.value = local(model.asked[name])
  }

  function asked() { mirror(); draw(); drawActive() }
  model.on("asked", () => {
    for (const [field_, input] of [["search", search], ["where", where]])  // set by somebody else: a link, "back", Python
      if (!timers[field_] && input.value !== model.asked[field_]) input.value = model.asked[field_]
    asked()
  })
  model.on(["sources_options", "types_options"], () => { if (sheet.open) draw(); else if (model.asked.sources.length) drawActive() })
  model.on(["found", "busy"], drawFound)
  model.on("problems", () => { drawProblems(); drawActive() })

  const focus = (event) => { event?.preventDefault?.(); search.focus(); search.select() }
  document.addEventListener("vibeseater:search", focus)
  const width = new ResizeObserver(([entry]) => {
    const small = entry.contentRect.width < 720
    if (small !== narrow()) { close(); root.classList.toggle("narrow", small) }
  })
  width.observe(root)
  model.on("remove", () => {
    width.disconnect()
    document.removeEventListener("pointerdown", outside)
    document.removeEventListener("vibeseater:search", focus)
    Object.values(timers).forEach(clearTimeout)
  })
  asked()
  drawFound()
  drawProblems()
  return root
}
