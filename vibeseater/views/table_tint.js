// Rows whose events somebody marked, or a rule highlights: coloured by `model.tints`, whenever they come or change.
function tinted(model, body) {
  const tint = (row) => {
    const colour = model.tints[row.dataset.eventId]
    row.classList.toggle("tinted", Boolean(colour))
    if (colour) row.style.setProperty("--tint", colour)
  }
  const all = () => body.querySelectorAll("[data-event-id]").forEach(tint)
  new MutationObserver((changes) => {
    for (const change of changes) for (const node of change.addedNodes) if (node.dataset?.eventId) tint(node)
  }).observe(body, {childList: true, subtree: true})
  model.on("tints", all)
  all()
}
