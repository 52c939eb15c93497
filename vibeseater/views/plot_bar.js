// The plot's heading. The figure tells what a hand does in it by events of the document: so it works in a notebook too.
const two = (number) => String(number).padStart(2, "0")
const day = (at) => at.toLocaleDateString(undefined, {day: "numeric", month: "short"})
const clock = (at) => `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`

function range(start, end) {
  const [from, to] = [new Date(start * 1000), new Date(end * 1000)]
  if (from.toDateString() !== to.toDateString()) return `${day(from)} ${clock(from)} – ${day(to)} ${clock(to)}`
  return `${from.toDateString() === new Date().toDateString() ? "" : `${day(from)}, `}${clock(from)} – ${clock(to)}`
}

// What a pointer in the plot is told stands in the document's body, where no component's style reaches. A notebook's own
// look is left alone.
const TIPS = `.bk-Tooltip { --tooltip-color: var(--panel-surface-color, #fff); --tooltip-text: var(--panel-on-surface-color, #1c2128);
  --tooltip-border: color-mix(in srgb, var(--tooltip-text) 22%, transparent); --tooltip-arrow-color: var(--tooltip-border);
  --tooltip-arrow-inner-color: var(--tooltip-color); border-radius: 8px; padding: 7px 11px; box-shadow: 0 4px 16px rgb(0 0 0 / .18); opacity: 1; }`
function style() {
  if (document.getElementById("vs-tips") || getComputedStyle(document.body).getPropertyValue("--jp-layout-color0")) return
  const sheet = document.createElement("style")
  sheet.id = "vs-tips"
  sheet.textContent = TIPS
  document.head.append(sheet)
}

export function render({model}) {
  style()
  const bar = document.createElement("div")
  bar.className = "bar"
  const heading = document.createElement("span")
  heading.className = "heading"
  const busy = document.createElement("span")
  busy.className = "busy"
  busy.setAttribute("role", "status")
  const back = document.createElement("button")
  back.type = "button"
  back.className = "back"
  const at = document.createElement("span")
  at.className = "at"
  const word = document.createElement("span")
  word.className = "word"
  word.textContent = "Back to now"
  back.append(at, word)
  bar.append(heading, busy, back)

  function draw() {
    heading.textContent = model.heading
    busy.textContent = model.counting ? "counting …" : ""
    const zoomed = model.zoom.length === 2
    bar.classList.toggle("away", zoomed || model.moment != null)
    back.hidden = !zoomed && model.moment == null
    at.textContent = zoomed ? range(...model.zoom) : model.moment == null ? "" : `rows up to ${range(model.moment, model.moment).split(" – ")[0]}`
    back.title = zoomed ? "Show the plot up to now again" : "Show the newest rows again"
  }
  back.addEventListener("click", () => model.send_msg({op: "back"}))
  const hear = (event) => {
    const {plot, ...detail} = event.detail
    if (plot === model.name_of_plot) model.send_msg(detail)
  }
  document.addEventListener("vs-plot", hear)
  model.on("remove", () => document.removeEventListener("vs-plot", hear))
  model.on(["heading", "zoom", "moment", "counting"], draw)
  draw()
  return bar
}
