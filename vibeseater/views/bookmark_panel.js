// The bookmarks and highlight rules of a stream: made, found, changed and deleted. Everything is set as text.
const RIBBON = "M6 3h12a1 1 0 0 1 1 1v17l-7-4-7 4V4a1 1 0 0 1 1-1z"
const SPANS = [["60", "the last minute"], ["300", "the last 5 minutes"], ["900", "the last 15 minutes"], ["3600", "the last hour"]]

export function render({model}) {
  const send = (op, more) => model.send_msg({op, ...more})
  const {root, sheet, count} = drawer("Bookmarks", RIBBON, () => send("open"))

  const palette = (label) => {
    const box = make("div", "colours")
    box.setAttribute("role", "radiogroup")
    box.setAttribute("aria-label", label)
    box.value = Object.keys(model.colours)[0]
    for (const [name, colour] of Object.entries(model.colours)) {
      const one = button(null, null, () => {
        box.value = name
        for (const other of box.children) other.setAttribute("aria-checked", String(other === one))
      })
      one.style.setProperty("--c", colour)
      one.setAttribute("role", "radio")
      one.setAttribute("aria-label", name)
      one.setAttribute("aria-checked", String(name === box.value))
      one.title = name
      box.append(one)
    }
    return box
  }

  // A range: what the plot looks closer at, or up to now.
  const form = make("form", "grid")
  const span = choose("Range", SPANS, "300")
  const drawRange = () => {
    const [start, end] = model.shown_range
    let shown = span.querySelector("option[value='0']")
    if (start == null) {
      if (shown?.selected) span.value = "300"
      shown?.remove()
      return
    }
    if (!shown) {
      shown = make("option")
      shown.value = "0"
      span.prepend(shown)
      span.value = "0"
    }
    setText(shown, `what the plot shows: ${when(start)} – ${when(end)}`)
  }
  const note = make("input")
  note.name = "note"
  note.maxLength = 10000
  const colour = palette("Colour")
  const add = button("main", "Bookmark")
  add.type = "submit"
  const wide = field("Note", note)
  wide.classList.add("wide")
  form.append(wide, colour, field("Range", span), add)
  form.addEventListener("submit", (event) => {
    event.preventDefault()
    send("range", {seconds: Number(span.value), note: note.value, colour: colour.value})
  })
  const problem = alertLine()

  const find = make("input")
  find.type = "search"
  find.placeholder = "Find in notes and names"
  find.setAttribute("aria-label", "Find in notes")
  const only = choose("Only of the colour", [["", "Any colour"], ...Object.keys(model.colours).map((name) => [name, name])], "")
  const moment = (label) => {
    const el = make("input")
    el.type = "datetime-local"
    const box = field(label, el)
    el.addEventListener("input", () => drawList())
    return [el, box]
  }
  const [since, sinceBox] = moment("Since")
  const [before, beforeBox] = moment("Before")
  const times = make("div", "grid")
  times.append(sinceBox, beforeBox)
  const cut = make("p", "line")
  const list = make("ul", "list")
  list.setAttribute("aria-label", "Bookmarks")
  const empty = make("p", "empty")
  const draw = keyed(list, (id) => {
    const row = make("li", "note")
    row.dataset.bookmarkId = id
    const dot = make("span", "dot")
    const body = make("div", "body")
    const said = make("p", "said")
    said.dir = "auto"
    const line = make("p", "line")
    const bar = make("div", "bar")
    let now = null
    const show = button("plain", "Show", () => {
      root.querySelector("dialog").close()
      send("show", {id})
    })
    const edit = button("plain", "Edit", () => {
      const area = make("textarea")
      area.value = now.note
      area.rows = 3
      area.maxLength = 10000
      area.setAttribute("aria-label", "Note")
      const tools = make("div", "bar")
      const end = () => { area.remove(); tools.remove(); bar.hidden = false }
      tools.append(
        button("main", "Save", () => { send("update", {id, note: area.value}); end() }),
        button("plain", "Cancel", end),
      )
      bar.hidden = true
      body.append(area, tools)
      area.focus()
    })
    const replay = make("a", "replay")
    replay.textContent = "Replay from here"
    replay.hidden = !model.replay
    bar.append(show, replay)
    if (!model.denied) bar.append(edit, twice("Delete", () => send("delete", {id})))
    body.append(said, line, bar)
    row.append(dot, body)
    return {row, draw(mark) {
      now = mark
      dot.style.setProperty("--c", mark.shown)
      setText(said, mark.note)
      if (model.replay) replay.href = model.replay + new Date(mark.start).toISOString()
      const range = mark.end > mark.start ? `${when(mark.start)} – ${when(mark.end)}` : when(mark.start)
      setText(line, [range, mark.where, mark.author].filter(Boolean).join(" · "))
    }}
  })
  const drawList = () => {
    const words = find.value.trim().toLowerCase()
    const start = since.value ? new Date(since.value).getTime() : -Infinity
    const end = before.value ? new Date(before.value).getTime() : Infinity
    const marks = model.bookmarks.filter((mark) =>
      mark.end >= start && mark.start < end && (!words || `${mark.note}\n${mark.author}`.toLowerCase().includes(words)) && (!only.value || mark.colour === only.value))
    draw(marks)
    setText(count, model.total ? String(model.total) : "")
    cut.hidden = model.total <= model.bookmarks.length
    setText(cut, cut.hidden ? "" : `The latest ${model.bookmarks.length} of ${model.total} are listed here.`)
    empty.hidden = marks.length > 0
    find.hidden = only.hidden = times.hidden =
      model.bookmarks.length < 2 && !find.value && !only.value && !since.value && !before.value
    setText(empty, model.bookmarks.length ? "No bookmark is like that." : model.denied ? "No bookmarks yet." : "No bookmarks yet. Open a row of the table to mark its event, or mark a range above.")
  }
  find.addEventListener("input", drawList)
  only.addEventListener("change", drawList)

  // Rules.
  const ruleForm = make("form", "grid")
  const search = make("input")
  search.name = "search"
  search.maxLength = 1000
  search.placeholder = "goal -offside"
  const kind = make("input")
  kind.name = "type"
  kind.maxLength = 200
  const ruleColour = palette("Colour of the rule")
  const addRule = button("main", "Highlight")
  addRule.type = "submit"
  ruleForm.append(field("Words", search), field("Event type", kind), addRule, ruleColour)
  ruleForm.addEventListener("submit", (event) => {
    event.preventDefault()
    send("highlight", {search: search.value, type: kind.value, colour: ruleColour.value})
  })
  const rules = make("ul", "list")
  rules.setAttribute("aria-label", "Highlight rules")
  const drawRules = keyed(rules, (id) => {
    const row = make("li", "note")
    row.dataset.highlightId = id
    const dot = make("span", "dot")
    const body = make("div", "body")
    const said = make("p", "said")
    said.dir = "auto"
    const bar = make("div", "bar")
    if (!model.denied) bar.append(twice("Delete", () => send("unhighlight", {id})))
    body.append(said, bar)
    row.append(dot, body)
    return {row, draw(rule) { dot.style.setProperty("--c", rule.shown); setText(said, rule.name) }}
  })

  sheet.append(model.denied ? deniedLine(model.denied) : form, problem, find, only, times, cut, list, empty)
  sheet.append(make("h3", null, "Highlight events"), ...(model.denied ? [] : [ruleForm]), rules)
  model.on(["bookmarks", "total"], drawList)
  // What was typed stays until it is stored.
  model.on("marks_made", () => { note.value = "" })
  model.on("rules_made", () => { search.value = kind.value = "" })
  model.on("highlights", () => drawRules(model.highlights))
  model.on("shown_range", drawRange)
  model.on("problem", () => setText(problem, model.problem))
  drawRange()
  drawList()
  drawRules(model.highlights)
  setText(problem, model.problem)
  return root
}
