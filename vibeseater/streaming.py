"""Streaming, `seater.streaming`: start, pause, resume and stop streams, and see how their sources fare.

It owns what streams are meant to do, in PostgreSQL, so that a pause in one process holds in all. It must not know the
seater, feeds or views, nor how sources are run.
"""

from __future__ import annotations

import os
import secrets
import socket
from datetime import datetime
from typing import Literal, Protocol, get_args
from uuid import UUID

import msgspec

from vibeseater import html
from vibeseater.errors import ClosedError, InputError, NotFoundError
from vibeseater.inputs import to_id
from vibeseater.models import Source, Stream, StreamStatus
from vibeseater.settings import Settings
from vibeseater.sources.intake import Events
from vibeseater.sources.limits import AtLimit
from vibeseater.sources.registry import has_worker
from vibeseater.sources.supervisor import Supervisor
from vibeseater.store.audit import audited
from vibeseater.store.pool import Pool
from vibeseater.store.source_state import SourceRow, SourceStateStore
from vibeseater.store.stream_limits import StreamLimit, StreamLimitStore

__all__ = ["SourceState", "SourceStatus", "Streaming", "StreamingStatus"]

SourceState = Literal["idle", "starting", "running", "waiting", "backoff", "paused", "stopped", "finished", "failed"]
"""How a source fares in a stream.

- `idle`, `paused`, `stopped`: as its stream is; `paused` also when it was paused by itself.
- `starting`: it is to run, and no process has taken it yet.
- `running`: being read now. `waiting`: until its next poll. `backoff`: the same after a failure.
- `finished`: it came to its end (a file that does not grow). `failed`: for good, such as HTTP 410. Both run again
  when the stream is started or resumed, or the config is changed.
"""


class Streams(Protocol):
    """Of `seater.streams`, what is used here."""

    async def get_stream(self, id_or_slug: Stream | UUID | str) -> Stream:
        """The stream as it is now."""


class SourceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How one source of a stream fares. The figures count all its streams and all its runs.

    Attributes:
        state: see `SourceState`.
        last_error: what was wrong the last time something was, or None when all is well again.
        last_error_at: when that was.
        last_run_at: when it was read last.
        next_run_at: when it will be read next, while `waiting` or in `backoff`.
        polls: reads that came to an end (of a streaming source: pieces).
        items_seen: items that it told of, the known ones included.
        events_stored: events that it brought, the same item in two streams being two.
        last_event_at: when the last of them was stored.
        paused: whether it was paused by itself, whatever its streams do.
        items_rejected: items that could not be used; the others were.
        failures: reads that failed, in a row.
        items_dropped: items that a limit left out.
        seconds_waited: seconds that limits let items wait.
        holder: the process that runs it, as `host:pid:nonce`, or None.
    """

    source_id: UUID
    name: str
    type: str
    state: SourceState
    last_error: str | None = None
    last_error_at: datetime | None = None
    last_run_at: datetime | None = None
    next_run_at: datetime | None = None
    polls: int = 0
    items_seen: int = 0
    events_stored: int = 0
    last_event_at: datetime | None = None
    paused: bool = False
    items_rejected: int = 0
    failures: int = 0
    items_dropped: int = 0
    seconds_waited: float = 0.0
    holder: str | None = None


class StreamingStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What ingestion of a stream is meant to do, how each of its sources fares, and the stream's limit, if any."""

    stream_id: UUID
    status: StreamStatus
    sources: list[SourceStatus]
    limit: StreamLimit | None = None

    def _repr_html_(self) -> str:
        columns = (
            "name",
            "type",
            "state",
            "events_stored",
            "items_rejected",
            "items_dropped",
            "failures",
            "last_error",
        )
        return html.table(columns, [[getattr(source, name) for name in columns] for source in self.sources])


class Streaming:
    """`seater.streaming`.

    Args:
        pool: the store's pool.
        streams: `seater.streams`, of which `get_stream` is used.
        events: `seater.events`, of which `draft` and `store_drafts` are used.
        settings: `allow_private_urls` and `user_agent` are used.

    Nothing is started by the constructor. `aclose()` ends what was started, and may be called twice.
    """

    def __init__(self, *, pool: Pool, streams: Streams, events: Events, settings: Settings) -> None:
        holder = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._pool, self._streams = pool, streams
        self._states = SourceStateStore(pool, holder)
        self._limits = StreamLimitStore(pool)
        self._supervisor = Supervisor(states=self._states, stream_limits=self._limits, events=events, settings=settings)
        self._closed = False

    @property
    def holder(self) -> str:
        """The name of this process in leases: `host:pid:nonce`."""
        return self._states.holder

    @audited("streaming.start_stream", "stream")
    async def start_stream(self, stream: Stream | UUID | str) -> Stream:
        """Let a stream's sources run, here unless another process runs them. Starting a live one changes nothing, but
        sources that came to an end, or failed for good, are tried again.

        Args:
            stream: a Stream, its id or its slug.

        Returns:
            The stream, `live`.

        Raises:
            NotFoundError: no such stream.
        """
        found = await self._found(stream)
        return await self._go_live(found, ("idle", "live", "paused", "stopped"))

    @audited("streaming.resume_stream", "stream")
    async def resume_stream(self, stream: Stream | UUID | str) -> Stream:
        """Let a paused stream go on. Resuming a live one changes nothing.

        Raises:
            NotFoundError: no such stream.
            InputError: it is idle or stopped: there is nothing to resume.
        """
        found = await self._found(stream)
        if found.status not in ("paused", "live"):
            raise _not_now(found, "resume")
        return await self._go_live(found, ("paused", "live"))

    @audited("streaming.pause_stream", "stream")
    async def pause_stream(self, stream: Stream | UUID | str) -> Stream:
        """Let a live stream's sources rest, in every process. Pausing a paused one changes nothing.

        When it returns, this process's workers have stopped; another's stop within about a second.

        Raises:
            NotFoundError: no such stream.
            InputError: it is idle or stopped: there is nothing to pause.
        """
        found = await self._found(stream)
        if not await self._states.set_status(found.id, "paused", ("live", "paused")):
            raise _not_now(await self._streams.get_stream(found.id), "pause")
        await self._supervisor.settle(found.id)
        return await self._streams.get_stream(found.id)

    @audited("streaming.stop_stream", "stream")
    async def stop_stream(self, stream: Stream | UUID | str) -> Stream:
        """End a stream's ingestion, in every process. Stopping a stopped one changes nothing.

        Raises:
            NotFoundError: no such stream.
        """
        found = await self._found(stream)
        await self._states.set_status(found.id, "stopped", ("idle", "live", "paused", "stopped"))
        self._supervisor.disown(found.id)
        await self._supervisor.settle(found.id)
        return await self._streams.get_stream(found.id)

    @audited("streaming.pause_source", "source")
    async def pause_source(self, source: Source | UUID | str) -> None:
        """Let one source rest, in every process and for all its streams, whatever they do. Pausing it again changes
        nothing. A webhook that rests refuses what is sent to it.

        When it returns, this process's worker has stopped; another's stops within about a second.

        Raises:
            NotFoundError: no such source.
        """
        await self._set_paused(source, True)

    @audited("streaming.resume_source", "source")
    async def resume_source(self, source: Source | UUID | str) -> None:
        """Let a paused source go on where it was left, in those of its streams that are live; at once in this process.
        One that came to an end, or failed for good, is tried again.

        Raises:
            NotFoundError: no such source.
        """
        await self._set_paused(source, False)

    async def _set_paused(self, source: Source | UUID | str, paused: bool) -> None:
        self._check_open()
        source_id = to_id("source", source)
        if not await self._states.set_paused(source_id, paused):
            raise NotFoundError("source", str(source_id), "no such source", "See `await seater.sources.list_sources()`")
        await self._supervisor.settle_source(source_id)

    async def status(self, stream: Stream | UUID | str) -> StreamingStatus:
        """How a stream's sources fare, whichever process runs them.

        Raises:
            NotFoundError: no such stream.
        """
        found = await self._streams.get_stream(stream)
        rows = await self._states.status(found.id)
        return StreamingStatus(
            stream_id=found.id,
            status=found.status,
            sources=[_source_status(row, found.status) for row in rows],
            limit=await self._limits.get(found.id),
        )

    @audited("streaming.limit_stream", "stream")
    async def limit_stream(
        self,
        stream: Stream | UUID | str,
        rate: float | None,
        *,
        burst: float | None = None,
        at_limit: AtLimit = "wait",
    ) -> None:
        """Bound how many events a stream's sources may bring, all together and in all processes.

        Events that are made by `create_event` are not bounded.

        Args:
            rate: events per second; None takes the limit away.
            burst: events that may come at once after a rest; those of a second when None.
            at_limit: what becomes of more: `wait`, `sample` (some are kept, spread over what came), `drop`.

        Raises:
            NotFoundError: no such stream.
            InputError: a value does not fit.
        """
        found = await self._found(stream)
        if rate is None:
            await self._limits.set(found.id, None)
            return
        for field, value in (("rate", rate), ("burst", burst)):
            if value is not None and not (isinstance(value, int | float) and 0 < value <= 1e7):
                raise InputError(field, value, "not a number of events", "Give one above 0, up to ten million")
        if at_limit not in get_args(AtLimit):
            raise InputError("at_limit", at_limit, "no such choice", f"Known are: {', '.join(get_args(AtLimit))}")
        await self._limits.set(
            found.id, StreamLimit(rate=float(rate), burst=max(1.0, float(burst or rate)), at_limit=at_limit)
        )

    async def supervise(self) -> None:
        """Adopt every live stream, now and from now on, until `aclose()`. Returns once the first workers are started.

        Raises:
            ServerError: PostgreSQL can't be used; the supervision goes on all the same.
        """
        self._check_open()
        await self._supervisor.adopt_all()

    async def aclose(self) -> None:
        """End all tasks of this process and give the leases back. What is meant to run stays as it is."""
        self._closed = True
        await self._supervisor.aclose()

    async def _found(self, stream: Stream | UUID | str) -> Stream:
        self._check_open()
        return await self._streams.get_stream(stream)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("This VibeSeater is closed. Call `await vibeseater.connect()` again.")

    async def _go_live(self, stream: Stream, allowed: tuple[StreamStatus, ...]) -> Stream:
        await self._states.retry(stream.id, ended_only=stream.status == "live")
        if not await self._states.set_status(stream.id, "live", allowed):
            raise _not_now(await self._streams.get_stream(stream.id), "resume")
        await self._supervisor.adopt(stream.id)
        return await self._streams.get_stream(stream.id)


def _not_now(stream: Stream, what: str) -> InputError:
    return InputError(
        "stream", stream.slug, f"it is {stream.status}: there is nothing to {what}", "Start it with start_stream"
    )


def _source_status(row: SourceRow, status: StreamStatus) -> SourceStatus:
    state = _state(row, status)
    fields = {field: getattr(row, field) for field in SourceRow.__struct_fields__}
    fields["state"] = state
    if state not in ("waiting", "backoff"):
        fields["next_run_at"] = None
    return SourceStatus(**fields)


def _state(row: SourceRow, status: StreamStatus) -> SourceState:
    if row.paused and status == "live":
        return "paused"
    if row.state == "finished":
        return "finished"
    if row.state == "failed":
        return "failed"
    if not has_worker(row.type) and row.holder is not None:
        return _BUSY.get(row.state or "", "starting")  # an iterator, which runs whatever its stream does
    if status != "live":
        return status
    if not has_worker(row.type):
        return "waiting"  # for whoever makes its events
    return _BUSY.get(row.state or "", "starting") if row.holder is not None else "starting"


_BUSY: dict[str, SourceState] = {"running": "running", "waiting": "waiting", "backoff": "backoff"}
