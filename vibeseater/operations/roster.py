"""Who is there, who vanished, and who took whose place: judged by when each word arrives here. No I/O.

Clocks of different hosts are not compared: a host whose clock is wrong is there all the same.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from vibeseater.operations.snapshot import ProcessSnapshot

__all__ = ["REMEMBERED", "Gone", "Roster"]

REMEMBERED = 600.0
"""Seconds that a process that vanished is told of."""

_ROUGHLY = 2.0  # seconds that the moment when a process began may be off: Linux tells it by a clock of whole seconds


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """A process that vanished without a farewell.

    Attributes:
        last: its last words.
        silent_since: when they arrived here, in seconds since 1970.
        successor: the name of the process that took its place, else empty.
    """

    last: ProcessSnapshot
    silent_since: float
    successor: str = ""


class _Known(msgspec.Struct):
    """A process that spoke, and when: by `monotonic` at first and last, and last in seconds since 1970."""

    words: ProcessSnapshot
    first: float
    last: float
    at: float
    is_successor: bool = False


class Roster:
    """The other processes.

    Args:
        patience: seconds of silence after which a process has vanished.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._own: _Known | None = None
        self._known: dict[str, _Known] = {}
        self._lost: dict[str, tuple[_Known, str]] = {}  # with the name of the successor
        self._now = 0.0

    def hear(
        self,
        own: ProcessSnapshot,
        now: float,
        at: float,
        words: Iterable[ProcessSnapshot],
        *,
        redis_since: float,
        siblings: bool,
    ) -> None:
        """What was heard within a second: the last words of each that could be heard, new or not.

        Args:
            own: this process, which may have taken another's place.
            now, at: the time, by `monotonic` and in seconds since 1970.
            redis_since: since when Redis has been heard without a break, by `monotonic`; infinite while it is not.
                Before, silence means nothing.
            siblings: whether this server's other processes are heard without Redis.
        """
        self._now = now
        if self._own is None:
            self._own = _Known(own, now, now, at)
        for one in words:
            if one.ended:
                self._known.pop(one.id, None)
                self._lost.pop(one.id, None)
            elif (known := self._known.get(one.id)) is None:
                if (lost := self._lost.get(one.id)) is not None and lost[0].words.at == one.at:
                    continue  # what it said last is still there to be read
                self._lost.pop(one.id, None)  # it was frozen or cut off
                self._known[one.id] = _Known(one, now, now, at)
            elif one.at != known.words.at:
                known.words, known.last, known.at = one, now, at
        for key, known in list(self._known.items()):
            heard_since = 0.0 if siblings and known.words.server == own.server else redis_since
            if now - max(known.last, heard_since) > self._patience:
                del self._known[key]
                self._lost[key] = known, ""
        self._lost = {key: lost for key, lost in self._lost.items() if now - lost[0].last < REMEMBERED}
        self._find_successors()

    def _find_successors(self) -> None:
        """Who came later, to the same host, to do the same; of the same server at best."""
        for key, (lost, successor) in sorted(self._lost.items(), key=lambda item: item[1][0].last):
            if successor:
                continue
            came = [
                one
                for one in (*self._known.values(), *([self._own] if self._own else []))
                if not one.is_successor
                and (one.words.host, one.words.kind) == (lost.words.host, lost.words.kind)
                # A word may be read here for the first time long after it was said: in Redis it stays for seconds, and
                # this process begins to listen when it has taken another's place. One host has one clock.
                and (one.first > lost.last or one.words.started_at > lost.words.at - _ROUGHLY)
            ]
            if came:
                found = min(came, key=lambda one: (one.words.server != lost.words.server, one.first))
                found.is_successor = True
                self._lost[key] = lost, found.words.name

    @property
    def present(self) -> list[ProcessSnapshot]:
        """The last words of those that are there."""
        there = (one.words for one in self._known.values() if self._now - one.last <= self._patience)
        return sorted(there, key=lambda one: (one.host, one.pid))

    @property
    def gone(self) -> list[Gone]:
        """Those that vanished within the last ten minutes, the latest first."""
        lost = sorted(self._lost.values(), key=lambda one: -one[0].last)
        return [Gone(last=one.words, silent_since=one.at, successor=successor) for one, successor in lost]
