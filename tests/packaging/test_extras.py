"""Every extra is documented: the guide to installing says what it brings and what for, and names no other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tests.documents.reading import DOCUMENTS, ROOT, name_of

EXTRAS: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
GUIDE = (ROOT / "docs/how-to/install.md").read_text(encoding="utf-8")


def test_the_guide_has_a_row_for_each() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (.+) \| (.+) \|$", GUIDE, re.MULTILINE)
    assert sorted(name for name, _, _ in rows) == sorted(EXTRAS)
    assert all(len(brings) > 3 and len(purpose) > 10 for _, brings, purpose in rows)


def test_the_readme_leads_there() -> None:
    assert "(docs/how-to/install.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def _named(path: Path) -> set[str]:
    """The extras that a file would have installed: `vibeseater[alerts]`, `".[alerts,kafka]"`."""
    groups = re.findall(r"(?:\bvibeseater|['\"]\.)\[([a-z][a-z,-]*)\]", path.read_text(encoding="utf-8"))
    return {name for group in groups for name in group.split(",")}


def test_only_extras_that_there_are_would_be_installed() -> None:
    """Pip would merely warn of others, and install without them."""
    files = [*DOCUMENTS, ROOT / "pyproject.toml", ROOT / "deploy/Dockerfile", ROOT / "scripts/check"]
    files += (ROOT / "vibeseater").rglob("*.py")
    named = {path: found for path in files if (found := _named(path))}
    assert {"alerts", "kafka", "otel", "bench"} <= set().union(*named.values())
    assert {name_of(path): found - set(EXTRAS) for path, found in named.items() if found - set(EXTRAS)} == {}
