"""HTML for notebooks shows whatever it is given as text."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from vibeseater import html

TAGS = {"div", "strong", "table", "thead", "tbody", "tr", "th", "td"}


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(made: str) -> _Parser:
    """What a browser would see."""
    parser = _Parser()
    parser.feed(made)
    parser.close()
    return parser


@given(st.text(), st.dictionaries(st.text(), st.text(), max_size=4))
def test_no_text_becomes_a_tag(title: str, fields: dict[str, str]) -> None:
    """Whatever titles, names and values hold, a card has only the tags and attributes of a card."""
    seen = parsed(html.card(title, fields))
    assert set(seen.tags) <= TAGS
    assert seen.tags.count("tr") == len(fields)
    assert seen.attributes <= {"class", "style"}


@given(st.lists(st.text(), min_size=1, max_size=3), st.lists(st.lists(st.text(), max_size=3), max_size=3))
def test_no_cell_becomes_a_tag(columns: list[str], rows: list[list[str]]) -> None:
    """The same of tables."""
    seen = parsed(html.table(columns, rows))
    assert set(seen.tags) <= TAGS
    assert seen.tags.count("tr") == 1 + len(rows)


@given(st.text())
def test_printable_text_hides_nothing(text: str) -> None:
    """No control or direction character is left, and plain text stays as it is."""
    shown = html.printable(text)
    assert not re.search(
        "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]", shown
    )
    if text.isascii() and text.isprintable() and len(text) <= 500:
        assert shown == text


def test_direction_tricks_become_visible() -> None:
    """A right-to-left override is shown as its code point, and turns nothing around."""
    assert html.printable("invoice\u202egpj.exe") == "invoice\\u202egpj.exe"


def test_joiners_stay() -> None:
    """Persian words and emoji that are written with joiners stay as they are."""
    for text in ("می\u200cخواهم", "👩\u200d🚀"):
        assert html.printable(text) == text


def test_long_values_are_cut() -> None:
    """A huge field stays small in a card."""
    made = html.card("Event", {"content": "<" * 1_000_000})
    assert len(made) < 5_000
    assert "…" in unescape(made)


def test_values_of_any_kind_are_shown() -> None:
    """Numbers, None and nested values are shown as Python writes them."""
    seen = parsed(html.card("Event", {"a": None, "b": 4.5, "c": {"d": ["<i>"]}}))
    assert "None" in seen.text
    assert "4.5" in seen.text
    assert "{'d': ['<i>']}" in seen.text
