"""What a rule would have told of the past: the very evaluation that runs live, over stored events, archived ones too.

Reads only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec

from vibeseater.alerts.evaluation import Change, Evaluator, micros
from vibeseater.alerts.records import Alert, AlertRule, Trial
from vibeseater.alerts.store import AlertStore, Over
from vibeseater.alerts.telling import Matching, counted, moment_of, tell
from vibeseater.filters import EventFilter
from vibeseater.models import Event, Stream
from vibeseater.store.cold import Cold, Span, by_position, joined
from vibeseater.store.pool import Pool
from vibeseater.store.positions import counters, position_at, read_after
from vibeseater.store.window import read_window
from vibeseater.topics import Topic

__all__ = ["Time", "try_rule"]

Time = Literal["occurred_at", "inserted_at"]

_PAGE = 2000


class _Past:
    """Which events have the wanted content, whether they stand in PostgreSQL or in the archive."""

    def __init__(self, events: Matching, cold: Cold) -> None:
        self._events, self._cold = events, cold

    async def matching_positions(
        self, stream: Stream | UUID | str, positions: Sequence[int], wanted: EventFilter
    ) -> set[int]:
        found = await self._events.matching_positions(stream, positions, wanted)
        assert isinstance(stream, UUID)
        mark = await self._cold.mark(stream)  # after the rows were read: it only rises
        left = {position for position in positions if position <= mark} - found
        if left:
            content = EventFilter(search=wanted.search, where=wanted.where)
            async for part in self._cold.columns(stream, Span(min(left) - 1, max(left), content), raw=True):
                found |= left.intersection(part.stream_seq.tolist())
        return found


async def try_rule(
    pool: Pool,
    store: AlertStore,
    events: Matching,
    cold: Cold,
    rule: AlertRule,
    start: datetime,
    end: datetime,
    by: Time,
) -> Trial:
    """Evaluate a rule from `start` up to `end`. What came before is looked at as far back as the rule looks."""
    matching = _Past(events, cold)
    before = timedelta(seconds=rule.window_seconds + rule.for_seconds + rule.cooldown_seconds)
    evaluator = Evaluator(rule, micros(start - before))
    told: list[Alert] = []
    number = position = 0
    names: dict[str, str] = {}
    first, last = micros(start), micros(end)

    def note(changes: Sequence[Change], found: dict[UUID, Event]) -> None:
        for change in changes:
            one = tell(rule, change, position, found, names)
            if not isinstance(one, Over):
                told.append(one)
                continue
            for at in range(len(told) - 1, -1, -1):
                if told[at].group_key == one.group_key:
                    told[at] = msgspec.structs.replace(told[at], resolved_at=one.at)
                    break

    async for page in _pages(pool, cold, Topic("stream", rule.stream_id), start - before, end, by):
        found = {event.id: event for event in await counted(matching, rule, page)}
        if rule.group_by == "source":
            names |= await store.source_names(
                {
                    one.source_id
                    for one in found.values()
                    if one.source_id is not None and str(one.source_id) not in names
                }
            )
        for event in found.values():
            moment = micros(getattr(event, by))
            number += moment >= first
            note(evaluator.take(event, moment), found)
        position = page[-1].stream_seq
    note(evaluator.advance(last - 1), {})
    within = tuple(one for one in told if start <= one.fired_at < end)
    return Trial(rule=rule, start=moment_of(first), end=moment_of(last), events=number, alerts=within)


async def _pages(
    pool: Pool, cold: Cold, topic: Topic, start: datetime, end: datetime, by: Time
) -> AsyncIterator[Sequence[Event]]:
    """The events of a window in the order of the time that counts, page after page."""
    if by == "occurred_at":
        after = (start - timedelta(microseconds=1), 0)
        while page := await read_window(pool, topic, after, end - timedelta(microseconds=1), _PAGE, cold):
            yield page
            after = (page[-1].occurred_at, page[-1].stream_seq)
        return
    upto = (await counters(pool, [topic])).get(topic, 0)
    position = await position_at(pool, topic, start)
    position = await cold.position_at(topic, start, position)
    while True:
        hot = await read_after(pool, topic, position, upto, _PAGE)
        archived = await cold.page(topic, Span(position, upto), newest=False, limit=_PAGE)
        page = joined(hot, archived, by_position(topic), newest=False, limit=_PAGE)
        kept = [event for event in page if event.inserted_at < end]
        if kept:
            yield kept
        if not page or len(kept) < len(page):
            return
        position = page[-1].stream_seq
