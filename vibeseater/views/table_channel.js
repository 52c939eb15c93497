// Rows that come over a socket of their own, made once for all who see the same. The session offers it while the table
// follows all of its stream; where it can't be had, rows come from the session as ever.
const MOST_FAILURES = 3

function rowsChannel(model, receive, newest) {
  let socket = null
  let open = false
  let used = false
  let failures = 0

  function close() {
    const old = socket
    if (old) old.onmessage = old.onclose = null
    // One that is still being opened is closed as soon as it is: browsers call anything else an error.
    if (old?.readyState === WebSocket.CONNECTING) old.onopen = () => old.close()
    else old?.close()
    socket = null
    open = false
  }

  function offer({ticket, after}) {
    close()
    if (!ticket || failures >= MOST_FAILURES) return
    const url = new URL(`rows?after=${after}`, location.href)
    url.protocol = url.protocol.replace("http", "ws")
    try { socket = new WebSocket(url, ["vibeseater-rows", ticket]) } catch { failures += 1; return }
    socket.onmessage = (event) => {
      const data = JSON.parse(event.data)
      if (data.op !== "hello") return receive(data)
      failures = 0
      open = used = true
      model.send_msg({op: "live", on: true})
    }
    socket.onclose = () => {
      failures += 1
      close()
      model.send_msg({op: "live", on: false, id: newest()})
    }
  }

  return {offer, close, isOpen: () => open, wasUsed: () => used}
}
