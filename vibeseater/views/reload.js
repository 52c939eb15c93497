// Loads the page anew, once its server answers: what a proxy says in its place could not try again.
// Not in a circle: not within half a minute of the last time, but where a person asks for it.
const PAUSE = 30000
let loading = 0

async function answers() {
  try { return (await fetch(location.href, {cache: "no-store"})).ok } catch { return false }
}

function reload(byPerson) {
  clearTimeout(loading)
  if (byPerson) { location.reload(); return }
  const last = performance.getEntriesByType("navigation")[0]?.type === "reload" ? performance.timeOrigin : 0
  const load = async () => {
    if (await answers()) location.reload()
    else loading = setTimeout(load, 3000)
  }
  loading = setTimeout(load, Math.max(0, last + PAUSE - Date.now()))
}

// Whether a page that loads itself would take something from the person: a text that is being written, a place.
function isBusy() {
  let at = document.activeElement
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement
  return Boolean(at?.matches("input, textarea, select, [contenteditable]"))
}
