// What went wrong, in a sentence, until it is read away or put right.
export function render({model}) {
  const box = document.createElement("div")
  box.className = "notice"
  box.setAttribute("role", "alert")
  const text = document.createElement("span")
  const close = document.createElement("button")
  close.type = "button"
  close.textContent = "Dismiss"
  close.addEventListener("click", () => { model.text = "" })
  box.append(text, close)
  const draw = () => { text.textContent = model.text; box.hidden = !model.text }
  model.on("text", draw)
  draw()
  return box
}
