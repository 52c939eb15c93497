"""What of a configuration may be shown: secrets become `***`, references to them stay. It knows no type of source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["masked", "masked_url"]

_NAMES = re.compile(r"token|secret|passw|signature|api_?key|auth|cookie|credential", re.IGNORECASE)
_QUERY = re.compile(r"([?&][^=&#]*(?:token|secret|passw|signature|key|auth|sig)[^=&#]*=)[^&#]+", re.IGNORECASE)
_USER = re.compile(r"(://[^/@\s:]*):[^/@\s]*@")
# References, hashes, and words that say how a secret is used rather than what it is.
_HARMLESS = re.compile(r"(?:[A-Za-z]+\s+)?env:[A-Za-z_]\w*|sha256:[0-9a-f]{64}|signature|bearer")


def masked(config: Mapping[str, Any]) -> dict[str, Any]:
    """A source's configuration as it may be shown in reprs, notebooks, lists and logs."""
    return {name: _masked(name, value) for name, value in config.items()}


def masked_url(url: str | None) -> str | None:
    """An address as it may be shown, and stored as a name."""
    return None if url is None else _USER.sub(r"\1:***@", _QUERY.sub(r"\1***", url))


def _masked(name: str, value: Any, *, secret: bool = False) -> Any:
    secret = secret or bool(_NAMES.search(name)) or name == "headers"
    if isinstance(value, Mapping):
        return {key: _masked(str(key), inner, secret=secret) for key, inner in value.items()}
    if isinstance(value, list):
        return [_masked(name, inner, secret=secret) for inner in value]
    if isinstance(value, str):
        if secret:
            return value if not value or _HARMLESS.fullmatch(value) else "***"
        return masked_url(value)
    return value
