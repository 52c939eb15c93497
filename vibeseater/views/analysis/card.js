// The head of a card: what it tells, its files. Everything is set as text; a PNG is drawn of the figure as it is seen.
export function render({model, view}) {
  const root = document.createElement("div")
  const make = (tag, name) => { const el = document.createElement(tag); if (name) el.className = name; return el }
  const head = make("div", "head"), title = make("h2"), files = make("div", "files"), text = make("p", "text")
  const reason = make("p", "reason"), wait = make("div", "wait")
  reason.setAttribute("role", "status")
  files.setAttribute("role", "group")
  const legend = make("ul", "legend")
  head.append(title, files, text, legend)
  root.append(head, reason, wait)

  function save(blob, name) {
    const link = make("a")
    link.href = URL.createObjectURL(blob)
    link.download = name
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 60000)
  }
  function figure() {
    const named = (one) => one.model?.name === model.plot && typeof one.export === "function" && one.canvas_view
    for (const owner of [view?.owner, window.Bokeh?.index]) {
      const found = owner?.query_one?.(named)
      if (found) return found
    }
    return null
  }
  // The figure on the ground that it is seen on, with its heading above and what it tells below.
  function png() {
    const plot = figure()
    if (!plot) return
    const drawn = plot.export("png", true).canvas
    const style = getComputedStyle(root), scale = drawn.width / plot.bbox.width
    const font = (size, weight) => `${weight} ${size * scale}px ${style.fontFamily}`
    const canvas = document.createElement("canvas"), ink = canvas.getContext("2d")
    canvas.width = drawn.width
    ink.font = font(13, 400)
    const lines = []
    for (const word of model.caption.split(" ")) {
      const longer = lines.length ? `${lines[lines.length - 1]} ${word}` : word
      if (lines.length && ink.measureText(longer).width < canvas.width - 32 * scale) lines[lines.length - 1] = longer
      else lines.push(word)
    }
    const line = 19 * scale
    // The legend, in as many lines as it takes.
    const keys = []
    let x = 16 * scale, y = 50 * scale
    for (const {name, colour} of model.legend) {
      const width = ink.measureText(name).width + 30 * scale
      if (x + width > canvas.width && x > 16 * scale) { x = 16 * scale; y += line }
      keys.push([x, y, name, colour])
      x += width
    }
    const top = keys.length ? y + 10 * scale : 44 * scale
    canvas.height = top + drawn.height + line * lines.length + 14 * scale
    const ground = getComputedStyle(root).getPropertyValue("--vs-bg").trim() || "#fff"
    ink.fillStyle = "#fff"
    ink.fillRect(0, 0, canvas.width, canvas.height)
    ink.fillStyle = ground
    ink.fillRect(0, 0, canvas.width, canvas.height)
    ink.drawImage(drawn, 0, top)
    ink.fillStyle = style.color
    ink.font = font(16, 600)
    ink.fillText(model.title, 16 * scale, 28 * scale)
    ink.font = font(13, 400)
    for (const [x, y, name, colour] of keys) {
      ink.fillStyle = colour
      ink.fillRect(x, y - 9 * scale, 9 * scale, 9 * scale)
      ink.fillStyle = style.color
      ink.fillText(name, x + 14 * scale, y)
    }
    lines.forEach((one, at) => ink.fillText(one, 16 * scale, top + drawn.height + line * (at + 0.8)))
    canvas.toBlob((blob) => { if (blob) save(blob, model.file) }, "image/png")
  }

  const buttons = new Map()
  function draw() {
    title.textContent = model.title
    text.textContent = model.text
    text.hidden = !model.text
    reason.textContent = model.reason
    reason.hidden = !model.reason
    wait.hidden = !model.busy
    legend.hidden = !model.legend.length
    legend.replaceChildren(...model.legend.map(({name, colour}) => {
      const item = make("li")
      item.textContent = name
      item.dir = "auto"
      item.style.setProperty("--c", colour)
      return item
    }))
    files.setAttribute("aria-label", `Files of ${model.title}`)
    for (const [name, button] of buttons) if (!model.formats.includes(name)) { button.remove(); buttons.delete(name) }
    for (const name of model.formats) {
      if (buttons.has(name)) continue
      const button = make("button")
      button.type = "button"
      button.dataset.format = name
      button.textContent = name === "parquet" ? "Parquet" : name.toUpperCase()
      button.title = `Download ${name === "png" ? "the picture as" : "the table as"} ${button.textContent}`
      button.addEventListener("click", () => {
        if (name === "png") return png()
        button.disabled = true
        model.send_msg({op: "file", format: name})
      })
      files.append(button)
      buttons.set(name, button)
    }
  }
  model.on("msg:custom", (message) => {
    const data = JSON.parse(typeof message === "string" ? message : message.data)
    if (data.op !== "file") return
    for (const button of buttons.values()) button.disabled = false
    if (data.data) save(new Blob([Uint8Array.from(atob(data.data), (one) => one.charCodeAt(0))], {type: data.type}), data.name)
  })
  model.on(["title", "text", "reason", "busy", "formats", "legend"], draw)
  draw()
  return root
}
