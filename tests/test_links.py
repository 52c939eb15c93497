"""The documents lead somewhere: every link and picture in a Markdown file is there, and so is every anchor."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("notebooks/**/*.md")])
OUTSIDE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


@cache
def _tokens(document: Path) -> list[Token]:
    return MarkdownIt().enable("table").parse(document.read_text(encoding="utf-8"))


def _targets(document: Path) -> list[str]:
    """Where its links and pictures lead; what stands in code is no link."""
    inline = [one for token in _tokens(document) for one in token.children or []]
    return [str(one.attrs[key]) for one in inline for key in ("href", "src") if key in one.attrs]


@cache
def _anchors(document: Path) -> set[str]:
    """The anchors of its headings, as a forge makes them, and the site too."""
    tokens = _tokens(document)
    headings = [after for token, after in pairwise(tokens) if token.type == "heading_open"]
    seen: Counter[str] = Counter()
    found = set()
    for heading in headings:
        text = "".join(one.content for one in heading.children or [] if one.type in ("text", "code_inline"))
        slug = re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(document: Path) -> None:
    """Nothing is named that is not in the repository, and no anchor that its document does not have."""
    for target in _targets(document):
        if OUTSIDE.match(target):
            continue
        path, _, anchor = unquote(target).partition("#")
        found = document.parent / path if path else document
        assert found.exists(), f"{document.name} links to {target}"
        assert found.resolve().is_relative_to(ROOT), f"{document.name} links to {target}, outside of the repository"
        # The reference's headings are made from the code, when the site is built; the build checks those.
        if anchor and found.suffix == ".md" and ROOT / "docs" / "reference" not in found.resolve().parents:
            assert anchor in _anchors(found), f"{document.name} links to {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_elsewhere_is_an_address(document: Path) -> None:
    """Whether it answers is asked by `scripts/docs --links`, which needs a network."""
    for target in _targets(document):
        if not OUTSIDE.match(target):
            continue
        parts = urlsplit(target)
        assert parts.scheme in ("https", "mailto"), f"{document.name}: {target}: https, please"
        if parts.scheme == "https":
            assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc), f"{document.name}: {target}"
            assert not re.search(r"[\s.,;:)]$", target), f"{document.name}: {target}: ends like a sentence"


def test_every_document_is_found() -> None:
    """A document that no other leads to is read by nobody."""
    led_to = {
        (document.parent / unquote(target).partition("#")[0]).resolve()
        for document in DOCUMENTS
        for target in _targets(document)
        if not OUTSIDE.match(target)
    }
    # What the site's index lists by a pattern.
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for block in re.findall(r"^```\{toctree\}\n(.*?)^```", index, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if line and not line.startswith(":"):
                led_to |= {path.resolve() for path in (ROOT / "docs").glob(f"{line}.md")}
    api = ROOT / "docs" / "reference" / "api"
    lost = [
        str(path.relative_to(ROOT))
        for path in DOCUMENTS
        if path.resolve() not in led_to and api not in path.parents and path.name not in ("README.md", "index.md")
    ]
    assert lost == []
