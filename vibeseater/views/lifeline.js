// Says when the page slept or was cut off, and answers the server, which sends nothing to those that don't.
const GAP = 8000           // milliseconds without a pulse after which a page has slept
const HIDDEN = 60000       // milliseconds after which a page that nobody sees asks for silence
const ANSWER_EVERY = 3     // pulses

export function render({model}) {
  const box = document.createElement("div")
  box.className = "line"
  box.setAttribute("role", "status")
  const text = document.createElement("span")
  const button = document.createElement("button")
  button.type = "button"
  box.append(text, button)
  box.hidden = true

  const key = `vibeseater.seen ${model.place}`
  const page = model.whole_page
  if (page) watchPage(model.document)
  let press = null
  let hiding = 0

  function say(words, label, act, seconds) {
    text.textContent = words
    button.textContent = label
    press = act
    box.hidden = false
    clearTimeout(hiding)
    if (seconds) hiding = setTimeout(hide, seconds * 1000)
  }
  function hide() { box.hidden = true; box.dataset.what = "" }
  button.addEventListener("click", () => press?.())

  function onConnection() {
    const state = connection.state
    if (state === "open") { if (box.dataset.what === "connection") hide(); return }
    box.dataset.what = "connection"
    if (state === "lost") say("Connection lost. Trying again; nothing is missed.", "Try now", () => connection.reconnect?.())
    else say("The server is away. The page loads itself anew when it answers, and keeps your place.", "Reload", () => reload(true))
  }

  let why = ""   // events came unseen: "slept" or "lost"
  function slept(count) {
    if (connection.state !== "open") return
    box.dataset.what = "slept"
    const when = why === "lost" ? "while the connection was lost" : "while this page slept"
    const none = why === "lost" ? "The connection was lost for a while." : "This page slept."
    const words = count === 1 ? "1 event" : `${count.toLocaleString()} events`
    say(count ? `${words} came ${when}. None is missed.` : `${none} No event came meanwhile.`, "Dismiss", hide, 30)
  }
  function awake(last) {
    why = last.lost ?? clock.sleptAt <= last.at ? "lost" : "slept"
    model.send_msg({op: "awake", total: last.total})
  }

  function kept() {
    const last = seen.get(key)
    if (last) return last
    try {
      const reloaded = performance.getEntriesByType("navigation")[0]?.type === "reload"
      return reloaded ? JSON.parse(sessionStorage.getItem(key)) : null
    } catch { return null }
  }

  function pulse() {
    const [beat, , total] = model.pulse
    if (!beat) return
    const at = Date.now()
    const last = seen.get(key)
    noteSleep()
    connection.beatAt = at
    seen.set(key, {total, at})
    if (last && at - last.at > GAP) awake(last)
    else if (beat % ANSWER_EVERY === 0) model.send_msg({op: "alive", beat})
  }

  function receive(message) {
    const data = JSON.parse(typeof message === "string" ? message : message.data)
    if (data.op === "slept") slept(data.count)
  }

  // A page that nobody sees is let rest; it is told of what came when it is looked at again.
  let resting = 0
  let rests = false
  function look() {
    clearTimeout(resting)
    if (document.hidden) {
      if (page) resting = setTimeout(() => { rests = true; model.send_msg({op: "sleep"}) }, HIDDEN)
    } else if (rests) {
      rests = false
      const last = seen.get(key)
      if (last) awake({...last, lost: false})
      seen.set(key, {total: last?.total ?? 0, at: Date.now()})
    }
  }
  const leave = () => {
    const last = seen.get(key)
    const lost = clock.sleptAt <= (last?.at ?? 0)
    try { if (last && page) sessionStorage.setItem(key, JSON.stringify({...last, lost})) } catch { /* forbidden */ }
  }
  document.addEventListener("visibilitychange", look)
  addEventListener("vibeseater:connection", onConnection)
  addEventListener("pagehide", leave)
  model.on("pulse", pulse)
  model.on("msg:custom", receive)
  model.on("remove", () => {
    clearTimeout(resting)
    drawn.delete(box)
    document.removeEventListener("visibilitychange", look)
    removeEventListener("vibeseater:connection", onConnection)
    removeEventListener("pagehide", leave)
  })
  onConnection()
  const last = kept()
  drawn.add(box)
  if (last && Date.now() - last.at > GAP) awake(last)
  else model.send_msg({op: "alive"})
  if (model.pulse[0]) seen.set(key, {total: model.pulse[2], at: Date.now()})
  return box
}
