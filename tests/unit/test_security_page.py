"""docs/security.md names a test for each line that it says holds: each of them is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.parsing import parsed

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_each_test_that_is_named_is_there() -> None:
    missing = []
    for file, name in NAMED.findall(PAGE):
        path = ROOT / file
        tree = parsed(path) if path.is_file() else ast.Module([], [])
        tests = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        if name not in tests:
            missing.append(f"{file}::{name}")
    assert missing == []


def test_each_line_that_is_said_to_hold_names_one() -> None:
    held = PAGE.split("## What holds", 1)[1].split("## Not there yet", 1)[0]
    lines = [line for line in held.splitlines() if line.startswith("| ") and not line.startswith(("| threat", "| ---"))]
    assert len(lines) > 20
    assert [line for line in lines if not NAMED.search(line)] == []
