"""JSON APIs: items found by pointers, one bad item passed over, a wrong document told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.sources.serving import LocalServer, earthquakes
from vibeseater.errors import InputError, SourceError
from vibeseater.sources.base import Batch, Tools
from vibeseater.sources.http import Answer
from vibeseater.sources.registry import validate_config
from vibeseater.sources.types.json_api import JsonConfig, JsonSource, read_items

URL = "https://api.example/items"


def read(document: Any, content_type: str = "application/json", **config: Any) -> Batch:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    answer = Answer(url=URL, status=200, headers={"content-type": content_type}, body=body)
    return read_items(answer, JsonConfig(url=URL, **config).filled())


def test_the_week_of_earthquakes_is_read() -> None:
    """1,707 of them, by the preset, oldest first, with their ids, times and titles."""
    batch = read(earthquakes(), preset="usgs-earthquakes")
    assert (len(batch.items), batch.rejected, batch.problem) == (1707, 0, None)
    assert len({item.external_id for item in batch.items}) == 1707
    times = [item.occurred_at for item in batch.items]
    assert times == sorted(times)
    last = batch.items[-1]
    assert last.external_id == "ci37868143"
    assert last.event_type == "earthquake"
    assert last.occurred_at == datetime(2018, 2, 7, 1, 26, 13, 840_000, UTC)
    assert last.content["title"] == "M 2.0 - 4km W of Castaic, CA"
    assert last.content["properties"]["mag"] == 2
    assert last.content["link"] == "https://earthquake.usgs.gov/earthquakes/eventpage/ci37868143"


def test_what_is_given_overrides_the_preset() -> None:
    """The address and the interval of one's own, all else from the preset."""
    filled = JsonConfig(preset="usgs-earthquakes", url="http://localhost/q", interval=5.0).filled()
    assert (filled.url, filled.interval, filled.items, filled.time_unit) == (
        "http://localhost/q",
        5.0,
        "/features",
        "ms",
    )


def test_items_may_be_the_whole_document() -> None:
    """A list, or one object; pointers with ~1 and ~0; an index."""
    assert len(read([{"a": 1}, {"a": 2}]).items) == 2
    assert len(read({"a": 1}).items) == 1
    assert len(read({"a/b": {"~": [0, [{"x": 1}]]}}, items="/a~1b/~0/1").items) == 1
    assert read([], items="").items == []


def test_items_without_an_id_are_known_by_what_they_say() -> None:
    """The same item has the same id, whatever the order of its keys."""
    (first,), (second,), (other,) = (read([value]).items for value in ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2}))
    assert first.external_id == second.external_id != other.external_id


def test_items_that_are_no_objects_are_kept_as_values() -> None:
    """A list of numbers or words is a list of events too."""
    items = read([1, "two", None, [3]]).items
    assert [item.content["value"] for item in items] == [1, "two", None, [3]]
    assert items[1].content["title"] == "two"


def test_one_bad_item_is_passed_over() -> None:
    """It is counted and told; the others are there."""
    batch = read(
        [{"id": 1, "t": "2026-01-01T00:00:00Z"}, {"id": 2, "t": "soon"}, {"t": "2026-01-01T00:00:00Z"}, "x"],
        id="/id", time="/t",
    )  # fmt: skip
    assert [item.external_id for item in batch.items] == ["1"]
    assert batch.rejected == 3
    assert batch.problem is not None
    assert batch.problem.startswith("3 of 4 items passed over: time: '/t': 'soon'")


def test_hostile_titles_are_text() -> None:
    """Markup in a title is gone; a link that is none is left out."""
    (item,) = read([{"t": "<b>x</b><script>y</script>", "u": "javascript:z"}], title="/t", link="/u").items
    assert item.content["title"] == "x"
    assert "link" not in item.content


@pytest.mark.parametrize(
    ("body", "config", "says"),
    [
        (b"<!DOCTYPE html><html>Sign in</html>", {}, "an HTML page, not JSON"),
        (b"", {}, "it is empty"),
        (b"{", {}, "not JSON"),
        (b"\xff\xfe\x00", {}, "not JSON"),
        (b"[" * 100_000, {}, "not JSON"),
        (b'{"features": []}', {"items": "/data"}, r"nothing stands at '/data' \(it has 'features'\)"),
        (b'{"items": 5}', {"items": "/items"}, "neither a list nor an object"),
        (b"[1, 2]", {"items": "/x"}, "nothing stands at '/x'"),
        (b'[{"a": 1}]', {"id": "/id"}, "none of the 1 items can be used: id: nothing stands at '/id'"),
        (b'[{"a": {}}]', {"id": "/a"}, "neither text nor a number"),
        (b"5", {}, "neither a list nor an object"),
    ],
)
def test_a_wrong_document_is_told(body: bytes, config: dict[str, Any], says: str) -> None:
    """The error names the address, the pointer, and what stands there instead."""
    with pytest.raises(SourceError, match=says) as caught:
        read(body, **config)
    assert URL in str(caught.value)


@pytest.mark.parametrize(
    "body",
    ['[{"t": "Grüße"}]'.encode(code) for code in ("utf-8", "utf-8-sig", "utf-16", "utf-32")]
    + ['[{"t": "Grüße"}]'.encode("iso-8859-1")],
)
def test_charsets_are_found(body: bytes) -> None:
    """By the mark at the start, else UTF-8, else what the server says."""
    assert read(body, "application/json; charset=iso-8859-1", title="/t").items[0].content["title"] == "Grüße"


def test_one_lone_surrogate_costs_one_item() -> None:
    """The document is read though an item holds what is not Unicode: that one the store will refuse alone."""
    batch = read(b'[{"id": 1, "x": "\\ud800"}, {"id": 2}]', id="/id")
    assert [item.external_id for item in batch.items] == ["1", "2"]


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, r"config.url=None: .*or a preset"),
        ({"preset": "nonsense"}, r"config.preset='nonsense': .*usgs-earthquakes"),
        ({"url": URL, "items": "features"}, r"config.items='features': not a JSON pointer"),
        ({"url": URL, "id": "/a~2"}, r"config.id=.*not a JSON pointer"),
        ({"url": URL, "time_unit": "ns"}, r"config.time_unit='ns'"),
        ({"url": URL, "interval": "often"}, r"config.interval='often'"),
        ({"url": URL, "interval": 0}, r"config.interval=0"),
        ({"url": URL, "interval": -5}, r"config.interval=-5"),
        ({"url": URL, "interval": float("nan")}, r"config.interval=nan"),
        ({"url": "nonsense"}, r"config.url='nonsense'"),
        ({"url": URL, "tittle": "/t"}, r"config.tittle=.*Known are: url"),
    ],
)
def test_a_wrong_config_is_told(config: dict[str, Any], says: str) -> None:
    """The error names the field, the value and the cure."""
    with pytest.raises(InputError, match=says):
        validate_config("json", config)


async def test_a_poll_is_conditional(server: LocalServer, tools: Tools) -> None:
    """The second poll costs the server a 304."""
    url = server.page("/q", earthquakes(), '"v1"')
    source = JsonSource(JsonConfig(preset="usgs-earthquakes", url=url), Tools(tools.http))
    tools.http._max_bytes = 2_000_000  # the week is larger than the fixture's bound
    first = await source.poll(None)
    second = await source.poll(first.cursor)
    assert (len(first.items), len(second.items)) == (1707, 0)
