"""The tree of errors. Every error that VibeSeater raises on purpose is a `VibeSeaterError`.

    VibeSeaterError
    ├── InputError (ValueError)          a value that was handed in is wrong: field, value, cure
    │   └── NotFoundError (LookupError)  an id, slug or topic that does not exist
    ├── AccessError                      who looks at a page may not do this
    ├── SettingsError                    environment, settings file or arguments don't fit
    ├── ServerError                      PostgreSQL or Redis, and the embedded ones
    │   ├── UnreachableError             no answer at the address
    │   ├── TooOldError                  it answers, but lacks what is needed
    │   ├── BusyError                    others write there for longer than one can wait
    │   ├── TooSlowError                 a search took too long, and was given up
    │   ├── EmbeddedServerError          the embedded servers can't be started or shared
    │   └── MigrationError               the schema can't be brought to what this code needs
    ├── FeedError                        a subscription or replay can't go on
    │   └── PositionAheadError           since= lies beyond what PostgreSQL holds
    ├── SourceError                      a source could not be read
    │   └── FetchError                   an HTTP request failed, or its answer is unusable
    ├── ArchiveError                     an archive can't be written, read or trusted
    │   └── PurgedError                  what is asked for was purged without an archive
    ├── ClosedError (RuntimeError)       used after close(), or before it was opened
    └── WrongLoopError (RuntimeError)    used from another event loop or thread

It knows nothing of the rest of the package, so that every module can raise from it.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AccessError",
    "ArchiveError",
    "BusyError",
    "ClosedError",
    "EmbeddedServerError",
    "FeedError",
    "FetchError",
    "InputError",
    "MigrationError",
    "NotFoundError",
    "PositionAheadError",
    "PurgedError",
    "ServerError",
    "SettingsError",
    "SourceError",
    "TooOldError",
    "TooSlowError",
    "UnreachableError",
    "VibeSeaterError",
    "WrongLoopError",
]

_SHOWN = 80  # characters of a bad value that a message repeats


def shown(value: object) -> str:
    """The value as an error may repeat it: its repr, cut to a line."""
    try:
        text = repr(value)
    except Exception as error:  # a hostile __repr__ must not hide the real error
        text = f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def in_a_line(error: BaseException) -> str:
    """What an error says, in one line: PostgreSQL adds details and hints on lines of their own."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


class VibeSeaterError(Exception):
    """The root. Catch it to catch all that VibeSeater raises on purpose."""


class InputError(VibeSeaterError, ValueError):
    """A value that was handed in is wrong. Nothing was written. Mend the value and call again.

    Attributes:
        field: the argument's or the field's name.
        value: what was given.
        cure: what to do about it.
    """

    def __init__(self, field: str, value: Any, problem: str, cure: str) -> None:
        self.field, self.value, self.problem, self.cure = field, value, problem, cure
        super().__init__(f"{field}={shown(value)}: {problem}. {cure}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.field, self.value, self.problem, self.cure)


class NotFoundError(InputError, LookupError):
    """There is no such stream, source, event or topic. List what there is, or create it first."""


class AccessError(VibeSeaterError):
    """Who looks at a page may not do this. Nothing was done. Ask whoever runs the server for another role."""


class SettingsError(VibeSeaterError):
    """The environment, the settings file or an argument of `connect` does not fit. The message names which."""


class ServerError(VibeSeaterError):
    """PostgreSQL or Redis can't be used. `vibeseater doctor` shows what is used and what is wrong."""


class UnreachableError(ServerError):
    """No server answers at the address. Start it, or mend the URL; unset it to use the embedded servers."""


class TooOldError(ServerError):
    """The server answers, but its version lacks what VibeSeater needs. Upgrade it."""


class BusyError(ServerError):
    """Others write to the same stream or source for longer than one can wait. Nothing was stored: try again."""


class TooSlowError(ServerError):
    """A search was given up after so many seconds. Narrow it by time, source or type, or search for rarer words."""


class EmbeddedServerError(ServerError):
    """The embedded servers can't be started, shared or recovered. The message names the folder and the cure."""


class MigrationError(ServerError):
    """The database's schema can't be brought to what this code needs. Nothing was changed."""


class FeedError(VibeSeaterError):
    """A subscription or a replay can't go on."""


class PositionAheadError(FeedError):
    """The position lies beyond what PostgreSQL holds (a restored backup, say). Subscribe with since=None or 0."""


class SourceError(VibeSeaterError):
    """A source could not be read. Its worker goes on and tries again; the status keeps the message."""


class FetchError(SourceError):
    """An HTTP request failed, or its answer can't be used.

    Attributes:
        url: the address asked, without credentials.
        status: the HTTP status, or None where there was no answer.
        retry_after: seconds that the server asked to wait, or None.
    """

    def __init__(self, message: str, *, url: str, status: int | None = None, retry_after: float | None = None) -> None:
        self.url, self.status, self.retry_after = url, status, retry_after
        super().__init__(message)


class ArchiveError(VibeSeaterError):
    """An archive can't be written, read or trusted. Nothing was purged. The message names the file and the cure."""


class PurgedError(ArchiveError):
    """What is asked for was purged without an archive, or its archive is gone. The message says which positions."""


class ClosedError(VibeSeaterError, RuntimeError):
    """Used after `close()`, or before it was opened. Use `async with`, or await `vibeseater.connect()` again."""


class WrongLoopError(VibeSeaterError, RuntimeError):
    """Used from another event loop or thread than the one it was made in. Connect once in each loop."""
