"""Who acts, for whoever records it: told by the context that a call runs in. It knows no rules and no pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["acting_as", "actor"]

_actor: ContextVar[str | None] = ContextVar("vibeseater_actor", default=None)


def actor() -> str | None:
    """The name of who acts here; None where that is the program itself: the Python API, the command line, a worker."""
    return _actor.get()


@contextmanager
def acting_as(name: str | None) -> Iterator[None]:
    """Within it, `name` acts. Tasks that are started within it inherit that, unless they are detached."""
    token = _actor.set(name)
    try:
        yield
    finally:
        _actor.reset(token)
