"""What a notebook's browser tells back of the plot is taken."""

from __future__ import annotations

import pytest
from bokeh.core.property.vectorization import Value
from bokeh.models import Line, VAreaStep

import vibeseater.views.plot_figure  # noqa: F401 - it teaches Bokeh


def test_a_colour_that_a_browser_tells_back_is_taken() -> None:
    """As it keeps it: a value in a wrapper. What is no colour is refused as before."""
    glyph = VAreaStep(x="x", y1=0, y2="c")
    glyph.set_from_json("fill_color", Value(value="#8a8f98"))
    assert glyph.fill_color == "#8a8f98"
    line = Line(x="x", y="c")
    line.set_from_json("line_color", Value(value="#8a8f98"))
    assert line.line_color == "#8a8f98"
    with pytest.raises(ValueError, match="fill_color"):
        glyph.fill_color = "no colour"
