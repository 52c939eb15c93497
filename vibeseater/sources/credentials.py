"""What is secret in a source's config: which fields, how a reference becomes the secret, and how they are shown.

It owns the mark of a secret field. A reference, `env:NAME`, is all that is kept where one is given: the secret itself
is looked up when it is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, get_args

import msgspec

from vibeseater.errors import InputError
from vibeseater.sources.secrets import resolve

__all__ = ["Headers", "Secret", "check_headers", "is_secret", "looks_secret", "reveal", "reveal_headers"]

Secret = Annotated[str, msgspec.Meta(min_length=1, max_length=10_000, extra={"secret": True})]
"""A field that holds a secret, or better a reference to it: `env:NAME`."""

Headers = Annotated[dict[str, str], msgspec.Meta(extra={"secret": True})]
"""HTTP headers that are sent along; a value, or its last word, may be a reference: `Bearer env:NAME`."""

_SECRET_NAMES = re.compile(r"token|secret|passw|signature|api_?key|auth|headers|credential", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_TAIL = re.compile(r"(?:^|(?<=\s))env:[A-Za-z_]\w{0,127}$")
# What the client sends itself, or what would make the answer something else than it reads.
_RESERVED = ("host", "content-length", "transfer-encoding", "connection", "accept-encoding", "upgrade")


def reveal(value: str) -> str:
    """The secret: looked up where a reference stands.

    Raises:
        SettingsError: the variable is not set here.
    """
    return resolve(value) if value.startswith("env:") else value


def reveal_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Headers with their references looked up.

    Raises:
        SettingsError: a variable is not set here.
    """
    return {name: _TAIL.sub(lambda found: resolve(found[0]), value).strip() for name, value in (headers or {}).items()}


def check_headers(headers: Mapping[str, str] | None, field: str = "config.headers") -> None:
    """Look at the form of headers.

    Raises:
        InputError: a name or value can't be sent; the value is not repeated.
    """
    for name, value in (headers or {}).items():
        if not _NAME.fullmatch(name) or name.lower() in _RESERVED:
            raise InputError(field, name, "a header that can't be set", "Give names such as Authorization")
        if not value.isprintable() or not value.isascii() or len(value) > 8000:
            raise InputError(f"{field}.{name}", "***", "not a header's value", "Give printable ASCII, or env:NAME")


def looks_secret(name: object) -> bool:
    """Whether a field of this name most likely holds a secret."""
    return bool(_SECRET_NAMES.search(str(name)))


def is_secret(annotation: Any) -> bool:
    """Whether a config's field of this type holds a secret."""
    for part in (annotation, *get_args(annotation)):
        if any(
            isinstance(meta, msgspec.Meta) and (meta.extra or {}).get("secret")
            for meta in getattr(part, "__metadata__", ())
        ):
            return True
    return False
