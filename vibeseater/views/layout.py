"""Boxes that rearrange themselves by the room there is, in a wide page, a notebook's cell or a phone. Only layout."""

from __future__ import annotations

from typing import Any

import panel as pn

__all__ = ["head", "sheet", "side_by_side", "together"]

_SHEET = """
:host { display: flex !important; flex-direction: column; gap: 14px; container-type: inline-size; }
:host > .scroll-button { display: none !important; }
"""
_HEAD = """
:host { display: flex !important; flex-flow: row wrap; align-items: center; gap: 10px 14px; }
:host > * { align-self: center !important; }
:host > :nth-child(1 of :not(style, link)) { flex: 0 1 auto; min-width: 0; max-width: 100%; }
:host > :last-child { margin-left: auto !important; }
"""
_TOGETHER = """
:host { display: flex !important; flex-flow: row wrap; gap: 8px; }
:host > .scroll-button { display: none !important; }
"""
_SIDE_BY_SIDE = """
:host { display: grid !important; grid-template-columns: minmax(0, 1fr) minmax(340px, 30%); gap: 14px; }
:host > * { align-self: stretch !important; }
:host > .scroll-button { display: none !important; }
@container (max-width: 860px) {
  /* One column: the parts join those of the sheet around them, and the narrow one goes to the end. */
  :host { display: contents !important; }
  :host > :nth-child(2 of :not(style, link, .scroll-button)) { order: 1; }
}
"""


def sheet(*parts: Any, **params: Any) -> Any:
    """Everything below one another, with even gaps."""
    return pn.Column(*parts, stylesheets=[_SHEET], sizing_mode="stretch_width", **params)


def head(*parts: Any) -> Any:
    """In one line as long as it fits; the last part stands at the end."""
    return pn.Row(*parts, stylesheets=[_HEAD], sizing_mode="stretch_width", margin=0)


def together(*parts: Any) -> Any:
    """Small parts as one, such as buttons."""
    return pn.Row(*parts, stylesheets=[_TOGETHER], margin=0)


def side_by_side(wide: Any, narrow: Any) -> Any:
    """Two parts beside each other; where there is little room, the narrow one at the end of the sheet they stand in."""
    return pn.Column(wide, narrow, stylesheets=[_SIDE_BY_SIDE], sizing_mode="stretch_width", margin=0)
