"""What a view's session does about its filter: searches what is stored, has matched what comes. No Panel, no feed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from vibeseater.errors import InputError, ServerError, TooSlowError, UnreachableError
from vibeseater.filters import EventFilter
from vibeseater.models import Event, MatchCount, Stream
from vibeseater.seater import VibeSeater
from vibeseater.views.filter_state import sentence
from vibeseater.views.following import RETRY_SECONDS
from vibeseater.views.matching import Matcher, matcher
from vibeseater.views.replaying import Replaying
from vibeseater.views.state import StreamState

__all__ = ["Present", "Searching"]

Present = Callable[[Callable[[], None]], Awaitable[None]]
"""Runs a function where the browser's models may be changed, and returns when it was run."""

Found = tuple[Sequence[Event], MatchCount | None, Sequence[str]]
"""The newest events that match, newest first, how many do, and the words that they were searched for."""


class Searching:
    """Finds what a state's filter lets through.

    Args:
        seater, stream, state, present: the session's.
        stored: whether what is shown is what PostgreSQL holds; else it is what a feed of its own brought.
        replaying: the place of a replay: nothing beyond it is found.
    """

    def __init__(
        self,
        seater: VibeSeater,
        stream: Stream,
        state: StreamState,
        present: Present,
        *,
        stored: bool,
        replaying: Replaying | None = None,
    ) -> None:
        self.seater, self.stream, self.state = seater, stream, state
        self._present, self._given, self._replaying = present, not stored, replaying
        self._matcher: Matcher | None = None

    @property
    def _stored(self) -> bool:
        return not self._given or (self._replaying is not None and not self._replaying.past)

    @property
    def _place(self) -> Replaying | None:
        """The place up to which is searched, of a replay."""
        return self._replaying if self._replaying is not None and self._replaying.readable else None

    async def begin(self, upto: int) -> Found:
        """What the filter lets through at the beginning, an address's perhaps; what of it can't be used is told."""
        filters = self.state.filters
        while True:
            wanted = filters.value
            self._use(wanted)
            try:
                return await self._search(wanted, upto)
            except InputError as error:
                if error.field != "where" or not wanted.where:
                    raise
                await self._present(partial(filters.refuse, error.field, sentence(error)))
            except TooSlowError as error:
                await self._present(partial(filters.trouble, "search", str(error)))
                return [], None, []

    async def again(self, jump_to: Callable[[float], None]) -> None:
        """The filter was changed: show what it lets through; what came meanwhile stays on top.

        Args:
            jump_to: reads the rows of a moment, where one is shown.
        """
        state = self.state
        wanted = state.filters.value
        self._use(wanted)
        upto = state.restart()
        place, moves = self._place, self._moves()
        if not self._stored and place is None and not wanted.looks_inside:
            return
        await self._present(lambda: state.filters.param.update(busy=True))
        try:
            rows, found, words = await self._search(wanted, upto)
        except InputError as error:  # of a path that PostgreSQL does not take
            await self._present(partial(state.filters.refuse, error.field, sentence(error)))
            return
        except ServerError as error:
            await self._present(partial(state.filters.trouble, "search", str(error)))
            if isinstance(error, TooSlowError):
                return
            raise
        finally:
            if state.filters.value == wanted:
                await self._present(lambda: state.filters.param.update(busy=False))
        if state.filters.value != wanted or moves != self._moves():
            return
        if state.moment is not None:
            await self._present(lambda: state.searched(found, words))
            jump_to(state.moment)
        else:
            await self._present(lambda: state.show(rows, found, words, whole=place is not None))

    def _moves(self) -> int:
        return 0 if self._replaying is None else self._replaying.moves

    def _use(self, wanted: EventFilter) -> None:
        """From now on live events are matched by this filter."""
        self._matcher = matcher(self.seater, self.stream.id, wanted) if wanted.looks_inside else None

    async def _search(self, wanted: EventFilter, upto: int) -> Found:
        events = self.seater.events
        await events.check_filter(wanted)
        words = await events.search_words(wanted.search) if wanted.search else []
        if (place := self._place) is not None:
            return await place.rows(wanted, self.state.cap), None, words
        if not self._stored:  # what the feed brought is all there is
            rows = [event for event in reversed(self.state.rows) if wanted.passes(event)]
            if self._matcher is not None:
                rows = await self._matcher.match(rows)
            return rows[::-1], None, words
        # `before`: what is newer comes by the feed, and is matched as it comes.
        rows = await events.find_events(self.stream, wanted, before=upto + 1, limit=self.state.cap)
        found = await events.count_found(self.stream, wanted, before=upto + 1) if wanted else None
        return rows, found, words

    async def match(self) -> bool:
        """Have PostgreSQL match what came; returns whether something may be drawn now."""
        state, wanted, told = self.state, self.state.filters.value, self._matcher
        events, moves = state.unsure(), self._moves()
        if not events or told is None:
            return False
        while True:
            try:
                matching = await told.match(events)
                break
            except UnreachableError:
                await asyncio.sleep(RETRY_SECONDS)  # nothing is missed: it is asked again
        if state.filters.value != wanted or moves != self._moves():
            return False
        state.accept(matching)
        return True
