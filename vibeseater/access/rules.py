"""Who has which role, and who sees which streams: the rules of a file, read again when it changes. It knows no pages.

Where no file is named everybody is an admin, as it is on one's own machine.
"""

from __future__ import annotations

import logging
import os
import re
import time
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import msgspec

from vibeseater.access.actions import RIGHTS, ROLES, Role, may
from vibeseater.errors import SettingsError

__all__ = ["NOBODY", "Access", "Person", "Rules", "access_of", "read_rules"]

_log = logging.getLogger(__name__)

_LOOK = 1.0  # seconds between two looks at whether the file has changed
_GROUP = "@"
_ALL = "*"


class Person(NamedTuple):
    """Who looks at a page.

    Attributes:
        name: as the login tells it; None where nobody had to sign in.
        mail: the e-mail address that an OAuth provider tells and has not called unverified, else None.
    """

    name: str | None = None
    mail: str | None = None

    @property
    def known_as(self) -> set[str]:
        """What rules may call this person."""
        # A name that looks like a group's is nobody's: who chooses it at a provider is not in the group.
        return {_folded(one) for one in self if one and not one.startswith(_GROUP)}

    @property
    def told(self) -> str:
        """What this person is called in messages."""
        return self.name or self.mail or "anonymous"


NOBODY = Person()
"""Who did not have to sign in."""


class Seen(Protocol):
    """Of a stream, what rules look at."""

    @property
    def id(self) -> UUID: ...
    @property
    def slug(self) -> str: ...
    @property
    def title(self) -> str: ...


class StreamRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who sees some streams.

    Attributes:
        stream: a stream's id, slug or title; `*` stands for any characters, `?` for one. Upper and lower case are one.
        seen_by: names, e-mail addresses, `@group`; `*` is whoever has a role.
    """

    stream: str
    seen_by: tuple[str, ...]

    def fits(self, stream: Seen) -> bool:
        """Whether it is about this stream."""
        # Brackets are brackets: titles have them, and a class of characters that fits nothing would hide nothing.
        parts = {"*": ".*", "?": "."}
        wanted = re.compile("".join(parts.get(one) or re.escape(one) for one in self.stream.casefold()), re.DOTALL)
        return any(wanted.fullmatch(one.casefold()) for one in (str(stream.id), stream.slug, stream.title))


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file says.

    Attributes:
        default: the role of who is not named: a role, or `none`.
        users: roles by name, e-mail address or `@group`.
        groups: their members' names and e-mail addresses.
        streams: who sees which; the first that fits a stream decides. What none fits is seen by whoever has a role.
    """

    default: str = "none"
    users: dict[str, str] = {}
    groups: dict[str, tuple[str, ...]] = {}
    streams: tuple[StreamRule, ...] = ()

    def role_of(self, person: Person) -> Role | None:
        """The role of the name itself, else the highest of its groups, else the default; None: none at all."""
        names = person.known_as
        given = [role for name, role in self.users.items() if _folded(name) in names]
        if not given:
            mine = self._groups_of(names)
            given = [role for name, role in self.users.items() if name in mine]
        ranked = [role for role in ROLES if role in (given or [self.default])]
        return ranked[-1] if ranked else None

    def allows(self, person: Person, name: str) -> bool:
        """Whether somebody may make a call, whichever stream it is about; what is about all is for who sees all.

        Args:
            name: a key of `RIGHTS`.
        """
        role = self.role_of(person)
        return role is not None and may(role, name) and (RIGHTS[name].about != "all" or self.sees_all(person))

    def sees(self, person: Person, stream: Seen) -> bool:
        """Whether somebody sees a stream. Admins see all; who has no role sees none."""
        role = self.role_of(person)
        if role is None or role == "admin":
            return role is not None
        rule = next((one for one in self.streams if one.fits(stream)), None)
        return rule is None or self._named(person, rule)

    def sees_all(self, person: Person) -> bool:
        """Whether there is no stream that somebody does not see, whatever it is called."""
        role = self.role_of(person)
        return role is not None and (role == "admin" or all(self._named(person, one) for one in self.streams))

    def _named(self, person: Person, rule: StreamRule) -> bool:
        names = person.known_as
        names |= self._groups_of(names)
        return _ALL in rule.seen_by or any(_folded(one) in names for one in rule.seen_by)

    def _groups_of(self, names: set[str]) -> set[str]:
        return {
            f"{_GROUP}{group}"
            for group, members in self.groups.items()
            if any(_folded(member) in names for member in members)
        }


def _folded(name: str) -> str:
    """A name as it is compared: of an e-mail address, case does not matter."""
    return name.casefold() if "@" in name[1:] else name


def read_rules(path: Path) -> Rules:
    """The rules of a file.

    Raises:
        SettingsError: it can't be read, or does not fit; the message names the field, the value and the cure.
    """
    where = f"access = {str(path)!r}"
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{where}: can't be read ({error.strerror}). Mend the path, or let it be read.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{where}: not valid TOML ({error}). Mend the file.") from None
    try:
        rules = msgspec.convert(told, Rules)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"{where}: {error}. It may hold default, [users], [groups], and [[streams]] with stream and seen_by."
        ) from None
    for field, role in {
        "default": rules.default,
        **{f"users.{name}": role for name, role in rules.users.items()},
    }.items():
        if role not in (*ROLES, "none"):
            raise SettingsError(f"{where}: {field} = {role!r}: no role. Give {', '.join(ROLES)} or none.")
    named = [(f"users.{name}", name) for name in rules.users]
    for number, rule in enumerate(rules.streams):
        if not rule.stream.strip():
            raise SettingsError(f"{where}: streams[{number}].stream = {rule.stream!r}: empty. Give an id or a pattern.")
        named += [(f"streams[{number}].seen_by", one) for one in rule.seen_by]
    for field, name in named:
        if name.startswith(_GROUP) and name[1:] not in rules.groups:
            raise SettingsError(f"{where}: {field} = {name!r}: no such group. Add it to [groups].")
    return rules


_EVERYBODY = Rules(default="admin")


class Access:
    """The rules as they are now.

    Args:
        path: of the file; None where everybody is an admin.

    Raises:
        SettingsError: as `read_rules`. A file that is spoilt later changes nothing until it is mended; the log tells.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._rules = _EVERYBODY if path is None else read_rules(path)
        self._stamp = self._stamp_now()
        self._looked = time.monotonic()

    @property
    def rules(self) -> Rules:
        """What holds now."""
        now = time.monotonic()
        if self.path is not None and now - self._looked >= _LOOK:
            self._looked = now
            stamp = self._stamp_now()
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._rules = read_rules(self.path)
                    _log.info("the rules of access were read again")
                except SettingsError as error:
                    _log.error("the rules of access stay as they were: %s", error)
        return self._rules

    def _stamp_now(self) -> Any:
        if self.path is None:
            return None
        try:
            told = os.stat(self.path)
        except OSError as error:
            return error.errno
        return told.st_mtime_ns, told.st_size, told.st_ino


@lru_cache(maxsize=16)
def access_of(path: Path | None) -> Access:
    """The rules of a file, one `Access` a process, so that all pages look at the same.

    Raises:
        SettingsError: as `read_rules`.
    """
    return Access(path)
