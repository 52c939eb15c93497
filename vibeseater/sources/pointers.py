"""JSON pointers (RFC 6901) into foreign documents: checked once, followed without surprise."""

from __future__ import annotations

from typing import Any

from jsonpointer import JsonPointer, JsonPointerException

from vibeseater.errors import InputError

__all__ = ["MISSING", "check_pointer", "follow"]

MISSING: Any = object()
"""What `follow` gives where the pointer leads nowhere. None is a value that a document may hold."""


def check_pointer(field: str, pointer: str | None) -> None:
    """Look at a pointer's form.

    Raises:
        InputError: it is no JSON pointer.
    """
    if pointer is None:
        return
    try:
        JsonPointer(pointer)
    except JsonPointerException:
        raise InputError(
            field,
            pointer,
            "not a JSON pointer",
            "Write '/properties/time'; '' is the whole; ~1 stands for / and ~0 for ~",
        ) from None


def follow(document: Any, pointer: str) -> Any:
    """What stands at the pointer, or MISSING."""
    try:
        here = document
        for part in JsonPointer(pointer).parts:
            if isinstance(here, dict):
                here = here[part]
            elif isinstance(here, list) and part.isascii() and part.isdigit():
                here = here[int(part)]
            else:
                return MISSING
    except (KeyError, IndexError, ValueError):
        return MISSING
    return here
