"""The supervisor: runs the sources of live streams as tasks of this process, each in one process only.

It owns the tasks and the leases of this process. It must not know who asks for a start or a pause: what is meant to run
stands in PostgreSQL, and about once a second it is compared with what runs, until the two agree. A process that dies
loses its leases within seconds, and another goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from vibeseater.errors import VibeSeaterError
from vibeseater.recurring import Recurring
from vibeseater.settings import Settings
from vibeseater.sources.base import Tools
from vibeseater.sources.intake import Events
from vibeseater.sources.registry import has_worker
from vibeseater.sources.worker import Job, Worker, place_of
from vibeseater.store.source_state import SourceStateStore, Wanted
from vibeseater.store.stream_limits import StreamLimitStore

if TYPE_CHECKING:
    from vibeseater.sources.http import HttpClient

__all__ = ["Supervisor"]

_log = logging.getLogger(__name__)

_EVERY = 1.0  # seconds between two comparisons of what runs with what should
_LEASE = 5.0  # seconds that a lease holds; renewed at each comparison
_PATIENCE = 2.0  # seconds that a pause or a stop waits for this process's workers to end
_GOODBYE = 5.0  # seconds that `aclose` waits for them


class _Running(msgspec.Struct):
    """A worker of this process, and until when (by `monotonic`) its lease surely holds."""

    job: Job
    task: asyncio.Task[None]
    deadline: float


class Supervisor:
    """Starts nothing until `adopt`, `adopt_all`; `aclose()` ends all.

    Args:
        states: cursors, figures and leases.
        stream_limits: the streams' token buckets.
        events: the event log.
        settings: `allow_private_urls` and `user_agent` are used.
    """

    def __init__(
        self, *, states: SourceStateStore, stream_limits: StreamLimitStore, events: Events, settings: Settings
    ) -> None:
        self._states, self._events, self._settings = states, events, settings
        self._stream_limits = stream_limits
        self._adopts_all = False
        self._adopted: set[UUID] = set()
        self._running: dict[UUID, _Running] = {}
        self._tried: set[UUID] = set()
        self._loop_task: asyncio.Task[None] | None = None
        self._http: HttpClient | None = None
        self._looking = Recurring(
            self._look,
            every=_EVERY,
            log=_log,
            waits="the supervision of sources waits",
            goes_on="the supervision of sources goes on",
        )
        self._lock = asyncio.Lock()

    @property
    def _away(self) -> bool:
        """Whether PostgreSQL was, at the last look."""
        return self._looking.away

    async def adopt_all(self) -> None:
        """Run every live stream's sources, now and from now on."""
        self._adopts_all = True
        await self._reconcile_now()

    async def adopt(self, stream_id: UUID) -> None:
        """Run this stream's sources whenever it is live."""
        self._adopted.add(stream_id)
        await self._reconcile_now()

    def disown(self, stream_id: UUID) -> None:
        """Leave this stream to others, unless all are adopted."""
        self._adopted.discard(stream_id)

    async def settle(self, stream_id: UUID) -> None:
        """Look at once what changed for this stream, and give the workers that end time to. Does nothing where
        nothing was adopted."""
        if self._loop_task is None:
            return
        await self._settle([item.task for item in self._running.values() if stream_id in item.job.streams])

    async def settle_source(self, source_id: UUID) -> None:
        """The same for one source."""
        if self._loop_task is not None:
            await self._settle([item.task for key, item in self._running.items() if key == source_id])

    async def _settle(self, theirs: list[asyncio.Task[None]]) -> None:
        await self._reconcile_now()
        ending = [task for task in theirs if task.cancelling()]
        if ending:
            await asyncio.wait(ending, timeout=_PATIENCE)
            self._looking.soon()

    async def aclose(self) -> None:
        """End all tasks and give the leases back."""
        task, self._loop_task = self._loop_task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        running, self._running = self._running, {}
        await _end([item.task for item in running.values()], _GOODBYE)
        if running:
            try:
                async with asyncio.timeout(_GOODBYE):
                    await self._states.release(running)
            except (VibeSeaterError, TimeoutError) as error:
                _log.info("the leases of %d sources could not be given back: %s", len(running), error)
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def _reconcile_now(self) -> None:
        if self._loop_task is None:
            self._loop_task = asyncio.create_task(self._looking.run(), name="vibeseater-streaming")
        await self._reconcile()

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(_LEASE):
                await self._reconcile()
        finally:
            self._end_unleased()

    def _end_unleased(self) -> None:
        """Where the lease could not be renewed in time another process may run the source by now."""
        now = monotonic()
        for item in self._running.values():
            if item.deadline < now:
                item.task.cancel()

    async def _reconcile(self) -> None:
        """Once: start and end workers until what runs here is what should."""
        async with self._lock:
            ended = [source_id for source_id, item in self._running.items() if item.task.done()]
            for source_id in ended:
                del self._running[source_id]
            jobs = {job.source_id: job for job in self._jobs(await self._states.wanted())}
            for source_id, item in self._running.items():
                if jobs.get(source_id) != item.job:
                    item.task.cancel()
            # What is still ending keeps its lease, so that nobody starts it meanwhile.
            before = monotonic()
            held = await self._states.claim(set(jobs) | set(self._running), _LEASE)
            for source_id, item in self._running.items():
                if source_id in held:
                    item.deadline = before + _LEASE
                else:
                    item.task.cancel()
            for source_id in held - set(self._running):
                self._start(jobs[source_id], before + _LEASE)
            await self._states.release(set(ended) - set(self._running))

    def _jobs(self, wanted: Iterable[Wanted]) -> Iterable[Job]:
        for row in wanted:
            if not (self._adopts_all or self._adopted.intersection(row.streams)):
                continue
            if not has_worker(row.type) or self._is_over(row):
                continue
            yield Job(
                source_id=row.id,
                type=row.type,
                name=row.name,
                config=row.config,
                streams=row.streams,
                limited=tuple((stream, limit) for stream, limit in zip(row.streams, row.limits, strict=True) if limit),
            )

    def _is_over(self, row: Wanted) -> bool:
        """Whether it came to its end before, at the same place and for all these streams. What failed for good is
        tried once in each process: what was missing there (a package, say) may be here."""
        if row.state != "finished" and not (row.state == "failed" and row.id in self._tried):
            return False
        return row.place == place_of(row.type, row.config) and row.reached.issuperset(row.streams)

    def _start(self, job: Job, deadline: float) -> None:
        self._tried.add(job.source_id)
        worker = Worker(
            job,
            states=self._states,
            events=self._events,
            tools=Tools(self._client()),
            stream_limits=self._stream_limits,
        )
        task = asyncio.create_task(worker.run(), name=f"vibeseater-source-{job.source_id}")
        task.add_done_callback(self._ended)
        self._running[job.source_id] = _Running(job, task, deadline)

    def _client(self) -> HttpClient:
        if self._http is None:
            from vibeseater.sources.http import HttpClient  # aiohttp takes long to import, and most never need it

            self._http = HttpClient(
                allow_private_urls=self._settings.allow_private_urls, user_agent=self._settings.user_agent
            )
        return self._http

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s ended by an error of its own; it is started again", task.get_name(), exc_info=error)
        self._looking.soon()


async def _end(tasks: list[asyncio.Task[None]], seconds: float) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)
