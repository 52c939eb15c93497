// The table of events: newest first, bounded, still while somebody reads. Everything it shows is set as text.
const MOST = 500      // rows in the document while somebody reads; those farthest away are let go and read again
const NEAR = 900      // pixels before an end at which the next page is asked for
const SLICE = 16      // rows made in one frame, where many are to be made
const QUIET = 600     // milliseconds without a burst, after which the rows that it left out below are made
const LONGEST = 2000  // milliseconds after which they are made, though bursts go on
const CALM = 12       // rows a second up to which each fades in; more would flicker

// Where readers stood, for a table that is drawn anew: in this document, or in the one that a reload makes.
const places = new Map()

function keepPlace(key, place) {
  try { place ? sessionStorage.setItem(key, JSON.stringify(place)) : sessionStorage.removeItem(key) } catch { /* forbidden */ }
}

// Also of a table that is gone: a server that began anew empties the page before it is loaded anew.
addEventListener("pagehide", () => { for (const [key, place] of places) keepPlace(key, place) })

function keptPlace(key) {
  try {
    const reloaded = performance.getEntriesByType("navigation")[0]?.type === "reload"
    const place = JSON.parse(sessionStorage.getItem(key))
    sessionStorage.removeItem(key)
    return reloaded ? place : null
  } catch { return null }  // storage that the person has forbidden throws
}

export function render({model}) {
  const root = make("div", "table")
  const grid = make("div", "grid")
  grid.setAttribute("role", "table")
  grid.setAttribute("aria-label", "Events, newest first")
  const head = make("div", "head")
  head.setAttribute("role", "row")
  for (const title of ["Time", "Source", "Type", "Event"]) {
    const title_ = make("span", title.toLowerCase(), title)
    title_.setAttribute("role", "columnheader")
    head.append(title_)
  }
  const following = make("button", "following")
  following.type = "button"
  following.append(make("span", "sign"), make("span", "said"))
  const help = make("button", "help", "?")
  help.type = "button"
  help.title = help.ariaLabel = "Keys"
  const bar = make("div", "bar")
  bar.append(following, help)
  const body = make("div", "body")
  body.setAttribute("role", "rowgroup")
  body.tabIndex = 0
  body.setAttribute("aria-label", "Events")
  const foot = make("div", "foot")
  foot.setAttribute("role", "row")
  const end = cell("end")
  foot.append(end)
  const chip = make("button", "more")
  chip.type = "button"
  chip.hidden = true
  const empty = make("div", "empty")
  empty.setAttribute("role", "status")
  const said = make("div", "saying")
  said.setAttribute("role", "status")
  said.hidden = true
  const keys = keysBox(() => showKeys(false))
  grid.append(head, body)
  root.append(bar, chip, grid, empty, said, keys)
  tinted(model, body)

  let offset = 0            // the server's clock minus this browser's, milliseconds
  let loaded = false
  let paused = false        // by the person
  let edge = true           // whether no newer row was let go: the first row is where new ones join
  let whole = false         // whether the last row is the oldest there is
  let held = false          // whether the server was told that somebody reads
  let asked = null          // "older" or "newer" while that page is being read
  let matched = 0           // events that passed the filter, as last told
  let drawn = 0             // the same when the first row was the newest
  let base = 0              // that number less the position at which it was told
  let highest = 0           // the position of the newest row that came
  let tail = []             // rows that follow the last one and are not in the document yet, newest first
  let growing = 0
  let skipped = 0           // rows that came and went without ever being in the document, not told to the server yet
  let focusId = null        // the event of the page's address
  let calmFrom = 0          // fading rows of this second
  let faded = 0
  const open = new Set()    // ids of opened rows
  const shown = new Map()   // id → row

  const now = () => Date.now() + offset
  const first = () => body.querySelector(":scope > .row")
  const last = () => foot.previousElementSibling
  const reading = () => paused || body.scrollTop > 6 || open.size > 0 || !edge
  const later = (work) => document.hidden ? setTimeout(work, 0) : requestAnimationFrame(work)

  // Standing still and going on

  function settle() {
    const still = reading()
    if (still !== held) {
      held = still
      if (still) {
        channel.close()
        model.send_msg({op: "hold"})
        if (tail.length) growAfter(0)  // whoever reads wants what is below
      } else {
        trim()
        model.send_msg({op: "follow", id: first()?.dataset.eventId ?? ""})
      }
    }
    sign()
  }

  function sign() {
    const count = held ? matched - drawn : 0
    const far = held && (!edge || body.scrollTop > body.clientHeight)
    const text = count > 0 ? `${count.toLocaleString()} new ↑` : "Newest ↑"
    setText(chip, text)
    chip.hidden = !(count > 0 || far)
    following.setAttribute("aria-pressed", String(paused))
    const state = paused ? "paused" : held ? "reading" : "live"
    following.dataset.state = state
    setText(following.lastChild, {paused: "Held still", reading: "Still while you read", live: "Following"}[state])
    if (model.moment != null) {
      following.dataset.state = "reading"
      setText(following.lastChild, `Up to ${new Date(model.moment * 1000).toLocaleTimeString(undefined, {hour12: false})}`)
      following.title = "These rows end at the moment that was chosen in the plot. Press to see the newest again."
      return
    }
    following.title = held
      ? "The table stands still. Ingestion goes on. Press to follow again (Home)."
      : "New events appear on top. Press to hold the table still (Space); ingestion goes on."
  }

  function goOn() {
    paused = false
    for (const id of [...open]) close(id)
    if (edge) body.scrollTop = 0
    else model.send_msg({op: "newest"})
    settle()
  }

  function pause(on) {
    if (on) { paused = true; settle() } else goOn()
  }

  // Rows

  function close(id) {
    open.delete(id)
    const row = shown.get(id)
    if (!row) return
    row.querySelector(".detail")?.remove()
    row.classList.remove("open")
    row.querySelector(".expand").setAttribute("aria-expanded", "false")
  }

  function unfold(row) {
    const id = row.dataset.eventId
    open.add(id)
    row.classList.add("open")
    row.querySelector(".expand").setAttribute("aria-expanded", "true")
    if (!row.querySelector(".detail")) row.append(detailBox())
    model.send_msg({op: "detail", id})
  }

  function toggle(row) {
    const id = row.dataset.eventId
    open.has(id) ? close(id) : unfold(row)
    settle()
  }

  function drop(row) {
    open.delete(row.dataset.eventId)
    shown.delete(row.dataset.eventId)
    row.remove()
  }

  function rowsOf(list, fade = false) {
    const fragment = document.createDocumentFragment()
    for (const data of list) {
      if (shown.has(data.id)) continue
      const row = build(data, fade, now())
      row._data = data
      data.drawn = true
      if (data.id === focusId) row.classList.add("marked")
      if (model.words.length) highlight(row.querySelector(".words"), model.words)
      shown.set(data.id, row)
      fragment.append(row)
    }
    return fragment
  }

  // Put rows on top without moving what is read.
  function top(fragment) {
    const stays = first()
    const before = stays?.offsetTop ?? 0
    body.prepend(fragment)
    if (stays && held) body.scrollTop += stays.offsetTop - before
  }

  function trim() {
    if (!held) {
      for (let row = last(); shown.size > model.cap; row = last()) { drop(row); whole = false }
      if (shown.size + tail.length > model.cap) { leaveOut(tail.splice(model.cap - shown.size)); whole = false }
    }
    empty.hidden = shown.size > 0
    setText(empty, loaded ? model.empty : "Reading events …")
    foot.hidden = shown.size === 0
    const oldest = last()
    end.dataset.end = String(whole)
    setText(end, asked === "older" ? "Reading older events …"
      : !whole || tail.length ? (model.past ? "Older events" : "")
      : oldest?.dataset.seq === "1" ? "That is the first event"
      : "Nothing older here: earlier events don't fit the filter, or were purged")
    const tab = body.querySelector(":scope > .row[tabindex='0']")
    if (first() && (!tab || (!held && tab !== first() && !tab.matches(":focus")))) chooseRow(first(), false)
  }

  function leaveOut(list) {
    for (const data of list) if (data.came && !data.drawn) skipped += 1
  }

  // Rows below those that are seen are made a few a frame.
  function grow() {
    growing = 0
    foot.before(rowsOf(tail.splice(0, SLICE)))
    trim()
    if (tail.length) growing = later(grow)
  }
  let quiet = 0
  let waits = 0             // since when rows below wait to be made
  function growAfter(milliseconds) {
    clearTimeout(quiet)
    waits ||= Date.now()
    const wait = Math.max(0, Math.min(milliseconds, waits + LONGEST - Date.now()))
    quiet = setTimeout(() => { waits = 0; if (!growing && tail.length) grow() }, wait)
  }

  // As many rows as can be seen, and some to spare.
  const screenful = () => Math.max(SLICE, Math.ceil(body.clientHeight / 40) + 4)

  function add(rows, count) {
    if (channel.wasUsed()) rows = rows.filter((row) => row.seq > highest)  // both ways bring what comes while they change
    if (rows.length) highest = rows[0].seq
    drawn = count
    const most = screenful()
    for (const data of rows) data.came = true  // while somebody watched: what was read at the beginning was not skipped
    if (rows.length <= most) {
      const second = Math.floor(Date.now() / 1000)
      if (second !== calmFrom) { calmFrom = second; faded = 0 }
      faded += rows.length
      body.prepend(rowsOf(rows, faded <= CALM))
    } else {  // a burst: what is seen is made now, all else when it is over
      tail = [...rows.slice(most), ...[...body.querySelectorAll(":scope > .row")].map((row) => row._data), ...tail]
      for (const row of [...shown.values()]) drop(row)
      body.prepend(rowsOf(rows.slice(0, most)))
    }
    trim()
    if (tail.length) growAfter(QUIET)
    sign()
  }

  function replace(rows, most = screenful()) {
    drawn = matched
    for (const row of [...shown.values()]) drop(row)
    body.prepend(rowsOf(rows.slice(0, most)))
    tail = rows.slice(most)
    if (tail.length) growAfter(0)
    asked = null
    loaded = true
  }

  function reset(data) {
    channel.close()
    highest = data.rows[0]?.seq ?? 0
    edge = data.edge
    whole = Boolean(data.end)
    focusId = null
    replace(data.rows)
    open.clear()
    paused = paused && held
    held = paused || !edge
    body.scrollTop = 0
    trim()
    sign()
    if (held) model.send_msg({op: "hold"})
  }

  // An event among its neighbours: one that the address names, or the one at which a reader stood.
  function show(data) {
    edge = Boolean(data.edge)
    whole = Boolean(data.end)
    const place = back
    back = null
    focusId = place ? null : data.id
    held = true
    replace(data.rows, data.rows.length)
    open.clear()
    if (place) paused = Boolean(place.paused)
    for (const id of place ? place.open : [data.id]) if (shown.has(id)) unfold(shown.get(id))
    const row = shown.get(data.id)
    if (row) {
      body.scrollTop = row.offsetTop - body.offsetTop - (place ? place.y : body.clientHeight / 4)
      if (!place) { chooseRow(row); root.scrollIntoView({block: "nearest"}) }
    }
    trim()
    settle()
    model.send_msg({op: held ? "hold" : "follow", id: first()?.dataset.eventId ?? ""})
  }

  function older(data) {
    asked = null
    if (data.failed || Number(last()?.dataset.seq) !== data.position) return trim()
    whole = data.last
    foot.before(rowsOf(data.rows))
    while (shown.size > MOST && last() !== first()) {
      const row = first()
      if (row.offsetTop + row.offsetHeight - body.offsetTop > body.scrollTop - NEAR) break
      const height = row.offsetHeight
      drop(row)
      body.scrollTop -= height
      edge = false
    }
    trim()
    settle()
    look()
  }

  function newer(data) {
    asked = null
    if (data.failed || Number(first()?.dataset.seq) !== data.position) return
    top(rowsOf(data.rows))
    edge = data.last
    if (edge) drawn = matched
    for (let row = last(); shown.size > MOST; row = last()) { drop(row); whole = false }
    trim()
    settle()
    look()
  }

  // Ask for the next page where an end comes near.
  function look() {
    if (!loaded || asked || !model.past || !shown.size || !held || tail.length) return
    if (!whole && body.scrollHeight - body.scrollTop - body.clientHeight < NEAR) {
      asked = "older"
      model.send_msg({op: "older", position: Number(last().dataset.seq)})
      trim()
    } else if (!edge && body.scrollTop < NEAR) {
      asked = "newer"
      model.send_msg({op: "newer", position: Number(first().dataset.seq)})
    }
  }

  // A source was renamed: its rows are named anew where they stand, also while somebody reads them.
  function rename(names) {
    for (const data of tail) Object.assign(data, names[data.key])
    for (const row of shown.values()) if (names[row._key]) nameSource(row.querySelector(".chip"), names[row._key])
  }

  let saying = 0
  function say({text, look}) {
    setText(said, text)
    said.hidden = false
    if (look) root.scrollIntoView({block: "nearest"})
    clearTimeout(saying)
    saying = setTimeout(() => { said.hidden = true }, 8000)
  }

  function receive(data) {
    if (data.now) offset = data.now - Date.now()
    if (data.matched != null) { matched = data.matched; base = matched - data.at }
    else if (data.to != null) matched = base + data.to
    if (data.op === "reset") reset(data)
    else if (data.op === "add") { !held && (data.to != null || !channel.isOpen()) ? add(data.rows, matched) : sign() }
    else if (data.op === "channel") channel.offer(data)
    else if (data.op === "count") sign()
    else if (data.op === "show") show(data)
    else if (data.op === "older") older(data)
    else if (data.op === "newer") newer(data)
    else if (data.op === "names") rename(data.names)
    else if (data.op === "say") say(data)
    else if (data.op === "detail") {
      const box = shown.get(data.id)?.querySelector(".detail")
      if (box) {
        fillDetail(box, data, model)
        highlightDetail(box, model.words)
      }
    }
  }

  // Hands

  body.addEventListener("click", (event) => {
    const row = event.target.closest(".row")
    if (!row || event.target.closest("a, .detail") || String(getSelection())) return
    chooseRow(row, false)
    toggle(row)
  })
  chip.addEventListener("click", goOn)
  following.addEventListener("click", () => model.moment == null ? pause(!held) : model.send_msg({op: "now"}))
  model.on("moment", sign)
  let scrolling = 0
  body.addEventListener("scroll", () => {
    if (!scrolling) scrolling = later(() => { scrolling = 0; settle(); look() })
  }, {passive: true})

  function chooseRow(row, focus = true) {
    if (!row?.matches(".row")) return
    body.querySelector(".row[tabindex='0']")?.setAttribute("tabindex", "-1")
    row.tabIndex = 0
    if (focus) {
      row.focus({preventScroll: true})
      const over = body.offsetTop + body.scrollTop - row.offsetTop
      const under = row.offsetTop + Math.min(row.offsetHeight, body.clientHeight) - body.offsetTop - body.scrollTop - body.clientHeight
      if (over > 0) body.scrollTop -= over
      else if (under > 0) body.scrollTop += under
    }
  }

  // Who walks through the rows reads them: they stand still.
  function walk(row) {
    if (!row?.matches(".row")) return
    paused = true
    settle()
    chooseRow(row)
  }

  let before = null
  function showKeys(on) {
    if (on === !keys.hidden) return
    if (on) before = root.getRootNode().activeElement
    keys.hidden = !on
    if (on) keys.querySelector("button").focus()
    else before?.focus?.()
  }
  help.addEventListener("click", () => showKeys(keys.hidden))

  function press(event) {
    if (!isFree(event)) {
      if (event.key === "Escape" && !keys.hidden) showKeys(false)
      return
    }
    const path = event.composedPath()
    const at = path.find((el) => el instanceof Element && el.matches(".row"))
    const chosen = at && shown.get(at.dataset.eventId) === at ? at : null
    const inside = path.includes(root)
    const from = chosen ?? body.querySelector(".row[tabindex='0']")
    switch (event.key) {
      case " ": pause(!held); break
      case "ArrowDown": if (!inside || path.some((el) => el.matches?.(".json"))) return; walk(chosen ? chosen.nextElementSibling : from); break
      case "ArrowUp": if (!inside || path.some((el) => el.matches?.(".json"))) return; walk(chosen ? chosen.previousElementSibling : from); break
      case "Home": if (!inside && !model.whole_page) return; goOn(); if (inside && edge) chooseRow(first()); break
      case "End": if (!inside) return; chooseRow(last()); body.scrollTop = body.scrollHeight; break
      case "Enter": if (!chosen) return; toggle(chosen); break
      case "Escape":
        if (!keys.hidden) showKeys(false)
        else if (chosen && open.has(chosen.dataset.eventId)) { close(chosen.dataset.eventId); chooseRow(chosen); settle() }
        else if (open.size) { for (const id of [...open]) close(id); settle() }
        else return
        break
      case "/": root.dispatchEvent(new CustomEvent("vibeseater:search", {bubbles: true, composed: true})); break
      case "?": showKeys(keys.hidden); break
      default: return
    }
    event.preventDefault()
    event.stopPropagation()
  }
  // In a page all keys that nobody else wants are the table's; in a notebook only those that are pressed in it.
  const hears = model.whole_page ? document : root
  hears.addEventListener("keydown", press)

  // Where the reader stands, for a table that is drawn anew

  const key = `vibeseater.place ${model.place}`
  function place() {
    if (!loaded || !held) return null
    const at = body.scrollTop + body.offsetTop
    const row = [...shown.values()].find((one) => one.isConnected && one.offsetTop + one.offsetHeight > at && one.offsetTop <= at) ?? first()
    return row && {id: row.dataset.eventId, y: row.offsetTop - at, open: [...open], paused}
  }
  let back = null
  const stood = () => loaded ? place() : back
  const leave = () => keepPlace(key, stood())
  if (model.place) {
    addEventListener("pagehide", leave)
    back = places.get(key) ?? keptPlace(key)
    places.delete(key)
  }

  const channel = rowsChannel(model, receive, () => first()?.dataset.eventId ?? "")
  model.on("msg:custom", (message) => receive(JSON.parse(typeof message === "string" ? message : message.data)))
  model.on("empty", trim)
  model.on("words", () => {
    for (const row of shown.values()) {
      highlight(row.querySelector(".words"), model.words)
      highlightDetail(row.querySelector(".detail"), model.words)
    }
  })
  model.on(["marks", "actions"], () => {
    for (const id of open)
      for (const button of shown.get(id)?.querySelectorAll(".tool[data-action]") ?? [])
        for (const action of model.actions) if (action.name === button.dataset.action) marked(model, id, button, action)
  })
  const timer = setInterval(() => {
    if (!document.hidden) for (const row of shown.values()) age(row, now())
  }, 1000)
  const tell = setInterval(() => {
    if (skipped) model.send_msg({op: "skipped", count: skipped})
    skipped = 0
  }, 1000)
  const remember = setInterval(() => { if (model.place && root.isConnected) { const at = stood(); at ? places.set(key, at) : places.delete(key) } }, 500)
  model.on("remove", () => {
    channel.close()
    clearInterval(timer)
    clearInterval(tell)
    clearTimeout(quiet)
    clearInterval(remember)
    hears.removeEventListener("keydown", press)
    removeEventListener("pagehide", leave)
  })
  body.append(foot)
  trim()
  sign()
  // Only now does this browser listen: what was sent before is asked for.
  model.send_msg({op: "ready", id: back?.id ?? ""})
  return root
}
