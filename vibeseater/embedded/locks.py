"""Files locked with flock, which the kernel frees when the holder dies. It owns descriptors and knows no server."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from vibeseater.errors import EmbeddedServerError

__all__ = ["Lock", "take", "try_take"]

_STEP = 0.01  # seconds between two tries


class Lock:
    """A held lock. It is freed by `free()`, and by the end of the process, and of those that it forked."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def fileno(self) -> int:
        """The descriptor, to pass the lock on to a process that is being started."""
        if self._descriptor is None:
            raise ValueError("the lock has been freed")
        return self._descriptor

    def free(self) -> None:
        """Frees it; a second time does nothing."""
        # By closing, not by LOCK_UN: that would take it from a forked child, which uses the servers too.
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def try_take(path: Path, *, shared: bool = False) -> Lock | None:
    """The lock, or None where somebody else holds it.

    Raises:
        EmbeddedServerError: the file can't be opened, or its file system knows no locks.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise EmbeddedServerError(
            f"{path}: can't be opened ({error.strerror}). "
            "Mend the folder's permissions, or set VIBESEATER_HOME to a folder of your own."
        ) from error
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        raise EmbeddedServerError(
            f"{path}: its file system can't lock files ({error.strerror}). "
            "Set VIBESEATER_HOME to a folder on a local disk."
        ) from error
    return Lock(descriptor)


def take(path: Path, *, seconds: float, given_up: Callable[[], bool], shared: bool = False) -> Lock | None:
    """The lock, once it can be had; None after so many seconds, or when `given_up()` says so."""
    end = time.monotonic() + seconds
    while (lock := try_take(path, shared=shared)) is None:
        if time.monotonic() > end or given_up():
            return None
        time.sleep(_STEP)
    return lock
