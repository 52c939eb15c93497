"""A component whose browser's half sends messages. It owns what is heard of them, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from panel.custom import JSComponent

__all__ = ["TellingComponent"]


class TellingComponent(JSComponent):
    """The browser's half sends `{"op": …}`. A browser sends what it likes: what is no object is left alone.

    Args:
        told: is given each message.
    """

    def __init__(self, told: Callable[[dict[str, Any]], None], **params: Any) -> None:
        super().__init__(**params)
        self._told = told

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict):
            self._told(data)
