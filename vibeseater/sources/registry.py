"""The types of sources that exist: each module of `sources/types` that defines one, and entry points of other packages.

It owns the names. It must not know what a type does, nor who runs it.

A third party adds a type with an entry point in the group `vibeseater.sources`: its name the type, its value the class.
"""

from __future__ import annotations

import logging
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import msgspec

from vibeseater.errors import InputError, NotFoundError
from vibeseater.sources import types
from vibeseater.sources.base import PolledSource, SourceConfig, SourceType, StreamingSource, make_config

__all__ = ["ENTRY_POINTS", "get_type", "has_worker", "known_types", "parse_config", "validate_config"]

ENTRY_POINTS = "vibeseater.sources"

_log = logging.getLogger(__name__)


@cache
def _built_in() -> dict[str, type[SourceType]]:
    found: dict[str, type[SourceType]] = {}
    for info in pkgutil.iter_modules(types.__path__):
        module = import_module(f"{types.__name__}.{info.name}")
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and issubclass(value, SourceType)
                and value.__module__ == module.__name__
                and isinstance(vars(value).get("type"), str)
            ):
                found[value.type] = value
    return found


@cache
def _third_party() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def known_types() -> list[str]:
    """The names of all types, sorted."""
    return sorted({*_built_in(), *_third_party()})


def get_type(name: str) -> type[SourceType]:
    """The class of a type. A type of this package can't be replaced by another package's.

    Raises:
        NotFoundError: there is no such type; the message lists those that there are.
        InputError: another package names it, and it can't be loaded.
    """
    built_in = _built_in().get(name) if isinstance(name, str) else None
    if built_in is not None:
        return built_in
    point = _third_party().get(name) if isinstance(name, str) else None
    if point is None:
        raise NotFoundError("type", name, "no such type of source", f"Known are: {', '.join(known_types())}")
    return _loaded(point)


@cache
def _loaded(point: EntryPoint) -> type[SourceType]:
    try:
        found = point.load()
    except Exception as error:
        _log.exception("the source type %r of %s can't be loaded", point.name, point.value)
        raise InputError(
            "type", point.name, f"{point.value} can't be loaded ({error})", "Mend or uninstall that package"
        ) from error
    if not (isinstance(found, type) and issubclass(found, SourceType) and hasattr(found, "Config")):
        raise InputError(
            "type", point.name, f"{point.value} is no SourceType", "Mend that package: it must name such a class"
        )
    return found


def has_worker(name: str) -> bool:
    """Whether sources of this type are run at all. An unknown type counts as one that should be, and fails visibly."""
    try:
        return issubclass(get_type(name), PolledSource | StreamingSource)
    except InputError:
        return True


def parse_config(name: str, config: Mapping[str, Any] | None) -> SourceConfig:
    """The config as the type's struct.

    Raises:
        NotFoundError, InputError: as in `validate_config`.
    """
    return make_config(get_type(name).Config, {} if config is None else config, name)


def validate_config(name: str, config: Mapping[str, Any] | None, *, allow_private_urls: bool = True) -> dict[str, Any]:
    """The config as it is kept: checked, its values in their own types, and only what was given.

    Defaults are left out, so that a later version's better defaults reach the sources that exist.

    Args:
        allow_private_urls: whether it may name addresses of this machine and of private networks.

    Raises:
        NotFoundError: there is no such type.
        InputError: a field is missing, unknown or wrong; it names `config.<field>`, the value and the cure.
    """
    parsed = parse_config(name, config)
    if not allow_private_urls:
        parsed.check_reach()
    made = msgspec.to_builtins(parsed)
    return {field: made[field] for field, value in (config or {}).items() if value is not None}
