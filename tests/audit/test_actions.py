"""Each action leaves its record: who did it, what it was done to, what changed; no secret is in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from vibeseater import Source, Stream, VibeSeater
from vibeseater.access.actions import ACTIONS as NAMED
from vibeseater.access.actor import acting_as
from vibeseater.alerts.records import AlertRule
from vibeseater.bookmarks.records import Bookmark, Highlight
from vibeseater.store.audit import by_way


class Stage:
    """What actions are done to."""

    stream: Stream
    other: Stream
    source: Source
    bookmark: Bookmark
    highlight: Highlight
    rule: AlertRule

    def __init__(self, seater: VibeSeater, folder: Path) -> None:
        self.seater, self.folder = seater, folder

    async def build(self) -> None:
        """Make one of each."""
        seater = self.seater
        self.stream = await seater.streams.create_stream("Match")
        self.other = await seater.streams.create_stream("Other")
        self.source = await seater.sources.create_source(self.stream, type="manual", name="Ann", config={})
        await seater.events.create_events_batch(
            {"stream_id": self.stream.id, "event_type": "word", "content": {"n": number}} for number in range(10)
        )
        self.bookmark = await seater.bookmarks.create_bookmark(self.stream, positions=(2, 5), note="the goal")
        self.highlight = await seater.highlights.create_highlight(self.stream, search="goal")
        self.rule = await seater.alerts.create_rule(self.stream, "Goals", when="event", search="goal")
        await seater.archive.write(self.stream, self.folder / "archive", keep=4)
        await seater.archive.retention.set(self.stream, keep=2, without_archive=True)


async def _things() -> AsyncIterator[dict[str, Any]]:
    yield {"n": 1}


async def _iterate(stage: Stage) -> None:
    await (await stage.seater.sources.from_iterable(stage.other, _things(), name="things"))


async def _broadcast(stage: Stage) -> None:
    async with stage.seater.replay(stage.stream, speed=float("inf")) as feed:
        await stage.seater.broadcast_replay(feed, f"replay:{TOPIC}")


TOPIC = "0192c0de-0000-7000-8000-000000000000"

# action → what does it, the name of what it is done to, and what of the record is looked at.
ACTIONS: dict[str, tuple[Callable[[Stage], Awaitable[Any]], str | None, dict[str, Any]]] = {
    "streams.create_stream": (
        lambda s: s.seater.streams.create_stream("New one", media_url="https://ann:pw@example.org/a.mp4"),
        "new-one",
        {"title": [None, "New one"], "media_url": [None, "https://ann:***@example.org/a.mp4"]},
    ),
    "streams.update_stream": (
        lambda s: s.seater.streams.update_stream(s.stream, title="Final"),
        "match",
        {"title": ["Match", "Final"]},
    ),
    "streams.set_status": (
        lambda s: s.seater.streams.set_status(s.stream, "paused"),
        "match",
        {"status": ["idle", "paused"]},
    ),
    "streams.delete_stream": (
        lambda s: s.seater.streams.delete_stream(s.stream),
        "match",
        {"title": ["Match", None], "stream_seq": [10, None]},
    ),
    "sources.create_source": (
        lambda s: s.seater.sources.create_source(
            s.stream, type="rss", name="News", config={"url": "https://example.org/feed?token=s3cret", "interval": 60}
        ),
        "News",
        {"config.url": [None, "https://example.org/feed?token=***"], "type": [None, "rss"]},
    ),
    "sources.update_source": (
        lambda s: s.seater.sources.update_source(s.source, name="Bob"),
        "Bob",
        {"name": ["Ann", "Bob"]},
    ),
    "sources.delete_source": (lambda s: s.seater.sources.delete_source(s.source), "Ann", {"name": ["Ann", None]}),
    "sources.attach": (lambda s: s.seater.sources.attach(s.other, s.source), "Ann", {"stream": [None, "other"]}),
    "sources.detach": (lambda s: s.seater.sources.detach(s.stream, s.source), "Ann", {"stream": ["match", None]}),
    "sources.from_iterable": (_iterate, "other", {}),
    "streaming.start_stream": (
        lambda s: s.seater.streaming.start_stream(s.stream),
        "match",
        {"status": ["idle", "live"]},
    ),
    "streaming.pause_stream": (
        lambda s: s.seater.streaming.pause_stream(s.stream),
        "match",
        {"status": ["live", "paused"]},
    ),
    "streaming.resume_stream": (
        lambda s: s.seater.streaming.resume_stream(s.stream),
        "match",
        {"status": ["paused", "live"]},
    ),
    "streaming.stop_stream": (
        lambda s: s.seater.streaming.stop_stream(s.stream),
        "match",
        {"status": ["idle", "stopped"]},
    ),
    "streaming.pause_source": (
        lambda s: s.seater.streaming.pause_source(s.source),
        "Ann",
        {"paused": [False, True]},
    ),
    "streaming.resume_source": (lambda s: s.seater.streaming.resume_source(s.source), "Ann", {}),
    "streaming.limit_stream": (
        lambda s: s.seater.streaming.limit_stream(s.stream, 5),
        "match",
        {"rate": [None, 5.0], "at_limit": [None, "wait"]},
    ),
    "archive.write": (
        lambda s: s.seater.archive.write(s.stream, s.folder / "archive"),
        "match",
        {"events": [None, 4], "upto": [None, 10]},
    ),
    "archive.purge": (
        lambda s: s.seater.archive.purge(s.stream, keep=3, dry_run=False, without_archive=True),
        "match",
        {"upto": [0, 7], "events": [None, 7], "without_archive": [None, True]},
    ),
    "archive.apply_rules": (lambda s: s.seater.archive.apply_rules(dry_run=False), None, {"rules": [None, 1]}),
    "archive.moved": (
        lambda s: s.seater.archive.moved(s.folder / "archive", s.folder / "elsewhere"),
        "file://{folder}/elsewhere",
        {},
    ),
    "archive.retention.set": (
        lambda s: s.seater.archive.retention.set(s.stream, keep=5, without_archive=True),
        "match",
        {"keep": [2, 5]},
    ),
    "archive.retention.remove": (
        lambda s: s.seater.archive.retention.remove(s.stream),
        "match",
        {"keep": [2, None]},
    ),
    "bookmarks.create_bookmark": (
        lambda s: s.seater.bookmarks.create_bookmark(s.stream, positions=(1, 2), note="kick-off"),
        "kick-off",
        {"note": [None, "kick-off"], "first_seq": [None, 1]},
    ),
    "bookmarks.update_bookmark": (
        lambda s: s.seater.bookmarks.update_bookmark(s.bookmark, note="no goal"),
        "no goal",
        {"note": ["the goal", "no goal"]},
    ),
    "bookmarks.delete_bookmark": (
        lambda s: s.seater.bookmarks.delete_bookmark(s.bookmark),
        "the goal",
        {"note": ["the goal", None]},
    ),
    "highlights.create_highlight": (
        lambda s: s.seater.highlights.create_highlight(s.stream, event_type="word", colour="red"),
        "word",
        {"event_type": [None, "word"], "colour": [None, "red"]},
    ),
    "highlights.delete_highlight": (
        lambda s: s.seater.highlights.delete_highlight(s.highlight),
        "goal",
        {"search": ["goal", None]},
    ),
    "alerts.create_rule": (
        lambda s: s.seater.alerts.create_rule(s.stream, "Quiet", when="silence", window="5m"),
        "Quiet",
        {"condition": [None, "silence"], "window_seconds": [None, 300.0]},
    ),
    "alerts.update_rule": (
        lambda s: s.seater.alerts.update_rule(s.rule, enabled=True),
        "Goals",
        {"enabled": [False, True]},
    ),
    "alerts.silence_rule": (lambda s: s.seater.alerts.silence_rule(s.rule, "2h"), "Goals", {}),
    "alerts.delete_rule": (lambda s: s.seater.alerts.delete_rule(s.rule), "Goals", {"search": ["goal", None]}),
    "broadcast_replay": (_broadcast, "replay:{topic}", {}),
    "audit.prune": (lambda s: s.seater.audit.prune("2000-01-01T00:00:00Z"), None, {"records": [None, 0]}),
}
# What makes events: they are the data, and tell by themselves of when and whence.
EVENTS = {"events.create_event", "events.create_events_batch", "events.from_dataframe"}

BEFOREHAND = {
    "streaming.pause_stream": lambda s: s.seater.streaming.start_stream(s.stream),
    "streaming.resume_stream": lambda s: s.seater.streams.set_status(s.stream, "paused"),
}


@pytest.fixture
async def stage(seater: VibeSeater, tmp_path: Path) -> Stage:
    """One of each."""
    made = Stage(seater, tmp_path)
    await made.build()
    return made


def test_every_action_is_tried() -> None:
    """Whoever adds an action adds its record."""
    assert set(ACTIONS) | EVENTS == NAMED


@pytest.mark.parametrize("action", ACTIONS)
async def test_it_is_recorded(stage: Stage, action: str) -> None:
    """Once, with who, by what way, to what, and what changed."""
    act, name, changes = ACTIONS[action]
    if action in BEFOREHAND:
        await BEFOREHAND[action](stage)
    before = await stage.seater.audit(limit=1)
    with acting_as("ada"), by_way("cli"):
        await act(stage)
    found = [one for one in await stage.seater.audit(after=before[0]) if one.action == action]
    assert len(found) == 1
    record = found[0]
    assert (record.who, record.way, record.outcome, record.reason) == ("ada", "cli", "done", None)
    assert record.object_name == (None if name is None else name.format(folder=stage.folder, topic=TOPIC))
    assert {field: record.changes.get(field) for field in changes} == changes
    if record.kind not in ("audit", "archive"):
        assert len(record.stream_ids) == 1
