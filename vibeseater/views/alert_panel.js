// The alerts of a stream and their rules: seen, tried on the past, switched on and off. Everything is set as text.
const BELL = "M12 2a2 2 0 0 1 2 2v.6A6 6 0 0 1 18 10v5l2 2v1H4v-1l2-2v-5a6 6 0 0 1 4-5.4V4a2 2 0 0 1 2-2zm-2 17h4a2 2 0 0 1-4 0z"
const WHENS = [["event", "an event comes"], ["above", "many events come"], ["below", "few events come"], ["silence", "nothing comes"]]
const GROUPS = [["", "all together"], ["source", "each source"], ["type", "each type"]]

export function render({model}) {
  const send = (op, more) => model.send_msg({op, ...more})
  const {root, sheet, count} = drawer("Alerts", BELL, () => send("open"))

  // Notifications of the browser: asked for by a press, never by itself.
  const notify = button("plain")
  const canNotify = "Notification" in window && window.isSecureContext
  const drawNotify = () => {
    notify.hidden = !canNotify
    if (!canNotify) return
    const state = Notification.permission
    setText(notify, state === "granted" ? "This browser notifies you" : state === "denied" ? "This browser blocks notifications" : "Notify me in this browser")
    notify.disabled = state !== "default"
  }
  notify.addEventListener("click", async () => { await Notification.requestPermission(); drawNotify() })
  drawNotify()

  const toasts = make("div", "toasts")
  toasts.setAttribute("role", "status")
  root.append(toasts)
  const tell = (alert) => {
    const toast = make("div", "toast")
    toast.dataset.alertId = alert.id
    const text = make("p", null, alert.message)
    text.dir = "auto"
    toast.append(text, button("plain", "Dismiss", () => toast.remove()))
    toasts.append(toast)
    while (toasts.children.length > 3) toasts.firstChild.remove()
    setTimeout(() => toast.remove(), 20000)
    if (canNotify && Notification.permission === "granted") {
      try { new Notification(model.title, {body: alert.message, tag: alert.id}) } catch { /* only from a worker, on Android */ }
    }
  }

  // What was told.
  const list = make("ul", "list")
  list.setAttribute("aria-label", "Alerts")
  const empty = make("p", "empty", "No alerts yet.")
  const draw = keyed(list, (id) => {
    const row = make("li", "note")
    row.dataset.alertId = id
    const dot = make("span", "dot")
    const body = make("div", "body")
    const said = make("p", "said")
    said.dir = "auto"
    const line = make("p", "line")
    const fault = make("p", "fault")
    body.append(said, line, fault)
    row.append(dot, body)
    return {row, draw(alert) {
      dot.style.setProperty("--c", alert.open ? "var(--vs-red)" : "var(--vs-muted)")
      setText(said, alert.message)
      setText(line, [when(alert.at), alert.over ? `over ${when(alert.over)}` : alert.open ? "still so" : "", alert.sent].filter(Boolean).join(" · "))
      setText(fault, alert.error)
      fault.hidden = !alert.error
    }}
  })
  let known = null
  const drawAlerts = () => {
    if (!model.loaded) return
    draw(model.alerts.slice(0, 50))
    empty.hidden = model.alerts.length > 0
    const open = model.alerts.filter((alert) => alert.open).length
    setText(count, open ? String(open) : "")
    count.dataset.tone = open ? "bad" : ""
    if (known) for (const alert of [...model.alerts].reverse()) if (!known.has(alert.id) && !alert.silenced) tell(alert)
    known = new Set(model.alerts.map((alert) => alert.id))
  }

  // The rules.
  const rules = make("ul", "list")
  rules.setAttribute("aria-label", "Alert rules")
  const noRules = make("p", "empty", model.denied ? "No rules yet." : "No rules yet. Make one below, and try it on the past week first.")
  const drawRules = keyed(rules, (id) => {
    const row = make("li", "source")
    row.dataset.ruleId = id
    const title = make("div", "title")
    const name = make("strong")
    name.dir = "auto"
    const state = make("span", "state")
    title.append(name, state)
    const line = make("p", "line")
    line.dir = "auto"
    const tried = make("p", "tried")
    tried.setAttribute("role", "status")
    tried.dir = "auto"
    const bar = make("div", "bar")
    let now = {}
    // What a rule would have told is seen before it is switched on; where that can't be told, the next press does it.
    let asked = false
    const untried = () => !now.enabled && !asked && model.tried[id] == null
    const toggle = button("plain", "", () => {
      if (model.busy) return  // it would be passed over, and the next press would switch on what was not tried
      if (!untried()) return send(now.enabled ? "off" : "on", {id})
      asked = true
      send("try", {id})
    })
    const silence = button("plain", "", () => send(now.silenced ? "loud" : "silence", {id}))
    const trial = button("plain", "Try on the past week", () => send("try", {id}))
    if (model.denied) bar.append(trial)
    else bar.append(toggle, trial, silence, button("plain", "Edit", () => edit(now)), twice("Delete", () => send("delete", {id})))
    row.append(title, line, tried, bar)
    return {row, draw(rule) {
      now = rule
      setText(name, rule.name)
      setText(state, rule.state)
      state.dataset.tone = rule.enabled ? "well" : ""
      setText(line, rule.says)
      setText(tried, model.tried[id] ?? "")
      setText(toggle, rule.enabled ? "Switch off" : untried() ? "Try, then switch on" : "Switch on")
      setText(silence, rule.silenced ? "Send again" : "Silence for 1 h")
      silence.hidden = !rule.enabled
    }}
  })
  const redraw = () => { drawRules(model.rules); noRules.hidden = !model.loaded || model.rules.length > 0 }

  // A new one.
  const form = make("form", "grid")
  const input = (name, placeholder, value, type) => {
    const el = make("input")
    el.name = name
    if (type) el.type = type
    if (placeholder) el.placeholder = placeholder
    if (value) el.value = value
    return el
  }
  const name = input("name")
  name.required = true
  name.maxLength = 200
  const kind = choose("When", WHENS, "above")
  const search = input("search", "any")
  const type = input("type", "any")
  const threshold = input("threshold", "", "10", "number")
  threshold.min = 1
  threshold.max = 10000
  const span = input("window", "", "10m")
  const lasting = input("for", "", "0s")
  const pause = input("cooldown", "", "15m")
  const group = choose("Looked at", GROUPS, "")
  const boxes = {
    name: field("Name", name), kind: field("When", kind), threshold: field("Events", threshold), span: field("Within (5m, 2h)", span),
    search: field("Only with the words", search), type: field("Only of the type", type), lasting: field("For at least", lasting),
    pause: field("Not again for", pause), group: field("Looked at", group),
  }
  boxes.name.classList.add("wide")
  const tryIt = button("plain", "Try on the past week", () => form.reportValidity() && send("try", draft()))
  const add = button("main", "Add rule")
  add.type = "submit"
  const cancel = button("plain", "Cancel", () => edit(null))
  const foot = make("div", "bar wide")
  foot.append(tryIt, add, cancel)
  const tried = make("p", "tried wide")
  tried.setAttribute("role", "status")
  tried.dir = "auto"
  form.append(...Object.values(boxes), foot, tried)
  // The form makes a rule, or changes the one that was put into it.
  const heading = make("h3")
  let changing = null
  const edit = (rule) => {
    changing = rule && rule.id
    setText(heading, rule ? "Change the rule" : "New rule")
    setText(add, rule ? "Save" : "Add rule")
    cancel.hidden = !rule
    name.value = rule ? rule.name : ""
    const fields = rule ? rule.fields : {when: "above", search: "", type: "", threshold: 10, window: "10m", for: "0s", cooldown: "15m", group: ""}
    for (const [one, box] of [["when", kind], ["search", search], ["type", type], ["threshold", threshold], ["window", span], ["for", lasting], ["cooldown", pause], ["group", group]]) box.value = fields[one]
    fit()
    if (rule) name.focus()
  }
  const draft = () => ({
    ...(changing && {changes: changing}), name: name.value, when: kind.value, search: search.value, type: type.value, threshold: Number(threshold.value),
    window: span.value, for: lasting.value, cooldown: pause.value, group: group.value,
  })
  const fit = () => {
    boxes.threshold.hidden = !["above", "below"].includes(kind.value)
    boxes.span.hidden = boxes.lasting.hidden = kind.value === "event"
  }
  kind.addEventListener("change", fit)
  form.addEventListener("submit", (event) => {
    event.preventDefault()
    send(changing ? "change" : "add", draft())
  })
  const problem = alertLine()
  const drawState = () => {
    setText(problem, model.problem)
    setText(tried, model.tried.draft ?? "")
    add.disabled = tryIt.disabled = Boolean(model.busy)
    redraw()
  }
  edit(null)
  sheet.append(notify, problem, list, empty, make("h3", null, "Rules"), rules, noRules, ...(model.denied ? [deniedLine(model.denied)] : [heading, form]))
  model.on(["alerts", "loaded"], drawAlerts)
  model.on(["rules", "loaded"], redraw)
  model.on(["problem", "tried", "busy"], drawState)
  model.on("added", () => { if (changing) edit(null); else name.value = "" })
  drawAlerts()
  drawState()
  return root
}
