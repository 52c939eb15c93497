"""The monitor: once a second it tells how this process fares, hears the others, and puts the whole together.

It owns its task, and the history since it began. It knows no pages; what a server has open is told by who serves.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import msgspec
import tornado.process

from vibeseater._version import __version__
from vibeseater.broadcast.connection import REDIS_LOST
from vibeseater.errors import in_a_line
from vibeseater.feeds.live import LiveFeed
from vibeseater.operations.database import DatabaseWatch
from vibeseater.operations.figures import figures
from vibeseater.operations.history import History
from vibeseater.operations.logs import log_tail
from vibeseater.operations.machine import LoopWatch, Machine
from vibeseater.operations.naming import NamedTopics
from vibeseater.operations.overview import Overview, history_of
from vibeseater.operations.problems import problems_of
from vibeseater.operations.redis_state import RedisWatch
from vibeseater.operations.roster import Roster
from vibeseater.operations.sessions import ROWS, Sessions
from vibeseater.operations.sharing import EXPIRY, Sharing, decoded, encoded
from vibeseater.operations.siblings import Siblings
from vibeseater.operations.snapshot import Distribution, FeedFigure, ProcessSnapshot, SessionFigure
from vibeseater.seater import VibeSeater

__all__ = ["Monitor", "monitor_of"]

_log = logging.getLogger(__name__)

_EVERY = 1.0
_MOST_TOPICS = 50
_MOST_FEEDS = 50
_MOST_SESSIONS = 100
_FRESH = 3.0  # seconds that a sibling's word is believed
_PATIENCE = 1.0  # seconds that a look waits for PostgreSQL's and Redis' answers


class Monitor:
    """Watches one VibeSeater. `start()` it in the running loop; `aclose()` it before its VibeSeater.

    Args:
        seater: the connected VibeSeater.
        kind: what this process does: `serve`, `ingest`, `panel`, `python`.
        siblings: the other processes of the same server, if any.

    Attributes:
        overview: how everything fares; None before the first look.
        history: since it began.
    """

    def __init__(self, seater: VibeSeater, kind: str = "python", siblings: Siblings | None = None) -> None:
        self.kind = kind
        self.overview: Overview | None = None
        self.history = History()
        self.sessions: Sessions = tuple  # of whoever serves pages
        self._seater = seater
        self._siblings = siblings
        self._machine = Machine()
        self._loop_watch = LoopWatch(figures.histograms["loop_lag"])
        self._sharing = Sharing(seater.redis)
        self._database = DatabaseWatch(seater.pool)
        self._redis = RedisWatch(seater.redis)
        self._task: asyncio.Task[None] | None = None
        self._asked: dict[str, asyncio.Task[None]] = {}
        self._tick = asyncio.Event()
        self._last: tuple[float, dict[str, float], dict[str, int]] = (time.monotonic(), {}, {})
        self._named = NamedTopics(_MOST_TOPICS)
        self._named_watched = NamedTopics(_MOST_TOPICS)
        self._own: ProcessSnapshot | None = None
        self._roster = Roster(EXPIRY)
        self._heard: list[ProcessSnapshot] = []
        self._heard_since = math.inf  # by `monotonic`: since when Redis has answered without a break
        self._redis_error = ""

    def start(self) -> None:
        """Begin. Does nothing when it has begun."""
        if self._task is None:
            figures.begin()
            log_tail.begin()
            if self._siblings is not None:
                self._siblings.leave()  # in this place a process that died may have had its last word
            self._loop_watch.start()
            self._last = (time.monotonic(), self._counters(), dict(figures.topics))
            self._task = asyncio.create_task(self._run(), name="vibeseater-operations")

    async def aclose(self) -> None:
        """End, and tell the others that this is no accident. May be called twice."""
        task, self._task = self._task, None
        if task is None:
            return
        for one in (task, *self._asked.values()):
            one.cancel()
        await asyncio.wait([task, *self._asked.values()])
        self._loop_watch.stop()
        if self._siblings is not None:
            self._siblings.leave()
        if not self._redis_error:
            own = msgspec.structs.replace(self.snapshot(), ended=True)
            try:
                await self._sharing.exchange(own, encoded(own))
            except (*REDIS_LOST, TimeoutError) as error:
                _log.info("no farewell: Redis does not answer (%s)", error)
        figures.end()
        log_tail.end()
        self._tick.set()

    @property
    def running(self) -> bool:
        """Whether it watches."""
        return self._task is not None

    async def next(self) -> Overview:
        """The next overview, once it is made."""
        while self.running:
            tick = self._tick
            await tick.wait()
            if self.overview is not None:
                break
        if self.overview is None:
            raise RuntimeError("a monitor that was not started has nothing to tell")
        return self.overview

    def server_snapshots(self) -> list[ProcessSnapshot]:
        """What the processes of this server have told, this one included; all from the same place, so that no figure
        goes back, whichever of them is asked."""
        own = self._own or self.snapshot()
        if self._siblings is not None:
            told = decoded(self._siblings.heard(time.monotonic() - _FRESH))
            if all(one.id != own.id for one in told):
                told.append(own)
            return sorted(told, key=lambda one: one.pid)
        return [own, *(one for one in self._heard if one.server == own.server and one.id != own.id and not one.ended)]

    async def _run(self) -> None:
        while True:
            begun = time.monotonic()
            try:
                await self._look()
            except Exception:  # nothing may end this
                _log.exception("a look at the operations failed; trying again")
            tick, self._tick = self._tick, asyncio.Event()
            tick.set()
            await asyncio.sleep(max(0.05, begun + _EVERY - time.monotonic()))

    async def _look(self) -> None:
        figures.turn()
        self._loop_watch.turn()
        own = self._own = self.snapshot(turn=True)
        data = encoded(own)
        if self._siblings is not None:
            self._siblings.tell(time.monotonic(), data)
        await self._ask(
            {
                "others": lambda: self._exchange(own, data),
                "database": lambda: self._database.look(_watched([own, *self._heard])),
                "redis": self._redis.look,
            }
        )
        self._hear(own)
        overview = Overview(
            at=time.time(),
            own=own.id,
            processes=[own, *self._roster.present],
            gone=self._roster.gone,
            database=self._database.state,
            redis=self._redis.state,
            redis_error=self._redis_error,
        )
        self.overview = msgspec.structs.replace(overview, problems=problems_of(overview))
        self.history.add(overview.at, history_of(overview))

    async def _ask(self, questions: dict[str, Callable[[], Coroutine[Any, Any, None]]]) -> None:
        """Ask each server, unless it still owes its last answer, and wait a little: one that is frozen must not keep
        this process from telling its siblings each second that it is alive."""
        asked = self._asked
        for name, ask in questions.items():
            if name not in asked:
                asked[name] = asyncio.create_task(ask(), name=f"vibeseater-operations-{name}")
        await asyncio.wait(asked.values(), timeout=_PATIENCE)
        for task in [asked.pop(name) for name, task in list(asked.items()) if task.done()]:
            if error := task.exception():
                _log.error("a look at the operations failed; trying again", exc_info=error)

    async def _exchange(self, own: ProcessSnapshot, data: bytes) -> None:
        try:
            self._heard = await self._sharing.exchange(own, data)
        except TimeoutError:
            self._redis_error = "no answer within 2 s"
        except REDIS_LOST as error:
            self._redis_error = in_a_line(error)
        else:
            self._heard_since = min(self._heard_since, time.monotonic())
            self._redis_error = ""
            return
        self._heard, self._heard_since = [], math.inf

    def _hear(self, own: ProcessSnapshot) -> None:
        """Let the roster judge of what was heard by Redis and from the siblings."""
        words = {one.id: one for one in self._heard}
        if self._siblings is not None:
            words |= {one.id: one for one in decoded(self._siblings.heard(time.monotonic() - _FRESH))}
        words.pop(own.id, None)
        self._roster.hear(
            own,
            time.monotonic(),
            time.time(),
            words.values(),
            redis_since=self._heard_since,
            siblings=self._siblings is not None,
        )

    def snapshot(self, *, turn: bool = False) -> ProcessSnapshot:
        """How this process fares now; with `turn`, rates begin anew."""
        seater = self._seater
        now, counters, topics = time.monotonic(), self._counters(), dict(figures.topics)
        then, counted, topics_then = self._last
        past = max(1e-3, now - then)
        rates = {name: max(0.0, value - counted.get(name, 0)) / past for name, value in counters.items()}
        topic_rates = {topic: (count - topics_then.get(topic, 0)) / past for topic, count in topics.items()}
        moving = sorted((one for one, rate in topic_rates.items() if rate > 0), key=lambda one: -topic_rates[one])
        feeds = self._feeds()
        watchers = Counter(feed.topic for feed in feeds)
        if turn:
            self._last = (now, counters, topics)
            self._named.turn(now, moving)
            self._named_watched.turn(now, (topic for topic, _ in watchers.most_common()))
            for feed in feeds:
                figures.histograms["feed_behind"].observe(feed.behind)
        cpu, cpu_seconds = self._machine.cpu()
        sessions = sorted(self._open_sessions(), key=lambda one: (-one.waiting, one.since))
        pages: dict[str, int] = {}
        for session in sessions:
            if session.page == ROWS:
                continue
            pages[session.page] = pages.get(session.page, 0) + 1
        return ProcessSnapshot(
            id=seater.streaming.holder,
            host=socket.gethostname()[:60],
            pid=os.getpid(),
            server=f"{socket.gethostname()[:60]}:{os.getppid() if self._is_forked else os.getpid()}",
            kind=self.kind,
            version=__version__,
            started_at=self._machine.started_at,
            at=time.time(),
            counters=counters,
            rates=rates,
            distributions={
                name: Distribution(total=one.total, sum=one.sum, window=one.window)
                for name, one in figures.histograms.items()
            },
            topics={topic: topics[topic] for topic in self._named if topic in topics},
            topic_rates={topic: topic_rates[topic] for topic in moving[:_MOST_TOPICS]},
            cpu=cpu,
            cpu_seconds=cpu_seconds,
            memory=self._machine.memory,
            loop_lag=self._loop_watch.last,
            loop_worst=self._loop_watch.worst,
            tasks=len(asyncio.all_tasks()),
            writer_queue=seater.events.queued,
            publish_queue=seater.publisher.queued,
            redis=not self._redis_error and (seater.hub.connected or not seater.hub.watching),
            postgres=seater.hub.checked and not self._database.state.error,
            redis_error=self._redis_error,
            feed_count=len(feeds),
            session_count=sum(pages.values()),
            pages=pages,
            feeds=sorted(feeds, key=lambda one: (-one.lag, -one.behind, one.topic))[:_MOST_FEEDS],
            sessions=[one for one in sessions if one.page != ROWS or one.waiting][:_MOST_SESSIONS],
            told=list(figures.told)[-40:],
            logs=list(log_tail.lines)[-40:],
            clock_offset=self._database.state.clock_offset,
            watchers={topic: watchers[topic] for topic in self._named_watched if topic in watchers},
        )

    @property
    def _is_forked(self) -> bool:
        # Two servers of one process each may have the same parent (systemd, a shell), and are two servers all the same.
        return self._siblings is not None or (self.kind == "panel" and tornado.process.task_id() is not None)

    def _counters(self) -> dict[str, float]:
        seater = self._seater
        return {**figures.counters, "events_broadcast": seater.publisher.events, **dict(seater.hub.totals())}

    def _feeds(self) -> list[FeedFigure]:
        now = time.time() + self._database.state.clock_offset
        found = []
        for topic, watcher in self._seater.hub.watchers():
            if isinstance(watcher, LiveFeed):
                waiting = watcher.oldest_waiting
                found.append(
                    FeedFigure(
                        topic=str(topic),
                        state=watcher.state,
                        delivered=watcher.stats.delivered,
                        lag=watcher.stats.lag,
                        behind=0.0 if waiting is None else round(max(0.0, now - waiting.timestamp()), 3),
                    )
                )
        return found

    def _open_sessions(self) -> Iterable[SessionFigure]:
        try:
            return list(self.sessions())
        except Exception:
            _log.exception("the server's pages can't be counted")
            self.sessions = tuple
            return []


def _watched(processes: list[ProcessSnapshot]) -> list[str]:
    """The topics whose names are shown."""
    found: set[str] = set()
    for one in processes:
        found.update(
            one.topics,
            one.topic_rates,
            (feed.topic for feed in one.feeds),
            (f"stream:{it.what}" for it in one.sessions),
        )
    return list(found)


_monitors: dict[VibeSeater, Monitor] = {}


def monitor_of(seater: VibeSeater, kind: str = "python", siblings: Siblings | None = None) -> Monitor:
    """The one monitor of a VibeSeater, made where there is none, and started. Call it in the running loop.

    It ends with its VibeSeater.
    """
    found = _monitors.get(seater)
    if found is None:
        found = _monitors[seater] = Monitor(seater, kind, siblings)

        async def end() -> None:
            await _monitors.pop(seater).aclose()

        seater.before_closing(end)
    found.start()
    return found
