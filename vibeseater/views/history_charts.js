// Small charts over one time axis, drawn as SVG; a pointer on one of them shows the moment's figures in all of them.
const SVG = "http://www.w3.org/2000/svg"
const KEPT = 600
const HEIGHT = 92

export function render({model}) {
  const make = (tag, name, text) => {
    const el = document.createElement(tag)
    if (name) el.className = name
    if (text != null) el.textContent = text
    return el
  }
  const draw = (tag, attributes) => {
    const el = document.createElementNS(SVG, tag)
    for (const [key, value] of Object.entries(attributes)) el.setAttribute(key, value)
    return el
  }
  const root = make("section")
  const bar = make("div", "bar")
  const spans = ["recent", "whole"].map((span) => {
    const button = make("button", null, span === "recent" ? "Last 10 minutes" : "Since the start")
    button.type = "button"
    button.addEventListener("click", () => model.send_msg({op: "span", span}))
    bar.append(button)
    return [span, button]
  })
  const moment = make("span", "moment")
  bar.append(moment)
  const grid = make("div", "grid")
  root.append(bar, grid)

  let points = {at: []}
  const boxes = model.charts.map((chart) => {
    const box = make("figure")
    const head = make("figcaption")
    head.append(make("span", "title", chart.title))
    const values = chart.series.map(([key, name], index) => {
      const legend = make("span", `legend s${index}`)
      const value = make("b")
      legend.append(value, document.createTextNode(` ${name}`))
      head.append(legend)
      return value
    })
    const svg = draw("svg", {role: "img", "aria-label": chart.title, height: HEIGHT})
    const base = draw("path", {class: "base"})
    const top = draw("path", {class: "base"})
    const lines = chart.series.map((_, index) => draw("path", {class: `line s${index}`}))
    const area = draw("path", {class: "area"})
    const cursor = draw("path", {class: "cursor"})
    const most = make("span", "most")
    svg.append(base, top, area, ...lines, cursor)
    const plot = make("div", "plot")
    plot.append(svg, most)
    box.append(head, plot)
    grid.append(box)
    return {chart, svg, base, top, area, lines, cursor, most, values}
  })

  const round = (x) => {  // the next of 1, 2, 5 × 10^n above: a scale that stays calm
    if (!(x > 0)) return 1
    const power = 10 ** Math.floor(Math.log10(x))
    return [1, 2, 5, 10].find((n) => n * power >= x * 0.999) * power
  }
  const short = (x) => x == null ? "–" : x >= 1000 ? Math.round(x).toLocaleString("en") : x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x >= 0.005 ? x.toFixed(2) : "0"
  const clock = (at) => new Date(at * 1000).toLocaleTimeString(undefined, {hour12: false})
  let hover = null

  function paint() {
    const at = points.at, n = at.length
    for (const [span, button] of spans) button.setAttribute("aria-pressed", String(span === model.span))
    if (!n) return
    const end = at[n - 1], start = model.span === "recent" ? Math.max(at[0], end - KEPT) : at[0]
    const length = Math.max(end - start, 30)
    const index = hover == null ? n - 1 : nearest(at, end - length + hover * length)
    moment.textContent = hover == null ? `${clock(end - length)} – ${clock(end)}` : clock(at[index])
    for (const {chart, svg, base, top, area, lines, cursor, most, values} of boxes) {
      const width = svg.clientWidth || 300, scale = chart.scale ?? 1
      const x = (t) => (t - end + length) / length * width
      let highest = 0
      for (const [key] of chart.series) for (const value of points[key] ?? []) if (value * scale > highest) highest = value * scale
      const limit = round(highest), y = (v) => HEIGHT - 2 - v * scale / limit * (HEIGHT - 12)
      base.setAttribute("d", `M0 ${HEIGHT - 1.5}H${width}`)
      top.setAttribute("d", `M0 ${y(limit / scale)}H${width}`)
      most.textContent = `${short(limit)}${chart.unit === "/s" ? "" : " "}${chart.unit}`
      chart.series.forEach(([key], place) => {
        const column = points[key] ?? []
        let path = "", open = false, first = 0, last = 0
        for (let i = 0; i < n; i++) {
          const value = column[i]
          if (value == null || at[i] < end - length) { open = false; continue }
          last = x(at[i])
          if (!path) first = last
          path += `${open ? "L" : "M"}${last.toFixed(1)} ${y(value).toFixed(1)}`
          open = true
        }
        lines[place].setAttribute("d", path)
        if (chart.series.length === 1) area.setAttribute("d", path && !path.slice(1).includes("M") ? `${path}L${last.toFixed(1)} ${HEIGHT - 1.5}L${first.toFixed(1)} ${HEIGHT - 1.5}Z` : "")
        const value = column[index]
        values[place].textContent = value == null ? "–" : short(value * scale)
      })
      cursor.setAttribute("d", hover == null ? "" : `M${x(at[index]).toFixed(1)} 0V${HEIGHT}`)
    }
  }
  function nearest(at, wanted) {
    let low = 0, high = at.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (at[middle] < wanted) low = middle + 1
      else high = middle
    }
    return low > 0 && wanted - at[low - 1] < at[low] - wanted ? low - 1 : low
  }
  grid.addEventListener("pointermove", (event) => {
    const svg = event.target.closest?.(".plot")?.firstChild
    if (!svg) return
    const box = svg.getBoundingClientRect()
    hover = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width))
    paint()
  })
  grid.addEventListener("pointerleave", () => { hover = null; paint() })

  function all() {
    points = Object.fromEntries(Object.entries(model.columns).map(([key, column]) => [key, [...column]]))
    points.at ??= []
    paint()
  }
  function more() {
    const row = model.newest
    if (row.at == null || row.at <= (points.at.at(-1) ?? 0)) return
    const keys = new Set([...Object.keys(points), ...Object.keys(row)])
    for (const key of keys) {
      const column = points[key] ??= points.at.map(() => null)
      if (key !== "at") column.push(row[key] ?? null)
    }
    points.at.push(row.at)
    // All points since the start are told anew every few seconds.
    if (model.span === "recent") while (points.at.length > KEPT) for (const key of keys) points[key].shift()
    paint()
  }
  model.on("columns", all)
  model.on("newest", more)
  model.on("span", paint)
  const sized = new ResizeObserver(() => paint())
  sized.observe(grid)
  model.on("remove", () => sized.disconnect())
  all()
  return root
}
