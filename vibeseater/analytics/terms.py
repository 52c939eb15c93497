"""What events say: which fields they have, and which words are frequent in them. Counting only."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from vibeseater.analytics.frames import column
from vibeseater.errors import InputError
from vibeseater.inputs import check_limit

__all__ = ["STOP_WORDS", "top_fields", "top_terms"]

STOP_WORDS = frozenset(
    """
    a about after all also an and any are as at be been but by can could did do does for from had has have he her his
    how i if in into is it its just like me more my no not now of on one or our out over she so some than that the
    their them then there these they this to up us was we were what when which who will with would you your
    """.split()  # noqa: SIM905 - a word a line would fill a screen
)
"""English words that say nothing of a text by themselves."""

_WORD = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*")
_DIGITS = str.maketrans("123456789", "000000000")
_AT_ONCE = 5000  # texts that are taken apart together


def top_terms(
    frame: pd.DataFrame,
    fields: Sequence[str] | None = None,
    *,
    limit: int = 50,
    stop_words: Collection[str] = STOP_WORDS,
    shortest: int = 2,
) -> pd.DataFrame:
    """The most frequent words of the events' content. Words are of letters, with hyphens and apostrophes between them.

    Args:
        frame: events, as `to_dataframe` gives them.
        fields: the content's fields that count, such as `["title"]`; left out, every text directly in it. Addresses
            (`https://…`) never count.
        limit: at most so many rows.
        stop_words: words that are left out, in lower case.
        shortest: characters that a word has at least.

    Returns:
        `term` (in lower case), `count` (how often), `share` (of all words that count); the most frequent first, equals
        in the order of the alphabet.

    Raises:
        InputError: an argument does not fit.
    """
    check_limit(limit)
    if isinstance(fields, str) or (fields is not None and not all(isinstance(field, str) for field in fields)):
        raise InputError("fields", fields, "not a list of names", 'Give one such as ["title"]')
    contents = column(frame, "content").to_numpy()
    words: Counter[str] = Counter()
    for piece, number in _pieces(_texts(contents, fields)).items():
        if piece.isalpha():
            words[piece] += number
        elif "://" not in piece:
            for word in _WORD.findall(piece):
                words[word] += number
    kept = [(word, number) for word, number in words.items() if len(word) >= shortest and word not in stop_words]
    total = sum(number for _, number in kept)
    kept.sort(key=lambda item: (-item[1], item[0]))
    table = pd.DataFrame(kept[:limit], columns=["term", "count"]).astype({"term": "string", "count": "int64"})
    table["share"] = table["count"] / max(1, total)
    return table


def top_fields(frame: pd.DataFrame, *, limit: int = 50, values: int = 3) -> pd.DataFrame:
    """Which fields the events' content has, in how many events, and which values are the most frequent in each.

    Args:
        frame: events, as `to_dataframe` gives them.
        limit: at most so many rows.
        values: how many of the most frequent values are told.

    Returns:
        `field`, `events` (that have it), `share` (of all events), `kind` (the most frequent: `text`, `number`,
        `boolean`, `list`, `object`, `null`), `distinct` (different values; of lists and objects none are told apart),
        `mean` (of numbers, else NaN), `values` (the most frequent, `[(value, count), …]`); the most frequent first.
    """
    check_limit(limit)
    contents = column(frame, "content").to_numpy()
    fields: Counter[str] = Counter()
    for names, number in Counter(map(tuple, contents)).items():  # few shapes, however many events
        for name in names:
            fields[name] += number
    rows = []
    for name, number in sorted(fields.items(), key=lambda item: (-item[1], item[0]))[:limit]:
        rows.append({"field": name, "events": number, "share": number / max(1, len(contents))})
        rows[-1] |= _described([content[name] for content in contents if name in content], values)
    columns = ["field", "events", "share", "kind", "distinct", "mean", "values"]
    return pd.DataFrame(rows, columns=columns)


_KINDS = {
    str: "text",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
    list: "list",
    dict: "object",
}


def _described(found: list[Any], values: int) -> dict[str, Any]:
    kinds = Counter(map(type, found))
    kind = _KINDS.get(kinds.most_common(1)[0][0], "object")
    plain = found if not (kinds.keys() & {list, dict}) else [one for one in found if not isinstance(one, list | dict)]
    # True and 1 are one key to Python, and two values to whoever reads them.
    mixed = bool in kinds and (int in kinds or float in kinds)
    counted = Counter(map(repr, plain)) if mixed else Counter(plain)
    frequent = (
        sorted(counted.items(), key=lambda item: (-item[1], str(item[0])))[:values]
        if len(counted) < 10_000
        else counted.most_common(values)
    )
    numbers = [one for one in plain if type(one) in (int, float)] if kind == "number" else []
    mean = float(np.mean(np.asarray(numbers, dtype=float))) if numbers else float("nan")
    return {"kind": kind, "distinct": len(counted), "mean": mean, "values": frequent}


def _pieces(texts: Iterable[str]) -> Counter[str]:
    """How often each piece between blanks occurs. There are far fewer different ones to take apart than pieces.

    Digits, which belong to no word, are made equal: a million numbers are a million different pieces else. That is
    quick in ASCII only.
    """
    plain: list[str] = []
    others: list[str] = []
    for text in texts:
        (plain if text.isascii() else others).append(text)
    pieces: Counter[str] = Counter()
    for begin in range(0, len(plain), _AT_ONCE):
        pieces.update(" ".join(plain[begin : begin + _AT_ONCE]).translate(_DIGITS).lower().split())
    for begin in range(0, len(others), _AT_ONCE):
        pieces.update(" ".join(others[begin : begin + _AT_ONCE]).lower().split())
    return pieces


def _texts(contents: Iterable[Any], fields: Sequence[str] | None) -> Iterable[str]:
    if fields is None:
        values = (value for content in contents for value in content.values() if type(value) is str)
    else:
        values = (value for content in contents for field in fields if type(value := content.get(field)) is str)
    return (value for value in values if not value.startswith(("http://", "https://")) or " " in value)
