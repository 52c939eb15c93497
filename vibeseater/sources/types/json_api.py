"""`json`: polls an address that answers with JSON (GeoJSON too), and finds the items by JSON pointers.

It owns what a document must look like. One item that does not fit is passed over and counted; a document that does
not fit is an error.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from vibeseater.errors import SourceError
from vibeseater.sources.base import Batch, Interval, Item, Poll, PolledSource, ReadConfig, oldest_first
from vibeseater.sources.conditional import get_if_changed
from vibeseater.sources.credentials import Headers, check_headers, reveal_headers
from vibeseater.sources.http import Answer
from vibeseater.sources.json_document import decode_json
from vibeseater.sources.mapping import BadItemError, hash_of, to_item
from vibeseater.sources.parsing import parsed
from vibeseater.sources.pointers import MISSING, check_pointer, follow
from vibeseater.sources.presets import JSON, apply_preset, check_preset_url
from vibeseater.sources.text import clean_text
from vibeseater.sources.times import TimeUnit

__all__ = ["JsonConfig", "JsonSource", "read_items"]

_DEFAULTS: dict[str, Any] = {"interval": 60.0, "items": "", "time_unit": "iso", "event_type": "json_item"}
_MOST_ITEMS = 50_000


class JsonConfig(ReadConfig, frozen=True, kw_only=True):
    """What `json` asks for. `url` or `preset` is needed; what is given overrides the preset.

    Attributes:
        url: the address.
        preset: a well-known API, such as `usgs-earthquakes`.
        interval: seconds between two polls (60); the server may ask for more.
        items: pointer to the list of items; the whole document when not given.
        id: pointer in an item to its id; without it, a hash of the item.
        time: pointer in an item to when it happened; without it, the time of storing.
        time_unit: `iso`, `s` or `ms` (since 1970).
        title: pointer in an item to its title.
        link: pointer in an item to its page.
        headers: what to send along; a value may end with a reference, `Bearer env:NAME`.
        event_type: the type of its events.
    """

    url: str | None = None
    preset: str | None = None
    interval: Interval | None = None
    items: str | None = None
    id: str | None = None
    time: str | None = None
    time_unit: TimeUnit | None = None
    title: str | None = None
    link: str | None = None
    headers: Headers | None = None
    event_type: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None

    def check(self) -> None:
        """The URL must be a whole one, the pointers pointers."""
        check_preset_url(self.filled().url, "json")
        check_headers(self.headers)
        for field in ("items", "id", "time", "title", "link"):
            check_pointer(f"config.{field}", getattr(self, field))

    def filled(self) -> JsonConfig:
        """With the preset's values and the defaults."""
        return apply_preset(self, JSON, _DEFAULTS)


class JsonSource(PolledSource):
    """Polls one address."""

    type = "json"
    Config = JsonConfig

    async def poll(self, cursor: Any) -> Poll:
        """Ask for the document if it changed. The cursor holds ETag and Last-Modified."""
        config: JsonConfig = self.config.filled()
        url = str(config.url)
        answer, kept = await get_if_changed(
            self.tools.http,
            url,
            cursor,
            accept="application/json, application/*+json, */*;q=0.1",
            headers=reveal_headers(config.headers),
        )
        if answer.not_modified:
            return Poll(items=[], cursor=kept, next_after=answer.next_after)
        found = await parsed(read_items, answer, config)
        return Poll(
            items=found.items,
            cursor=kept,
            rejected=found.rejected,
            problem=found.problem,
            next_after=answer.next_after,
        )


def read_items(answer: Answer, config: JsonConfig) -> Batch:
    """The items of an answer, oldest first.

    Args:
        config: filled.

    Raises:
        SourceError: the document does not have the shape that the config tells of.
    """
    values = _list(decode_json(answer), answer, config.items or "")
    items: list[Item] = []
    flaws: list[str] = []
    for value in values:
        try:
            items.append(to_item(value, config, None if config.id else hash_of(value)))
        except BadItemError as flaw:
            flaws.append(str(flaw))
    if flaws and not items:
        raise SourceError(f"{answer.url}: none of the {len(values)} items can be used: {flaws[0]}")
    return Batch(
        items=oldest_first(items),
        rejected=len(flaws),
        problem=f"{len(flaws)} of {len(values)} items passed over: {flaws[0]}" if flaws else None,
    )


def _list(document: Any, answer: Answer, pointer: str) -> list[Any]:
    found = follow(document, pointer)
    if found is MISSING:
        keys = f"(it has {', '.join(map(repr, list(document)[:10]))})" if isinstance(document, dict) else ""
        raise SourceError(f"{answer.url}: items: nothing stands at {pointer!r} {clean_text(keys, 300)}".rstrip())
    if isinstance(found, dict):
        return [found]
    if not isinstance(found, list):
        raise SourceError(
            f"{answer.url}: items: {pointer!r} holds {clean_text(repr(found), 60)}, neither a list nor an object"
        )
    if len(found) > _MOST_ITEMS:
        raise SourceError(f"{answer.url}: items: {len(found)} of them in one answer; at most {_MOST_ITEMS} are read")
    return found
