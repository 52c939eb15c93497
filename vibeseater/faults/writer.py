"""A writer as a process of its own: many callers, all kinds of calls, each noted in a journal before and after.

Run as `python -m vibeseater.faults.writer SPEC`, SPEC being a `WriterSpec` as JSON; SIGTERM ends it in good order. The
servers are those of the environment. What it writes is random, by the seed; what it needs to know it is told.
"""

from __future__ import annotations

import asyncio
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

import vibeseater
from vibeseater.errors import ClosedError, InputError, VibeSeaterError
from vibeseater.faults.history import Item
from vibeseater.faults.journal import Journal
from vibeseater.faults.signals import on_signals
from vibeseater.inputs import uuid7
from vibeseater.models import Event

__all__ = ["WriterSpec", "content_of"]


class WriterSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a writer is to do.

    Attributes:
        name: of its own; tokens and external_ids begin with it.
        callers: how many calls may be under way at once.
        pause: seconds that a caller waits between calls, on average.
        batches, cancelled, invalid: the share of calls that are batches, that are cancelled, that can't succeed.
        external_ids: the share of calls whose events have external_ids.
        padding: bytes of text in each event's content.
        limit: events after which it ends by itself; None for no limit.
        brief: whether it notes once in a while how many events were acknowledged, in place of every call.
    """

    name: str
    journal: str
    seed: int
    streams: list[str]
    sources: list[str]
    callers: int = 8
    pause: float = 0.03
    batches: float = 0.1
    cancelled: float = 0.05
    invalid: float = 0.02
    external_ids: float = 0.4
    padding: int = 0
    limit: int | None = None
    brief: bool = False


_BRIEF_EVERY = 5000


def content_of(token: str, padding: int = 0) -> dict[str, Any]:
    """The content by which an event is found again."""
    return {"token": token, "text": "x" * padding} if padding else {"token": token}


class _Writer:
    def __init__(self, spec: WriterSpec, seater: vibeseater.VibeSeater, stop: asyncio.Event) -> None:
        self._spec = spec
        self._seater = seater
        self._stop = stop
        self._random = random.Random(spec.seed)
        self._journal = Journal(Path(spec.journal))
        self._calls = 0
        self._written = 0
        self._acknowledged = 0
        # A writer that comes back after its death must not use the tokens of its former life.
        self._life = f"{spec.name}.{uuid7().hex[-8:]}"

    async def run(self) -> None:
        """Until it is told to stop, or has written its limit."""
        await asyncio.gather(*(self._calling() for _ in range(self._spec.callers)))
        if self._spec.brief:
            self._journal.write({"acknowledged": self._acknowledged})

    async def _calling(self) -> None:
        while not self._stop.is_set():
            if self._spec.limit is not None and self._written >= self._spec.limit:
                return
            await (self._one_call_in_brief() if self._spec.brief else self._one_call())
            if self._spec.pause:
                await asyncio.sleep(self._random.uniform(0, 2 * self._spec.pause))

    async def _one_call_in_brief(self) -> None:
        self._written += 1  # before: the others are not to write this one too
        [event] = await self._call(self._items(1), batch=False)
        self._acknowledged += 1
        if self._acknowledged % _BRIEF_EVERY == 0:
            self._journal.write({"acknowledged": self._acknowledged, "id": event.id})

    async def _one_call(self) -> None:
        chance = self._random.random
        batch = chance() < self._spec.batches
        items = self._items(self._random.choice((2, 7, 40, 250)) if batch else 1)
        self._written += len(items)
        cancelled = chance() < self._spec.cancelled
        while not self._stop.is_set():
            done = await self._try(items, batch, self._random.uniform(0, 0.05) if cancelled else None)
            # Only by external_ids can it be tried again without harm, should it be stored all the same.
            if done or any(item.external_id is None for item in items):
                return
            items = [item._replace(token=self._token()) for item in items]
            await asyncio.sleep(0.05)

    def _token(self) -> str:
        self._calls += 1
        return f"{self._life}-{self._calls}"

    def _items(self, number: int) -> list[Item]:
        chance = self._random.random
        invalid = number == 1 and chance() < self._spec.invalid
        with_ids, shared = chance() < self._spec.external_ids, chance() < 0.4
        items = []
        for _ in range(number):
            token = self._token()
            external_id = None
            if with_ids:
                # The shared ones come at about the same time from all writers.
                external_id = f"shared-{self._calls // 5}" if shared else token
            stream = str(uuid7()) if invalid else self._random.choice(self._spec.streams)
            source = self._random.choice([None, *self._spec.sources])
            items.append(Item(token, stream, source, external_id))
        return items

    async def _try(self, items: list[Item], batch: bool, patience: float | None) -> bool:
        """One attempt, noted before and after; whether there is nothing to try again."""
        self._calls += 1
        number = self._calls
        self._journal.write({"life": self._life, "call": number, "items": items})
        task = asyncio.create_task(self._call(items, batch))
        if patience is not None:
            await asyncio.wait([task], timeout=patience)
            task.cancel()
        outcome: dict[str, Any] = {"life": self._life, "call": number}
        try:
            events = await task
        except asyncio.CancelledError:
            outcome |= {"failed": "cancelled", "denied": False}
        except VibeSeaterError as error:
            outcome |= {"failed": str(error), "denied": _says_not_stored(error)}
        except Exception as error:
            outcome |= {"broken": f"{type(error).__name__}: {error}"}
        else:
            outcome |= {"answers": [(event.id, event.stream_seq, event.source_seq) for event in events]}
        self._journal.write(outcome)
        return "answers" in outcome or patience is not None or bool(outcome.get("denied"))

    async def _call(self, items: list[Item], batch: bool) -> list[Event]:
        values: list[dict[str, Any]] = [
            {
                "stream_id": item.stream,
                "source_id": item.source,
                "event_type": "drill",
                "content": content_of(item.token, self._spec.padding),
                "external_id": item.external_id,
                "occurred_at": self._moment(),
            }
            for item in items
        ]
        if batch:
            return await self._seater.events.create_events_batch(values, broadcast=self._random.random() < 0.5)
        return [await self._seater.events.create_event(**values[0])]

    def _moment(self) -> datetime | None:
        """Now, or what a clock gone wild would say."""
        if self._random.random() < 0.9:
            return None
        return datetime.now(UTC) + timedelta(days=self._random.choice((-300_000, -1, -0.0001, 0.0001, 1, 36_000)))


def _says_not_stored(error: VibeSeaterError) -> bool:
    """Whether the error promises that nothing was stored."""
    if isinstance(error, InputError | ClosedError):
        return True
    return "not known" not in str(error) and ("not stored" in str(error) or "nothing was stored" in str(error))


async def main(spec: WriterSpec) -> None:
    """Connect, however long that takes, and write until told to stop."""
    stop = asyncio.Event()
    on_signals(stop.set)
    while not stop.is_set():
        try:
            seater = await vibeseater.connect()
        except VibeSeaterError:
            await asyncio.sleep(0.1)
            continue
        try:
            await _Writer(spec, seater, stop).run()
        finally:
            await seater.close()
        return


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=WriterSpec)))
