"""`manual`: a source whose events are made by hand, through `create_event`. It has no config, and nothing runs."""

from __future__ import annotations

from vibeseater.sources.base import SourceConfig, SourceType

__all__ = ["ManualConfig", "ManualSource"]


class ManualConfig(SourceConfig, frozen=True, kw_only=True):
    """Nothing to set."""


class ManualSource(SourceType):
    """Neither polled nor streaming: no worker runs it."""

    type = "manual"
    Config = ManualConfig
