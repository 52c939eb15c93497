"""HTML for notebooks: small, escaped, without scripts. Whatever it shows is text, however hostile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

__all__ = ["HIDDEN", "card", "escape", "printable", "table"]

_LONGEST = 500  # characters of one value that a card shows

# Characters that reorder or hide the text around them; shown as their code point instead. The joiners U+200C and U+200D
# are not among them: Persian and emoji are written with them, and they move nothing.
HIDDEN = {
    code: f"\\u{code:04x}"
    for code in (
        *range(0x09),
        0x0B,
        0x0C,
        *range(0x0E, 0x20),
        *range(0x7F, 0xA0),
        0x061C,
        0x200B,
        0x200E,
        0x200F,
        *range(0x2028, 0x202F),
        *range(0x2060, 0x2070),
        0xFEFF,
        *range(0xFFF9, 0xFFFC),
    )
}


def printable(value: object) -> str:
    """The value as one piece of harmless text: control and direction characters made visible, cut to length."""
    text = str(value)
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}…"
    return text.translate(HIDDEN)


def card(title: str, fields: Mapping[str, Any]) -> str:
    """A titled two-column table of the fields."""
    rows = "".join(
        f'<tr><th style="text-align:left;padding:2px 12px 2px 0;font-weight:500;opacity:.7">{escape(name)}</th>'
        f'<td style="text-align:left;font-variant-numeric:tabular-nums">{escape(printable(value))}</td></tr>'
        for name, value in fields.items()
    )
    return f'<div class="vibeseater-card"><strong>{escape(title)}</strong><table>{rows}</table></div>'


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table with a head."""
    head = "".join(f'<th style="text-align:left">{escape(column)}</th>' for column in columns)
    body = "".join(
        "<tr>" + "".join(f'<td style="text-align:left">{escape(printable(value))}</td>' for value in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
