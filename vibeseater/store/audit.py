"""Writes the audit: who did what, by what way, to what, and what became of it. It must not know what actions do.

It owns the form of a record. A record of what was done is written in the transaction that does it, so that neither is
without the other; one of what was refused or failed is written afterwards, since its transaction was rolled back.
"""

from __future__ import annotations

import functools
import getpass
import logging
import os
import re
import socket
import weakref
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Literal, ParamSpec, TypeVar
from uuid import UUID

import asyncpg
import msgspec

from vibeseater.access.actor import actor
from vibeseater.errors import ClosedError, UnreachableError, VibeSeaterError, WrongLoopError, in_a_line
from vibeseater.masking import masked, masked_url
from vibeseater.store.pool import Connection, Pool

__all__ = [
    "Outcome",
    "Way",
    "assume",
    "audited",
    "by_way",
    "changed_nothing",
    "lone",
    "picked",
    "record",
    "refused",
    "tell",
    "who",
]

_log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

Outcome = Literal["done", "refused", "failed"]
Way = Literal["page", "cli", "api", "server"]
"""`server`: what a server does by itself, such as applying the rules of retention."""

LONGEST_NAME = 500
LONGEST_VALUE = 2000
"""Characters of a name, and of a value, that are kept."""

# A source concerns the streams that it feeds at that moment.
_INSERT = """
INSERT INTO audit (who, way, action, outcome, kind, object_id, object_name, stream_ids, changes, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7,
        CASE WHEN $5 = 'source' AND $8::uuid[] = '{}'
             THEN ARRAY(SELECT stream_id FROM stream_sources WHERE source_id = $6 ORDER BY 1) ELSE $8 END,
        $9, $10)
"""

# A record's transaction, by which it is told whether it was rolled back: one that may only insert can't look for it.
_TELLING = f"{_INSERT} RETURNING pg_current_xact_id()::text"
_FATE = "SELECT pg_xact_status($1::text::xid8)"

_SECRET_FIELDS = ("targets",)
_OTHER = "(changed)"


class _Act:
    """One action under way: what it is called, and whether it was recorded, and in which transaction."""

    __slots__ = ("about", "action", "over", "recorded", "transaction", "way", "who")

    def __init__(self, action: str, pool: Pool) -> None:
        self.action, self.recorded, self.over = action, False, False
        self.transaction: str | None = None
        self.who, self.way = who(pool), _way_of(pool)
        self.about: dict[str, Any] | None = None  # told by what did it, for a record that is no part of a transaction


_acting: ContextVar[_Act | None] = ContextVar("vibeseater_acting", default=None)
_way: ContextVar[Way | None] = ContextVar("vibeseater_way", default=None)
_assumed: weakref.WeakKeyDictionary[Pool, tuple[Way, str | None]] = weakref.WeakKeyDictionary()


@contextmanager
def by_way(way: Way) -> Iterator[None]:
    """Within it, what is done counts as done by this way."""
    token = _way.set(way)
    try:
        yield
    finally:
        _way.reset(token)


def audited(action: str, kind: str | None = None) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Record each call of a method: that it failed, or was refused, and that it was done, unless `record` did so.

    Args:
        action: as the audit calls it, such as `streams.delete_stream`.
        kind: of what it is done to, the method's first argument, such as `stream`; for calls that fail before they
            know more.
    """

    def decorate(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @functools.wraps(method)
        async def call(*arguments: P.args, **options: P.kwargs) -> T:
            owner: Any = arguments[0]
            pool: Pool = owner._pool if hasattr(owner, "_pool") else owner.pool
            act = _Act(action, pool)
            token = _acting.set(act)
            try:
                done = await method(*arguments, **options)
            except BaseException as error:
                if isinstance(error, Exception):
                    await _record_failure(pool, act, kind, _first(arguments, options), error)
                raise
            finally:
                act.over = True  # for tasks that were started meanwhile, and remember it
                _acting.reset(token)
            if not act.recorded:
                await lone(pool, action, "done", **(act.about or _about(kind, _first(arguments, options))))
            return done

        return call

    return decorate


async def record(
    connection: Connection,
    kind: str,
    object_id: UUID | None,
    name: str | None,
    *,
    streams: Iterable[UUID] = (),
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Record that the action under way is done, within the transaction that does it; nothing where none is under way.

    Args:
        kind, object_id, name: what it is done to, and how that is called at this moment.
        streams: the streams that it concerns; of a source, all that it feeds, where none is named.
        before, after: fields and their values; those that differ are kept, with secrets masked. None where there is,
            or was, no such thing.
    """
    act = _acting.get()
    if act is None or act.over:
        return
    act.transaction = await connection.fetchval(
        _TELLING,
        *_values(
            act.who,
            act.way,
            act.action,
            "done",
            kind,
            object_id,
            name,
            streams,
            _changes(before or {}, after or {}),
            None,
        ),
    )
    act.recorded = True


def picked(thing: Any, fields: Iterable[str]) -> dict[str, Any]:
    """Of a row of PostgreSQL's, or of an object, the fields that are to be recorded; none of what is not there."""
    if thing is None:
        return {}
    is_row = isinstance(thing, asyncpg.Record)
    return {field: thing[field] if is_row else getattr(thing, field) for field in fields}


def tell(
    kind: str, object_id: UUID | None, name: str | None, *, streams: Iterable[UUID] = (), after: Mapping[str, Any]
) -> None:
    """Say what the action under way has done, where that is no part of one transaction; it is recorded at its end."""
    act = _acting.get()
    if act is not None:
        about = {"kind": kind, "object_id": object_id, "name": name, "streams": [*streams]}
        act.about = {**about, "changes": _changes({}, after)}


def changed_nothing() -> None:
    """Say that the action under way changes nothing (it tells only, or finds all as it is to be): no record of it."""
    act = _acting.get()
    if act is not None:
        act.recorded = True


async def lone(
    pool: Pool,
    action: str,
    outcome: Outcome,
    *,
    kind: str | None = None,
    object_id: UUID | None = None,
    name: str | None = None,
    streams: Iterable[UUID] = (),
    changes: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> bool:
    """Record what is no part of a transaction; never fails. Whether it was recorded; where not, the log tells."""
    person = who(pool)
    values = _values(person, _way_of(pool), action, outcome, kind, object_id, name, streams, changes or {}, reason)
    try:
        await pool.execute(_INSERT, *values)
    except (VibeSeaterError, TimeoutError) as error:
        _log.error(
            "%s of %.200r was %s by %.200r, which could not be recorded: %s", action, name, outcome, person, error
        )
        return False
    return True


def assume(pool: Pool, way: Way, name: str | None) -> None:
    """Say by what way, and by whom, things are done with these connections, where nothing else tells."""
    _assumed[pool] = way, name


def who(pool: Pool) -> str:
    """Who acts: `acting_as`, else whom `assume` or the settings name, else this machine's user, as `user@host`."""
    return actor() or _assumed.get(pool, (None, None))[1] or pool.settings.actor or _machine_user()


def _way_of(pool: Pool) -> Way:
    return _way.get() or _assumed.get(pool, ("api", None))[0]


def _user_name() -> str:
    try:
        import pwd
    except ImportError:  # Windows
        return getpass.getuser()
    return pwd.getpwuid(os.getuid()).pw_name  # what the environment says may be anything


@functools.cache
def _machine_user() -> str:
    try:
        user = _user_name()
    except (KeyError, OSError):  # a user without a name, as in some containers
        user = "unknown"
    return f"{user}@{socket.gethostname()}"[:LONGEST_NAME]


async def refused(pool: Pool, action: str, given: Any, error: Exception) -> None:
    """Record that an action was refused before it was begun.

    Args:
        given: what it would have been done to: the call's first argument.
    """
    kind = next((word for word in ("stream", "source", "rule", "bookmark", "highlight") if word in action), None)
    await lone(pool, action, "refused", reason=in_a_line(error), **_about(kind, given))


async def _record_failure(pool: Pool, act: _Act, kind: str | None, given: Any, error: Exception) -> None:
    if act.recorded and act.transaction is None:
        return
    if isinstance(error, UnreachableError | ClosedError | WrongLoopError):
        _log.warning("%s by %.200r failed, and could not be recorded: %s", act.action, act.who, error)
        return
    try:
        if act.transaction is not None and await pool.fetchval(_FATE, act.transaction) == "committed":
            return  # it is done, though a later step failed
    except (VibeSeaterError, TimeoutError) as away:  # which must not hide the error itself
        _log.warning("%s by %.200r failed (%s), and could not be recorded: %s", act.action, act.who, error, away)
        return
    told = in_a_line(error) if isinstance(error, VibeSeaterError) else type(error).__name__
    await lone(pool, act.action, "failed", reason=told, **_about(kind, given))


def _first(arguments: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """What a method was called with first."""
    return arguments[1] if len(arguments) > 1 else next(iter(options.values()), None)


def _about(kind: str | None, given: Any) -> dict[str, Any]:
    """What is known of what an action is about, by what it was given alone."""
    if kind is None:
        return {}
    object_id = given if isinstance(given, UUID) else getattr(given, "id", None)
    name = given if isinstance(given, str) else getattr(given, "slug", getattr(given, "name", None))
    if isinstance(given, str) and object_id is None:
        try:
            object_id = UUID(given)
        except ValueError:
            object_id = None
    if not isinstance(object_id, UUID):
        object_id = None
    streams = [object_id] if kind == "stream" and object_id is not None else []
    return {"kind": kind, "object_id": object_id, "name": name, "streams": streams}


def _values(
    person: str,
    way: Way,
    action: str,
    outcome: Outcome,
    kind: str | None,
    object_id: UUID | None,
    name: str | None,
    streams: Iterable[UUID],
    changes: Mapping[str, Any],
    reason: str | None,
) -> list[Any]:
    return [
        _text(person, LONGEST_NAME),
        way,
        action,
        outcome,
        kind,
        object_id,
        None if name is None else _text(str(name), LONGEST_NAME),
        list(streams),
        msgspec.json.encode(changes),
        None if reason is None else _text(masked_url(reason) or "", LONGEST_VALUE),
    ]


def _text(text: str, longest: int) -> str:
    """Text as PostgreSQL can hold it, whatever somebody typed."""
    flat = text.encode(errors="replace").decode().replace("\x00", "?")
    return flat if len(flat) <= longest else f"{flat[: longest - 1]}…"


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The fields that differ, as they may be shown: `{field: [before, after]}`; of a config each of its fields."""
    told: dict[str, list[Any]] = {}
    for field in {**before, **after}:
        old, new = before.get(field), after.get(field)
        if isinstance(old, Mapping) or isinstance(new, Mapping):
            parts, others = old or {}, new or {}
            shown, others_shown = masked(parts), masked(others)
            for key in {**parts, **others}:
                if parts.get(key) != others.get(key):
                    told[f"{field}.{key}"] = _pair(_plain(shown.get(key)), _plain(others_shown.get(key)))
        elif old != new:
            told[field] = _pair(_shown(field, old), _shown(field, new))
    return told


def _pair(old: Any, new: Any) -> list[Any]:
    """Before and after. Where both look alike because of what is masked, it is said that they differ."""
    return [old, new] if old != new else [old, _OTHER]


def _shown(field: str, value: Any) -> Any:
    if field in _SECRET_FIELDS and value is not None:
        return [re.sub(r"(?s)(?<=://).*|^(?!.*://).*$", "***", str(one)) for one in value]
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return _text(masked_url(value) or "", LONGEST_VALUE)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
