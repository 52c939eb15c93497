"""What is wrong, in words with the cure, and the most telling figures below: the top of the operations page."""

from __future__ import annotations

from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from vibeseater.views import component

__all__ = ["ProblemList"]


class ProblemList(JSComponent):
    """`problems` are dicts of `severity`, `message`, `cure`; `tiles` of `label`, `value`, `note`: all text."""

    problems = param.List([])
    tiles = param.List([])
    loaded = param.Boolean(False, doc="Whether something was measured, so that no problems mean that all is well.")

    _esm = component.script("problem_list")
    _stylesheets: ClassVar[list[str]] = component.styles("problem_list")

    def __init__(self, **params: Any) -> None:
        super().__init__(**{"sizing_mode": "stretch_width", "margin": 0, **params})
