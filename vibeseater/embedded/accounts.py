"""The account that the servers run as: this user's own, or for root an ordinary one. It knows no server."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import msgspec

from vibeseater.errors import EmbeddedServerError

__all__ = ["Account", "own_folder", "run", "server_account"]

_FOR_ROOT = ("vibeseater", "nobody")  # an account of its own, where the administrator has made one


class Account(msgspec.Struct, frozen=True):
    """Whom a server runs as.

    Attributes:
        uid, gid: to change to before the program runs; None: stay who we are.
        name: for messages.
    """

    uid: int | None
    gid: int | None
    name: str

    @property
    def files_uid(self) -> int:
        """The owner that the server's files must have."""
        return os.geteuid() if self.uid is None else self.uid


def server_account() -> Account:
    """This user; for root, whom PostgreSQL refuses to run as, the account `vibeseater`, else `nobody`."""
    if os.geteuid() != 0:
        return Account(None, None, _name(os.geteuid()))
    for name in _FOR_ROOT:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_uid, entry.pw_gid, name)
    raise EmbeddedServerError(
        "PostgreSQL does not run as root, and there is no account 'vibeseater' or 'nobody' to run it as. "
        "Make one (useradd --system vibeseater), or set VIBESEATER_DATABASE_URL and VIBESEATER_REDIS_URL."
    )


def own_folder(path: Path, account: Account | None = None) -> Path:
    """Makes the folder for this user, or for the account, closed to all others, unless it is there already.

    Raises:
        EmbeddedServerError: it is something else than a folder, somebody else's, or can't be made.
    """
    wanted = os.geteuid() if account is None else account.files_uid
    try:
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            pass
        else:
            if wanted != os.geteuid():
                os.chown(
                    path, wanted, account.gid if account and account.gid is not None else -1, follow_symlinks=False
                )
        found = path.lstat()
        if path.is_symlink() or not path.is_dir():
            raise EmbeddedServerError(f"{path}: not a folder. Move it away, or set VIBESEATER_HOME to another folder.")
        if found.st_uid != wanted:
            raise EmbeddedServerError(
                f"{path}: belongs to {_name(found.st_uid)}, not to {_name(wanted)}. "
                "Run as the user who made it, or set VIBESEATER_HOME to a folder of your own."
            )
        if found.st_mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise EmbeddedServerError(
            f"{path}: can't be made or used ({error.strerror}). Set VIBESEATER_HOME to a folder that you can write to."
        ) from error
    return path


def run(
    argv: list[str], account: Account, *, cwd: Path | str = "/", text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Runs a short program as the account, in a clean environment, with `text` as its input, and gives what it said.

    Raises:
        OSError: it can't be run as that account.
        subprocess.TimeoutExpired: it takes longer than two minutes.
    """
    return subprocess.run(  # noqa: S603 - our own arguments, no shell
        argv,
        input=text,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        cwd=cwd,
        env=environment(),
        user=account.uid,
        group=account.gid,
        extra_groups=None if account.uid is None else [],
        umask=0o077,
        start_new_session=True,  # a Ctrl-C in the terminal is for us, not for it
        timeout=120,
    )


def environment() -> dict[str, str]:
    """What the servers' programs get to see of the environment: nothing of this user's PG… or LD_… variables."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _name(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name!r}"
    except KeyError:
        return f"user {uid}"
