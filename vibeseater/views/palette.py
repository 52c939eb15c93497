"""The colours of sources: told apart by colour-blind readers, legible on light and on dark. Colours only, no models."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["ACCENT", "NO_SOURCE", "SOURCE_COLOURS", "colour_of"]

ACCENT = "#4f63d2"
"""The one accent colour of the pages."""

NO_SOURCE = "#8a8f98"
"""Events that were made by hand and belong to no source."""

# Twelve that stand out from light and from dark ground, chosen by search: any two lie at least 0.09 apart in Oklab, for
# those who see all colours and as protanopes, deuteranopes and tritanopes see them.
SOURCE_COLOURS = (
    "#7e72e7",
    "#9eb919",
    "#d55c13",
    "#4d9ebc",
    "#af2c1f",
    "#70adfb",
    "#c37b80",
    "#37759e",
    "#1ad1d1",
    "#5d4dbe",
    "#eba295",
    "#a9496b",
)


def colour_of(key: str, order: Sequence[str]) -> str:
    """The colour of a source by its place among all sources of the stream; beyond the palette it starts again.

    Args:
        key: the source's id as text; what is not in the order, `none` above all, is grey.
        order: ids of all the stream's sources, oldest first, so that a colour stays when another source comes.
    """
    if key not in order:
        return NO_SOURCE
    return SOURCE_COLOURS[order.index(key) % len(SOURCE_COLOURS)]
