// Times in a row: when, and how long ago; what is over a day old by its date.
const STEP = [[60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"]]

function ago(seconds) {
  if (seconds < 1) return "now"
  for (const [limit, size, unit] of STEP) if (seconds < limit) return `${Math.floor(seconds / size)} ${unit}`
}

// What is over a day old is told by its date: "8 y" on each row would tell none from another.
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
const two = (number) => String(number).padStart(2, "0")

function date(at, today) {
  const year = at.getFullYear() === today.getFullYear() ? "" : ` ${at.getFullYear()}`
  return `${at.getDate()} ${MONTHS[at.getMonth()]}${year} ${two(at.getHours())}:${two(at.getMinutes())}`
}

const clock = new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "medium"})
const when = (ms) => { try { return clock.format(ms) } catch { return String(ms) } }

// The two texts of a time: when, and how long before `now`. Milliseconds since 1970.
function times(ms, now) {
  const at = new Date(ms)
  if (Number.isNaN(at.getTime())) return ["long ago", ""]
  const age = ago((now - ms) / 1000)
  return age == null ? [date(at, new Date(now)), ""] : [`${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`, age]
}
