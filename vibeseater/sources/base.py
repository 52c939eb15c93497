"""The small base of every source type: its config, its items, and the two ways to read (polled and streaming).

It owns the shapes that types and the worker share. It must not know PostgreSQL, tasks or any one type.

A new type is one file: a `SourceConfig` with its fields, and a `PolledSource` or `StreamingSource` with `type` and
`Config`.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

import msgspec

from vibeseater.errors import InputError, SourceError
from vibeseater.sources.credentials import is_secret, looks_secret
from vibeseater.sources.limits import AtLimit

if TYPE_CHECKING:
    from vibeseater.sources.http import HttpClient

__all__ = [
    "Batch",
    "GoneError",
    "Interval",
    "Item",
    "Poll",
    "PolledSource",
    "ReadConfig",
    "SourceConfig",
    "SourceType",
    "StreamingSource",
    "Tools",
    "clip_id",
    "in_thread",
    "make_config",
    "oldest_first",
    "stable_id",
]

_P = ParamSpec("_P")
_T = TypeVar("_T")

LONGEST_ID = 255  # characters of an external_id; longer ones are hashed

Interval = Annotated[float, msgspec.Meta(ge=0.1, le=86_400 * 31)]
"""Seconds between two reads."""


class GoneError(SourceError):
    """The source is gone for good (HTTP 410, say): asking again would be rude. Mend its config, or start it again."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a source tells of, before it is an event.

    Attributes:
        external_id: the source's own id, by which it is stored once; None where it has none.
        event_type: what kind of thing.
        content: a JSON object.
        occurred_at: when it happened (aware), or None for the time of storing.
        metadata: a JSON object about the item rather than of it.
    """

    external_id: str | None
    event_type: str
    content: dict[str, Any]
    occurred_at: datetime | None = None
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What one read gave.

    Attributes:
        items: oldest first, so that positions follow time.
        cursor: where the next read goes on, any JSON value; kept only after the items are stored.
        rejected: things that were there but could not be made into items.
        problem: what was wrong with them, for the status; None where all was well.
    """

    items: list[Item]
    cursor: Any = None
    rejected: int = 0
    problem: str | None = None


class Poll(Batch, frozen=True, kw_only=True):
    """What one poll gave. `next_after`: seconds that the other side asked to wait before the next, or None."""

    next_after: float | None = None


class SourceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a type asks for. Subclass it with the type's fields; `check` looks at what their types can't say."""

    def check(self) -> None:
        """Look at what the types of the fields can't say.

        Raises:
            InputError: naming the field (`config.url`), the value and the cure.
        """

    def check_reach(self) -> None:
        """Refuse addresses of this machine and of private networks, as they are written in the fields; called where
        the settings don't allow those. Here the field `url`, where there is one.

        Raises:
            InputError: naming the field, the value and the cure.
        """
        from vibeseater.sources.addresses import refuse_private_url  # brings aiohttp, which takes long to import

        url = getattr(self, "url", None)
        if isinstance(url, str):
            refuse_private_url(url, "config.url")

    def place(self) -> dict[str, Any]:
        """The fields that say *what* is read. When they change, the cursor means nothing any more."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        for field in _NOT_A_PLACE:
            fields.pop(field, None)
        return fields


class ReadConfig(SourceConfig, frozen=True, kw_only=True):
    """What every type that is read by a worker may be told, beside its own fields.

    Attributes:
        rate: events per second that it may bring; any number when not given.
        burst: events that may come at once after a rest; those of a second when not given.
        at_limit: what becomes of more: `wait`, `sample` (some are kept, spread over what came), `drop`.
        updates: whether an item that is known and changed becomes an event of type `<event_type>_updated`. The same
            change is told once; a change back to what was told first is not told.
    """

    rate: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] | None = None
    burst: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = None
    at_limit: AtLimit = "wait"
    updates: bool = False

    def handful(self, most: int = 500) -> int:
        """How many things without ids to take at once: they are stored in one transaction, and wait for each other."""
        if self.rate is None or self.at_limit != "wait":
            return most
        return max(1, min(most, int(self.burst or self.rate)))


_NOT_A_PLACE = ("interval", "rate", "burst", "at_limit", "updates")

_ConfigClass = type[SourceConfig]  # a name for it, because SourceType's own `type` hides the built-in


class Tools:
    """What a source is handed to work with: the polite HTTP client, made once a process."""

    def __init__(self, http: HttpClient | None) -> None:
        self._http = http

    @property
    def http(self) -> HttpClient:
        """The client."""
        assert self._http is not None, "this source was given none"
        return self._http


class SourceType(ABC):
    """A source at work. Made anew when its worker starts; `aclose()` is always called at its end.

    Attributes:
        type: the name in the registry.
        Config: its struct.
        rereads: whether reading without a cursor tells again what is still there. Then a stream that joins later gets
            that too: the source is read from its start, and external ids keep the other streams from doubles.
    """

    type: ClassVar[str]
    Config: ClassVar[_ConfigClass]
    rereads: ClassVar[bool] = True

    def __init__(self, config: Any, tools: Tools) -> None:
        self.config, self.tools = config, tools

    @classmethod
    def make(cls, config: Any, tools: Tools) -> SourceType:
        """A source for this config. A type that reads in several ways gives one of several classes."""
        return cls(config, tools)

    async def aclose(self) -> None:  # noqa: B027 - most types hold nothing
        """Let go of what is held open."""


class PolledSource(SourceType):
    """A source that is asked again and again. Its config has an `interval` in seconds."""

    @abstractmethod
    async def poll(self, cursor: Any) -> Poll:
        """Read once. `cursor` is what the last poll gave, or None at the first.

        Raises:
            SourceError: it can't be read now; the worker backs off and tries again.
            GoneError: it never will be.
        """


class StreamingSource(SourceType):
    """A source that speaks by itself. An iterator that ends by itself says that the source is finished."""

    @abstractmethod
    def stream(self, cursor: Any) -> AsyncIterator[Batch]:
        """Read on from `cursor` (None: from the start, or from now, as the type documents).

        Raises:
            SourceError: as in `PolledSource.poll`.
        """


def make_config(model: type[SourceConfig], config: Mapping[str, Any], type_name: str) -> SourceConfig:
    """The config as the type's struct, checked. A field that is None counts as not given.

    Raises:
        InputError: naming `config.<field>`, the value and the cure.
    """
    if not isinstance(config, Mapping):
        raise InputError("config", config, "not a mapping", "Give a dictionary such as {'url': 'https://…'}")
    fields = {field.name: field for field in msgspec.structs.fields(model)}
    shared = ReadConfig.__struct_fields__
    known = ", ".join(sorted(fields, key=lambda name: name in shared)) or "none at all"
    for name in config:
        if name not in fields:
            raise InputError(
                f"config.{name}",
                "***" if looks_secret(name) else config[name],
                f"a source of type {type_name!r} has no such field",
                f"Known are: {known}",
            )
    for name, field in fields.items():
        if field.required and config.get(name) is None:
            raise InputError(
                f"config.{name}", None, f"a source of type {type_name!r} needs it", f"Give config={{{name!r}: …}}"
            )
    try:
        made = msgspec.convert(
            {name: value for name, value in config.items() if value is not None}, model, strict=False
        )
    except (msgspec.ValidationError, TypeError) as error:
        raise _named(error, config, fields) from None
    made.check()
    return made


def _named(error: Exception, config: Mapping[str, Any], fields: Mapping[str, Any]) -> InputError:
    """msgspec's message, such as "Expected `float`, got `str` - at `$.interval`", as the one error of this package."""
    problem, _, where = str(error).partition(" - at ")
    name = re.sub(r"^`?\$\.?", "", where).strip("`")
    head = re.split(r"[.\[]", name)[0]
    problem = problem.replace("`", "")
    field = f"config.{name}" if name else "config"
    cure = f"Give {_wanted(fields[head].type)} that fits" if head in fields else "Mend the config"
    value = "***" if head in fields and is_secret(fields[head].type) else config.get(head)
    return InputError(field, value, problem[:1].lower() + problem[1:], cure)


_NOUNS: dict[Any, str] = {str: "text", float: "a number", int: "a whole number", bool: "true or false"}


def _wanted(annotation: Any) -> str:
    """What a field takes, in words."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _wanted(parts[0])
    if origin is Literal:
        return f"one of {', '.join(map(repr, parts))}"
    if origin in (Union, UnionType):
        return " or ".join(_wanted(part) for part in parts if part is not type(None))
    if origin in (list, dict):
        return "a list" if origin is list else "a mapping"
    return _NOUNS.get(annotation, getattr(annotation, "__name__", "a value that fits"))


def clip_id(text: str) -> str:
    """The text as an external_id: as it is where it fits and is clean, else its hash."""
    if 0 < len(text) <= LONGEST_ID and text.isprintable():
        return text
    return stable_id(text)


def stable_id(*parts: str) -> str:
    """An id made from the parts, the same in every process and for all time."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))  # so that ("ab", "c") and ("a", "bc") differ
        digest.update(data)
    return f"sha256:{digest.hexdigest()[:40]}"


def oldest_first(items: Iterable[Item], *, newest_first: bool = False) -> list[Item]:
    """The items in the order of time; what has no time is taken for new and keeps its order.

    Args:
        newest_first: whether things without a time, or of the same time, are listed newest first.
    """
    listed = list(items)
    dated = [item.occurred_at for item in listed if item.occurred_at is not None]
    if newest_first or (len(dated) > 1 and dated[0] > dated[-1]):
        listed.reverse()
    return sorted(listed, key=lambda item: item.occurred_at or _END)


_END = datetime.max.replace(tzinfo=UTC)

# A file on a share that is away hangs. Files get threads of their own, so that neither the event loop, nor the name
# look-ups in the loop's default executor, nor parsers (see `parsing`) wait for them.
_threads = ThreadPoolExecutor(max_workers=16, thread_name_prefix="vibeseater-source")


async def in_thread(function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Run a slow plain function without holding up the event loop."""
    return await asyncio.get_running_loop().run_in_executor(_threads, lambda: function(*args, **kwargs))
