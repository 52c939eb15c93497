"""An HTTP answer as a JSON document, whatever its charset; where it is none, the error says what it is instead.

It must not know what the document is read for.
"""

from __future__ import annotations

import codecs
import json
from typing import Any

import msgspec

from vibeseater.errors import SourceError
from vibeseater.sources.http import Answer
from vibeseater.sources.text import clean_text

__all__ = ["decode_json"]


def decode_json(answer: Answer) -> Any:
    """The document of an answer.

    Raises:
        SourceError: it is no JSON; the message says what it looks like instead.
    """
    text = _decoded(answer)
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        flaw = clean_text(error, 120)
    try:
        # Stricter than need be: one lone surrogate or NaN must not cost the whole document, only its item.
        return json.loads(text)
    except (ValueError, RecursionError):
        start = text[:500].lstrip().lower()
        if start.startswith(("<!doctype html", "<html")) or answer.content_type == "text/html":
            raise SourceError(f"{answer.url}: the answer is an HTML page, not JSON") from None
        what = f"; it begins with {clean_text(text[:60], 60)!r}" if text.strip() else "; it is empty"
        raise SourceError(f"{answer.url}: the answer is not JSON ({flaw}){what}") from None


def _decoded(answer: Answer) -> str:
    body = answer.body
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if body.startswith(mark):
            return body.decode(name, "replace")
    try:
        return body.decode("utf-8")  # what JSON is, whatever the server says
    except UnicodeDecodeError:
        try:
            return body.decode(answer.charset or "utf-8", "replace")
        except LookupError:
            return body.decode("utf-8", "replace")
