"""Hypothesis, as these tests use it: no deadline, since the machine may be busy."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("vibeseater", deadline=None)
settings.load_profile("vibeseater")
