// Of the page, not of a view: whether its server is there. A view is drawn anew when the connection comes back; this stays.
const seen = new Map()        // by place: the total that was last shown, and when
const connection = {state: "open", reconnect: null, since: 0, beatAt: Date.now(), watched: new WeakSet()}
const drawn = new Set()       // the lines that are drawn: without one, the page is blank
const clock = {ranAt: Date.now(), sleptAt: 0}

// Whether this script stood still: a page that was frozen slept, one whose server fell silent did not.
function noteSleep() {
  const now = Date.now()
  if (now - clock.ranAt > 4000) clock.sleptAt = now
  clock.ranAt = now
}
setInterval(noteSleep, 1000)

function tellAll(state) {
  if (connection.state === state) return
  connection.state = state
  connection.since = Date.now()
  dispatchEvent(new CustomEvent("vibeseater:connection", {detail: state}))
}

function watchPage(doc) {
  if (!doc?.on_event || connection.watched.has(doc)) return
  connection.watched.add(doc)
  doc.on_event("connection_lost", (_, event) => {
    connection.reconnect = () => event.reconnect()
    tellAll(event.timeout == null ? "gone" : "lost")
  })
  doc.on_event("client_reconnected", () => {
    tellAll("open")
    const at = Date.now()
    // A server that has forgotten this page begins a new one, which nobody sees grow: no part of it is drawn.
    const look = () => {
      if (connection.state !== "open" || connection.beatAt > at) return
      const waited = Date.now() - at
      const blank = doc.roots().length === 0 || ![...drawn].some((line) => line.isConnected)
      if (waited > 6000 || (blank && waited > 1200)) reload(false)
      else setTimeout(look, 200)
    }
    look()
  })
  const retry = () => {
    if (document.hidden) return
    if (connection.state === "lost") connection.reconnect?.()
  }
  addEventListener("online", retry)
  document.addEventListener("visibilitychange", retry)
  // Lost for good, or for long: when the server answers again, the page is loaded anew.
  setInterval(async () => {
    if (connection.state === "open" || document.hidden || Date.now() - connection.since < 4000) return
    if (connection.state === "lost") connection.reconnect?.()
    if (connection.state !== "gone" || isBusy()) return
    if (await answers()) reload(false)
  }, 3000)
}
