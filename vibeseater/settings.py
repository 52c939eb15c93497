"""Settings: arguments over environment over a TOML file, made into one frozen `Settings`. Reads; starts nothing."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import platformdirs

from vibeseater.errors import SettingsError

__all__ = ["Settings", "Shown", "load_settings", "show_settings", "without_secrets"]

PREFIX = "VIBESEATER_"

# libpq takes the password, and a key file's, as parameters too.
_QUERY = re.compile(r"((?:^|[&;])[^=&;]*(?:passw|secret|token)[^=&;]*=)[^&;]+", re.IGNORECASE)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What VibeSeater runs with. Each field is also the variable `VIBESEATER_<FIELD>` and a key of the TOML file.

    Attributes:
        database_url: PostgreSQL, `postgresql://user@host/database`; None for the embedded server.
        redis_url: Redis, `redis://host:6379/0`, or a cluster, `redis+cluster://host:6379`; None for the embedded one.
        home: the folder of the embedded servers' data and of `vibeseater.toml`.
        pool_size: connections to PostgreSQL of one process, at most.
        connect_timeout: seconds until a server that does not answer is called unreachable.
        failover_timeout: seconds that a write outlasts PostgreSQL's absence before it is given up.
        max_content_bytes: how large an event's content, and its metadata, may be as JSON.
        allow_private_urls: whether sources may read addresses on loopback and private networks.
        retention_interval: seconds between two applications of the retention rules by servers; 0: they never do.
        user_agent: what sources call themselves; None for VibeSeater's name and version.
        port: the port on which `vibeseater serve` listens; 0 for any free one.
        address: the address of this machine on which it listens; 0.0.0.0 for all networks.
        allow_origins: further `host:port` under which the pages are opened; in the environment, apart by commas.
        num_procs: the processes of `vibeseater serve`, which share the port (Linux).
        prefix: the path under which a proxy serves the pages, such as `/events`.
        drain_timeout: seconds that requests under way get when the server ends.
        basic_auth: the file of who may sign in, JSON: names and their passwords.
        oauth_provider: the provider at which people sign in instead: `github`, `google`, `azure`, `okta`, `generic` …;
            what else it needs is said in Panel's variables, `PANEL_OAUTH_KEY`, `PANEL_OAUTH_SECRET` ….
        access: the file of who has which role, and who sees which streams, TOML; None: everybody may do everything.
        cookie_secret: signs who is signed in; None: made anew by each server, so that logins end with it.
        login_days: days until one has to sign in again.
        metrics_token: lets read `/metrics`, as `Authorization: Bearer <token>`; None: this machine may read it.
        frame_ancestors: origins whose pages may show these pages in a frame (a JupyterLab's, say), such as
            `https://lab.example.org`; in the environment, apart by commas.
        max_sessions: pages that may be open in one process; 0 for any number.
        actor: what the audit calls whoever uses the command line and the Python API; None: this machine's user, as
            `user@host`.
        opens_per_minute: pages, and as many websockets, that an address may open in a minute; 0 for any number.
    """

    database_url: str | None = None
    redis_url: str | None = None
    home: Path = msgspec.field(default_factory=lambda: platformdirs.user_data_path("vibeseater", appauthor=False))
    pool_size: int = 10
    connect_timeout: float = 10.0
    failover_timeout: float = 30.0
    max_content_bytes: int = 256 * 1024
    allow_private_urls: bool = False
    retention_interval: float = 3600.0
    user_agent: str | None = None
    port: int = 5006
    address: str = "localhost"
    allow_origins: tuple[str, ...] = ()
    num_procs: int = 1
    prefix: str = ""
    drain_timeout: float = 5.0
    basic_auth: Path | None = None
    oauth_provider: str | None = None
    access: Path | None = None
    cookie_secret: str | None = None
    login_days: float = 1.0
    metrics_token: str | None = None
    frame_ancestors: tuple[str, ...] = ()
    max_sessions: int = 1000
    actor: str | None = None
    opens_per_minute: float = 600


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A setting as it may be shown: its value without secrets, and where it stands."""

    name: str
    value: str
    where: str


_SCHEMES = {
    "database_url": ("postgresql", "postgres"),
    "redis_url": ("redis", "rediss", "unix", "redis+cluster", "rediss+cluster"),
}
_CURES: dict[Any, str] = {int: "Give a whole number", float: "Give a number of seconds", bool: "Give yes or no"}
_LEAST: dict[str, float] = {
    "pool_size": 3,
    "connect_timeout": 0.1,
    "failover_timeout": 0,
    "retention_interval": 0,
    "max_content_bytes": 2,
    "port": 0,
    "num_procs": 1,
    "drain_timeout": 0,
    "max_sessions": 0,
    "login_days": 0.01,
    "opens_per_minute": 0,
}
_MOST: dict[str, float] = {"port": 65535, "num_procs": 64}
_PATHS = ("home", "basic_auth", "access")
_SECRETS = ("cookie_secret", "metrics_token")
_LISTS = ("allow_origins", "frame_ancestors")
_ORIGIN = re.compile(r"(https?://)?[A-Za-z0-9.*_-]+(:[0-9*]+)?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")


def load_settings(
    *,
    database_url: str | None = None,
    redis_url: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Arguments, else the environment, else `vibeseater.toml` in the home folder, else the defaults.

    The file is `$VIBESEATER_CONFIG`, or `vibeseater.toml` in `$VIBESEATER_HOME`; that it is missing is no error
    unless `VIBESEATER_CONFIG` names it.

    Raises:
        SettingsError: a value does not fit; the message names where it stands, the value and the cure.
    """
    values = _configured(os.environ if environ is None else environ)
    for field, value in {"database_url": database_url, "redis_url": redis_url}.items():
        if value is not None:
            values[field] = (value, f"connect({field}=…)")
    return _checked(values)


def show_settings(environ: Mapping[str, str] | None = None) -> list[Shown]:
    """Each setting as `load_settings` finds it, without secrets, and where it stands: a variable, the file, nowhere.

    Raises:
        SettingsError: as there.
    """
    values = _configured(os.environ if environ is None else environ)
    settings = _checked(values)
    shown = []
    for name in Settings.__struct_fields__:
        value = getattr(settings, name)
        if name in _SCHEMES:
            text = "embedded" if value is None else without_secrets(value)
        elif name in _SECRETS:
            text = "" if value is None else "***"
        else:
            text = ", ".join(value) if isinstance(value, tuple) else "" if value is None else str(value)
        shown.append(Shown(name=name, value=text, where=values[name][1] if name in values else "default"))
    return shown


def _configured(environ: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    """What the file and the environment say, and where they say it."""
    values = _from_file(environ)
    for field in Settings.__struct_fields__:
        text = environ.get(PREFIX + field.upper())
        if text:
            values[field] = (text, PREFIX + field.upper())
    return values


def _from_file(environ: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    named = environ.get(PREFIX + "CONFIG")
    home = environ.get(PREFIX + "HOME")
    path = Path(named) if named else (Path(home) if home else Settings().home) / "vibeseater.toml"
    try:
        data = tomllib.loads(path.expanduser().read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named:
            raise SettingsError(f"{PREFIX}CONFIG={named!r}: no such file. Mend the path, or unset it.") from None
        return {}
    except OSError as error:
        cure = f"Mend {PREFIX}CONFIG, or unset it." if named else f"Set {PREFIX}HOME to a folder of your own."
        raise SettingsError(f"{path}: can't be read ({error.strerror}). {cure}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML ({error}). Mend the file.") from error
    known = Settings.__struct_fields__
    for key in data:
        if key not in known:
            raise SettingsError(f"{path}: unknown setting {key!r}. Known are {', '.join(sorted(known))}.")
    return {key: (value, f"{key} in {path}") for key, value in data.items()}


def _checked(values: Mapping[str, tuple[Any, str]]) -> Settings:
    fields = {field.name: field for field in msgspec.structs.fields(Settings)}
    made: dict[str, Any] = {}
    for name, (value, where) in values.items():
        shown = without_secrets(value) if name in _SCHEMES else "***" if name in _SECRETS else value
        if name in _LISTS and isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        if isinstance(value, str) and fields[name].type is bool:
            value = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(value.lower(), value)
        try:
            made[name] = (
                Path(value).expanduser().absolute()
                if name in _PATHS
                else msgspec.convert(value, fields[name].type, strict=False)
            )
        except (msgspec.ValidationError, TypeError) as error:
            cure = _CURES.get(fields[name].type, "Give a text")
            raise SettingsError(f"{where} = {shown!r}: {error}. {cure}.") from None
        if name in _SCHEMES:
            _check_url(made[name], where, _SCHEMES[name])
        if name in _LEAST and not made[name] >= _LEAST[name]:
            raise SettingsError(f"{where} = {shown!r}: too small. Give at least {_LEAST[name]:g}.")
        if name in _MOST and not made[name] <= _MOST[name]:
            raise SettingsError(f"{where} = {shown!r}: too large. Give at most {_MOST[name]:g}.")
        if name == "prefix" and not _PREFIX.fullmatch(made[name]):
            raise SettingsError(f"{where} = {shown!r}: not a path. Write it as /events, without a slash at the end.")
        for origin in made[name] if name == "frame_ancestors" else ():
            if not _ORIGIN.fullmatch(origin):
                raise SettingsError(f"{where} = {origin!r}: not an origin. Write it as https://lab.example.org.")
    return Settings(**made)


def _check_url(url: str, where: str, schemes: tuple[str, ...]) -> None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises on a port that is no number
    except ValueError as error:
        raise SettingsError(f"{where} = {without_secrets(url)!r}: malformed URL ({error}).") from None
    if parts.scheme not in schemes or not url.startswith(f"{parts.scheme}://"):
        raise SettingsError(
            f"{where} = {without_secrets(url)!r}: malformed URL. "
            f"It begins with {' or '.join(f'{scheme}://' for scheme in schemes)}."
        )


def without_secrets(url: object) -> str:
    """The URL with its password replaced by `***`, fit for logs and messages."""
    if not isinstance(url, str):
        return "***"
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return "***"
    parts = parts._replace(query=_QUERY.sub(r"\1***", parts.query))
    if not password:
        return parts.geturl()
    return parts._replace(netloc=parts.netloc.replace(f":{password}@", ":***@", 1)).geturl()
