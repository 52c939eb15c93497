"""How changes get to a browser, and what becomes of them when it goes."""

from __future__ import annotations

import asyncio

from bokeh.document import Document

from tests.servers import eventually
from vibeseater.views.presenting import Presenter


async def test_nobody_waits_for_a_page_that_is_gone() -> None:
    """A document whose session ended runs no callback any more; who waited for it would keep its view for ever."""
    ran: list[int] = []
    document = Document()  # of no server: nothing runs its callbacks
    presenter = Presenter(document)
    change = asyncio.create_task(presenter(lambda: ran.append(1)))
    await eventually(lambda: document.session_callbacks)
    assert not change.done()
    presenter.close()
    async with asyncio.timeout(5):
        await change
        await presenter(lambda: ran.append(2))
    assert ran == []
