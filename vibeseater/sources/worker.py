"""The worker: runs one source for all the streams that it feeds, for as long as it is let.

It owns the order of things: fetch, store, and only then keep the cursor. It must not know leases (but that one can be
lost), nor which streams are live. An exception of a source, or of PostgreSQL, is a state of the worker, never its end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from time import perf_counter
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET

from vibeseater import telemetry
from vibeseater.errors import FetchError, InputError, ServerError, SourceError, VibeSeaterError
from vibeseater.sources.base import (
    Batch,
    GoneError,
    Item,
    Poll,
    PolledSource,
    ReadConfig,
    SourceConfig,
    StreamingSource,
    Tools,
    stable_id,
)
from vibeseater.sources.clock import CLOCK, Clock
from vibeseater.sources.intake import Events, Intake, Taken, until_done
from vibeseater.sources.limits import AtLimit, TokenBucket
from vibeseater.sources.mapping import hash_of
from vibeseater.sources.pace import after_failure, after_poll
from vibeseater.sources.registry import get_type, parse_config
from vibeseater.sources.text import clean_text
from vibeseater.store.commit import Within
from vibeseater.store.pool import Connection
from vibeseater.store.source_state import Claim, Figures, SourceStateStore
from vibeseater.store.stream_limits import StreamLimitStore

__all__ = ["Job", "Worker", "place_of"]

_log = logging.getLogger(__name__)

_LONGEST_POLL = 300.0  # seconds; a type that hangs beyond it has failed
_SAVE_EVERY = 1.0  # seconds between two saves of a streaming source's cursor
_STEADY = 30.0  # seconds after which a connection that stood counts as a success, though nothing came


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is to run. Another job (a config that changed, a stream that joined) is another worker."""

    source_id: UUID
    type: str
    name: str
    config: dict[str, Any]
    streams: tuple[UUID, ...]
    limited: tuple[tuple[UUID, AtLimit], ...] = ()


class _LeaseLostError(Exception):
    """Another process runs the source now."""


def place_of(type_name: str, config: Mapping[str, Any]) -> str:
    """What stands for the place that a config reads: a cursor that was reached elsewhere means nothing here."""
    try:
        place: Any = parse_config(type_name, config).place()
    except InputError:
        place = dict(config)
    return stable_id(type_name, msgspec.json.encode(place, order="deterministic").decode())


class Worker:
    """Runs one job. `await run()` ends by itself only when the source is finished, has failed for good, or the lease
    is lost; it is ended by cancelling it."""

    def __init__(
        self,
        job: Job,
        *,
        states: SourceStateStore,
        events: Events,
        tools: Tools,
        stream_limits: StreamLimitStore,
        clock: Clock = CLOCK,
        source: StreamingSource | None = None,
    ) -> None:
        self.job = job
        self._states, self._events, self._tools, self._clock = states, events, tools, clock
        self._stream_limits = stream_limits
        self._given = source
        self._intake: Intake | None = None
        self._updates = False
        self._place = place_of(job.type, job.config)
        self._run = 0
        self._cursor: Any = None
        self._figures = Figures()
        self._problem: str | None = None
        self._known: dict[str, str | None] = {}  # by external_id what the last poll told; a hash where updates count
        self._dirty = False
        self._doubtful = False  # whether a cursor may have been committed that is not known here

    async def run(self) -> None:
        """Run the source."""
        try:
            claim = await until_done(lambda: self._states.load(self.job.source_id), self.job.source_id)
            if claim is None:
                return
            await self._go_on_from(claim)
            await self._work()
        except _LeaseLostError:
            _log.info("source %s (%s) is run by another process now", self.job.source_id, self.job.type)

    async def _go_on_from(self, claim: Claim) -> None:
        self._run = claim.run
        self._figures = claim.figures
        same = claim.place == self._place
        if same and (set(self.job.streams) <= claim.streams or not self._rereads()):
            self._cursor, self._problem = claim.cursor, claim.last_error
            wait = max(claim.next_in, claim.hold_in)
        else:
            self._figures.failures = 0
            wait = claim.hold_in if same else 0.0
        if wait > 0:
            await self._save("backoff" if self._figures.failures else "waiting", next_in=wait)
            await self._clock.sleep(wait)

    def _rereads(self) -> bool:
        try:
            return get_type(self.job.type).rereads
        except InputError:
            return True

    async def _work(self) -> None:
        while True:
            interval: float | None = None
            source: PolledSource | StreamingSource | None = None
            try:
                source = self._make()
                if isinstance(source, PolledSource):
                    interval = _interval(source.config)
                    await self._poll_for_ever(source, interval)
                await self._listen(source)  # type: ignore[arg-type]
            except _LeaseLostError:
                raise
            except Exception as error:
                if await self._failed(error, interval):
                    return
            else:
                await self._save("finished", ran=True)
                return
            finally:
                if source is not None:
                    await _closed(source)

    def _make(self) -> PolledSource | StreamingSource:
        try:
            config = parse_config(self.job.type, self.job.config)
            made = self._given or get_type(self.job.type).make(config, self._tools)
        except InputError as error:
            raise GoneError(str(error)) from error
        if not isinstance(made, PolledSource | StreamingSource):
            raise GoneError(f"a source of type {self.job.type!r} has no worker")
        if self._intake is None:  # once: a source that fails again and again keeps its bucket
            limits = config if isinstance(config, ReadConfig) else ReadConfig()
            self._updates = limits.updates
            self._intake = Intake(
                self.job.source_id,
                self.job.streams,
                events=self._events,
                states=self._states,
                stream_limits=self._stream_limits,
                limited=dict(self.job.limited),
                bucket=None if limits.rate is None else TokenBucket(limits.rate, limits.burst, self._clock),
                at_limit=limits.at_limit,
                updates=limits.updates,
                clock=self._clock,
            )
        return made

    async def _poll_for_ever(self, source: PolledSource, interval: float) -> None:
        while True:
            await self._save("running", ran=True)
            started = perf_counter()
            async with asyncio.timeout(_LONGEST_POLL):
                poll: Poll = await source.poll(self._cursor)
            wait = after_poll(interval, poll.next_after)
            await self._take(poll, started, state="waiting", next_in=wait)
            await self._clock.sleep(wait)

    async def _listen(self, source: StreamingSource) -> None:
        await self._save("running", ran=True)
        saver = asyncio.create_task(self._save_now_and_then())
        try:
            batches = source.stream(self._cursor)
            try:
                await self._take_all(batches, saver)
            finally:
                close = getattr(batches, "aclose", None)
                if close is not None:
                    await close()
        finally:
            saver.cancel()
            await asyncio.gather(saver, return_exceptions=True)
            if self._dirty and not self._doubtful:
                await self._last_save()

    async def _take_all(self, batches: AsyncIterator[Batch], saver: asyncio.Task[None]) -> None:
        began, started = self._clock.time(), perf_counter()
        async for batch in batches:
            if saver.done():
                saver.result()  # the lease is lost
            # A connection alone is no success yet: one that breaks at once each time must still back off.
            good = bool(batch.items) or self._clock.time() - began > _STEADY
            await self._take(batch, started, good=good)
            started = perf_counter()

    async def _save_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(_SAVE_EVERY)
            if self._dirty and not self._doubtful:
                self._dirty = False
                await self._save("running", ran=True)

    async def _last_save(self) -> None:
        """Keep the cursor though the worker is being cancelled; where it fails, ids keep events from doubling."""
        self._dirty = False
        try:
            async with asyncio.timeout(1.0):
                await self._write("running", ran=True)
        except (ServerError, TimeoutError, _LeaseLostError):
            _log.debug("source %s: the last cursor was not saved", self.job.source_id)

    async def _take(
        self, batch: Batch, started: float, *, state: str = "running", next_in: float | None = None, good: bool = True
    ) -> None:
        """Store what a read gave, and move the cursor in the same transaction.

        Args:
            state, next_in: what is written beside the cursor of a poll.
            good: whether the read counts as a success.
        """
        assert self._intake is not None
        polled = next_in is not None
        marks = [self._mark(item) for item in batch.items] if polled else []
        # What the last poll told again needs no look into PostgreSQL.
        fresh = [
            index
            for index, item in enumerate(batch.items)
            if not polled or item.external_id is None or self._known.get(item.external_id, "") != marks[index]
        ]

        def within(taken: Taken) -> Within:
            figures, problem = self._counted(batch, taken, good=good)

            async def write(connection: Connection) -> None:
                await self._write(
                    state, cursor=batch.cursor, figures=figures, problem=problem, ran=True, next_in=next_in,
                    connection=connection,
                )  # fmt: skip

            return write

        self._doubtful = True
        try:
            taken = await self._intake.store([batch.items[index] for index in fresh], within)
        except Exception:
            self._doubtful = False  # it was refused: the cursor stands where it stood. Only a cancelled one is unsure
            raise
        self._doubtful = False
        self._figures, problem = self._counted(batch, taken, good=good)
        if problem is not None and problem != self._problem:
            _log.warning("source %s (%s): %s", self.job.source_id, self.job.type, problem)
        self._cursor, self._problem = batch.cursor, problem
        if polled and batch.items:
            refused = {fresh[index] for index in taken.refused}
            self._known = {
                item.external_id: marks[index]
                for index, item in enumerate(batch.items)
                if item.external_id is not None and index not in refused
            }
        if polled and not taken.kept:
            await self._save(state, next_in=next_in)
        self._dirty = not polled and not taken.kept
        telemetry.execute(
            ("vibeseater", "sources", "polled"),
            {
                "count": 1,
                "duration": perf_counter() - started,
                "items": len(batch.items),
                "created": taken.created,
                "rejected": batch.rejected + len(taken.refused),
                "dropped": taken.dropped,
                "waited": taken.waited,
            },
            {"source_id": self.job.source_id, "type": self.job.type, "stream_ids": self.job.streams},
        )

    def _mark(self, item: Item) -> str | None:
        """By what an item that was told before is known to be the same."""
        return hash_of(item.content) if self._updates else None

    def _counted(self, batch: Batch, taken: Taken, *, good: bool) -> tuple[Figures, str | None]:
        """The figures, and what is wrong, once this read is stored."""
        before = self._figures
        figures = Figures(
            polls=before.polls + 1,
            items_seen=before.items_seen + len(batch.items) + batch.rejected,
            items_rejected=before.items_rejected + batch.rejected + len(taken.refused),
            failures=0 if good else before.failures,
            items_dropped=before.items_dropped + taken.dropped,
            seconds_waited=before.seconds_waited + taken.waited,
        )
        refusal = next(iter(taken.refused.values()), None)
        problem = clean_text(refusal, 500) if refusal else batch.problem
        # A read without news (304, say) tells nothing new of items that were refused; of a failure it says: over.
        if problem is None and not batch.items and not before.failures:
            problem = self._problem
        return figures, problem

    async def _failed(self, error: Exception, interval: float | None) -> bool:
        """Tell of a failure and wait; returns whether it is for good."""
        if isinstance(error, TimeoutError):
            error = SourceError(f"no end of reading within {_LONGEST_POLL:g} s")
        gone = isinstance(error, GoneError) or (isinstance(error, FetchError) and error.status == 410)
        self._figures.failures += 1
        message = str(error) if isinstance(error, VibeSeaterError) else f"{type(error).__name__}: {error}"
        self._problem = clean_text(message, 500)
        if not isinstance(error, VibeSeaterError):
            _log.error("source %s (%s) failed", self.job.source_id, self.job.type, exc_info=error)
        elif self._figures.failures == 1 or gone:
            _log.warning("source %s (%s) failed: %s", self.job.source_id, self.job.type, self._problem)
        telemetry.execute(
            ("vibeseater", "sources", "failed"),
            {"count": 1, "failures": self._figures.failures},
            {"source_id": self.job.source_id, "type": self.job.type, "error": error, "gone": gone},
        )
        if gone:
            await self._save("failed", error_is_new=True)
            return True
        asked = error.retry_after if isinstance(error, FetchError) else None
        wait = after_failure(self._figures.failures, interval, asked)
        await self._save("backoff", error_is_new=True, next_in=wait, hold_in=asked)
        await self._clock.sleep(wait)
        return False

    async def _save(self, state: str, **more: Any) -> None:
        await until_done(lambda: self._write(state, **more), self.job.source_id)

    async def _write(
        self, state: str, *, cursor: Any = UNSET, figures: Figures | None = None, problem: Any = UNSET, **more: Any
    ) -> None:
        kept = await self._states.save(
            self.job.source_id,
            run=self._run,
            state=state,
            cursor=self._cursor if cursor is UNSET else cursor,
            place=self._place,
            streams=self.job.streams,
            figures=figures or self._figures,
            error=self._problem if problem is UNSET else problem,
            **more,
        )
        if not kept:
            raise _LeaseLostError


def _interval(config: SourceConfig) -> float:
    """A polled source's interval, also where a preset brings it."""
    filled = getattr(config, "filled", None)
    interval = getattr(filled() if filled is not None else config, "interval", None)
    return float(interval) if interval else 60.0


async def _closed(source: PolledSource | StreamingSource) -> None:
    try:
        await source.aclose()
    except Exception:
        _log.exception("a %s can't be closed", type(source).__name__)
