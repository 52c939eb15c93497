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
  let looked = Date.now()   // when this script ran last: a page that was frozen did not miss a beat, it slept
  let line = "open"         // the page's connection, as the lifeline tells it
  function show() {
    const silent = Date.now() - last > model.patience * 1000
    const state = line === "gone" ? "STALE" : line === "lost" ? "RECONNECTING" : model.beat > 0 && silent ? "STALE" : model.state
    if (badge.dataset.state === state) return
    badge.dataset.state = state
    text.textContent = state
    badge.title = model.meanings[state] ?? ""
  }
  function look() {
    const now = Date.now()
    // Just woken: what is under way gets two seconds to arrive.
    if (now - looked > 4000) last = Math.max(last, now - (model.patience - 2) * 1000)
    looked = now
    if (!document.hidden) show()
  }
  const onLine = (event) => { line = event.detail; if (line === "open") last = Date.now(); show() }
  model.on("beat", () => { last = looked = Date.now(); show() })
  model.on("state", show)
  addEventListener("vibeseater:connection", onLine)
  const timer = setInterval(look, 1000)
  model.on("remove", () => { clearInterval(timer); removeEventListener("vibeseater:connection", onLine) })
  show()
  return root
}
