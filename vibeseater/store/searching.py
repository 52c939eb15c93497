"""Finding events by filter: newest first, counted, or told of a batch; quick for rare and for common words. Reads only.

PostgreSQL can't know whether a word is common in the newest events of one stream, and a wrong guess costs seconds. So
it is asked in two steps. First the events next to where the page begins are looked at, one by one: what is common is
found there. What is not, is looked up in the index of words, within the stream, and then put in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from vibeseater.errors import InputError, ServerError, in_a_line
from vibeseater.filters import EventFilter
from vibeseater.models import Event
from vibeseater.store.cold import HOT, HOT_LOOSE
from vibeseater.store.conditions import Conditions, source_topic_word, stream_topic_word
from vibeseater.store.pool import Pool
from vibeseater.store.rows import COLUMNS, to_events
from vibeseater.topics import Topic

__all__ = [
    "SECONDS",
    "Page",
    "count_matching",
    "filtered",
    "find_page",
    "is_predicate",
    "matching_positions",
    "search_words",
]

SECONDS = 15.0
"""What a search may take, before it is given up."""

NEAR = 2000
"""Events that are looked at one by one, before the index is asked: about 30 ms with words, 5 ms without."""

NARROW = 5000
"""Events of a span of time that are looked at one by one, rather than looked up among those of all times."""

FEW = 20_000
"""Events whose positions are worth finding before they are read."""

# A bitmap of a million events must fit, or each of them would be read and taken to pieces once more.
_MEMORY = "SET LOCAL work_mem = '64MB';"

# Whatever PostgreSQL believes of a word: look it up.
_BY_INDEX = (
    f"{_MEMORY} SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off;"
)


class Page(NamedTuple):
    """A part of a topic's events, by position.

    Attributes:
        after, before: positions above and below which it lies, both exclusive.
        newest_first: the order, and from which end it begins.
        limit: events at most.
    """

    after: int | None
    before: int | None
    newest_first: bool
    limit: int

    def bound(self, conditions: Conditions, column: str) -> None:
        """Add it as conditions on the column of positions, or an expression of it."""
        if self.after is not None:
            conditions.add(f"{column} > {{}}", self.after)
        if self.before is not None:
            conditions.add(f"{column} < {{}}", self.before)


async def find_page(pool: Pool, topic: Topic, wanted: EventFilter, page: Page) -> list[Event]:
    """The events of a page that the filter lets through, in order.

    Raises:
        InputError: `where` is no JSON path.
        TooSlowError: it took too long.
    """
    predicate = await is_predicate(pool, wanted.where)
    direction = "DESC" if page.newest_first else "ASC"
    column = f"e.{topic.kind}_seq"
    if not (wanted.search or wanted.sources or wanted.types):
        made = _anchored(topic, page)
        made.add_columns(wanted)
        made.add_path(wanted, predicate=predicate)
        limit = made.value(page.limit)
        return await _read(pool, wanted, "", f"{made} ORDER BY {column} {direction} LIMIT {limit}", made)
    if page.limit <= NEAR:
        found = await _find_near(pool, topic, wanted, page, predicate=predicate)
        if len(found) == page.limit:
            return found
    made, local = await _looked_up(pool, topic, wanted, predicate=predicate)
    page.bound(made, f"{column} + 0")  # an expression, so that no other index is tempting
    limit = made.value(page.limit)
    return await _read(pool, wanted, local, f"{made} ORDER BY {column} + 0 {direction} LIMIT {limit}", made)


async def _find_near(pool: Pool, topic: Topic, wanted: EventFilter, page: Page, *, predicate: bool) -> list[Event]:
    direction = "DESC" if page.newest_first else "ASC"
    column = f"e.{topic.kind}_seq"
    near = _anchored(topic, page)
    source = f"(SELECT * FROM events e WHERE {near} ORDER BY {column} {direction} LIMIT {near.value(NEAR)}) e"
    made = Conditions()
    made.parameters = near.parameters
    made.add_columns(wanted)
    made.add_content(wanted, predicate=predicate)
    limit = made.value(page.limit)
    return await _read(pool, wanted, "", f"{made} ORDER BY {column} {direction} LIMIT {limit}", made, source)


async def count_matching(pool: Pool, topic: Topic, wanted: EventFilter, page: Page) -> int:
    """How many events of a page the filter lets through, at most `page.limit`."""
    predicate = await is_predicate(pool, wanted.where)
    if wanted.search or wanted.sources or wanted.types:
        made, local = await _looked_up(pool, topic, wanted, predicate=predicate)
        page.bound(made, f"e.{topic.kind}_seq + 0")
    else:
        made, local = _anchored(topic, page), ""
        made.add_columns(wanted)
        made.add_path(wanted, predicate=predicate)
    query = f"SELECT count(*) FROM (SELECT FROM events e WHERE {made} LIMIT {made.value(page.limit)}) found"
    rows = await _fetch(pool, wanted, local, query, made)
    return int(rows[0][0])


async def filtered(pool: Pool, topic: Topic, wanted: EventFilter) -> Conditions:
    """The filter as conditions for reading a stream's events page after page, oldest first.

    Where few match, their positions are found first; else reading them all is the shortest way.
    """
    predicate = await is_predicate(pool, wanted.where)
    made = Conditions()
    made.add("e.stream_id = {}", topic.id)
    if wanted.search is not None:
        look_up, local = await _looked_up(pool, topic, wanted, predicate=predicate)
        query = f"SELECT e.stream_seq FROM events e WHERE {look_up} LIMIT {look_up.value(FEW + 1)}"
        rows = await _fetch(pool, wanted, local, query, look_up)
        if len(rows) <= FEW:
            made.add("e.stream_seq = ANY({}::bigint[])", sorted(row[0] for row in rows))
            return made
    made.add_columns(wanted)
    made.add_content(wanted, predicate=predicate)
    return made


async def matching_positions(pool: Pool, stream_id: UUID, positions: Sequence[int], wanted: EventFilter) -> set[int]:
    """Which of these events of a stream have the content that the filter asks for; the rest of it is not looked at."""
    predicate = await is_predicate(pool, wanted.where)
    made = Conditions()
    made.add("e.stream_id = {} AND e.stream_seq = ANY({}::bigint[])", stream_id, list(positions))
    made.add_content(wanted, predicate=predicate)
    rows = await _fetch(pool, wanted, "", f"SELECT e.stream_seq FROM events e WHERE {made}", made)
    return {row[0] for row in rows}


async def search_words(pool: Pool, search: str) -> list[str]:
    """The words that a search asks for, in lower case, those after a minus left out; none where it holds no word."""
    tree = await pool.fetchval("SELECT querytree(websearch_to_tsquery('simple', $1))", search)
    words, inside, word = [], False, ""
    letters = iter(tree or "")
    for letter in letters:  # 'it''s' & 'two'
        if not inside:
            inside, word = letter == "'", ""
        elif letter == "\\":
            word += next(letters, "")
        elif letter == "'":
            inside = False
            words.append(word)
        else:
            word += letter
    return list(dict.fromkeys(words))


async def is_predicate(pool: Pool, path: str | None) -> bool:
    """Whether a JSON path says yes or no, as `$.mag > 5` does; one such as `$.tags ? (@ == "x")` selects.

    Raises:
        InputError: it is no path.
    """
    if path is None:
        return True
    known = _known_paths.get(path)
    if known is None:
        # A predicate gives one answer, whatever it is asked of; a path that selects finds nothing in an empty object,
        # or the object.
        try:
            answer = await pool.fetchval("SELECT jsonb_path_query_array('{}', $1::jsonpath, '{}', true)::text", path)
        except ServerError as error:
            raise _bad_path(path, error) or error from None
        told = msgspec.json.decode(answer)
        known = len(told) == 1 and (told[0] is None or isinstance(told[0], bool))
        if len(_known_paths) >= _MOST_KNOWN:
            _known_paths.clear()
        _known_paths[path] = known
    return known


_known_paths: dict[str, bool] = {}
_MOST_KNOWN = 1000


def _bad_path(path: str | None, error: ServerError) -> InputError | None:
    """The error of whoever wrote the path, if it is his."""
    cause = error.__cause__
    if path is None or not isinstance(
        cause, asyncpg.SyntaxOrAccessError | asyncpg.DataError | asyncpg.FeatureNotSupportedError
    ):
        return None
    return InputError(
        "where", path, f"not a JSON path ({in_a_line(cause)})", "Write one like '$.mag > 5' or '$.place == \"Lima\"'"
    )


def _anchored(topic: Topic, page: Page) -> Conditions:
    """The page as a range of the index by position."""
    made = Conditions()
    made.add(f"e.{topic.kind}_id = {{}}", topic.id)
    made.texts.append(HOT[topic.kind])
    page.bound(made, f"e.{topic.kind}_seq")
    return made


async def _looked_up(pool: Pool, topic: Topic, wanted: EventFilter, *, predicate: bool) -> tuple[Conditions, str]:
    """The filter within a topic for the index of words; or by time, where that is a narrow span."""
    made = Conditions()
    if (wanted.start or wanted.end) and topic.kind == "stream":
        span = Conditions()
        span.add("e.stream_id = {}", topic.id)
        span.add_columns(EventFilter(start=wanted.start, end=wanted.end))
        query = f"SELECT count(*) FROM (SELECT FROM events e WHERE {span} LIMIT {span.value(NARROW + 1)}) few"
        if (await _fetch(pool, wanted, "", query, span))[0][0] <= NARROW:
            made.add("e.stream_id = {}", topic.id)
            made.texts.append(HOT["stream"])
            made.add_columns(wanted)
            made.add_content(wanted, predicate=predicate)
            return made, ""
    made.add(f"uuid_cmp(e.{topic.kind}_id, {{}}) = 0", topic.id)  # not `=`: no other index shall be tempting
    made.texts.append(HOT_LOOSE[topic.kind])
    made.add_columns(wanted)
    word = stream_topic_word(topic.id) if topic.kind == "stream" else source_topic_word(topic.id)
    made.add_look_up(wanted, word, predicate=predicate)
    return made, _BY_INDEX


async def _read(
    pool: Pool, wanted: EventFilter, local: str, rest: str, made: Conditions, source: str = "events e"
) -> list[Event]:
    return to_events(await _fetch(pool, wanted, local, f"SELECT {COLUMNS} FROM {source} WHERE {rest}", made))


async def _fetch(pool: Pool, wanted: EventFilter, local: str, query: str, made: Conditions) -> list[asyncpg.Record]:
    try:
        if not local and not wanted.looks_inside:
            return await pool.fetch(query, *made.parameters)
        return await pool.fetch_within(SECONDS, local, query, *made.parameters)
    except ServerError as error:
        raise _bad_path(wanted.where, error) or error from None
