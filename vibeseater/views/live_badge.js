// The badge. When the server's beat ends, whatever the reason, it says so by itself.
export function render({model}) {
  const badge = document.createElement("span")
  badge.className = "badge"
  badge.setAttribute("role", "status")
  const dot = document.createElement("span")
  dot.className = "dot"
  const text = document.createElement("span")
  badge.append(dot, text)
  const note = document.createElement("span")
  note.className = "note"
  note.textContent = "Recording"
  note.title = "Events that happened earlier, played anew at their own pace."
  const root = document.createElement("div")
  root.append(badge, note)
  const mark = () => { note.hidden = !model.recording }
  model.on("recording", mark)
  mark()
  let last = Date.now()
  function show() {
    const lost = model.beat > 0 && Date.now() - last > model.patience * 1000
    const state = lost ? "STALE" : model.state
    if (badge.dataset.state === state) return
    badge.dataset.state = state
    text.textContent = state
    badge.title = model.meanings[state] ?? ""
  }
  model.on("beat", () => { last = Date.now(); show() })
  model.on("state", show)
  const timer = setInterval(show, 1000)
  model.on("remove", () => clearInterval(timer))
  show()
  return root
}
