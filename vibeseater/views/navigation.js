// Links to all pages. The stream that is looked at goes along, as the address names it when a link is pressed.
export function render({model}) {
  const root = document.createElement("div"), nav = document.createElement("nav"), menu = document.createElement("button")
  nav.setAttribute("aria-label", "Pages")
  nav.id = "pages"
  menu.type = "button"
  menu.textContent = "Menu"
  menu.setAttribute("aria-controls", "pages")
  const open = (on) => { nav.classList.toggle("open", on); menu.setAttribute("aria-expanded", String(on)) }
  const here = location.pathname.split("/").pop()
  const carries = {analytics: "id", replay: "id", wall: "ids", stream: "id"}
  function address(name) {
    const asked = new URLSearchParams(location.search)
    const stream = asked.get("id") ?? asked.get("ids")?.split(",")[0]
    return stream && carries[name] && name !== here ? `${name}?${carries[name]}=${encodeURIComponent(stream)}` : name
  }
  for (const {name, label} of model.pages) {
    const link = document.createElement("a")
    link.textContent = label
    link.href = name
    link.dataset.page = name
    if (name === here || (name === "streams" && here === "stream")) link.setAttribute("aria-current", name === here ? "page" : "true")
    for (const moment of ["pointerdown", "focus", "click"]) link.addEventListener(moment, () => { link.href = address(name) })
    nav.append(link)
  }
  menu.addEventListener("click", () => open(!nav.classList.contains("open")))
  root.addEventListener("keydown", (event) => { if (event.key === "Escape") { open(false); menu.focus() } })
  const away = (event) => { if (!event.composedPath().includes(root)) open(false) }
  document.addEventListener("pointerdown", away)
  model.on("remove", () => document.removeEventListener("pointerdown", away))
  open(false)
  root.append(menu, nav)
  return root
}
