"""What a player of a stream's media knows: address, start, place, captions. Plain param; no Panel, no servers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from urllib.parse import urlsplit

import param

from vibeseater.errors import InputError
from vibeseater.html import printable
from vibeseater.inputs import check_media_url
from vibeseater.models import Event

__all__ = ["AHEAD", "BEHIND", "CAPTIONS", "MediaState", "kind_of", "refusal"]

BEHIND, AHEAD = 15.0, 75.0
"""Seconds before and after the player's place of which captions are kept at hand."""

CAPTIONS = 200
"""Captions at hand, at most."""

_AUDIO = (".mp3", ".wav", ".ogg", ".oga", ".opus", ".m4a", ".flac", ".aac", ".weba")


def refusal(url: str) -> str:
    """Why a player can't be given an address, or an empty text where it can."""
    try:
        check_media_url("media_url", url)
    except InputError as error:
        return f"The media's address is refused ({error.problem}): {printable(url)[:120]}. {error.cure}."
    return ""


def kind_of(url: str) -> str:
    """`audio` or `video`, by the end of the address."""
    return "audio" if urlsplit(url).path.lower().endswith(_AUDIO) else "video"


class MediaState(param.Parameterized):
    """The state of one player. Moments are seconds since 1970; places are seconds from the media's start.

    The media's clock is that of occurrence: the place `p` shows what happened at `started_at + p`.
    """

    url = param.String("", doc="The media's address; empty where there is none or it was refused.")
    problem = param.String("", doc="Why nothing can be played, in a sentence.")
    kind = param.Selector(default="video", objects=["video", "audio"])
    started_at = param.Number(None, allow_None=True, doc="The moment that the media begins with, once it is known.")
    place = param.Number(0.0, doc="Where the player is.")
    duration = param.Number(None, allow_None=True, doc="How long the media is, once the browser knows.")
    captions = param.List([], doc="The events around the place, by time.")
    wanted = param.Number(None, allow_None=True, doc="The place that the player was sent to last.")
    sent = param.Integer(0, doc="Counted up when the player is sent somewhere.")

    def __init__(self, url: str | None, **params: object) -> None:
        problem = refusal(url) if url else ""
        super().__init__(
            url="" if problem or not url else url.strip(), problem=problem, kind=kind_of(url or ""), **params
        )
        self._from = self._to = 0.0  # between which moments captions are at hand

    @property
    def moment(self) -> float | None:
        """The moment that the player shows."""
        return None if self.started_at is None else self.started_at + self.place

    def lacks(self) -> tuple[float, float] | None:
        """Between which moments captions should be read now; None where they are at hand."""
        moment = self.moment
        if moment is None or (self._from <= moment - BEHIND / 3 and moment + AHEAD / 3 <= self._to):
            return None
        self._from, self._to = moment - BEHIND, moment + AHEAD
        return self._from, self._to

    def fill(self, start: float, events: Sequence[Event]) -> None:
        """Take over the captions from a moment on, if that is still the one that is wanted."""
        if start == self._from:
            self.captions = sorted(events, key=_when)[-CAPTIONS:]

    def take(self, events: Sequence[Event]) -> None:
        """Add events of the feed that happened around the player's place."""
        near = [event for event in events if self._from <= _when(event) < self._to]
        if near:
            known = {event.id for event in self.captions}
            made = [*self.captions, *(event for event in near if event.id not in known)]
            self.captions = sorted(made, key=_when)[-CAPTIONS:]

    def newest(self, seconds: float = 6.0) -> list[Event]:
        """What happened within the last seconds before the player's place, oldest first."""
        moment = self.moment
        if moment is None:
            return []
        times = [_when(event) for event in self.captions]
        return list(self.captions[bisect_left(times, moment - seconds) : bisect_left(times, moment + 1e-6)])

    def send(self, moment: float) -> bool:
        """Send the player to a moment; whether the media has it."""
        if self.started_at is None or not self.url:
            return False
        place = moment - self.started_at
        if place < 0 or (self.duration is not None and place > self.duration):
            return False
        self.param.update(wanted=place, place=place, sent=self.sent + 1)
        return True


def _when(event: Event) -> float:
    return event.occurred_at.timestamp()
