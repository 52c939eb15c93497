"""A radio group of chips or segments: one choice of several. What is chosen from is not known here."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import param
from panel.custom import JSComponent

from vibeseater.views import component

__all__ = ["Apply", "Choice", "at_once"]

Apply = Callable[[Callable[[], None]], None]
"""Runs a change that a browser asked for where nothing else touches what it changes."""


def at_once(change: Callable[[], None]) -> None:
    """The `Apply` of a component that stands alone."""
    change()


class Choice(JSComponent):
    """One choice of several. `options` are dicts of `value`, `label` and, if wanted, `colour` and `count`."""

    value = param.String("", doc="The value of the chosen option.")
    options = param.List([], doc="What there is to choose from, in order.")
    count = param.Integer(
        None, allow_None=True, doc="The first option's count, where it moves more often than the rest."
    )
    partly = param.List([], doc="Values that are chosen together, elsewhere: their options are marked, none is chosen.")
    label = param.String("", doc="What is chosen, for screen readers.")
    look = param.Selector(default="chips", objects=["chips", "segments"], doc="Loose chips, or one segmented bar.")

    _esm = component.script("choice")
    _stylesheets: ClassVar[list[str]] = component.styles("choice")
