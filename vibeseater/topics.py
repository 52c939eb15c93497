"""Topic names: `stream:<stream_id>`, `source:<source_id>`, and `replay:<id>` of what is played again. Names only."""

from __future__ import annotations

import contextlib
from typing import Literal, NamedTuple
from uuid import UUID

from vibeseater.errors import InputError

__all__ = ["Topic", "parse_replay_topic", "parse_topic", "source_topic", "stream_topic"]

Kind = Literal["stream", "source", "replay"]
_KINDS: tuple[Kind, ...] = ("stream", "source")  # a replay's is no topic that one subscribes to, or replays


class Topic(NamedTuple):
    """A topic taken apart: its kind and the id of the stream or source that it belongs to."""

    kind: Kind
    id: UUID

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


def stream_topic(stream_id: UUID | str) -> str:
    """The topic of a stream's events, `stream:<stream_id>`."""
    return f"stream:{stream_id}"


def source_topic(source_id: UUID | str) -> str:
    """The topic of a source's events across all its streams, `source:<source_id>`."""
    return f"source:{source_id}"


def parse_topic(text: str) -> Topic:
    """Take a topic's name apart.

    Raises:
        InputError: the text is no topic.
    """
    prefix, _, rest = str(text).partition(":")
    for kind in _KINDS:
        if prefix == kind:
            with contextlib.suppress(ValueError):
                return Topic(kind, UUID(rest))
    raise InputError("topic", text, "not a topic", "Topics read 'stream:<id>' or 'source:<id>', the id being a UUID")


def parse_replay_topic(text: str) -> Topic:
    """Take the name of a replay's topic apart, `replay:<id>`.

    Raises:
        InputError: the text is none.
    """
    prefix, _, rest = str(text).partition(":")
    if prefix == "replay":
        with contextlib.suppress(ValueError):
            return Topic("replay", UUID(rest))
    raise InputError("topic", text, "not a replay's topic", "It reads 'replay:<id>', the id being a UUID")
