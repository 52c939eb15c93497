// The figures at a glance. Numbers keep their place: only texts change.
export function render({model}) {
  const list = document.createElement("dl")
  const tiles = new Map()
  function draw() {
    for (const figure of model.figures) {
      let tile = tiles.get(figure.key)
      if (!tile) {
        const box = document.createElement("div")
        box.dataset.figure = figure.key
        tile = {box, name: document.createElement("dt"), value: document.createElement("dd"), note: document.createElement("dd")}
        tile.note.className = "note"
        box.append(tile.name, tile.value, tile.note)
        list.append(box)
        tiles.set(figure.key, tile)
      }
      tile.name.textContent = figure.name
      if (tile.value.textContent !== figure.value) tile.value.textContent = figure.value
      if (tile.note.textContent !== figure.note) tile.note.textContent = figure.note
      tile.box.title = figure.help
    }
  }
  model.on("figures", draw)
  draw()
  return list
}
