"""The tasks of a view's session: what is awaited, and when what is done. The steps are the session's.

Four small tasks: one takes what the feed brings, one has it matched where the filter asks for contents, one draws at
most every 40 ms, one ages the view about once a second. None of them keeps the view alive: a view that is forgotten
ends its session.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from vibeseater.errors import UnreachableError
from vibeseater.feeds.base import Feed
from vibeseater.feeds.replay import ReplayFeed
from vibeseater.views.state import MOST_UNSURE
from vibeseater.views.tasks import detached

if TYPE_CHECKING:
    from vibeseater.views.session import StreamSession

__all__ = ["RETRY_SECONDS", "follow"]

GATHER_SECONDS = 0.04
"""The least time between two draws: what comes within it is drawn together."""

_BURST_SECONDS = 0.25  # the same while rows come faster than anybody can follow: four calm steps a second
_BURST_RATE = 400.0  # rows per second

RETRY_SECONDS = 2.0
"""Until a server that did not answer is asked again."""


async def follow(ref: weakref.ref[StreamSession]) -> None:
    """Follow the session's feed until it ends, whatever happens to the servers meanwhile."""
    while (session := ref()) is not None:
        try:
            feed = session.new_feed()
            async with feed:
                await session.load(feed)
                del session
                await _follow(ref, feed)
            return
        except UnreachableError as error:
            session = ref()
            if session is None:
                return
            await session.report(error)
            await session.tell("reconnecting")
            del session
            await asyncio.sleep(RETRY_SECONDS)
        except Exception as error:
            session = ref()
            if session is not None:
                await session.report(error)
                await session.tell("closed")
            return


async def _follow(ref: weakref.ref[StreamSession], feed: Feed) -> None:
    others = [detached(_draw(ref)), detached(_match(ref)), detached(_age(ref))]
    try:
        while True:
            async for events in feed.batches():
                session = ref()
                if session is None:
                    return
                moves = await session.settled()
                if session.still_at(moves):  # else they belong to another place of a replay
                    session.take(events)
                if session.state.waiting > MOST_UNSURE:  # of a recording, which can wait
                    await session.match()
                del session
            await _end(ref, feed)
            if not isinstance(feed, ReplayFeed) or not await feed.resumed():
                return
    finally:
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def _end(ref: weakref.ref[StreamSession], feed: Feed) -> None:
    session = ref()
    if session is not None:  # the feed came to its end: a recording, or the connection was closed
        await _guarded(session, session.match)
        await _guarded(session, session.draw)
        await session.tell(feed.state)


async def _draw(ref: weakref.ref[StreamSession]) -> None:
    drawn_at = 0.0
    while (session := ref()) is not None:
        dirty, before = session.dirty, session.state.matched
        del session
        await dirty.wait()
        session = ref()
        if session is None:
            return
        await _guarded(session, session.draw)
        rate = (session.state.matched - before) / max(time.monotonic() - drawn_at, GATHER_SECONDS)
        drawn_at = time.monotonic()
        del session
        await asyncio.sleep(_BURST_SECONDS if rate > _BURST_RATE else GATHER_SECONDS)


async def _match(ref: weakref.ref[StreamSession]) -> None:
    while (session := ref()) is not None:
        unsure = session.unsure
        del session
        await unsure.wait()
        session = ref()
        if session is None:
            return
        await _guarded(session, session.match)
        del session
        await asyncio.sleep(GATHER_SECONDS)


async def _age(ref: weakref.ref[StreamSession]) -> None:
    while (session := ref()) is not None:
        pause = session.place.until_tick(time.time())
        del session
        await asyncio.sleep(pause)
        session = ref()
        if session is None:
            return
        await _guarded(session, session.age)
        del session


async def _guarded(session: StreamSession, step: Callable[[], Awaitable[None]]) -> None:
    """Do a step; an error is shown and the next step is tried: one bad event must not end the view."""
    try:
        await step()
    except Exception as error:
        await session.report(error)
