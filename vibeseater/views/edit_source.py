"""A source's configuration as a page may show and take it back: secrets leave the server as `***`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from vibeseater.errors import InputError
from vibeseater.masking import masked

__all__ = ["shown", "taken"]

_MISSING = object()


def shown(config: Mapping[str, Any]) -> str:
    """The configuration as JSON text to be edited."""
    return msgspec.json.format(msgspec.json.encode(masked(config)), indent=2).decode()


def taken(text: str, config: Mapping[str, Any]) -> Any:
    """The edited text as a configuration; what still stands as it was shown is what it was.

    Args:
        config: what is stored now.

    Raises:
        InputError: it is no JSON, or holds `***` in something that was changed.
    """
    try:
        edited = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError("config", "…", f"not valid JSON ({error})", "Mend it, or cancel") from None
    return _restored("config", edited, masked(config), config)


def _restored(where: str, value: Any, before: Any, stored: Any) -> Any:
    if value == before:
        return stored
    if isinstance(value, dict):
        return {
            name: _restored(f"{where}.{name}", inner, _of(before, name), _of(stored, name))
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_restored(f"{where}[{index}]", inner, _MISSING, _MISSING) for index, inner in enumerate(value)]
    if isinstance(value, str) and "***" in value:
        raise InputError(where, value, "*** stands for a secret that is not shown", "Write it out, or give env:NAME")
    return value


def _of(holder: Any, name: str) -> Any:
    return holder.get(name, _MISSING) if isinstance(holder, Mapping) else _MISSING
