"""Secrets by reference: `env:NAME` stands in a source's config, and the environment of the process holds the secret.

It owns the form of a reference and its look-up. A secret itself is never kept, shown or repeated in a message.
"""

from __future__ import annotations

import os
import re

from vibeseater.errors import InputError, SettingsError

__all__ = ["check_reference", "resolve"]

_REFERENCE = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]{0,127})")


def check_reference(field: str, value: str) -> None:
    """Look at a reference's form. Whether the variable is set is no matter here: another process may run the source.

    Raises:
        InputError: it is no reference; what was given is not repeated, it may be the secret.
    """
    if not _REFERENCE.fullmatch(value):
        raise InputError(
            field,
            "***",
            "a secret must not stand in the configuration",
            "Put it into an environment variable of the server and give its name: env:MY_SECRET",
        )


def resolve(reference: str) -> str:
    """The secret that a reference stands for.

    Raises:
        SettingsError: the variable is not set here, or empty.
    """
    found = _REFERENCE.fullmatch(reference)
    name = found[1] if found else "?"
    secret = os.environ.get(name, "")
    if not secret:
        raise SettingsError(f"The environment variable {name}, which holds a source's secret, is not set. Set it.")
    return secret
