"""Links that lead out of `docs/`, to a notebook say: on a forge they lead to the file, in the site to the forge.

It owns nothing, and knows where the repository is published from `pyproject.toml` alone.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
# Files that the site holds as pages of other names.
PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
    "docs/search.md": "searching.md",
}

_LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(#[^)\s]*)?(?=\))")


def forge() -> str:
    """The address under which the repository's files are read, with a slash at its end."""
    address: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Changelog"]
    return address.removesuffix("CHANGELOG.md")


def led_beyond(text: str, folder: PurePosixPath) -> str:
    """The Markdown of a document of `folder` (relative to the repository) with such links made fit for the site."""

    def replaced(found: re.Match[str]) -> str:
        path, anchor = found[1], found[2] or ""
        target = os.path.normpath(folder / path).replace(os.sep, "/")
        if target in PAGES:
            # The README's parts are the site's own pages; its anchors are not.
            kept = "" if target == "README.md" else anchor
            return f"/{PAGES[target]}{kept}"
        if target.startswith("docs/"):
            return f"/{target.removeprefix('docs/')}{anchor}"
        return f"{forge()}{target}{anchor}"

    return _LINK.sub(replaced, text)


def _read(app: Sphinx, name: str, source: list[str]) -> None:
    source[0] = led_beyond(source[0], PurePosixPath("docs", name).parent)


def _include(app: Sphinx, path: Path, name: str, source: list[str]) -> None:
    # An included file's links are relative to itself, wherever it is included.
    source[0] = led_beyond(source[0], PurePosixPath((Path(app.srcdir) / path).resolve().relative_to(ROOT).parent))


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls it."""
    app.connect("source-read", _read)
    app.connect("include-read", _include)
    return {"parallel_read_safe": True}
