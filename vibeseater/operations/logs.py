"""The newest lines of this process's log, for who looks on, and lines that tell of events. It owns one root handler."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from vibeseater import telemetry
from vibeseater.operations.snapshot import LogLine

__all__ = ["LogTail", "log_events", "log_tail"]

_log = logging.getLogger("vibeseater.events")

_MOST = 60
_LONGEST = 500


def log_events(level: int = logging.INFO) -> Callable[[], None]:
    """Log each event that this process stores by `create_event`, until the function that is returned is called.

    The lines go to the logger `vibeseater.events`; `event_id`, `event_type`, `stream_id` and `source_id` are extras of
    the record, text each, as formatters for structured logs expect them.
    """

    def log(_name: tuple[str, ...], _measurements: Mapping[str, Any], metadata: Mapping[str, Any], _: Any) -> None:
        extra = {key: None if value is None else str(value) for key, value in metadata.items()}
        _log.log(level, "event %s stored", metadata["event_id"], extra=extra)

    telemetry.attach("vibeseater.operations:log_events", ("vibeseater", "events", "created"), log)

    def stop() -> None:
        telemetry.detach("vibeseater.operations:log_events")

    return stop


class LogTail(logging.Handler):
    """Keeps the last lines, from INFO on; of others' loggers from WARNING on."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: deque[LogLine] = deque(maxlen=_MOST)
        self._users = 0
        self._mark = f"_kept_by_{id(self)}"

    def begin(self) -> None:
        """Listen."""
        self._users += 1
        if self._users == 1:
            logging.getLogger().addHandler(self)

    def end(self) -> None:
        """Listen no longer, when the last one has ended."""
        self._users -= 1
        if self._users == 0:
            logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        if self._mark in record.__dict__:  # it comes once for each logger on its way that this handler was added to
            return
        record.__dict__[self._mark] = True
        last = logging.lastResort
        # Where nobody set up logging, Python prints warnings itself, but only while nobody at all listens.
        if last is not None and record.levelno >= last.level and not self._others_hear(record):
            last.handle(record)
        if record.levelno < logging.WARNING and not record.name.startswith("vibeseater"):
            return
        try:
            text = record.getMessage()
            if record.exc_info and record.exc_info[1] is not None:
                text = f"{text} ({type(record.exc_info[1]).__name__}: {record.exc_info[1]})"
        except Exception:  # a message that does not fit its arguments
            self.handleError(record)
            return
        self.lines.append(LogLine(at=record.created, level=record.levelname, logger=record.name, text=text[:_LONGEST]))

    def _others_hear(self, record: logging.LogRecord) -> bool:
        """Whether somebody else handles what that record's logger says, and so prints it, or wants it silent."""
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            if any(handler is not self for handler in logger.handlers):
                return True
            logger = logger.parent if logger.propagate else None
        return False


log_tail = LogTail()
"""This process's."""
