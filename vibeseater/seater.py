"""The VibeSeater: it puts the parts together, opens and closes them. The only file that knows them all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Generator, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

import msgspec

from vibeseater import embedded, html
from vibeseater.alerts import Alerts
from vibeseater.bookmarks import Bookmarks, Highlights
from vibeseater.broadcast.connection import Redis, RedisCluster, check_server, make_client
from vibeseater.broadcast.hub import Hub
from vibeseater.broadcast.link import make_listener
from vibeseater.broadcast.publisher import Publisher
from vibeseater.changes import Changes
from vibeseater.errors import ClosedError, InputError, WrongLoopError
from vibeseater.feeds.live import LiveFeed
from vibeseater.feeds.rebroadcast import BroadcastFeed, rebroadcast
from vibeseater.feeds.replay import Live, ReplayFeed
from vibeseater.feeds.since import Since
from vibeseater.models import Source, Stream
from vibeseater.pins import Pin, Pins
from vibeseater.settings import Settings, load_settings, without_secrets
from vibeseater.sources.catalog import Sources
from vibeseater.sources.registry import validate_config
from vibeseater.store import migrate
from vibeseater.store.audit import audited, changed_nothing, lone
from vibeseater.store.audit_log import AuditLog
from vibeseater.store.event_log import EventLog
from vibeseater.store.pool import Pool, connected
from vibeseater.store.positions import counters
from vibeseater.store.streams import StreamStore
from vibeseater.streaming import Streaming
from vibeseater.topics import Topic, parse_replay_topic, parse_topic

if TYPE_CHECKING:
    import pandas as pd

    from vibeseater.archive.archives import Archives
    from vibeseater.feeds.follow import Following

__all__ = ["VibeSeater", "connect"]


class VibeSeater:
    """Everything, connected. Made by `vibeseater.connect()`.

    Attributes:
        streams: create, find, change, delete streams.
        sources: the same for sources, and their tie to streams.
        events: create events, read them, count them.
        streaming: start, pause, resume, stop ingestion.
        archive: archive and purge streams, and say what is kept of them.
        bookmarks: mark events and ranges, shared live.
        highlights: rules by which events are coloured, shared live.
        pins: what `pin` and `read_pin` use.
        audit: who did what: `await seater.audit(stream=…)`.
        alerts: rules, tried on the past, evaluated live, and what they told.
        hub: the one Redis listener of this process.
        publisher: what sends this process's events to Redis.
        pool: the connections to PostgreSQL.
        redis: a client for commands.
        settings: what it was connected with (URLs of the embedded servers filled in).
    """

    settings: Settings
    pool: Pool
    redis: Redis | RedisCluster
    hub: Hub
    publisher: Publisher
    streams: StreamStore
    sources: Sources
    events: EventLog
    streaming: Streaming
    archive: Archives
    pins: Pins
    bookmarks: Bookmarks
    highlights: Highlights
    alerts: Alerts
    changes: Changes
    audit: AuditLog

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._servers: embedded.EmbeddedServers | None = None
        self._closing = AsyncExitStack()  # closes what was opened, the last first
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> Self:
        """Connect: start the embedded servers where no URL is set, migrate, put the parts together.

        Raises:
            VibeSeaterError: a server can't be reached, is too old, or its schema is newer than this code.
        """
        self._loop = asyncio.get_running_loop()
        try:
            await self._open()
        except BaseException:
            await self.close()
            raise
        return self

    async def _open(self) -> None:
        closing = self._closing
        given = self.settings
        needs = {"postgres": given.database_url is None, "redis": given.redis_url is None}
        if any(needs.values()):
            self._servers = await embedded.acquire(given, **needs)
            closing.push_async_callback(self._servers.release)
            self.settings = settings = _with_urls(given, self._servers)
        else:
            settings = given
        self.redis = make_client(settings)
        closing.push_async_callback(self.redis.aclose)
        await check_server(self.redis, settings)
        async with connected(settings) as connection:
            await migrate.apply(connection, settings.connect_timeout)
        self.pool = Pool(settings)
        closing.push_async_callback(self.pool.close)
        await self.pool.open()
        self.publisher = Publisher(self.redis, settings)
        closing.push_async_callback(self.publisher.close)
        self.hub = Hub(
            lambda *to: make_listener(self.redis, settings, *to),
            lambda topics: counters(self.pool, topics),
        )
        closing.push_async_callback(self.hub.close)
        self.streams = StreamStore(self.pool)
        self.audit = AuditLog(self.pool, self.streams)
        # Here: importing VibeSeater is to be quick, and connecting takes longer anyway.
        from vibeseater.archive.archives import Archives
        from vibeseater.archive.reader import ArchiveReader

        reader = ArchiveReader(self.pool)
        self.archive = Archives(self.pool, self.streams, reader)
        closing.push_async_callback(self.archive.aclose)
        self.events = EventLog(self.pool, self.publisher, reader)
        closing.push_async_callback(self.events.close)
        check_config = partial(validate_config, allow_private_urls=settings.allow_private_urls)
        self.pins = Pins(self.events, self.streams)
        self.sources = Sources(self.pool, self.streams, check_config, settings.max_content_bytes, events=self.events)
        closing.push_async_callback(self.sources.aclose)
        self.streaming = Streaming(pool=self.pool, streams=self.streams, events=self.events, settings=settings)
        closing.push_async_callback(self.streaming.aclose)
        self.changes = Changes(self.pool, self.hub, self.publisher)
        closing.push_async_callback(self.changes.aclose)
        self.bookmarks = Bookmarks(self.pool, self.streams, self.changes)
        self.highlights = Highlights(self.pool, self.streams, self.events, self.changes)
        self.alerts = Alerts(
            pool=self.pool,
            hub=self.hub,
            streams=self.streams,
            events=self.events,
            cold=reader,
            changes=self.changes,
            holder=self.streaming.holder,
        )
        closing.push_async_callback(self.alerts.aclose)

    async def close(self) -> None:
        """Stop ingestion, store and send what is under way, close every connection. May be called twice.

        Each part is closed even where another one fails to; the failure is raised at the end.
        """
        loop = self._loop
        if loop is not None and loop is not asyncio.get_running_loop() and not self._closed:
            raise WrongLoopError(
                "This VibeSeater was connected in another event loop, and is closed in that one: await it there, or "
                "from a thread `asyncio.run_coroutine_threadsafe(seater.close(), loop).result()`."
            )
        self._closed = True
        await self._closing.aclose()

    def before_closing(self, work: Callable[[], Awaitable[None]]) -> None:
        """Have something done when it is closed, before its parts are: for who uses them until then."""
        self._check_open()
        self._closing.push_async_callback(work)

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def subscribe(self, what: Stream | Source | str, since: Since = None) -> LiveFeed:
        """Every event of a stream or source from now on, or since then: once, in order, whatever dies.

        Args:
            what: a Stream, a Source, or a topic: `stream:<id>`, `source:<id>`.
            since: None for what comes from now on; 0 for everything; a feed's `position`; a datetime or `"5m"`, by
                arrival.

        Returns:
            A feed: `async with seater.subscribe(stream) as feed`, then `async for event in feed`.
        """
        self._check_open()
        return LiveFeed(self.pool, self.hub, to_topic(what), since)

    def replay(
        self,
        what: Stream | Source | str | Sequence[Stream | Source | str],
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        speed: float = 1.0,
        *,
        along: ReplayFeed | None = None,
        live: Live = False,
    ) -> ReplayFeed:
        """A past window as a feed, in the order in which things happened, whether PostgreSQL has it or an archive.

        Args:
            what: a Stream, a Source, or a topic; or several, whose events come in one order, each once.
            start, end: the window, by `occurred_at`; left out, all that there is.
            speed: how many times faster than life, 0.1 to 1000, or `float("inf")`, as fast as it is taken.
            along: another replay, to be in step with: both follow its clock, whichever is paused, moved or changed.
            live: when the window has been played, go on with what was stored since, and with what comes: each event
                once. Of one stream or source, without an `end`. `"later"`: not by itself, but when `catch_up` says so.
        """
        self._check_open()
        several: list[Any] = [what]
        if isinstance(what, list | tuple | set | frozenset) and not isinstance(what, Topic):  # which is a tuple too
            several = list(what)
        if not several:
            raise InputError("what", what, "nothing to play", "Name at least one stream or source")
        topics = [to_topic(one) for one in several]
        if along is not None and not isinstance(along, ReplayFeed):
            raise InputError("along", along, "not a replay", "Give a feed that seater.replay made")
        if live not in (False, True, "later"):
            raise InputError("live", live, "unknown", 'Give True, False or "later"')
        if live and ((end is not None and live != "later") or len(topics) > 1):
            raise InputError("live", live, "not with an end, nor of several topics", "Leave the end out, and name one")
        return ReplayFeed(
            self.pool,
            topics,
            start,
            end,
            speed,
            self.archive.reader,
            playback=None if along is None else along.playback,
            go_live=lambda topic, position: LiveFeed(self.pool, self.hub, topic, position),
            live=live,
        )

    def follow(
        self,
        stream: Stream | str,
        limit: int = 10_000,
        *,
        columns: Collection[str] | None = None,
        flatten: bool | Collection[str] = False,
    ) -> Following:
        """A stream's newest events as a DataFrame that goes on: a snapshot, and the live feed that continues it.

        Args:
            stream: a Stream, or its topic.
            limit: rows of the DataFrame at most.
            columns, flatten: as in `to_dataframe`.
        """
        from vibeseater.feeds.follow import Following

        self._check_open()
        topic = to_topic(stream)
        if topic.kind != "stream":
            raise InputError("stream", str(topic), "not a stream", "Give a Stream")
        return Following(self.events, LiveFeed(self.pool, self.hub, topic, None), limit, columns, flatten)

    async def pin(self, stream: Stream | UUID | str, after: int = 0, upto: int | None = None) -> Pin:
        """A small object that stands for a stream's events as they are now: keep it, or `str(pin)`, in a notebook.

        Args:
            after, upto: positions, `after < stream_seq <= upto`; else all that there is now.
        """
        return await self.pins.pin(stream, after, upto)

    async def read_pin(self, pin: Pin | str, **how: Any) -> pd.DataFrame:
        """The pinned events as a DataFrame, identical to the day they were pinned; `how` as in `to_dataframe`.

        Raises:
            PurgedError: some were purged without an archive; the message says which.
            ArchiveError: they are not what they were.
        """
        return await self.pins.read(pin, **how)

    @audited("broadcast_replay")
    async def broadcast_replay(self, feed: ReplayFeed, topic: str | None = None) -> int:
        """Play a replay to others, to its end: on a topic of its own, which they watch with `watch_replay`.

        Args:
            feed: a replay that was entered; pausing, moving or closing it does so for all.
            topic: `replay:<any UUID>`; else one of its own, `feed.broadcast_topic`.

        Returns:
            How many events were sent.
        """
        sent_on = parse_replay_topic(topic or feed.broadcast_topic)
        streams = [one.id for one in feed.topics if one.kind == "stream"]
        await lone(self.pool, "broadcast_replay", "done", kind="replay", name=str(sent_on), streams=streams)
        changed_nothing()  # what is recorded is that it began
        return await rebroadcast(feed, sent_on, self.publisher.send)

    def watch_replay(self, topic: str) -> BroadcastFeed:
        """What somebody else plays on `replay:<id>`, from now on, as a feed."""
        self._check_open()
        return BroadcastFeed(self.hub, parse_replay_topic(topic))

    def _check_open(self) -> None:
        if self._closed or not hasattr(self, "hub"):
            raise ClosedError("This VibeSeater is closed. Call `await vibeseater.connect()` again.")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<VibeSeater {'closed' if self._closed else 'connected'}: {self._where()}>"

    def _where(self) -> str:
        if self._servers is not None:
            return f"embedded servers in {self.settings.home}"
        return without_secrets(self.settings.database_url or "")

    def _repr_html_(self) -> str:
        return html.card("VibeSeater", {"state": "closed" if self._closed else "connected", "where": self._where()})


class Connecting:
    """What `connect()` returns: await it, or enter it with `async with`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seater: VibeSeater | None = None

    def __await__(self) -> Generator[Any, None, VibeSeater]:
        return VibeSeater(self._settings).open().__await__()

    async def __aenter__(self) -> VibeSeater:
        self._seater = await VibeSeater(self._settings).open()
        return self._seater

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._seater is not None:
            await self._seater.close()


def connect(database_url: str | None = None, redis_url: str | None = None) -> Connecting:
    """Connect to PostgreSQL and Redis: `seater = await connect()`, or `async with connect() as seater:`.

    Args:
        database_url: `postgresql://…`; else `VIBESEATER_DATABASE_URL`, else the embedded server of this user.
        redis_url: `redis://…`; else `VIBESEATER_REDIS_URL`, else the embedded server of this user.

    Raises:
        SettingsError: at once, where a setting does not fit.
        VibeSeaterError: when awaited, where a server can't be used.
    """
    return Connecting(load_settings(database_url=database_url, redis_url=redis_url))


def to_topic(what: Stream | Source | Topic | str) -> Topic:
    """The topic of a Stream, a Source, or a topic's name."""
    if isinstance(what, Stream):
        return Topic("stream", what.id)
    if isinstance(what, Source):
        return Topic("source", what.id)
    if isinstance(what, Topic):
        return what
    if isinstance(what, str):
        return parse_topic(what)
    raise InputError(
        "what", what, f"nothing to follow: {type(what).__name__}", "Give a Stream, a Source, or a topic 'stream:<id>'"
    )


def _with_urls(settings: Settings, servers: embedded.EmbeddedServers) -> Settings:
    return msgspec.structs.replace(
        settings,
        database_url=settings.database_url or servers.database_url,
        redis_url=settings.redis_url or servers.redis_url,
    )
