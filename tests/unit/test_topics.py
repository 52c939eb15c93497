"""Topic names: two kinds, each with an id."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vibeseater
from vibeseater.errors import InputError
from vibeseater.topics import Topic, parse_topic, source_topic, stream_topic


@given(st.uuids())
def test_a_topic_is_named_and_taken_apart(owner: UUID) -> None:
    """`stream:<id>` and `source:<id>` come apart into what they were made of, from a UUID or its text."""
    assert stream_topic(owner) == stream_topic(str(owner)) == f"stream:{owner}"
    assert source_topic(owner) == f"source:{owner}"
    assert parse_topic(stream_topic(owner)) == Topic("stream", owner)
    assert parse_topic(source_topic(owner)) == ("source", owner)
    assert str(parse_topic(source_topic(owner))) == source_topic(owner)
    assert vibeseater.topics.stream_topic is stream_topic


@pytest.mark.parametrize(
    "text",
    ["", "stream", "stream:", "stream:debate", "flight:019aa7a5-0000-7000-8000-000000000000", ":", "stream:\ud800",
     "Stream:019aa7a5-0000-7000-8000-000000000000", "019aa7a5-0000-7000-8000-000000000000", 5, None, b"stream:x"],
)  # fmt: skip
def test_other_text_is_no_topic(text: Any) -> None:
    """Anything else is refused, and the cure shows how topics read."""
    with pytest.raises(InputError, match="Topics read 'stream:<id>' or 'source:<id>'"):
        parse_topic(text)


@given(st.text(max_size=60))
def test_no_text_fails_in_another_way(text: str) -> None:
    """Text that is no topic gives the same error, whatever it holds."""
    with pytest.raises(InputError) as caught:
        parse_topic(text)
    assert caught.value.value == text
