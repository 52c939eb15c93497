// What is wrong, with its cure, and the most telling figures. Everything is set as text.
export function render({model}) {
  const make = (tag, name, text) => {
    const el = document.createElement(tag)
    if (name) el.className = name
    if (text != null) el.textContent = text
    return el
  }
  const root = make("div")
  const state = make("div", "state")
  state.setAttribute("role", "status")
  const list = make("ul", "problems")
  const tiles = make("dl", "tiles")
  root.append(state, list, tiles)
  const set = (el, text) => { if (el.textContent !== text) el.textContent = text }

  function draw() {
    const errors = model.problems.filter((one) => one.severity === "error").length
    const number = model.problems.filter((one) => one.severity !== "notice").length
    root.dataset.state = !model.loaded ? "wait" : errors ? "error" : number ? "warning" : "well"
    set(state, !model.loaded ? "Looking …" : !number ? "All is well" : number === 1 ? "One thing is wrong" : `${number} things are wrong`)
    while (list.children.length > model.problems.length) list.lastChild.remove()
    model.problems.forEach((problem, index) => {
      let item = list.children[index]
      if (!item) {
        item = make("li")
        item.append(make("p", "message"), make("p", "cure"))
        list.append(item)
      }
      item.dataset.severity = problem.severity
      set(item.children[0], problem.message)
      set(item.children[1], problem.cure)
    })
    list.hidden = !model.problems.length
  }
  function drawTiles() {
    while (tiles.children.length > model.tiles.length) tiles.lastChild.remove()
    model.tiles.forEach((tile, index) => {
      let box = tiles.children[index]
      if (!box) {
        box = make("div", "tile")
        box.append(make("dt"), make("dd", "value"), make("dd", "note"))
        tiles.append(box)
      }
      set(box.children[0], tile.label)
      set(box.children[1], tile.value)
      set(box.children[2], tile.note)
    })
  }
  model.on(["problems", "loaded"], draw)
  model.on("tiles", drawTiles)
  draw()
  drawTiles()
  return root
}
