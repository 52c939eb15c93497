"""The check of a history: what writers were told, what PostgreSQL holds and what watchers saw must agree. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

__all__ = ["Answer", "Attempt", "Findings", "History", "Item", "Row", "Seen", "Watch", "check"]

Key = tuple[str, str | None, str]


class Item(NamedTuple):
    """An event as a writer handed it in. Its `token` stands in its content, and no other attempt has the same."""

    token: str
    stream: str
    source: str | None
    external_id: str | None

    @property
    def key(self) -> Key | None:
        """By what it is stored once."""
        return None if self.external_id is None else (self.stream, self.source, self.external_id)


class Answer(NamedTuple):
    """The event that a writer was given back for an item."""

    id: str
    stream_seq: int
    source_seq: int | None


class Attempt(msgspec.Struct):
    """One call: `create_event` (one item) or `create_events_batch`.

    Attributes:
        answers: what it returned, an answer an item; None where it did not return.
        denied: whether it raised an error that says that nothing was stored.
        broken: an error that it must not raise, being none of VibeSeater's own.
    """

    items: list[Item]
    answers: list[Answer] | None = None
    denied: bool = False
    broken: str | None = None


class Row(NamedTuple):
    """An event as PostgreSQL holds it."""

    id: str
    stream: str
    stream_seq: int
    source: str | None
    source_seq: int | None
    external_id: str | None
    token: str | None


class Seen(NamedTuple):
    """An event as a watcher was given it."""

    position: int
    id: str


class Watch(msgspec.Struct):
    """What one watcher saw of one topic, over all its lives.

    Attributes:
        start: the position after which it began.
        error: what ended it, if anything did.
    """

    watcher: str
    topic: str
    start: int
    seen: list[Seen]
    error: str | None = None


class History(msgspec.Struct):
    """A whole run, after it has come to rest.

    Attributes:
        counters: by topic, what PostgreSQL says to have stored.
        totals: by (stream, source), the same in the table of totals.
        keys: by (stream, source, external_id), the id that PostgreSQL keeps for it.
    """

    attempts: list[Attempt]
    rows: list[Row]
    counters: Mapping[str, int]
    totals: Mapping[tuple[str, str | None], int]
    keys: Mapping[Key, str]
    watches: list[Watch]


class Findings(msgspec.Struct):
    """What is wrong, as sentences; all empty where nothing is.

    Attributes:
        lost: acknowledged and not in PostgreSQL, or in PostgreSQL and not seen by a watcher.
        doubled: stored twice, or seen twice.
        disordered: seen in another order than that of the positions, or at another position.
        gaps: positions that no event has, or that counters and totals do not agree on.
        untrue: what was answered does not fit what is stored; a watcher that was ended by an error.
        events: how many events PostgreSQL holds.
        acknowledged: how many events writers were given back.
        observed: how many events watchers were given.
    """

    lost: list[str] = []
    doubled: list[str] = []
    disordered: list[str] = []
    gaps: list[str] = []
    untrue: list[str] = []
    events: int = 0
    acknowledged: int = 0
    observed: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.by_kind().values())

    def by_kind(self) -> dict[str, list[str]]:
        """All that is wrong, under its name."""
        return {
            "lost": self.lost,
            "doubled": self.doubled,
            "disordered": self.disordered,
            "gaps": self.gaps,
            "untrue": self.untrue,
        }

    def __str__(self) -> str:
        parts = [f"{self.events} events, {self.acknowledged} acknowledged, {self.observed} observed"]
        for kind, found in self.by_kind().items():
            parts.append(f"{kind}: {len(found)}")
            parts += [f"    {line}" for line in found[:10]]
            if len(found) > 10:
                parts.append(f"    … and {len(found) - 10} more")
        return "\n".join(parts)


def check(history: History) -> Findings:
    """Hold the three against one another."""
    findings = Findings(
        events=len(history.rows),
        acknowledged=sum(len(attempt.answers or ()) for attempt in history.attempts),
        observed=sum(len(watch.seen) for watch in history.watches),
    )
    _check_rows(history, findings)
    _check_positions(history, findings)
    _check_attempts(history, findings)
    topics = _topics(history.rows)
    for watch in history.watches:
        _check_watch(watch, topics.get(watch.topic, {}), history.counters.get(watch.topic, 0), findings)
    return findings


def _check_rows(history: History, findings: Findings) -> None:
    """Nothing is stored twice: no id, no attempt's item, no external_id."""
    for id_, times in Counter(row.id for row in history.rows).items():
        if times > 1:
            findings.doubled.append(f"the event {id_} is stored {times} times")
    for token, times in Counter(row.token for row in history.rows if row.token is not None).items():
        if times > 1:
            findings.doubled.append(f"what was handed in as {token} is stored {times} times")
    by_key: dict[Key, list[str]] = defaultdict(list)
    for row in history.rows:
        if row.external_id is not None:
            by_key[row.stream, row.source, row.external_id].append(row.id)
    for key, ids in by_key.items():
        if len(ids) > 1:
            findings.doubled.append(f"external_id {key[2]} of source {key[1]} in stream {key[0]}: {len(ids)} times")
        elif history.keys.get(key) != ids[0]:
            findings.untrue.append(f"external_id {key[2]} is kept for {history.keys.get(key)}, stored as {ids[0]}")
    for key in history.keys.keys() - by_key.keys():
        findings.lost.append(f"external_id {key[2]} is kept for {history.keys[key]}, which is not stored")


def _topics(rows: Iterable[Row]) -> dict[str, dict[int, str]]:
    """By topic, the event's id at each position."""
    topics: dict[str, dict[int, str]] = defaultdict(dict)
    for row in rows:
        topics[f"stream:{row.stream}"][row.stream_seq] = row.id
        if row.source is not None and row.source_seq is not None:
            topics[f"source:{row.source}"][row.source_seq] = row.id
    return topics


def _check_positions(history: History, findings: Findings) -> None:
    """Each topic's positions are 1, 2, 3 … up to its counter, each had by one event."""
    positions: dict[str, list[int]] = defaultdict(list)
    totals: Counter[tuple[str, str | None]] = Counter()
    for row in history.rows:
        positions[f"stream:{row.stream}"].append(row.stream_seq)
        totals[row.stream, row.source] += 1
        if row.source is not None:
            positions[f"source:{row.source}"].append(row.source_seq or 0)
    for topic in positions.keys() | history.counters.keys():
        had, counter = sorted(positions.get(topic, [])), history.counters.get(topic, 0)
        if had != list(range(1, counter + 1)):
            wanted = set(range(1, counter + 1))
            missing, beyond = sorted(wanted - set(had)), sorted(set(had) - wanted)
            twice = sorted(position for position, times in Counter(had).items() if times > 1)
            findings.gaps.append(f"{topic} counts {counter}: missing {missing}, beyond {beyond}, had twice {twice}")
    for pair in totals.keys() | history.totals.keys():
        if totals[pair] != history.totals.get(pair, 0):
            findings.gaps.append(f"{pair}: {totals[pair]} events, but the total says {history.totals.get(pair, 0)}")


def _check_attempts(history: History, findings: Findings) -> None:
    """What writers were told is true, and a batch is stored whole or not at all."""
    by_id = {row.id: row for row in history.rows}
    by_token = {row.token: row for row in history.rows}
    for attempt in history.attempts:
        stored = [item for item in attempt.items if item.token in by_token]
        if attempt.broken is not None:
            findings.untrue.append(f"{attempt.items[0].token} raised {attempt.broken}")
        if attempt.denied:
            findings.untrue += [f"{item.token} was said not to be stored, and is" for item in stored]
        if stored and len(stored) < len(attempt.items):
            for item in attempt.items:
                if item.token not in by_token and (item.key is None or item.key not in history.keys):
                    findings.lost.append(f"{item.token} is not stored, though others of its batch are")
        if attempt.answers is not None and len(attempt.answers) != len(attempt.items):
            findings.untrue.append(
                f"{attempt.items[0].token}: {len(attempt.items)} items, {len(attempt.answers)} answers"
            )
        for item, answer in zip(attempt.items, attempt.answers or (), strict=False):
            row = by_id.get(answer.id)
            if row is None:
                findings.lost.append(f"{item.token}, acknowledged as {answer.id}, is not stored")
            elif (answer.stream_seq, answer.source_seq) != (row.stream_seq, row.source_seq):
                findings.untrue.append(
                    f"{item.token} was given positions {answer.stream_seq}, {answer.source_seq}; "
                    f"stored are {row.stream_seq}, {row.source_seq}"
                )
            elif row.token != item.token and (item.key is None or item.key != _key(row)):
                findings.untrue.append(f"{item.token} was answered with another event, {row.token}")


def _key(row: Row) -> Key | None:
    return None if row.external_id is None else (row.stream, row.source, row.external_id)


def _check_watch(watch: Watch, stored: Mapping[int, str], counter: int, findings: Findings) -> None:
    """From its start on it saw what is stored, all of it, once, in order."""
    who = f"{watch.watcher} of {watch.topic}"
    if watch.error is not None:
        findings.untrue.append(f"{who} was ended by {watch.error}")
    before = watch.start
    for seen in watch.seen:
        if stored.get(seen.position) != seen.id:
            findings.disordered.append(f"{who}: at {seen.position} {seen.id}, stored is {stored.get(seen.position)}")
        if seen.position <= before:
            findings.disordered.append(f"{who}: {seen.position} after {before}")
        before = seen.position
    times = Counter(seen.position for seen in watch.seen)
    twice = [position for position, number in times.items() if number > 1]
    if twice:
        findings.doubled.append(f"{who}: {_runs(sorted(twice))} more than once")
    early = [position for position in times if position <= watch.start]
    if early:
        findings.doubled.append(f"{who}: {_runs(sorted(early))}, though it began after {watch.start}")
    missed = [position for position in range(watch.start + 1, counter + 1) if position not in times]
    if missed:
        findings.lost.append(f"{who}: {_runs(missed)} never seen ({len(missed)} of {counter - watch.start})")


def _runs(positions: Sequence[int]) -> str:
    """Positions as ranges: 3–7, 9."""
    runs = []
    for _, group in groupby(enumerate(positions), lambda pair: pair[1] - pair[0]):
        members = [position for _, position in group]
        runs.append(str(members[0]) if len(members) == 1 else f"{members[0]}–{members[-1]}")
    return ", ".join(runs[:8]) + (" …" if len(runs) > 8 else "")
