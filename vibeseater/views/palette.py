"""The colours of sources: told apart by colour-blind readers, legible on light and on dark. Colours only, no models."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["ACCENT", "NO_SOURCE", "SOURCE_COLOURS", "colour_of"]

ACCENT = "#4f63d2"
"""The one accent colour of the pages."""

NO_SOURCE = "#8a8f98"
"""Events that were made by hand and belong to no source."""

# After Okabe and Ito, without their black (invisible on dark) and their yellow (invisible on light), at a lightness
# that stands out from both grounds; neighbours in the list differ in lightness too, for readers who see no hue.
SOURCE_COLOURS = ("#2f80c2", "#e69f00", "#0f9d74", "#c9679f", "#56b4e9", "#d55e00", "#8067c9", "#8c9a1f")


def colour_of(key: str, order: Sequence[str]) -> str:
    """The colour of a source by its place among all sources of the stream; beyond the palette it starts again.

    Args:
        key: the source's id as text; what is not in the order, `none` above all, is grey.
        order: ids of all the stream's sources, oldest first, so that a colour stays when another source comes.
    """
    if key not in order:
        return NO_SOURCE
    return SOURCE_COLOURS[order.index(key) % len(SOURCE_COLOURS)]
