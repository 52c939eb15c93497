// The head of a stream on a wall: its title, and the handles by which its tile is moved, resized and taken off.
export function render({model}) {
  const root = document.createElement("div"), head = document.createElement("div")
  head.className = "head"
  const make = (tag, name, label) => {
    const el = document.createElement(tag)
    el.className = name
    if (label) { el.setAttribute("aria-label", label); el.title = label }
    if (tag === "button") el.type = "button"
    return el
  }
  const grip = make("button", "grip"), names = make("div", "names"), title = make("h2", ""), link = document.createElement("a")
  const figures = make("div", "figures"), off = make("button", "off"), corner = make("button", "corner")
  grip.textContent = "⋮⋮"
  off.textContent = "×"
  title.dir = "auto"
  names.append(title, figures)
  head.append(grip, names, off)
  root.append(head, corner)

  const tile = () => {
    for (let el = root.getRootNode().host; el; el = el.getRootNode().host) if (el.classList.contains("vs-tile")) return el
    return null
  }
  const others = () => [...tile().parentNode.children].filter((el) => el.classList.contains("vs-tile"))
    .sort((one, other) => Number(getComputedStyle(one).order) - Number(getComputedStyle(other).order))

  // The corner: a drag, or the arrow keys.
  function size(columns, rows) {
    columns = Math.min(12, Math.max(3, columns))
    rows = Math.min(40, Math.max(7, rows))
    if (columns !== model.columns || rows !== model.rows) model.send_msg({op: "size", columns, rows})
  }
  corner.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return
    event.preventDefault()
    corner.setPointerCapture(event.pointerId)
    const el = tile(), before = el.getBoundingClientRect()
    const unit = {x: (before.width + 10) / model.columns, y: (before.height + 10) / model.rows}
    let wanted = [model.columns, model.rows]
    const move = (at) => {
      wanted = [
        Math.min(12, Math.max(3, Math.round((at.clientX - before.left + 10) / unit.x))),
        Math.min(40, Math.max(7, Math.round((at.clientY - before.top + 10) / unit.y))),
      ]
      el.style.gridColumn = `span ${wanted[0]}`
      el.style.gridRow = `span ${wanted[1]}`
    }
    const up = () => {
      corner.removeEventListener("pointermove", move)
      corner.removeEventListener("pointerup", up)
      corner.removeEventListener("pointercancel", up)
      size(...wanted)
    }
    corner.addEventListener("pointermove", move)
    corner.addEventListener("pointerup", up)
    corner.addEventListener("pointercancel", up)
  })
  const arrows = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}
  corner.addEventListener("keydown", (event) => {
    const step = arrows[event.key]
    if (!step) return
    event.preventDefault()
    size(model.columns + step[0], model.rows + step[1])
  })

  // The grip: a drag onto another tile's place, or the arrow keys.
  grip.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return
    event.preventDefault()
    grip.setPointerCapture(event.pointerId)
    const el = tile(), all = others(), boxes = all.map((one) => one.getBoundingClientRect())
    let to = all.indexOf(el)
    el.classList.add("vs-dragged")
    const move = (at) => {
      el.style.transform = `translate(${at.clientX - event.clientX}px, ${at.clientY - event.clientY}px)`
      const over = boxes.findIndex((box) => at.clientX > box.left && at.clientX < box.right && at.clientY > box.top && at.clientY < box.bottom)
      if (over >= 0) to = over
    }
    const up = (at) => {
      grip.removeEventListener("pointermove", move)
      grip.removeEventListener("pointerup", up)
      grip.removeEventListener("pointercancel", up)
      el.classList.remove("vs-dragged")
      el.style.transform = ""
      if (at.type === "pointerup" && to !== model.place) model.send_msg({op: "move", to})
    }
    grip.addEventListener("pointermove", move)
    grip.addEventListener("pointerup", up)
    grip.addEventListener("pointercancel", up)
  })
  grip.addEventListener("keydown", (event) => {
    const step = arrows[event.key]
    if (!step) return
    event.preventDefault()
    model.send_msg({op: "move", to: model.place + step[0] + step[1]})
  })
  off.addEventListener("click", () => model.send_msg({op: "remove"}))

  function draw() {
    link.textContent = model.title
    title.title = model.title
    if (model.link) { link.href = model.link; title.replaceChildren(link) } else title.textContent = model.title
    figures.textContent = model.figures
    grip.hidden = off.hidden = corner.hidden = !model.arranged
    for (const [button, label] of [
      [grip, `Move ${model.title}: drag, or arrow keys`], [off, `Take ${model.title} off the wall`],
      [corner, `Resize ${model.title}: drag, or arrow keys`],
    ]) if (button.title !== label) { button.title = label; button.setAttribute("aria-label", label) }
  }
  model.on(["title", "link", "figures", "arranged"], draw)
  draw()
  return root
}
