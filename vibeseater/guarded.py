"""The VibeSeater as one person's page gets it: each call is checked against the rules before it is carried out.

It owns the checks; what is shared by a whole process stays the whole VibeSeater's (`whole`), and whoever hands it on
asks here first. It must not know pages or how one signs in. `access.actions` says what each call asks for.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context
from typing import Any, NamedTuple, TypeVar, cast
from uuid import UUID

from vibeseater.access.actions import RIGHTS, may
from vibeseater.access.actor import acting_as
from vibeseater.access.rules import Access, Person, Seen
from vibeseater.alerts.alerts import missing_rule
from vibeseater.alerts.records import AlertRule
from vibeseater.bookmarks.bookmarks import missing_bookmark
from vibeseater.bookmarks.highlights import missing_highlight
from vibeseater.errors import AccessError, InputError, NotFoundError
from vibeseater.inputs import slugify, to_id
from vibeseater.models import Source, Stream
from vibeseater.pins import Pin
from vibeseater.seater import VibeSeater, to_topic
from vibeseater.store import audit
from vibeseater.store.reads import missing_event
from vibeseater.store.sources import missing_source
from vibeseater.store.streams import missing_stream
from vibeseater.throttle import Throttle
from vibeseater.topics import Topic

__all__ = [
    "allows",
    "as_person",
    "check_stream",
    "guarded",
    "name_of",
    "require",
    "seen_of",
    "sees",
    "whole",
    "why_not",
]

_noted = Throttle(60)  # refused actions of one person, a minute, that are recorded
_noting = set[asyncio.Task[None]]()  # which the loop holds only weakly

_FRESH = 1.0  # seconds that a stream's title is believed for

_PARTS = {name.rpartition(".")[0] for name in RIGHTS if "." in name} - {"operations"}

T = TypeVar("T", bound=Seen)


def guarded(seater: VibeSeater, person: Person, access: Access) -> VibeSeater:
    """The same VibeSeater, for one person: it does what they may, of the streams that they see.

    It has the public names of a VibeSeater, but for what is of the program's inside. A stream that is not seen is
    answered as one that does not exist; what asks for another role raises an AccessError.
    """
    return cast(VibeSeater, _Guard(whole(seater), person, access))


def whole(seater: VibeSeater) -> VibeSeater:
    """The VibeSeater itself, under which a process keeps what its pages share. Ask before handing on what is kept."""
    return seater._seater if isinstance(seater, _Guard) else seater


def allows(seater: VibeSeater, *names: str) -> bool:
    """Whether these calls are within the person's role: for what a page offers. A VibeSeater itself allows all."""
    return not isinstance(seater, _Guard) or all(seater._refusal(name) is None for name in names)


def name_of(seater: VibeSeater) -> str | None:
    """Whose page it is; None where nobody signed in, or it is no page's."""
    return seater._name if isinstance(seater, _Guard) else None


def as_person(seater: VibeSeater) -> AbstractContextManager[None]:
    """Within it the person acts: for what a page does with the whole VibeSeater, after it has asked whether it may."""
    return acting_as(seater._name) if isinstance(seater, _Guard) else nullcontext()


def why_not(seater: VibeSeater, *names: str) -> str:
    """Why these calls are not for this person, in a line to be shown beside what they can't use; empty if they are."""
    if isinstance(seater, _Guard):
        for name in names:
            if (refusal := seater._refusal(name)) is not None:
                return str(refusal)
    return ""


def require(seater: VibeSeater, name: str) -> None:
    """Refuse what is not within the person's role, where what is done is no call of the VibeSeater.

    Raises:
        AccessError: it is not.
    """
    if isinstance(seater, _Guard) and (refusal := seater._refusal(name)) is not None:
        seater._note_soon(name, refusal)
        raise refusal


def sees(seater: VibeSeater, stream_id: UUID) -> bool:
    """Whether the person sees a stream that was looked up before; what was not is not seen."""
    return not isinstance(seater, _Guard) or seater._sees_id(stream_id)


def seen_of(seater: VibeSeater, streams: Iterable[T]) -> list[T]:
    """Those that the person sees, of streams that were read just now."""
    if not isinstance(seater, _Guard):
        return list(streams)
    known = list(streams)
    for one in known:
        if isinstance(one, Stream):
            seater._keep(one)
    return [one for one in known if seater._sees(one)]


async def check_stream(seater: VibeSeater, stream: Stream | UUID | str) -> None:
    """Let nobody further who does not see a stream.

    Raises:
        NotFoundError: it is not there, or not for them.
    """
    if isinstance(seater, _Guard) and not seater._sees_all:
        await seater._stream(stream)


class _Kept(NamedTuple):
    at: float
    stream: Stream


_streams: weakref.WeakKeyDictionary[VibeSeater, dict[UUID, _Kept]] = weakref.WeakKeyDictionary()


class _Guard:
    """What `guarded` gives. Its own names are private: all others are the VibeSeater's."""

    def __init__(self, seater: VibeSeater, person: Person, access: Access) -> None:
        self._seater, self._person, self._access = seater, person, access
        self._name = person.name or person.mail  # as the record of actions has it
        self._known = _streams.setdefault(seater, {})

    def __getattr__(self, name: str) -> Any:
        return _reach(self, "", self._seater, name)

    # What may be done

    def _refusal(self, name: str) -> AccessError | None:
        role, right = self._access.rules.role_of(self._person), RIGHTS.get(name)
        what = name.rpartition(".")[2].replace("_", " ")
        if right is None or right.kind == "inside":
            return AccessError(f"Not allowed: “{what}” is not for pages.")
        if role is None or not may(role, name):
            are = "have no role" if role is None else f"are {_a(role)}"
            return AccessError(
                f"Not allowed: “{what}” asks for {_a(right.role)}, and you {are} here. Ask whoever runs this server."
            )
        if right.about == "all" and not self._sees_all:
            return AccessError(f"Not allowed: “{what}” is about all streams, and you see some of them.")
        return None

    def _require(self, name: str) -> None:
        if (refusal := self._refusal(name)) is not None:
            raise refusal

    # What is seen

    @property
    def _sees_all(self) -> bool:
        return self._access.rules.sees_all(self._person)

    def _sees(self, stream: Seen) -> bool:
        return self._access.rules.sees(self._person, stream)

    def _sees_id(self, stream_id: UUID) -> bool:
        kept = self._known.get(stream_id)
        return self._sees_all or (kept is not None and self._sees(kept.stream))

    def _keep(self, stream: Stream) -> None:
        self._known[stream.id] = _Kept(time.monotonic(), stream)

    async def _stream(self, asked: Any) -> Stream:
        stream_id = _id_of(asked)
        kept = self._known.get(stream_id) if stream_id is not None else None
        if kept is not None and time.monotonic() - kept.at < _FRESH:
            found = kept.stream
        else:
            found = await self._seater.streams.get_stream(asked)
            self._keep(found)
        if not self._sees(found):
            raise missing_stream(asked)
        return found

    def _stream_at_once(self, asked: Any) -> None:
        """As `_stream`, where nobody can wait: of what was looked up before, as all are that a page got."""
        if isinstance(asked, Stream):
            self._known.setdefault(asked.id, _Kept(0.0, asked))
        stream_id = to_topic(asked).id if isinstance(asked, str) and ":" in asked else to_id("stream", asked)
        if not self._sees_id(stream_id):
            raise missing_stream(asked)

    async def _sees_one(self, stream_id: UUID) -> bool:
        try:
            await self._stream(stream_id)
        except NotFoundError:
            return False
        return True

    async def _source(self, asked: Any, *, every: bool = False) -> None:
        """Let nobody further who sees no stream that a source feeds; with `every`, who does not see all of them."""
        found = await self._seater.sources.get_source(asked)
        fed = [await self._sees_one(one) for one in await self._seater.sources.stream_ids(found)]
        if not any(fed):
            raise missing_source(asked)
        if every and not all(fed):
            raise AccessError("Not allowed: this source feeds other streams too, which you don't see.")

    # One call

    async def _call(self, name: str, method: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        with acting_as(self._name):
            given = next(iter((*args, *kwargs.values())), None)
            if (refusal := self._refusal(name)) is not None:
                await self._note(name, given, refusal)
                raise refusal
            if self._sees_all:
                return await method(*args, **kwargs)
            call = inspect.signature(method).bind(*args, **kwargs)
            try:
                await self._before(name, call.arguments)
            except (AccessError, NotFoundError) as unseen:
                await self._note(name, given, unseen)
                raise
            result = await method(*call.args, **call.kwargs)
            return await self._after(name, call.arguments, result)

    async def _note(self, name: str, given: Any, refusal: Exception) -> None:
        """Record that an action was refused; not each, of somebody who sends without end."""
        right = RIGHTS.get(name)
        if right is not None and right.kind == "action" and not _noted.wait(self._person.told):
            with acting_as(self._name):
                await audit.refused(self._seater.pool, name, given, refusal)

    def _note_soon(self, name: str, refusal: Exception) -> None:
        """The same where nobody can wait."""
        right = RIGHTS.get(name)
        if right is None or right.kind != "action":
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # another thread's: what is asked for next is a call, and recorded
            return
        task = loop.create_task(self._note(name, None, refusal), context=Context())
        _noting.add(task)
        task.add_done_callback(_noting.discard)

    async def _before(self, name: str, given: dict[str, Any]) -> None:
        right = RIGHTS[name]
        about = _BEFORE.get(right.about)
        if about is not None:
            await about(self, name, given)
        if right.kind == "action" and right.about != "source":
            several = given.get("sources")
            for one in (given.get("source"), given.get("source_id"), *(several or {}).values()):
                if one is not None:
                    await self._source(one)

    def _before_at_once(self, name: str, given: dict[str, Any]) -> None:
        about = RIGHTS[name].about
        if about == "stream":
            self._stream_at_once(given["stream"])
        elif about == "topics":
            what = given["what"]
            several = (
                list(what)
                if isinstance(what, list | tuple | set | frozenset) and not isinstance(what, Topic)
                else [what]
            )
            for one in several:
                topic = to_topic(one)
                if topic.kind != "stream":
                    raise AccessError("Not allowed: a source may feed streams that you don't see. Name its streams.")
                self._stream_at_once(one if isinstance(one, Stream) else topic.id)
        elif about not in ("nothing", "feed", "all"):  # `all` is looked at with the role
            raise AssertionError(f"{name} can't be checked at once")

    async def _after(self, name: str, given: dict[str, Any], result: Any) -> Any:
        about = _AFTER.get(name)
        return result if about is None else await about(self, given, result)


def _a(role: str) -> str:
    return f"an {role}" if role[0] in "aeiou" else f"a {role}"


def _id_of(asked: Any) -> UUID | None:
    if isinstance(asked, Stream):
        return asked.id
    try:
        return asked if isinstance(asked, UUID) else UUID(asked)
    except (TypeError, ValueError, AttributeError):
        return None


# What calls name, looked at before they are carried out.


async def _of_stream(guard: _Guard, name: str, given: dict[str, Any]) -> None:
    if name == "streams.get_stream":
        return  # what it answers is looked at
    first = next(iter(given.values()), None)
    await guard._stream(given.get("stream", given.get("stream_id", first)))
    if name == "streams.update_stream":
        _check_names(guard, given)


async def _of_made(guard: _Guard, _name: str, given: dict[str, Any]) -> None:
    _check_names(guard, given)


def _check_names(guard: _Guard, given: dict[str, Any]) -> None:
    """A name under which its maker would not see a stream: that is no place to put one."""
    title, slug = given.get("title"), given.get("slug")
    if not isinstance(title or slug, str):
        return
    named = _Named(UUID(int=0), str(slug or slugify(str(title))), str(title or slug))
    if not guard._sees(named):
        raise AccessError("Not allowed: you would not see a stream of this name. Choose another.")


class _Named(NamedTuple):
    id: UUID
    slug: str
    title: str


async def _of_source(guard: _Guard, name: str, given: dict[str, Any]) -> None:
    if given.get("stream") is not None:
        await guard._stream(given["stream"])
    if "source" in given:
        shared = RIGHTS[name].kind == "action" and name != "sources.detach"  # which is of the stream alone
        await guard._source(given["source"], every=shared)


async def _of_items(guard: _Guard, _name: str, given: dict[str, Any]) -> None:
    given["items"] = items = list(given["items"])
    rows = [one for one in items if isinstance(one, Mapping)]  # what else there is, or no id, is refused as it comes
    for stream in {stream_id for one in rows if (stream_id := _id_of(one.get("stream_id"))) is not None}:
        await guard._stream(stream)
    for source in {str(_source_id(one["source_id"])) for one in rows if one.get("source_id") is not None}:
        await guard._source(source)


def _source_id(source: Any) -> Any:
    return source.id if isinstance(source, Source) else source


async def _of_bookmark(guard: _Guard, _name: str, given: dict[str, Any]) -> None:
    found = await guard._seater.bookmarks.get_bookmark(given["bookmark"])
    if not await guard._sees_one(found.stream_id):
        raise missing_bookmark(found.id)


async def _of_highlight(guard: _Guard, _name: str, given: dict[str, Any]) -> None:
    asked = given["highlight"]
    rule_id = getattr(asked, "id", None) or to_id("highlight", asked)
    stream_id = await guard._seater.pool.fetchval("SELECT stream_id FROM highlights WHERE id = $1", rule_id)
    if stream_id is None or not await guard._sees_one(stream_id):
        raise missing_highlight(rule_id)


async def _of_rule(guard: _Guard, name: str, given: dict[str, Any]) -> None:
    asked = given["rule"]
    drafted = name == "alerts.try_on_history" and isinstance(asked, AlertRule)
    found = asked if drafted else await guard._seater.alerts.get_rule(asked)
    if not await guard._sees_one(found.stream_id):
        raise missing_rule(found.id)


async def _of_pin(guard: _Guard, _name: str, given: dict[str, Any]) -> None:
    asked = given["pin"]
    await guard._stream((asked if isinstance(asked, Pin) else Pin.parse(asked)).stream_id)


async def _of_events(guard: _Guard, _name: str, given: dict[str, Any]) -> None:
    for stream_id in {one.stream_id for one in given["events"]}:
        await guard._stream(stream_id)


async def _of_some(guard: _Guard, name: str, given: dict[str, Any]) -> None:
    if given.get("stream") is not None:
        await guard._stream(given["stream"])
    if given.get("source") is not None:
        await guard._source(given["source"])


_BEFORE: dict[str, Callable[[_Guard, str, dict[str, Any]], Any]] = {
    "stream": _of_stream,
    "made": _of_made,
    "source": _of_source,
    "items": _of_items,
    "bookmark": _of_bookmark,
    "highlight": _of_highlight,
    "rule": _of_rule,
    "pin": _of_pin,
    "events": _of_events,
    "some": _of_some,
}


# What calls answer, where that tells whose it is.


async def _found_stream(guard: _Guard, given: dict[str, Any], found: Stream) -> Stream:
    guard._keep(found)
    if not guard._sees(found):
        raise missing_stream(given["id_or_slug"])
    return found


async def _made_stream(guard: _Guard, given: dict[str, Any], found: Stream) -> Stream:
    guard._keep(found)
    if given.get("exist_ok") and not guard._sees(found):  # it was there
        raise InputError("slug", found.slug, "taken", "Choose another")
    return found


async def _found_event(guard: _Guard, given: dict[str, Any], found: Any) -> Any:
    if not await guard._sees_one(found.stream_id):
        raise missing_event(given["event_id"])
    return found


async def _some_streams(guard: _Guard, _given: dict[str, Any], found: list[Stream]) -> list[Stream]:
    there = {one.id for one in found}
    for gone in [one for one in guard._known if one not in there]:
        del guard._known[gone]
    return seen_of(cast(VibeSeater, guard), found)


async def _some_sources(guard: _Guard, given: dict[str, Any], found: list[Source]) -> list[Source]:
    if given.get("stream") is not None:
        return found
    mine: set[UUID] = set()
    for stream in await _some_streams(guard, {}, await guard._seater.streams.list_streams()):
        mine |= {one.id for one in await guard._seater.sources.list_sources(stream)}
    return [one for one in found if one.id in mine]


async def _some_ids(guard: _Guard, _given: dict[str, Any], found: list[UUID]) -> list[UUID]:
    return [one for one in found if await guard._sees_one(one)]


async def _of_seen_streams(guard: _Guard, _given: dict[str, Any], found: list[Any]) -> list[Any]:
    mine = {one for one in {it.stream_id for it in found} if await guard._sees_one(one)}
    return [one for one in found if one.stream_id in mine]


_AFTER: dict[str, Callable[[_Guard, dict[str, Any], Any], Any]] = {
    "streams.get_stream": _found_stream,
    "streams.create_stream": _made_stream,
    "streams.list_streams": _some_streams,
    "sources.list_sources": _some_sources,
    "sources.stream_ids": _some_ids,
    "events.get_event": _found_event,
    "events.list_events_for_source": _of_seen_streams,
    "archive.retention.list": _of_seen_streams,
}


class _Part:
    """One of a VibeSeater's parts, such as `seater.streams`."""

    def __init__(self, guard: _Guard, path: str, target: Any) -> None:
        self._guard, self._path, self._target = guard, path, target

    def __getattr__(self, name: str) -> Any:
        return _reach(self._guard, f"{self._path}.", self._target, name)


def _reach(guard: _Guard, path: str, target: Any, name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    key = f"{path}{name}"
    if key in _PARTS:
        return _Part(guard, key, getattr(target, name))
    if key not in RIGHTS or RIGHTS[key].kind == "inside":
        guard._require(key)
    if isinstance(getattr(type(target), name, None), property) or not callable(value := getattr(target, name)):
        guard._require(key)
        return getattr(target, name)
    return _checked(guard, key, value)


def _checked(guard: _Guard, name: str, method: Callable[..., Any]) -> Any:
    if inspect.isasyncgenfunction(method):

        @functools.wraps(method)
        async def pieces(*args: Any, **kwargs: Any) -> Any:
            guard._require(name)
            if not guard._sees_all:
                await guard._before(name, inspect.signature(method).bind(*args, **kwargs).arguments)
            async for piece in method(*args, **kwargs):
                yield piece

        return pieces
    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def call(*args: Any, **kwargs: Any) -> Any:
            return await guard._call(name, method, args, kwargs)

        return call

    @functools.wraps(method)
    def at_once(*args: Any, **kwargs: Any) -> Any:
        guard._require(name)
        if not guard._sees_all:
            guard._before_at_once(name, inspect.signature(method).bind(*args, **kwargs).arguments)
        with acting_as(guard._name):
            return method(*args, **kwargs)

    return at_once
