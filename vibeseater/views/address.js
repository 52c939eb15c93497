// The page's address: follows what is shown, and tells when a person goes back or forth, or presses a link.
const OURS = ["source", "type", "q", "where", "from", "to", "window", "event"]

export function render({model}) {
  const root = document.createElement("span")
  root.hidden = true
  let went = false   // the address moved by itself: what follows belongs to it
  let last = 0       // when it was changed by us

  function follow() {
    const now = new URLSearchParams(location.search)
    const wanted = new URLSearchParams(model.query)
    for (const key of OURS) if (key !== "event" || model.query !== model.first) now.delete(key)
    for (const [key, value] of wanted) now.append(key, value)
    const search = `?${now}`
    if (search === location.search || String(new URLSearchParams(location.search)) === String(now)) { went = false; return }
    // Somebody who types makes one step to go back over, not one for each letter.
    const replaces = went || Date.now() - last < 1500
    history[replaces ? "replaceState" : "pushState"](null, "", search + location.hash)
    if (!went) last = Date.now()
    went = false
  }
  function moved() {
    went = true
    last = 0
    model.send_msg({op: "moved", query: location.search.slice(0, 8000)})
  }
  model.on("query", follow)
  addEventListener("popstate", moved)
  model.on("remove", () => removeEventListener("popstate", moved))
  return root
}
