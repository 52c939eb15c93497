// The figures at a glance. Numbers keep their place: only texts change. One tile opens to what lies behind it.
export function render({model}) {
  const root = document.createElement("div")
  const list = document.createElement("dl")
  list.className = "tiles"
  const more = document.createElement("dl")
  more.className = "more"
  more.id = "more"
  more.hidden = true
  root.append(list, more)
  const tiles = new Map()
  const lines = new Map()
  const set = (el, text) => { if (el.textContent !== text) el.textContent = text }
  const make = (tag, name) => { const el = document.createElement(tag); if (name) el.className = name; return el }

  function tileOf(figure) {
    const box = make("div")
    box.dataset.figure = figure.key
    const tile = {box, name: make("dt"), value: make("dd"), note: make("dd", "note")}
    tile.told = tile.note
    if (figure.opens) {
      const button = make("button", "opens")
      button.type = "button"
      button.setAttribute("aria-controls", "more")
      button.setAttribute("aria-expanded", "false")
      button.addEventListener("click", () => {
        more.hidden = !more.hidden
        button.setAttribute("aria-expanded", String(!more.hidden))
        drawMore()
      })
      tile.note.append(button)
      tile.told = button
    }
    box.append(tile.name, tile.value, tile.note)
    list.append(box)
    tiles.set(figure.key, tile)
    return tile
  }

  function draw() {
    for (const figure of model.figures) {
      const tile = tiles.get(figure.key) ?? tileOf(figure)
      set(tile.name, figure.name)
      set(tile.value, figure.value)
      set(tile.told, figure.note)
      tile.box.title = figure.help
    }
  }

  function drawMore() {
    if (more.hidden) return
    for (const figure of model.delivery) {
      let line = lines.get(figure.key)
      if (!line) {
        line = {box: make("div"), name: make("dt"), value: make("dd", "value"), help: make("dd", "help")}
        line.box.dataset.delivery = figure.key
        line.box.append(line.name, line.value, line.help)
        more.append(line.box)
        lines.set(figure.key, line)
      }
      set(line.name, figure.name)
      set(line.value, figure.value)
      set(line.help, figure.help)
    }
  }

  model.on("figures", draw)
  model.on("delivery", drawMore)
  draw()
  return root
}
