// A page's whole content when there is nothing else to show: what is the case, and what to do.
export function render({model}) {
  const box = document.createElement("div")
  box.className = "message"
  box.setAttribute("role", "status")
  const heading = document.createElement("h1")
  const text = document.createElement("p")
  const link = document.createElement("a")
  box.append(heading, text, link)
  const draw = () => {
    heading.textContent = model.heading
    text.textContent = model.text
    text.hidden = !model.text
    link.hidden = !model.link
    link.textContent = model.label
    if (model.link) link.setAttribute("href", model.link)
  }
  model.on(["heading", "text", "link", "label"], draw)
  draw()
  return box
}
