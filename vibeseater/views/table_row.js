// One row. Everything it shows is set as text.
function make(tag, name, text) {
  const el = document.createElement(tag)
  if (name) el.className = name
  if (text != null) el.textContent = text
  return el
}

function cell(name) {
  const el = make("span", name)
  el.setAttribute("role", "cell")
  return el
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

function setText(el, text) { if (el.textContent !== text) el.textContent = text }

// Its address, if it is one that may be followed: never `javascript:` and the like.
function anchor(address, name, text) {
  if (!address || !/^https?:\/\//i.test(address)) return null
  const link = make("a", name, text)
  link.href = address
  link.target = "_blank"
  link.rel = "noopener noreferrer nofollow"
  return link
}

function nameSource(mark, data) {
  mark.textContent = data.source ?? "No source"
  mark.style.setProperty("--c", data.colour)
  mark.title = data.source ?? "Made by hand, or its source is not told"
}

function age(row, now) {
  const [at, before] = times(row._t, now)
  const [first, second] = row.firstChild.children
  setText(first, at)
  setText(second, before)
}

function build(data, fade, now) {
  const row = make("div", fade ? "row fresh" : "row")
  row.dataset.eventId = data.id
  row.dataset.seq = data.seq
  row.setAttribute("role", "row")
  row.tabIndex = -1
  row._key = data.key
  row._t = data.t
  const time = make("time", "time")
  time.setAttribute("role", "cell")
  time.title = `${when(data.t)}\nstored ${when(data.stored)}\nposition ${data.seq}`
  time.append(make("span", "at"), make("span", "ago"))
  try { time.dateTime = new Date(data.t).toISOString() } catch { /* a year that browsers don't know */ }
  const source = cell("source")
  const mark = make("span", "chip")
  nameSource(mark, data)
  source.append(mark)
  const type = cell("type")
  const kind = make("span", "kind", data.type)
  kind.title = data.type
  type.append(kind)
  const text = cell("text")
  const words = make("span", "words", data.text)
  words.dir = "auto"
  text.append(words)
  const link = anchor(data.link, "link", "↗")
  if (link) {
    link.title = data.link
    link.tabIndex = -1
    link.setAttribute("aria-label", "Open the source's page")
    text.append(link)
  }
  const button = make("button", "expand")
  button.type = "button"
  button.tabIndex = -1
  button.setAttribute("aria-expanded", "false")
  button.setAttribute("aria-label", "Show the whole event")
  text.append(button)
  row.append(time, source, type, text)
  age(row, now)
  return row
}
