// The words that a search asks for, marked where they stand. The server tells the words; all is set as text.
const finders = new Map()

function finder(words) {
  const key = words.join("\n")
  let found = finders.get(key)
  if (!found) {
    if (finders.size > 50) finders.clear()
    const every = [...words].sort((a, b) => b.length - a.length).map((word) => word.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&"))
    // Whole words only, as the search itself; in a JSON text a word may follow an escaped line break.
    found = new RegExp(`(?<![\\p{L}\\p{N}])(?:${every.join("|")})(?![\\p{L}\\p{N}])`, "giu")
    finders.set(key, found)
  }
  return found
}

function highlight(el, words) {
  if (!el) return
  for (const mark of el.querySelectorAll("mark")) mark.replaceWith(mark.textContent)
  el.normalize()
  if (!words.length) return
  const find = finder(words)
  const walker = document.createTreeWalker(el, NodeFilter.SHOW_TEXT)
  const texts = []
  while (walker.nextNode()) texts.push(walker.currentNode)
  for (const node of texts) {
    const text = node.data
    let at = 0
    let parts = null
    for (const hit of text.matchAll(find)) {
      parts ??= document.createDocumentFragment()
      if (hit.index > at) parts.append(text.slice(at, hit.index))
      parts.append(make("mark", null, hit[0]))
      at = hit.index + hit[0].length
    }
    if (parts) {
      parts.append(text.slice(at))
      node.replaceWith(parts)
    }
  }
}

function highlightDetail(box, words) {
  for (const el of box?.querySelectorAll("dd, .json") ?? []) highlight(el, words)
}
