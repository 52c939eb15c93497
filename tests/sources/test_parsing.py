"""Parsers in threads: a document that keeps one busy for ever holds up neither the others nor the process's end."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from vibeseater.errors import SourceError
from vibeseater.sources import parsing
from vibeseater.sources.http import Answer
from vibeseater.sources.parsing import parsed
from vibeseater.sources.types.rss import read_feed


def _for_ever(started: threading.Event, ended: threading.Event) -> None:
    started.set()
    try:
        while True:
            try:
                sum(range(100))
            except Exception:  # as parsers do that pass over what they can't read
                continue
    finally:
        ended.set()


async def test_a_parser_that_does_not_end_is_ended_and_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "_LONGEST", 0.5)
    ends = [threading.Event() for _ in range(8)]  # more than there are threads
    hostile = [asyncio.create_task(parsed(_for_ever, threading.Event(), ended)) for ended in ends]
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        assert await parsed(sorted, [2, 1]) == [1, 2]
        told = await asyncio.gather(*hostile, return_exceptions=True)
    assert all(isinstance(error, SourceError) and "within 0.5 s" in str(error) for error in told)
    assert all(ended.wait(5) for ended in ends)


async def test_a_parser_for_which_nobody_waits_any_more_is_ended() -> None:
    started, ended = threading.Event(), threading.Event()
    task = asyncio.create_task(parsed(_for_ever, started, ended))
    assert await asyncio.to_thread(started.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.wait(5)


async def test_what_a_parser_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        await parsed(lambda: 1 / 0)


def test_a_feed_of_very_many_namespaces_is_refused_at_once() -> None:
    many = b"".join(b'<x%d:a xmlns:x%d="u%d"/>' % (place, place, place) for place in range(20_000))
    body = b'<?xml version="1.0"?><rss version="2.0"><channel><title>t</title>' + many + b"</channel></rss>"
    began = time.monotonic()
    with pytest.raises(SourceError, match="over 200 namespaces"):
        read_feed(Answer(url="http://e/", status=200, headers={}, body=body))
    assert time.monotonic() - began < 2.0
