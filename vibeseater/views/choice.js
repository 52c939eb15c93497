// One choice of several, as a radio group of chips: arrows move, space chooses, large enough for a thumb.
export function render({model}) {
  const group = document.createElement("div")
  group.className = `group ${model.look}`
  group.setAttribute("role", "radiogroup")
  function draw() {
    group.setAttribute("aria-label", model.label)
    const focused = group.contains(group.getRootNode().activeElement)
    const first = model.options[0]?.value
    const chosen = model.partly.length ? null : model.options.some((option) => option.value === model.value) ? model.value : first
    while (group.childElementCount > model.options.length) group.lastElementChild.remove()
    model.options.forEach((option, index) => {
      let button = group.children[index]
      if (!button) {
        button = document.createElement("button")
        button.type = "button"
        button.setAttribute("role", "radio")
        button.append(...["dot", "name", "count"].map((name) => {
          const part = document.createElement("span")
          part.className = name
          return part
        }))
        button.addEventListener("click", () => { model.value = button.dataset.value })
        group.append(button)
      }
      const [dot, name, count] = button.children
      button.dataset.value = option.value
      dot.hidden = !option.colour
      if (option.colour) button.style.setProperty("--c", option.colour)
      if (name.textContent !== option.label) name.textContent = option.label
      const told = index === 0 ? option.count ?? model.count : option.count
      const number = told == null ? "" : told.toLocaleString()
      if (count.textContent !== number) count.textContent = number
      count.hidden = !number
      button.title = option.label
      const on = option.value === chosen
      button.setAttribute("aria-checked", String(on))
      button.classList.toggle("part", model.partly.includes(option.value))
      button.tabIndex = on || (chosen === null && index === 0) ? 0 : -1
      if (on && focused) button.focus()
    })
  }
  group.addEventListener("keydown", (event) => {
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key]
    if (!step) return
    event.preventDefault()
    const all = [...group.children]
    const at = all.findIndex((button) => button.tabIndex === 0)
    model.value = all[(at + step + all.length) % all.length].dataset.value
  })
  model.on("count", () => {
    const count = group.children[0]?.children[2]
    if (count && model.options[0].count == null && model.count != null) count.textContent = model.count.toLocaleString()
  })
  model.on(["options", "value", "partly"], draw)
  draw()
  return group
}
