"""Stream, Source, Event and what is told about them: frozen, readable like mappings, harmless as HTML."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import pytest

from vibeseater.models import Event, EventBatch, FeedStats, Source, SourceStatistics, Statistics, Stream

NOW = datetime(2026, 1, 31, 12, 0, 0, 5, UTC)
STREAM = Stream(id=uuid4(), slug="debate", title="<b>Debate</b>", created_at=NOW, updated_at=NOW)
SOURCE = Source(id=uuid4(), type="rss", name="BBC", config={"url": "https://x"}, created_at=NOW, updated_at=NOW)
EVENT = Event(
    id=uuid4(),
    stream_id=STREAM.id,
    source_id=None,
    stream_seq=1,
    source_seq=None,
    event_type="rss_item",
    content={"title": "<script>alert(1)</script>"},
    occurred_at=NOW,
    inserted_at=NOW,
)
STATISTICS = Statistics(
    total_events=1,
    recent_events=1,
    event_rate=1 / 60,
    last_event_at=NOW,
    by_source=[SourceStatistics(source_id=None, name=None, type=None, total_events=1, last_event_at=NOW)],
)


@pytest.mark.parametrize("record", [STREAM, SOURCE, STATISTICS, STATISTICS.by_source[0]])
def test_records_read_like_mappings(record: Stream | Source | Statistics) -> None:
    """What is told about a stream can be made a dict of, as the original's maps are."""
    assert dict(record) == {field: getattr(record, field) for field in record.__struct_fields__}
    with pytest.raises(KeyError):
        record["nothing"]


@pytest.mark.parametrize("record", [STREAM, SOURCE, EVENT, STATISTICS])
def test_records_cannot_be_changed(record: Stream | Source | Event | Statistics) -> None:
    """What was read stays as it was read, is equal to its copy, and travels through pickle."""
    with pytest.raises(AttributeError):
        setattr(record, record.__struct_fields__[0], None)
    assert copy.deepcopy(record) == record == pickle.loads(pickle.dumps(record))


def test_topics_are_read_off() -> None:
    """A stream and a source know the topic of their events."""
    assert f"stream:{STREAM.id}" == STREAM.topic
    assert f"source:{SOURCE.id}" == SOURCE.topic


def test_an_event_becomes_plain_values() -> None:
    """`to_dict` gives what the Redis message holds: text for ids and times."""
    made = EVENT.to_dict()
    assert made["occurred_at"] == "2026-01-31T12:00:00.000005Z"
    assert made["id"] == str(EVENT.id)
    assert msgspec.convert(made, Event) == EVENT


@pytest.mark.parametrize("record", [STREAM, EVENT, STATISTICS, STATISTICS.by_source[0]])
def test_hostile_text_is_shown_as_text(record: Stream | Event | Statistics | SourceStatistics) -> None:
    """A record in a notebook is HTML without a tag of its content's."""
    html = record._repr_html_()
    assert type(record).__name__ in html
    assert "<script" not in html
    assert "<b>" not in html


def test_a_batch_is_a_list_that_knows_how_many_are_new() -> None:
    """What `create_events_batch` returns is a list of events, with `created` beside."""
    batch = EventBatch([EVENT, EVENT], 1)
    assert batch == [EVENT, EVENT]
    assert batch.created == 1


def test_feed_figures_can_be_read_as_a_dict() -> None:
    """A feed's figures are counted in place, and `dict(stats)` keeps a moment's."""
    stats = FeedStats()
    before = dict(stats)
    stats.delivered += 1
    assert (before["delivered"], dict(stats)["delivered"]) == (0, 1)
    assert list(before) == list(FeedStats.__struct_fields__)
