// Two windows, in the reader's own clock.
export function render({model}) {
  const root = document.createElement("div"), form = document.createElement("form")
  form.noValidate = true  // what does not fit is told by the server, with its cure
  const make = (tag, text) => { const el = document.createElement(tag); if (text != null) el.textContent = text; return el }
  const two = (n) => String(n).padStart(2, "0")
  const local = (value) => {
    const at = new Date(value)
    return `${String(at.getFullYear()).padStart(4, "0")}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`
  }
  const fields = {}
  for (const [name, label] of [["first", "First"], ["second", "Second"]]) {
    const box = make("fieldset")
    box.append(make("legend", label))
    fields[name] = ["from", "to"].map((word) => {
      const input = make("input"), text = make("label", word)
      input.type = "datetime-local"
      input.name = `${name}-${word}`
      input.setAttribute("aria-label", `${label} window, ${word}`)
      text.append(input)
      box.append(text)
      return input
    })
    form.append(box)
  }
  const submit = make("button", "Compare"), halves = make("button", "Halves of the range"), problem = make("p")
  halves.type = "button"
  problem.className = "problem"
  problem.setAttribute("role", "alert")
  form.append(submit, halves, problem)
  root.append(form)
  const shown = new Map()
  form.addEventListener("submit", (event) => {
    event.preventDefault()
    // What was not touched keeps its seconds.
    const asked = (name) => fields[name].map((input, at) =>
      input.value === local(model[name][at]) ? model[name][at] : new Date(input.value).getTime() || null)
    model.send_msg({op: "windows", first: asked("first"), second: asked("second")})
  })
  halves.addEventListener("click", () => model.send_msg({op: "halves"}))
  function draw() {
    for (const name of ["first", "second"]) fields[name].forEach((input, at) => {
      const value = model[name][at]
      if (value == null || shown.get(input) === value) return
      shown.set(input, value)
      input.value = local(value)
    })
    halves.hidden = model.halves
    problem.textContent = model.problem
    problem.hidden = !model.problem
  }
  model.on(["first", "second", "halves", "problem"], draw)
  draw()
  return root
}
