// All streams: what each is doing, and a form to make another. Everything is set as text.
export function render({model}) {
  const root = document.createElement("div")
  const make = (tag, name, text) => {
    const el = document.createElement(tag)
    if (name) el.className = name
    if (text != null) el.textContent = text
    return el
  }
  const head = make("div", "head")
  head.append(make("h1", null, "Streams"))
  const opener = make("button", "main", "New stream")
  opener.type = "button"
  opener.setAttribute("aria-expanded", "false")
  if (!model.denied) head.append(opener)

  const form = make("form", "form")
  form.hidden = true
  form.noValidate = true  // what does not fit is told by the server, with its cure
  const field = (name, label, hint, type) => {
    const box = make("label")
    const input = make("input")
    input.name = name
    input.type = type
    input.placeholder = hint
    input.autocomplete = "off"
    box.append(make("span", null, label), input)
    form.append(box)
    return input
  }
  const title = field("title", "Title", "Debate night", "text")
  const url = field("url", "Feed to read (or a page, or a JSON API), if there is one", "https://…", "text")
  url.inputMode = "url"
  title.maxLength = 200
  const submit = make("button", "main", "Create")
  submit.type = "submit"
  const problem = make("p", "problem")
  problem.setAttribute("role", "alert")
  form.append(submit, problem)

  const list = make("ul", "list")
  const empty = make("div", "empty")
  empty.append(make("h2", null, "Nothing to watch yet"),
    make("p", null, model.denied ? "Nobody has made a stream yet that is for you to see." : "Make a stream with the button above: give it a title and, if you have one, the address of a feed.\nOr see one that moves at once: run “vibeseater demo” in a terminal."))
  root.append(head, ...(model.denied ? [make("p", "denied", model.denied)] : [form]), list, empty)

  opener.addEventListener("click", () => {
    form.hidden = !form.hidden
    opener.setAttribute("aria-expanded", String(!form.hidden))
    if (!form.hidden) title.focus()
  })
  form.addEventListener("submit", (event) => {
    event.preventDefault()
    if (submit.disabled) return
    submit.disabled = true
    problem.textContent = ""
    model.send_msg({op: "create", title: title.value, url: url.value})
  })

  const items = new Map()
  function set(el, text) { if (el.textContent !== text) el.textContent = text }
  function draw() {
    const seen = new Set()
    model.streams.forEach((stream, index) => {
      seen.add(stream.id)
      let item = items.get(stream.id)
      if (!item) {
        const row = make("li")
        row.dataset.streamId = stream.id
        const link = make("a", "stream")
        link.href = `stream?id=${encodeURIComponent(stream.id)}`
        const name = make("span", "name")
        name.dir = "auto"
        const [badge, total, rate, last] = ["badge", "total", "rate", "last"].map((kind) => make("span", kind))
        link.append(name, badge, total, rate, last)
        row.append(link)
        item = {row, name, badge, total, rate, last}
        items.set(stream.id, item)
      }
      set(item.name, stream.title)
      set(item.badge, stream.status)
      item.badge.dataset.status = stream.status
      set(item.total, `${stream.total} ${stream.total === "1" ? "event" : "events"}`)
      set(item.rate, stream.rate ? `${stream.rate}/s` : "")
      set(item.last, stream.last)
      if (list.children[index] !== item.row) list.insertBefore(item.row, list.children[index] ?? null)
    })
    for (const [id, item] of items) if (!seen.has(id)) { item.row.remove(); items.delete(id) }
    list.hidden = !model.streams.length
    empty.hidden = !model.loaded || model.streams.length > 0
  }
  model.on(["streams", "loaded"], draw)
  model.on("msg:custom", (message) => {
    const data = JSON.parse(typeof message === "string" ? message : message.data)
    submit.disabled = false
    if (data.op === "problem") problem.textContent = data.text
    if (data.op === "created") location.assign(`stream?id=${encodeURIComponent(data.id)}`)
  })
  draw()
  return root
}
