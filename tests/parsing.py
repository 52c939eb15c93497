"""Reads Python files as trees, for tests about the code itself."""

from __future__ import annotations

import ast
import gc
from pathlib import Path

__all__ = ["parsed"]


def parsed(path: Path) -> ast.Module:
    """A file's tree.

    Nothing is collected meanwhile: garbage of other tests that runs code as it goes, such as a task that logs its end,
    spoils the parser's count of its own depth in Python before 3.11.5, which then raises a SystemError.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        if enabled:
            gc.enable()
