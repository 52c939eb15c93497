"""Foreign text made harmless: markup stripped, hidden bytes dropped, length bounded, links kept only if http(s).

It owns what may stay of a text that strangers wrote. It knows no feed format.
"""

from __future__ import annotations

import html
import re
from urllib.parse import urlsplit

import nh3

__all__ = ["clean_text", "safe_link", "strip_markup"]

# NUL and lone surrogates can't be stored; the other control characters hide or reorder what stands around them.
_UNWANTED = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)
_SPACES = re.compile(r"[ \t\r\f\v\u00a0]+")
_BREAKS = re.compile(r"\s*\n\s*")
_BLOCKS = re.compile(r"<\s*/?\s*(?:p|br|div|li|tr|h[1-6]|blockquote|pre|table|ul|ol)\b[^<>]{0,2000}>", re.IGNORECASE)
_MARKUP = re.compile(r"[<&]")
_LONGEST_LINK = 2048


def clean_text(text: object, longest: int = 1000) -> str:
    """The text on one line, without control characters, cut to `longest` characters."""
    line = _SPACES.sub(" ", _UNWANTED.sub("", str(text)).replace("\n", " ")).strip()
    return _cut(line, longest)


def strip_markup(text: object, longest: int = 10_000) -> str:
    """HTML reduced to its text: scripts and styles gone with what they hold, entities resolved, lines kept.

    What comes out is text. It may hold a `<` that was meant as text, and is to be escaped like all text.
    """
    source = _UNWANTED.sub("", str(text))[
        : longest * 20
    ]  # bounded before it is parsed: markup is wordy, not that wordy
    if _MARKUP.search(source):
        source = _BLOCKS.sub("\n", source)
        source = html.unescape(nh3.clean(source, tags=set(), clean_content_tags={"script", "style"}, attributes={}))
        source = _UNWANTED.sub("", source)
    return _cut(_BREAKS.sub("\n", _SPACES.sub(" ", source)).strip(), longest)


def safe_link(link: object) -> str | None:
    """The link if it is an absolute http or https address, else None (`javascript:`, `data:` and their kin)."""
    if not isinstance(link, str):
        return None
    link = link.strip()
    if not link or len(link) > _LONGEST_LINK or _UNWANTED.search(link) or re.search(r"\s", link):
        return None
    try:
        parts = urlsplit(link)
        host = parts.hostname
    except ValueError:
        return None
    return link if parts.scheme.lower() in ("http", "https") and host else None


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
