// The page's address: follows what is shown, and tells when a person goes back or forth.
export function render({model}) {
  const root = document.createElement("span")
  root.hidden = true
  let went = false   // the address moved by itself: what follows belongs to it
  let first = true   // what the page itself chooses when it opens is no step to go back over
  function follow() {
    const now = new URLSearchParams(location.search)
    for (const key of model.names) now.delete(key)
    for (const [key, value] of new URLSearchParams(model.query)) now.append(key, value)
    const text = String(now).replaceAll("%2F", "/").replaceAll("%3A", ":").replaceAll("%2C", ",")
    const search = text ? `?${text}` : location.pathname
    if (String(new URLSearchParams(location.search)) !== String(now))
      history[went || first ? "replaceState" : "pushState"](null, "", search + location.hash)
    went = first = false
  }
  function moved() {
    went = true
    model.send_msg({op: "moved", query: location.search.slice(0, 8000)})
  }
  model.on("query", follow)
  addEventListener("popstate", moved)
  model.on("remove", () => removeEventListener("popstate", moved))
  follow()
  return root
}
