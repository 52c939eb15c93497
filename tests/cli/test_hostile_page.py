"""A page's own websocket, written to without the page's script: who is a viewer stays one, and the server lives on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import aiohttp

from tests.cli.processes import Commands, served
from tests.cli.test_login import _browser, _sign_in, _token
from tests.servers import eventually
from vibeseater import VibeSeater

_LIST = re.compile(r'"id":"(p\d+)","attributes":\{[^{}]*?"name":"StreamsComponent"')
_NOTHING: dict[str, Any] = {"roots": [], "title": "", "version": "3.9.2"}


async def test_a_viewer_s_page_does_no_more_than_a_viewer_may(
    commands: Commands, seater: VibeSeater, tmp_path: Path
) -> None:
    """Neither asked by itself, nor after its document was made to say that all is allowed, nor with that document
    replaced; frames that are no messages end the connection alone. What was refused is recorded as theirs."""
    passwords, rules = tmp_path / "passwords.json", tmp_path / "access.toml"
    passwords.write_text('{"eve": "drop"}')
    rules.write_text('[users]\neve = "viewer"\n[[streams]]\nstream = "Secret*"\nseen_by = ["ada"]')
    for title in ("Open", "Secret talks"):
        await seater.streams.create_stream(title)
    told = ""
    async with served(commands, "--basic-auth", str(passwords), "--access", str(rules)) as (_, url), _browser() as http:
        await _sign_in(http, url, "eve", "drop")
        page = await (await http.get(f"{url}/streams")).text()
        async with http.ws_connect(f"{url}/streams/ws", origin=url, protocols=("bokeh", _token(page))) as socket:

            async def send(kind: str, content: dict[str, Any]) -> None:
                for part in ({"msgid": "1", "msgtype": kind}, {}, content):
                    await socket.send_str(json.dumps(part))

            async def read(wanted: re.Pattern[str]) -> re.Match[str]:
                nonlocal told
                while True:
                    message = await socket.receive(timeout=60)
                    assert message.type is aiohttp.WSMsgType.TEXT, message
                    told += message.data
                    if found := wanted.search(message.data):
                        return found

            await read(re.compile("ACK"))
            await send("PULL-DOC-REQ", {})
            ready = {"type": "event", "name": "document_ready", "values": {"type": "map"}}
            await send("PATCH-DOC", {"events": [{"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": ready}]})
            model = (await read(_LIST))[1]
            create = {"type": "map", "entries": [["op", "create"], ["title", "Made by eve"]]}
            values = {"type": "map", "entries": [["model", {"id": model}], ["data", create]]}
            event = {"type": "event", "name": "data_event", "values": values}
            asked = {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": event}
            allowed = {"kind": "ModelChanged", "model": {"id": model}, "attr": "disabled", "new": False}
            await send("PATCH-DOC", {"events": [asked]})
            await send("PATCH-DOC", {"events": [allowed, asked]})

            async def refused() -> bool:
                return len(await seater.audit(action="streams.create_stream", outcome="refused")) == 2

            await eventually(refused)
            await send("PUSH-DOC", {"doc": _NOTHING})
            await send("PATCH-DOC", {"events": [asked]})
            await send("PULL-DOC-REQ", {})
            await socket.send_str("{")
            await socket.send_bytes(b"\xff" * 1000)
            while (message := await socket.receive(timeout=60)).type is aiohttp.WSMsgType.TEXT:
                told += message.data
        assert "Secret talks" not in told
        assert (await http.get(f"{url}/readyz")).status == 200
        async with http.get(f"{url}/streams") as answer:
            assert '"token"' in await answer.text()
    assert {one.title for one in await seater.streams.list_streams()} == {"Open", "Secret talks"}
    assert {one.who for one in await seater.audit(outcome="refused")} == {"eve"}
