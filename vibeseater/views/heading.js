// The stream's title. Text, whatever it says.
export function render({model}) {
  const title = document.createElement("h1")
  title.dir = "auto"
  const draw = () => { title.textContent = model.text; title.title = model.text }
  model.on("text", draw)
  draw()
  return title
}
