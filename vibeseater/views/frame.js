// The tab's title, a new begin where the server forgot the page, and light or dark: as the system has it, until the
// person chooses; the choice holds for all pages.
const KEY = "vibeseater.theme"
// Storage that the person has forbidden throws; then the choice lasts as long as the page.
const kept = () => { try { return localStorage.getItem(KEY) } catch { return null } }

function keep(dark) {
  const theme = dark ? "dark" : "light"
  try { localStorage.setItem(KEY, theme) } catch { /* forbidden */ }
}

// So that the server makes the next page in the right one at once, instead of one that flashes.
function tell(dark) {
  document.cookie = `vibeseater_theme=${dark ? "dark" : "light"}; path=/; max-age=31536000; SameSite=Lax`
}

// A server that has forgotten this page (it was replaced, or another of its processes answers now) begins a new one when
// the browser connects again, which never fills: then the page is loaded anew.
const drawn = new Set()
let session = null
const watched = new WeakSet()
function watch(doc) {
  if (!doc?.on_event || watched.has(doc)) return
  watched.add(doc)
  let away = 0
  doc.on_event("connection_lost", (_, event) => {
    clearTimeout(loading)
    if (event.timeout != null || away) return   // it is tried again
    away = setInterval(async () => {
      if (!document.hidden && !isBusy() && await answers()) { clearInterval(away); reload(false) }
    }, 3000)
  })
  doc.on_event("client_reconnected", () => setTimeout(() => {
    if (![...drawn].some((one) => one.root.isConnected && one.session === session)) reload(false)
  }, 1500))
}

export function render({model}) {
  const root = document.createElement("span")
  root.hidden = true
  session ??= model.session
  const place = {root, session: model.session}
  drawn.add(place)
  watch(model.document)
  const system = matchMedia("(prefers-color-scheme: dark)")
  let expected = model.dark
  function follow() {
    const theme = kept()
    expected = theme ? theme === "dark" : system.matches
    tell(expected)
    if (model.dark !== expected) model.dark = expected
  }
  function changed() {
    if (model.dark === expected) return
    if (navigator.userActivation && !navigator.userActivation.hasBeenActive) {
      model.dark = expected  // the page told where it began; nobody has pressed anything yet
      return
    }
    expected = model.dark  // not by us: the person pressed the button
    keep(expected)
    tell(expected)
  }
  const title = () => { document.title = model.title }
  model.on("dark", changed)
  model.on("title", title)
  system.addEventListener("change", follow)
  const other = (event) => { if (event.key === KEY) follow() }
  addEventListener("storage", other)
  model.on("remove", () => { drawn.delete(place); system.removeEventListener("change", follow); removeEventListener("storage", other) })
  title()
  // The page around this listens once it stands in the document; what is changed before would be lost.
  function begin() {
    if (root.isConnected) setTimeout(follow, 250)
    else setTimeout(begin, 50)
  }
  begin()
  return root
}
