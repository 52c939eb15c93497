"""What the drawer of sources says, made in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from vibeseater.errors import InputError
from vibeseater.sources.base import Item
from vibeseater.sources.discovery import Found
from vibeseater.streaming import SourceStatus
from vibeseater.views import add_source, edit_source, source_health

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)


def fare(**fields: Any) -> SourceStatus:
    made = {"source_id": uuid4(), "name": "BBC", "type": "rss", "state": "waiting", **fields}
    return SourceStatus(**made)


@pytest.mark.parametrize(
    ("fields", "state", "tone"),
    [
        ({}, "OK", "well"),
        ({"state": "running"}, "Reading", "well"),
        ({"state": "backoff", "last_error": "404"}, "Failing", "bad"),
        ({"last_error": "2 of 9 items passed over"}, "Refusing some", "bad"),
        ({"state": "paused", "last_error": "404"}, "Paused", "rest"),
        ({"state": "failed", "last_error": "410"}, "Failed", "bad"),
        ({"state": "idle"}, "Not started", "rest"),
    ],
)
def test_a_state_in_words(fields: dict[str, Any], state: str, tone: str) -> None:
    shown = source_health.shown(fare(**fields), NOW.timestamp())
    assert (shown["state"], shown["tone"]) == (state, tone)


def test_what_came_to_its_end_can_run_again() -> None:
    assert [source_health.shown(fare(state=state))["again"] for state in ("failed", "finished", "waiting")] == [
        "Try again",
        "Read again",
        "",
    ]
    assert source_health.shown(fare(state="failed", paused=True))["again"] == ""


def test_a_webhook_tells_where_to_send() -> None:
    hook = fare(type="webhook")
    assert source_health.shown(hook)["path"] == f"ingest/{hook.source_id}"
    assert source_health.shown(fare())["path"] == ""


def test_a_source_in_a_line() -> None:
    shown = source_health.shown(
        fare(
            state="backoff",
            events_stored=1234,
            last_event_at=NOW - timedelta(minutes=3),
            items_rejected=2,
            next_run_at=NOW + timedelta(seconds=12.5),
            last_error="404",
            last_error_at=NOW - timedelta(seconds=5),
            failures=3,
        ),
        NOW.timestamp(),
    )
    assert shown["line"] == "1,234 events · last event 3 min ago · 2 refused · next read in 12 s"
    assert shown["error"] == "5 s ago: 404 (3 times in a row)"
    assert source_health.shown(fare(events_stored=1))["line"] == "1 event"


def test_what_limits_did_is_told() -> None:
    """What is left out must not look as if it had never been there."""
    limited = fare(events_stored=5, items_dropped=1500, seconds_waited=75.2)
    assert source_health.shown(limited)["line"] == "5 events · 1,500 left out by a limit · held back for 1 min"
    assert source_health.shown(fare(events_stored=5, seconds_waited=0.2))["line"] == "5 events"


def test_a_preview_shows_no_credentials() -> None:
    item = Item(external_id="1", event_type="json_item", content={"title": "<b>One</b>"}, occurred_at=NOW)
    config = {"url": "https://me:pass@x.example/api?token=secret", "items": "/rows", "id": "/id"}
    found = Found(type="json", title="x", config=config, items=[item], total=1)
    shown = add_source.shown(found, NOW.timestamp() + 60)
    assert shown["address"] == "https://x.example/api?token=***"
    assert shown["items"] == [{"title": "One", "when": "1 min ago"}]
    assert (shown["kind"], shown["total"], shown["reading"]) == (
        "JSON API",
        "1 item just now",
        "items at /rows, id at /id",
    )


def test_an_edited_configuration_keeps_the_secrets_that_were_not_shown() -> None:
    stored = {
        "url": "https://x.example/?token=hidden",
        "interval": 60,
        "headers": {"Authorization": "Bearer hidden", "Accept": "hidden too"},
        "password": "hidden",
        "secret": "env:NAME",
    }
    text = edit_source.shown(stored)
    assert "hidden" not in text
    assert "env:NAME" in text
    assert edit_source.taken(text, stored) == stored
    assert edit_source.taken(text.replace("60", "90"), stored) == stored | {"interval": 90}
    assert edit_source.taken('{"url": "https://y.example/", "password": "***"}', stored) == {
        "url": "https://y.example/",
        "password": "hidden",
    }
    for wrong in (text.replace("x.example", "y.example"), '{"other": ["***"]}', "{", "[" * 100_000):
        with pytest.raises(InputError, match="config"):
            edit_source.taken(wrong, stored)
