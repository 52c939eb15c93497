"""Telemetry: named measurements of each step, handed to whoever attached a handler. It owns the handlers and names.

Names are tuples such as `("vibeseater", "events", "created")`. A handler is called in the caller's thread, right
where the step happens, as `handler(event_name, measurements, metadata, config)`; it must be quick and must not block.
A handler that raises is isolated: the error is logged and reported as `("vibeseater", "telemetry", "handler_failed")`,
the others go on, and the handler itself stays attached.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from vibeseater.errors import InputError

__all__ = ["EVENTS", "EventKind", "attach", "attached", "detach", "execute", "handlers"]

EventName = tuple[str, ...]
Handler = Callable[[EventName, Mapping[str, Any], Mapping[str, Any], Any], None]

HANDLER_FAILED: EventName = ("vibeseater", "telemetry", "handler_failed")

_log = logging.getLogger(__name__)


class Attachment(NamedTuple):
    """One handler as it was attached."""

    handler_id: str
    event_name: EventName
    handler: Handler
    config: Any


class EventKind(NamedTuple):
    """What a name of telemetry stands for.

    Attributes:
        when: it is told.
        measurements: each key with what it measures; durations are in seconds.
        metadata: each key with what it says.
    """

    when: str
    measurements: Mapping[str, str]
    metadata: Mapping[str, str]


_COUNT_1 = {"count": "1"}
_STREAM = {"stream_id": "the stream"}
_SOURCE = {"source_id": "the source", "type": "its type"}
_ERROR = {"error": "the exception"}

EVENTS: Mapping[EventName, EventKind] = {
    ("vibeseater", "events", "created"): EventKind(
        "An event of `create_event` was committed.",
        _COUNT_1,
        {
            "event_id": "the event",
            "event_type": "its type",
            "stream_id": "its stream",
            "source_id": "its source or None",
        },
    ),
    ("vibeseater", "events", "batch_created"): EventKind(
        "A batch was committed in one transaction.",
        {"count": "events that are new", "duration": "of the transaction"},
        {
            "requested": "events that were given, known ones included",
            "broadcast": "whether they are sent to watchers at once",
            "created": "pairs of a draft and its Event",
        },
    ),
    ("vibeseater", "writer", "committed"): EventKind(
        "A group of `create_event` calls was committed together.",
        {"count": "events that are new", "duration": "from the statement to the commit"},
        {},
    ),
    ("vibeseater", "broadcast", "published"): EventKind(
        "Redis took messages.",
        {"count": "messages", "bytes": "of them all", "duration": "until Redis had taken them"},
        {"batch": "pairs of a topic and a message"},
    ),
    ("vibeseater", "broadcast", "failed"): EventKind(
        "Redis did not take messages; watchers read their events from PostgreSQL.", {"count": "messages"}, _ERROR
    ),
    ("vibeseater", "hub", "connected"): EventKind(
        "The process's listener connected to Redis.", _COUNT_1, {"topics": "how many are watched"}
    ),
    ("vibeseater", "hub", "received"): EventKind(
        "A message of a watched topic came.",
        {"count": "its events", "duration": "from the first one's insertion (PostgreSQL's clock) to the feeds"},
        {"topic": "a Topic", "events": "its Events"},
    ),
    ("vibeseater", "hub", "garbage"): EventKind(
        "A message on a topic was none of ours, and was passed over.", _COUNT_1, {"topic": "where, as text"}
    ),
    ("vibeseater", "feed", "refilled"): EventKind(
        "A feed read from PostgreSQL what no message had brought.",
        {"count": "events"},
        {"topic": "the feed's, as text", "upto": "the position up to which it has read"},
    ),
    ("vibeseater", "rows", "let_go"): EventKind(
        "A browser was too far behind and was let go; it asks anew for what it lacks.", _COUNT_1, _STREAM
    ),
    ("vibeseater", "sources", "polled"): EventKind(
        "A source was read.",
        {
            "count": "1",
            "duration": "of reading and storing",
            "items": "things that it told of",
            "created": "events that are new",
            "rejected": "things that could not be made into events",
            "dropped": "items that its limit, or the stream's, dropped",
            "waited": "seconds that a limit let it wait",
        },
        {**_SOURCE, "stream_ids": "the streams that it feeds"},
    ),
    ("vibeseater", "sources", "failed"): EventKind(
        "A source could not be read.",
        {"count": "1", "failures": "in a row"},
        {**_SOURCE, **_ERROR, "gone": "whether for good (HTTP 410)"},
    ),
    ("vibeseater", "ingest", "answered"): EventKind(
        "A request to `/ingest/<source_id>` was answered.",
        {"count": "1", "duration": "of the request", "items": "things in the body", "created": "events that are new"},
        {"source_id": "the source, None where there is no such", "status": "HTTP's, of the answer"},
    ),
    ("vibeseater", "retention", "applied"): EventKind(
        "A stream's rule of retention purged events.",
        {"events": "purged", "chunks": "of TimescaleDB dropped whole", "duration": "of it all"},
        {**_STREAM, "upto": "the last position that was purged", "archived": "whether they stand in an archive"},
    ),
    ("vibeseater", "retention", "failed"): EventKind(
        "A stream's rule of retention could not be applied.", _COUNT_1, {**_STREAM, **_ERROR}
    ),
    HANDLER_FAILED: EventKind(
        "A handler of telemetry raised. It stays attached.",
        _COUNT_1,
        {"handler_id": "the handler's", **_ERROR},
    ),
}
"""Every name that is told, and what comes with it."""

_handlers: dict[EventName, tuple[Attachment, ...]] = {}


def attach(handler_id: str, event_name: EventName, handler: Handler, config: Any = None) -> None:
    """Call `handler(event_name, measurements, metadata, config)` at each event of that name.

    Args:
        handler_id: a name of your own, by which it is detached.
        event_name: such as `("vibeseater", "events", "created")`.
        handler: a plain function; one that raises is reported, and stays attached.
        config: handed to the handler as it is.

    Raises:
        InputError: the id is taken, or an argument is of the wrong kind.
    """
    if not isinstance(event_name, tuple | list) or not all(isinstance(part, str) for part in event_name):
        raise InputError(
            "event_name", event_name, "not a tuple of strings", "Write ('vibeseater', 'events', 'created')"
        )
    if not callable(handler):
        raise InputError("handler", handler, "can't be called", "Give a function of four arguments")
    if inspect.iscoroutinefunction(handler):
        raise InputError("handler", handler, "async: nobody would await it", "Give a plain function that starts a task")
    if any(item.handler_id == handler_id for item in handlers()):
        raise InputError("handler_id", handler_id, "already attached", "Detach it first, or choose another id")
    name = tuple(event_name)
    _handlers[name] = (*_handlers.get(name, ()), Attachment(handler_id, name, handler, config))


def detach(handler_id: str) -> bool:
    """Take a handler off. Returns whether there was one of that id."""
    for name, attachments in list(_handlers.items()):
        kept = tuple(item for item in attachments if item.handler_id != handler_id)
        if len(kept) < len(attachments):
            if kept:
                _handlers[name] = kept
            else:
                del _handlers[name]
            return True
    return False


def handlers() -> list[Attachment]:
    """All handlers that are attached."""
    return [item for attachments in _handlers.values() for item in attachments]


def attached(event_name: EventName) -> bool:
    """Whether anybody listens, for callers whose measurements cost something to make."""
    return event_name in _handlers


def execute(event_name: EventName, measurements: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> None:
    """Report one event to its handlers. Costs one dictionary look-up where nobody listens."""
    attachments = _handlers.get(event_name)
    if attachments is None:
        return
    for item in attachments:
        try:
            item.handler(event_name, measurements, metadata or {}, item.config)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a handler that asks a cancelled task for its result must cancel nobody else
            _log.exception("telemetry handler %r failed at %s; it stays attached", item.handler_id, event_name)
            if event_name != HANDLER_FAILED:
                execute(HANDLER_FAILED, {"count": 1}, {"handler_id": item.handler_id, "error": error})
