"""What a view of one stream knows: rows, counters, windows, filter, badge. Plain param; no Panel, no servers, no tasks.

Whoever follows the feed calls `take` for what came and `draw` to make it seen; `tick` once a second ages what is shown.
Viewers watch the parameters. Between two draws nothing is announced, however much comes in.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import param

from vibeseater.archive.schema import microseconds
from vibeseater.filters import NO_SOURCE, EventFilter
from vibeseater.html import printable
from vibeseater.models import Event, FeedStats, MatchCount, Source, Statistics, Stream
from vibeseater.views import timetext
from vibeseater.views.badge import badge_of
from vibeseater.views.delivery import Delivery
from vibeseater.views.filter_state import FilterState
from vibeseater.views.known_sources import KnownSources, source_key
from vibeseater.views.plot_state import PlotState
from vibeseater.views.row_buffer import RowBuffer
from vibeseater.views.type_totals import TypeTotals

__all__ = ["ALL", "CAP", "MOST_UNSURE", "StreamState"]

CAP = 200
"""Rows that a view keeps and shows, at most."""

MOST_UNSURE = 20_000
"""Live events that wait to be matched by PostgreSQL, at most; beyond it they are searched for with the stored ones."""

ALL = ""
"""The filter that lets everything through."""


class StreamState(param.Parameterized):
    """The state of one view of one stream. Each view has its own; it is cheap and bounded.

    All times are seconds since 1970, and all methods are quick: they never wait.
    """

    title = param.String("", doc="The stream's title, made harmless: it reorders and hides nothing.")
    ingestion = param.String("idle", doc="The stream's status: idle, live, paused or stopped.")
    media = param.Parameter(None, doc="Its video or audio: (address, with which moment it begins); None without one.")
    badge = param.String("CONNECTING", doc="One of `badge.BADGES`: LIVE, IDLE, PAUSED and so on.")
    recording = param.Boolean(False, doc="Whether the stream's sources play events that were recorded earlier.")
    problem = param.String(
        "", doc="What went wrong last, in a sentence that also says what to do; empty when all is well."
    )
    beat = param.Integer(0, doc="Counts the ticks, so that a browser notices when they end.")

    total = param.Integer(0, doc="Events ever stored in the stream.")
    rate = param.Number(0.0, doc="Events per second over the last minute.")
    last_event_at = param.Number(None, allow_None=True, doc="When the last event was stored.")
    last_event_text = param.String("never", doc="The same in words: 3 s ago.")
    delivered = param.Integer(0, doc="Events that this view received since it was opened.")
    skipped = param.Integer(
        0, doc="Events that came too fast to be drawn: they are counted and stored, but had no row here."
    )
    refilled = param.Integer(
        0, doc="Events that were read from PostgreSQL, because their live message was late or lost."
    )
    lag = param.Integer(0, doc="Events that are stored and not shown yet.")

    source = param.String(ALL, doc="The key of the source that is shown, if it is one; empty for all, or several.")
    sources = param.List([], doc="What is told of each source: key, name, type, colour, total, rate, last, trouble.")
    moment = param.Number(
        None, allow_None=True, doc="The rows end at this moment and stand still; None: they are the newest."
    )

    fresh = param.List([], doc="The rows of the last draw, newest first.")
    matched = param.Integer(0, doc="Events that came since this view was opened and passed its filter.")
    asleep = param.Boolean(
        False, doc="Whether the browser answers no more, as a page that the system froze; nothing is drawn for it then."
    )
    types = param.Dict({}, doc="How many events of each type the stream has had.")
    begun = param.Boolean(False, doc="Whether what is stored was read, so that the figures are the stream's.")
    resets = param.Integer(0, doc="Counted up when all rows were replaced.")
    renames = param.Integer(0, doc="Counted up when a source has another name or colour in rows that are shown.")

    def __init__(self, stream: Stream | None = None, cap: int = CAP, **params: Any) -> None:
        super().__init__(**params)
        self.cap = cap
        self._rows = RowBuffer(cap)
        self.position = 0
        self.drawn_to = 0  # the position up to which `draw` has told of everything
        self._received = self._matched = 0
        self.delivery = Delivery()
        self.by_position = True  # whether events come in the order of positions; a replay's come as they happened
        self.past: Callable[[], float] | None = None  # the clock of a replay; None where what comes is of now
        self.filters = FilterState()
        self.filters.param.watch(self._on_filter, "value")
        self._unsure: list[Event] = []
        self._changed_at = 0  # the position at which the filter was changed: what is newer comes live
        self._shown_filter = EventFilter()  # the one that the rows went through
        self._found: MatchCount | None = None  # up to there
        self._found_since = 0
        self.kinds = TypeTotals()
        self._totalled_to = self._plotted_to = self._shown_to = 0
        self.plot = PlotState()
        self._sources = KnownSources()
        self._latest: float | None = None
        if stream is not None:
            self.set_stream(stream)

    # What is known about the stream

    def set_stream(self, stream: Stream) -> None:
        """Take over the stream's title, status and media."""
        media = (stream.media_url, stream.media_started_at) if stream.media_url else None
        self.param.update(title=printable(stream.title), ingestion=stream.status, media=media)

    def set_sources(self, sources: Iterable[Source]) -> None:
        """Take over names and colours of sources, in the order they were attached; those known before keep theirs."""
        before = self._looks()
        types = self._sources.add(sources)
        self.param.update(sources=self._sources.describe(self._now()), recording=types - {"manual"} == {"recording"})
        if self.rows and self._looks() != before:
            self.renames += 1

    def _looks(self) -> dict[str, tuple[str | None, str]]:
        """What rows show of each source that has one."""
        keys = {source_key(event.source_id) for event in self.rows}
        return {key: (self.name_of(key), self.colour_of(key)) for key in keys}

    def set_troubles(self, troubles: Mapping[str, str]) -> None:
        """Take over what is wrong with sources that can't be read just now, by source key; seen at the next tick."""
        self._sources.set_troubles(troubles)

    def unknown(self) -> list[str]:
        """Ids of sources that sent events, and whose names are not known yet."""
        return self._sources.unknown()

    def start(
        self,
        position: int,
        rows: Sequence[Event],
        statistics: Statistics | None = None,
        buckets: Iterable[Any] = (),
        found: MatchCount | None = None,
        words: Sequence[str] = (),
    ) -> None:
        """Begin with what is stored.

        Args:
            position: where the feed begins; rows are at or before it, the feed's events behind it.
            rows: the newest events up to the position that pass the filter, newest first.
            statistics: totals at that moment, `recent_events` over the same window as the buckets.
            buckets: counts by second and source within the last minute or longer (`start`, `source_id`, `count`).
            found: how many pass the filter.
            words: what is to be highlighted.
        """
        self.position = self.drawn_to = self._totalled_to = self._plotted_to = position
        buckets = list(buckets)
        counted = self._sources.begin(statistics.by_source if statistics is not None else ())
        if statistics is not None:
            if statistics.last_event_at is not None:
                self._latest = statistics.last_event_at.timestamp()
            # Both were read a moment after the position, and may hold events that the feed is going to bring. Positions
            # have no gaps, so the sums tell up to which one each of them counted; those are not counted again.
            self._totalled_to = max(position, counted)
            before_window = statistics.total_events - statistics.recent_events
            self._plotted_to = max(position, before_window + sum(bucket.count for bucket in buckets))
        for bucket in buckets:
            self._sources.count(source_key(bucket.source_id), bucket.start.timestamp(), bucket.count)
        self.plot.start(rows, buckets, self._plotted_to)
        if self.moment is None:
            self.show(rows, found, words)
        else:  # somebody looks at a moment already, whose rows stand still
            self.searched(found, words)
            self.param.update(total=self._total(), **self._last_event(self._now()))
        self.begun = True

    def resume(
        self,
        place: int,
        rows: Sequence[Event],
        totals: Iterable[Any],
        buckets: Iterable[Any],
        words: Sequence[str] = (),
    ) -> None:
        """Go on from a place of a replay, which begins there or was moved there, with what had happened by then.

        Args:
            place: as `place_of` tells; what lies behind it is brought by the feed.
            rows: the newest events up to the place that pass the filter, newest first.
            totals: counts by source of all that had happened since the replay's beginning.
            buckets: counts by second and source of the last minute or longer.
        """
        self.moment = None
        self._rows.go_on(with_what_came=False)
        self._unsure.clear()
        self._sources.resume(totals)
        self._latest = None
        for event in reversed(rows):
            self._latest = event.occurred_at.timestamp()
            self._sources.saw(source_key(event.source_id), self._latest, counts=False)
        for bucket in buckets:
            self._sources.count(source_key(bucket.source_id), bucket.start.timestamp(), bucket.count)
        self._totalled_to = self._plotted_to = self._shown_to = place
        self.plot.restart(rows)
        self.show(rows, None, words, whole=True)
        self.begun = True

    def place_of(self, event: Event) -> int:
        """By what an event that was read is told from one that the feed brings: its position; in a replay, its time."""
        return event.stream_seq if self.past is None else microseconds(event.occurred_at)

    # What comes in

    def take(self, events: Sequence[Event]) -> None:
        """Count the events and keep the newest for the next draw. Announces nothing."""
        wanted = self.filters.value
        past, now = self.past is not None, self._now()
        counts: Counter[tuple[str, int]] = Counter()
        for event in events:
            key, place = source_key(event.source_id), self.place_of(event)
            at = (event.occurred_at if past else event.inserted_at).timestamp()
            if place > self._plotted_to:
                counts[key, int(min(at, now))] += 1
            self.plot.take(place, key, event, now)
            self._sources.saw(key, at, counts=place > self._totalled_to)
            self._latest = at
            self.kinds.add(event.stream_seq, event.event_type)
            if place > self._shown_to and wanted.passes(event):
                if wanted.looks_inside:
                    self._unsure.append(event)
                else:
                    self._accept(event)
        for (key, second), n in counts.items():
            self._sources.count(key, second, n)
        if events:
            if not past:
                self.delivery.take(events)
            self._received += len(events)
            self.position = max(self.position, events[-1].stream_seq)

    def _accept(self, event: Event) -> None:
        self._matched += 1
        self._found_since += event.stream_seq > self._changed_at
        self._rows.put(event, still=self.moment is not None, seen=not self.asleep)

    def unsure(self) -> list[Event]:
        """Events that came and whose content must be matched, in order; they are handed over once."""
        unsure, self._unsure = self._unsure, []
        return unsure

    @property
    def rows(self) -> deque[Event]:
        """The rows that are shown, newest first."""
        return self._rows.shown

    @property
    def waiting(self) -> int:
        """How many events wait to be matched."""
        return len(self._unsure)

    def accept(self, events: Iterable[Event]) -> None:
        """Keep events that were unsure, and match, for the next draw."""
        shown_to = max(self._shown_to, self._changed_at)
        for event in events:
            if self.place_of(event) > shown_to:
                self._accept(event)

    # What is seen

    def draw(self) -> None:
        """Announce what came since the last draw: its rows, newest first, and the counters."""
        fresh, skipped = self._rows.draw()
        self.drawn_to = self.position
        self.param.update(
            fresh=fresh,
            total=self._total(),
            skipped=self.skipped + skipped,
            delivered=self._received,
            matched=self._matched,
            **self._last_event(self._now()),
        )
        self._tell_found()

    def _now(self) -> float:
        return time.time() if self.past is None else self.past()

    def _total(self) -> int:
        """Events ever stored; in a replay, those that had happened by its clock."""
        return max(self.position, self._totalled_to) if self.past is None else self._sources.total

    def tick(self, feed_state: str | None, stats: FeedStats | None = None, now: float | None = None) -> None:
        """Age what is shown: rate, "3 s ago", plot, badge. Call it once a second.

        Args:
            feed_state: the feed's `state`, or None where there is none yet.
            stats: the feed's figures.
            now: seconds since 1970; the clock's by default, a replay's own.
        """
        now = self._now() if now is None else now
        self.delivery.tell(stats)
        figures: dict[str, Any] = {}
        if stats is not None:
            figures = {"refilled": stats.refilled, "lag": stats.lag}
        self.param.update(
            beat=self.beat + 1,
            rate=self._sources.rate(now),
            badge=badge_of(feed_state, self.ingestion),
            total=self._total(),
            sources=self._sources.describe(now),
            types=self.kinds.told(),
            **self._last_event(now),
            **figures,
        )
        self.plot.advance(now)

    def show(
        self, rows: Sequence[Event], found: MatchCount | None = None, words: Sequence[str] = (), whole: bool = False
    ) -> None:
        """Replace the rows by those given, newest first; what was taken meanwhile and is newer stays on top of them.

        Args:
            whole: whether they hold all that was taken of a replay.
            found: how many match up to where the filter was changed.
            words: what is to be highlighted.
        """
        if self.by_position:
            newest = max(rows[0].stream_seq if rows else 0, self._changed_at)
            newer = self._rows.newer(newest)
            self._shown_to = max(newest, newer[0].stream_seq if newer else 0)
        else:
            newer = [] if whole else self._rows.newer(None)
        self._rows.replace([*newer, *rows])
        self.searched(found, words)
        self.param.update(
            resets=self.resets + 1,
            total=self._total(),
            **self._last_event(self._now()),
        )

    def searched(self, found: MatchCount | None = None, words: Sequence[str] = ()) -> None:
        """The filter holds from now on for what is shown; left out, what is known of it stays."""
        if found is not None or self._shown_filter != self.filters.value:
            self._found = found
            self.filters.words = list(words)
        self._shown_filter = self.filters.value
        self.filters.busy = False
        self._tell_found()

    def hold(self, moment: float, rows: Sequence[Event]) -> None:
        """Show the rows that end at a moment, newest first, and let them stand still."""
        self._rows.hold(rows, anew=self.moment is None)
        self.param.update(moment=moment, resets=self.resets + 1)

    def release(self, rows: Sequence[Event]) -> None:
        """Show the newest rows again, and what comes; what came since those given were read stays on top of them."""
        self.moment = None
        self._rows.go_on(with_what_came=self.by_position)
        self.show(rows)

    def filter(self, source: str) -> None:
        """Show one source only, or all (`""`)."""
        self.filters.sources = [source] if source else []

    def _on_filter(self, *_: Any) -> None:
        """At once for what is at hand, but for what only PostgreSQL can tell; then `show` what it holds."""
        wanted = self.filters.value
        self.restart()
        self._tell_found()
        keys = [source_key(one) for one in wanted.sources]
        self.source = keys[0] if len(keys) == 1 else ALL
        if wanted.looks_inside:
            self._rows.pending.clear()  # they are among those that are read
            return
        self._rows.keep(wanted.passes)
        self._shown_filter = wanted
        self.filters.words = []
        self.resets += 1

    def restart(self) -> int:
        """Stored events are going to be searched: returns the position up to which; what is newer comes live."""
        self._changed_at = self.position if self.by_position else 0
        self._found, self._found_since = None, 0
        self._unsure.clear()
        return self.position

    def _tell_found(self) -> None:
        found = self._found
        if not self.filters.value or found is None:
            self.filters.found = ""
        else:
            exact = found.exact
            self.filters.found = str(MatchCount(number=found.number + self._found_since * exact, exact=exact))

    @property
    def shows_all(self) -> bool:
        """Whether every row is shown that comes, so that everybody sees the same."""
        return not self.filters.value and not self._shown_filter and self.moment is None

    def query(self) -> dict[str, Any]:
        """What `list_events` is told, so that it finds more of what is shown."""
        wanted = self._shown_filter
        return {
            "source": [one or NO_SOURCE for one in wanted.sources] or None,
            "event_type": wanted.types or None,
            "search": wanted.search,
            "where": wanted.where,
            "start": wanted.start,
            "end": wanted.end,
        }

    def find(self, event_id: str) -> Event | None:
        """The event of a row that is shown, or None when it has left the table."""
        return next((event for event in self.rows if str(event.id) == event_id), None)

    def name_of(self, key: str) -> str | None:
        """A source's name, None for events without one; an unknown source is called by the end of its id."""
        return self._sources.name_of(key)

    def colour_of(self, key: str) -> str:
        """A source's colour, the same in chips, filter and plot."""
        return self._sources.colour_of(key)

    def _last_event(self, now: float) -> dict[str, Any]:
        age = None if self._latest is None else now - self._latest
        return {"last_event_at": self._latest, "last_event_text": timetext.ago(age)}
