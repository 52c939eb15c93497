"""The catalog of sources, `seater.sources`: what the store keeps of them, and sources that are fed from this process.

It owns the runs of iterators. Everything else is the store's.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterable
from typing import Any
from uuid import UUID

from vibeseater.errors import ClosedError, InputError, VibeSeaterError
from vibeseater.models import Source, Stream
from vibeseater.sources.base import Tools
from vibeseater.sources.intake import Events, until_done
from vibeseater.sources.limits import AtLimit
from vibeseater.sources.registry import parse_config
from vibeseater.sources.running import Running
from vibeseater.sources.types.python import IteratorSource
from vibeseater.sources.worker import Job, Worker
from vibeseater.store.audit import audited
from vibeseater.store.pool import Pool
from vibeseater.store.source_state import SourceStateStore
from vibeseater.store.sources import ConfigCheck, SourceStore
from vibeseater.store.stream_limits import StreamLimitStore
from vibeseater.store.streams import StreamStore

__all__ = ["Sources"]

_log = logging.getLogger(__name__)

_LEASE = 5.0  # seconds that a lease holds
_RENEW = 1.0  # seconds between two renewals


class Sources(SourceStore):
    """`seater.sources`: the sources."""

    def __init__(
        self, pool: Pool, streams: StreamStore, check_config: ConfigCheck, max_bytes: int, *, events: Events
    ) -> None:
        super().__init__(pool, streams, check_config, max_bytes)
        self._events = events
        self._limits = StreamLimitStore(pool)
        self._states = SourceStateStore(pool, f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}")
        self._runs: dict[UUID, Running] = {}
        self._closed = False

    @audited("sources.from_iterable", "stream")
    async def from_iterable(
        self,
        stream: Stream | UUID | str,
        things: AsyncIterable[Any],
        *,
        name: str | None = None,
        event_type: str = "python",
        rate: float | None = None,
        burst: int | None = None,
        at_limit: AtLimit = "wait",
    ) -> Running:
        """Let whatever an asynchronous iterator gives become events of a stream, in this process, until it ends.

        Each thing is a mapping. One with a `content` holds the arguments of `create_event` (`event_type`, `content`,
        `occurred_at`, `external_id`, `metadata`); any other is the content itself. The iterator is asked for more only
        as fast as its events are stored. It runs whatever the stream's status is, and ends with the seater.

        Args:
            stream: the stream, its id or its slug.
            things: an async generator, say.
            name: of its source; the generator's own name when None. The same name again goes on with the same source,
                and ends what was running under it.
            event_type: of things that don't bring their own.
            rate, burst, at_limit: as in the config of every source.

        Returns:
            The run, which can be awaited and cancelled.

        Raises:
            NotFoundError: no such stream.
            InputError: it is no asynchronous iterable, or a limit does not fit.
        """
        if self._closed:
            raise ClosedError("This VibeSeater is closed. Call `await vibeseater.connect()` again.")
        if not hasattr(things, "__aiter__"):
            raise InputError(
                "things", things, "not an asynchronous iterable", "Give an async generator: async def f(): yield {…}"
            )
        wanted = {"event_type": event_type, "rate": rate, "burst": burst, "at_limit": at_limit}
        config = self._check_config("python", {field: value for field, value in wanted.items() if value is not None})
        found = await self._streams.get_stream(stream)
        source = await self._python_source(found, name or str(getattr(things, "__name__", "python")), config)
        if source.id in self._runs:
            await self._runs[source.id].cancel()
        if not await self._states.claim([source.id], _LEASE):
            raise InputError("name", source.name, "another process runs a source of this name", "Give another name")
        worker = Worker(
            Job(
                source_id=source.id, type="python", name=source.name, config=source.config, streams=(found.id,),
                limited=await self._limit_of(found.id),
            ),
            states=self._states,
            events=self._events,
            tools=Tools(None),
            stream_limits=self._limits,
            source=IteratorSource(parse_config("python", source.config), Tools(None), things),
        )  # fmt: skip
        task = asyncio.create_task(self._run(worker, source.id), name=f"vibeseater-source-{source.id}")
        task.add_done_callback(_tell)
        self._runs[source.id] = Running(source, task)
        return self._runs[source.id]

    async def aclose(self) -> None:
        """End all runs."""
        self._closed = True
        for run in list(self._runs.values()):
            await run.cancel()

    async def _python_source(self, stream: Stream, name: str, config: Any) -> Source:
        for source in await self.list_sources(stream):
            if source.type == "python" and source.name == name:
                return source if source.config == config else await self.update_source(source, config=config)
        return await self.create_source(stream, type="python", name=name, config=config)

    async def _limit_of(self, stream_id: UUID) -> tuple[tuple[UUID, AtLimit], ...]:
        limit = await self._limits.get(stream_id)
        return () if limit is None else ((stream_id, limit.at_limit),)  # type: ignore[return-value]

    async def _run(self, worker: Worker, source_id: UUID) -> None:
        renewing = asyncio.create_task(self._renew(source_id))
        try:
            await worker.run()
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            self._runs.pop(source_id, None)
            try:
                await self._states.release([source_id])
            except VibeSeaterError as error:
                _log.info("the lease of source %s could not be given back: %s", source_id, error)

    async def _renew(self, source_id: UUID) -> None:
        while True:
            await asyncio.sleep(_RENEW)
            await until_done(lambda: self._states.claim([source_id], _LEASE), source_id)


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("%s ended by an error of its own", task.get_name(), exc_info=error)
