"""What one process tells of itself, once a second, to its server's other processes and through Redis. Only data."""

from __future__ import annotations

import msgspec

__all__ = ["Distribution", "FeedFigure", "LogLine", "ProcessSnapshot", "SessionFigure", "Told"]


class Told(msgspec.Struct, kw_only=True):
    """An event of telemetry, or several of one name within a second.

    Attributes:
        at: when, in seconds since 1970.
        times: how many were put together.
        count: the sum of their counts.
        text: what the first one's metadata says.
    """

    at: float
    name: str
    times: int
    count: int
    text: str


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the log."""

    at: float
    level: str
    logger: str
    text: str


class FeedFigure(msgspec.Struct, frozen=True, kw_only=True):
    """A live feed.

    Attributes:
        lag: events that are stored and not handed to its consumer yet.
        behind: how old the oldest of those that wait in its buffer is, in seconds.
    """

    topic: str
    state: str
    delivered: int
    lag: int
    behind: float


class SessionFigure(msgspec.Struct, frozen=True, kw_only=True):
    """A page that is open.

    Attributes:
        page: its path, such as `/stream`.
        what: the stream that it names, an id or a slug, if any.
        since: when it was opened, in seconds since 1970; 0 where that is not known.
        waiting: bytes that wait to be sent to its browser.
        stuck: seconds for which something has waited without a pause.
        connected: whether its browser is connected just now.
    """

    page: str
    what: str
    since: float
    waiting: int
    stuck: float = 0.0
    connected: bool


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """A histogram: counts by bucket since the beginning, their sum in seconds, and those of the last ten seconds."""

    total: dict[int, int]
    sum: float
    window: dict[int, int]


class ProcessSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """How a process fares.

    Attributes:
        id: its name in leases too, `host:pid:nonce`.
        server: what the processes of one server have in common.
        kind: `serve`, `ingest`, `panel`, or `python` (a notebook, a script).
        started_at, at: when it began, and when this was told, in seconds since 1970.
        ended: whether it has ended in good order; then this is its last word.
        counters: since the beginning; rates: the same by second, over the last second.
        distributions: of durations.
        topics: messages by topic, those with the most; topic_rates: the same by second.
        cpu: cores that it used in the last second. cpu_seconds: since its beginning.
        memory: resident bytes.
        loop_lag: the longest that its event loop was late in the last second, in seconds; loop_worst: in the last ten.
        redis: whether it hears Redis; postgres: whether PostgreSQL answered it last.
        redis_error: what is wrong with Redis, else empty.
        clock_offset: seconds that PostgreSQL's clock is ahead of this machine's.
        watchers: live feeds by topic, of topics that are watched for long.
        feeds, sessions: the worst first, bounded; feed_count, session_count: all of them.
    """

    id: str
    host: str
    pid: int
    server: str
    kind: str
    version: str
    started_at: float
    at: float
    ended: bool = False
    counters: dict[str, float]
    rates: dict[str, float]
    distributions: dict[str, Distribution]
    topics: dict[str, int]
    topic_rates: dict[str, float]
    cpu: float
    cpu_seconds: float
    memory: int
    loop_lag: float
    loop_worst: float
    tasks: int
    writer_queue: int
    publish_queue: int
    redis: bool
    postgres: bool
    redis_error: str
    feed_count: int
    session_count: int
    pages: dict[str, int]
    feeds: list[FeedFigure]
    sessions: list[SessionFigure]
    told: list[Told]
    logs: list[LogLine]
    clock_offset: float = 0.0
    watchers: dict[str, int] = {}

    @property
    def name(self) -> str:
        """`host:pid`."""
        return f"{self.host}:{self.pid}"
