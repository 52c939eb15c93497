"""What an event says reaches the terminal as text only."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from vibeseater.cli.output import ago, event_line, headline, json_line, plain
from vibeseater.models import Event

HOSTILE = "\x1b[2J\x9b31mred\r\n\x07 \u202egpj.exe \x00"


def _event(**content: Any) -> Event:
    now = datetime.now(UTC)
    return Event(
        id=uuid4(),
        stream_id=uuid4(),
        source_id=None,
        stream_seq=7,
        source_seq=None,
        event_type="note",
        content=content,
        occurred_at=now,
        inserted_at=now,
    )


def test_a_line_for_people_holds_no_control_characters() -> None:
    """Nothing that an event says can move the cursor, colour or reorder what stands around it."""
    text = event_line(_event(title=HOSTILE), HOSTILE)
    assert all(character.isprintable() for character in text)
    assert "red" in text


def test_json_holds_no_control_characters_and_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """They are written as escapes, which any JSON parser reads back."""
    event = _event(title=HOSTILE)
    json_line(event)
    text = capsys.readouterr().out
    assert text.endswith("\n")
    assert text[:-1].isprintable()
    assert json.loads(text)["content"]["title"] == HOSTILE


def test_what_is_cut_says_so() -> None:
    """A cut text ends with an ellipsis and keeps to its length."""
    assert plain("abcdef", 4) == "abc…"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"title": "T", "name": "N"}, "T"),
        ({"title": " ", "name": "N"}, "N"),
        ({"title": 3}, '{"title":3}'),
        ({}, "{}"),
    ],
)
def test_the_headline_is_the_title_or_the_content(content: dict[str, Any], text: str) -> None:
    """An event without anything like a title shows its content."""
    assert headline(_event(**content)) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s ago"), (59, "59 s ago"), (61, "1 min ago"), (7300, "2 h ago")])
def test_how_long_ago_is_told_in_the_largest_unit(seconds: int, text: str) -> None:
    """Seconds, minutes, hours, days."""
    assert ago(datetime.now(UTC) - timedelta(seconds=seconds)) == text
