"""Bookmarks and highlights: what people note about a stream, stored, and shared live between all who watch it."""

from vibeseater.bookmarks.bookmarks import Bookmarks
from vibeseater.bookmarks.colours import COLOURS
from vibeseater.bookmarks.highlights import Highlights
from vibeseater.bookmarks.records import Bookmark, Highlight

__all__ = ["COLOURS", "Bookmark", "Bookmarks", "Highlight", "Highlights"]
