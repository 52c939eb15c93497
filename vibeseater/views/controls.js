// Start, pause, resume, stop. A button that waits for its answer says so, and cannot be pressed twice.
const ICONS = {
  start: "M7 4.5v15l12-7.5z", resume: "M7 4.5v15l12-7.5z", pause: "M6 5h4v14H6zM14 5h4v14h-4z", stop: "M6 6h12v12H6z",
}
export function render({model}) {
  const bar = document.createElement("div")
  bar.className = "bar"
  bar.setAttribute("role", "group")
  bar.setAttribute("aria-label", "Ingestion")
  function draw() {
    bar.replaceChildren(...model.actions.map((action) => {
      const button = document.createElement("button")
      button.type = "button"
      button.dataset.action = action.name
      button.className = action.main ? "main" : ""
      button.disabled = Boolean(model.busy || model.denied)
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
      svg.setAttribute("viewBox", "0 0 24 24")
      svg.setAttribute("aria-hidden", "true")
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path")
      path.setAttribute("d", ICONS[action.name])
      svg.append(path)
      const text = document.createElement("span")
      text.textContent = model.busy === action.name ? `${action.label} …` : action.label
      button.append(svg, text)
      button.title = model.denied || action.help
      button.classList.toggle("denied", Boolean(model.denied))
      button.addEventListener("click", () => model.send_msg({action: action.name}))
      return button
    }))
  }
  model.on(["actions", "busy"], draw)
  draw()
  return bar
}
