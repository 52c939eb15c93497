"""Telemetry: named measurements of each step, handed to whoever attached a handler. It owns the handlers.

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

__all__ = ["attach", "attached", "detach", "execute", "handlers"]

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
