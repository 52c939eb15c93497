"""What a notebook's browser says is heard in the thread of the cells, and swallows nothing that a cell prints."""

from __future__ import annotations

import asyncio
import threading

import pytest
import pyviz_comms

from tests.servers import eventually
from vibeseater.views import presenting


async def test_a_browsers_message_is_handled_in_the_loops_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it comes in another, as JupyterLab's do; one that comes in the loop's own is handled at once."""
    monkeypatch.setattr(pyviz_comms.Comm, "_handle_msg", pyviz_comms.Comm._handle_msg)
    monkeypatch.setattr(presenting, "_loop", None)
    presenting.hear_browsers_in(asyncio.get_running_loop())
    handled: list[tuple[object, threading.Thread]] = []
    comm = pyviz_comms.Comm(on_msg=lambda message: handled.append((message["n"], threading.current_thread())))
    comm._handle_msg({"n": 1})
    assert handled == [(1, threading.main_thread())]
    await asyncio.to_thread(comm._handle_msg, {"n": 2})
    await eventually(lambda: handled[1:] == [(2, threading.main_thread())])
