// The table of events: newest first, capped, still while somebody reads. Everything it shows is set as text.
const STEP = [[60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"]]

function ago(seconds) {
  if (seconds < 1) return "now"
  for (const [limit, size, unit] of STEP) if (seconds < limit) return `${Math.floor(seconds / size)} ${unit}`
}

// What is over a day old is told by its date: "8 y" on each row would tell none from another.
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
function date(ms, today) {
  const at = new Date(ms)
  if (Number.isNaN(at.getTime())) return "long ago"
  const two = (number) => String(number).padStart(2, "0")
  const year = at.getFullYear() === new Date(today).getFullYear() ? "" : ` ${at.getFullYear()}`
  return `${at.getDate()} ${MONTHS[at.getMonth()]}${year} ${two(at.getHours())}:${two(at.getMinutes())}`
}

function make(tag, name, text) {
  const el = document.createElement(tag)
  if (name) el.className = name
  if (text != null) el.textContent = text
  return el
}

const clock = new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "medium"})
const when = (ms) => { try { return clock.format(ms) } catch { return String(ms) } }

export function render({model}) {
  const root = make("div", "table")
  root.setAttribute("role", "table")
  root.setAttribute("aria-label", "Events, newest first")
  const head = make("div", "head")
  head.setAttribute("role", "row")
  for (const title of ["Time", "Source", "Type", "Event"]) {
    const cell = make("span", null, title)
    cell.setAttribute("role", "columnheader")
    head.append(cell)
  }
  const body = make("div", "body")
  body.setAttribute("role", "rowgroup")
  body.tabIndex = 0
  body.setAttribute("aria-label", "Events")
  const chip = make("button", "more")
  chip.type = "button"
  chip.hidden = true
  const empty = make("div", "empty")
  empty.setAttribute("role", "status")
  root.append(head, chip, body, empty)

  let offset = 0            // the server's clock minus this browser's, milliseconds
  let held = []             // rows that wait while the reader reads, newest first
  let loaded = false
  const open = new Set()    // ids of expanded rows

  const now = () => Date.now() + offset
  const reading = () => body.scrollTop > 6 || open.size > 0

  function age(cell) {
    const text = ago((now() - cell._t) / 1000) ?? date(cell._t, now())
    root.classList.toggle("dated", root.classList.contains("dated") || text.length > 8)
    if (cell.textContent !== text) cell.textContent = text
  }

  function toggle(row, button) {
    const id = row.dataset.eventId
    if (open.delete(id)) {
      row.querySelector(".detail")?.remove()
      row.classList.remove("open")
      button.setAttribute("aria-expanded", "false")
      if (!reading()) release()
      return
    }
    open.add(id)
    row.classList.add("open")
    button.setAttribute("aria-expanded", "true")
    const detail = make("pre", "detail", "…")
    detail.tabIndex = 0
    row.append(detail)
    model.send_msg({op: "detail", id})
  }

  function name(mark, data) {
    mark.textContent = data.source ?? "No source"
    mark.style.setProperty("--c", data.colour)
    mark.title = data.source ?? "Made by hand, or its source is not told"
  }

  // A source was renamed: its rows are named anew where they stand, also while somebody reads them.
  function rename(names) {
    for (const data of held) Object.assign(data, names[data.key])
    for (const row of body.children) if (names[row._key]) name(row.querySelector(".chip"), names[row._key])
  }

  function build(data, fade) {
    const row = make("div", fade ? "row fresh" : "row")
    row.dataset.eventId = data.id
    row.dataset.seq = data.seq
    row.setAttribute("role", "row")
    const time = make("time", "time")
    time.setAttribute("role", "cell")
    time._t = data.t
    time.title = `${when(data.t)}\nstored ${when(data.stored)}\nposition ${data.seq}`
    try { time.dateTime = new Date(data.t).toISOString() } catch { /* a year that browsers don't know */ }
    age(time)
    const source = make("span", "source")
    source.setAttribute("role", "cell")
    const mark = make("span", "chip")
    row._key = data.key
    name(mark, data)
    source.append(mark)
    const type = make("span", "type")
    type.setAttribute("role", "cell")
    const kind = make("span", "kind", data.type)
    kind.title = data.type
    type.append(kind)
    const text = make("span", "text")
    text.setAttribute("role", "cell")
    const words = make("span", "words", data.text)
    words.dir = "auto"
    text.append(words)
    if (data.link && /^https?:\/\//i.test(data.link)) {
      const link = make("a", "link", "↗")
      link.href = data.link
      link.target = "_blank"
      link.rel = "noopener noreferrer nofollow"
      link.title = data.link
      link.setAttribute("aria-label", "Open the source's page")
      text.append(link)
    }
    const button = make("button", "expand")
    button.type = "button"
    button.setAttribute("aria-expanded", "false")
    button.setAttribute("aria-label", "Show the whole event")
    text.append(button)
    row.append(time, source, type, text)
    row.addEventListener("click", (event) => {
      if (event.target.closest("a, .detail") || String(getSelection())) return
      toggle(row, button)
    })
    return row
  }

  function trim() {
    while (body.childElementCount > model.cap) {
      open.delete(body.lastElementChild.dataset.eventId)
      body.lastElementChild.remove()
    }
    empty.hidden = body.childElementCount > 0
    empty.textContent = loaded ? model.empty : "Reading events …"
  }

  function prepend(rows) {
    if (!rows.length) return
    const fade = rows.length <= 24   // a burst is drawn calmly
    const fragment = document.createDocumentFragment()
    for (const data of rows) fragment.append(build(data, fade))
    body.prepend(fragment)
    trim()
  }

  function release() {
    const rows = held
    held = []
    chip.hidden = true
    prepend(rows)
  }

  function hold(rows) {
    held = rows.concat(held)
    const count = (hold.count = chip.hidden ? rows.length : hold.count + rows.length)
    held.length = Math.min(held.length, model.cap)
    chip.textContent = `${count.toLocaleString()} new ↑`
    chip.hidden = false
  }

  function reset(rows) {
    held = []
    chip.hidden = true
    open.clear()
    loaded = true
    body.replaceChildren(...rows.map((data) => build(data, false)))
    body.scrollTop = 0
    trim()
  }

  chip.addEventListener("click", () => {
    for (const row of body.querySelectorAll(".row.open")) toggle(row, row.querySelector(".expand"))
    body.scrollTop = 0
    release()
  })
  body.addEventListener("scroll", () => { if (held.length && !reading()) release() }, {passive: true})

  function receive(message) {
    const data = JSON.parse(typeof message === "string" ? message : message.data)
    if (data.now) offset = data.now - Date.now()
    if (data.op === "reset") reset(data.rows)
    else if (data.op === "add") reading() ? hold(data.rows) : prepend(data.rows)
    else if (data.op === "names") rename(data.names)
    else if (data.op === "detail") {
      for (const row of body.children) {
        if (row.dataset.eventId === data.id) {
          const detail = row.querySelector(".detail")
          if (detail) detail.textContent = data.text
        }
      }
    }
  }

  model.on("msg:custom", receive)
  model.on("empty", trim)
  const timer = setInterval(() => {
    if (!document.hidden) for (const cell of body.querySelectorAll(".time")) age(cell)
  }, 1000)
  model.on("remove", () => clearInterval(timer))
  trim()
  // Only now does this browser listen: what was sent before is asked for.
  model.send_msg({op: "ready"})
  return root
}
