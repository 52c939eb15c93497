"""Input is taken or refused before anything is sent: every refusal names the field, the value and the cure."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibeseater import inputs
from vibeseater.errors import InputError
from vibeseater.inputs import EventDraft, draft_event
from vibeseater.models import Source, Stream

LIMIT = 10_000
STREAM_ID = uuid4()


def draft(**changed: Any) -> EventDraft:
    """A draft of a sound event with something changed."""
    return draft_event({"stream_id": STREAM_ID, "event_type": "test", "content": {}} | changed, max_bytes=LIMIT)


def refusal(**changed: Any) -> InputError:
    """The error with which such an event is refused."""
    with pytest.raises(InputError) as caught:
        draft(**changed)
    return caught.value


def nested(depth: int) -> dict[str, Any]:
    """A dict `depth` levels deep."""
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


def cyclic() -> dict[str, Any]:
    """A dict that holds itself."""
    value: dict[str, Any] = {}
    value["self"] = value
    return value


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda children: st.lists(children) | st.dictionaries(st.text('abc"\\é☃\n', max_size=5), children),
    max_leaves=20,
)


def exact(value: Any) -> Any:
    """The value with its numbers as the decimals that they are written as."""
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [exact(item) for item in value]
    return Decimal(repr(value)) if type(value) in (int, float) else value


@given(st.dictionaries(st.text("abc", max_size=3), JSON, max_size=5))
def test_any_json_object_is_taken_and_encoded_as_itself(content: dict[str, Any]) -> None:
    """Content that is a JSON object comes out of its encoding equal to what went in, each number to its last digit."""
    made = draft_event({"stream_id": STREAM_ID, "event_type": "t", "content": content}, max_bytes=1 << 20)
    assert json.loads(made.content, parse_int=Decimal, parse_float=Decimal) == exact(content)


@pytest.mark.parametrize("number", [1e16, 1e22, 1e23, -1.5e300, 1.7976931348623157e308])
def test_large_floats_become_what_postgresql_gives_back(number: float) -> None:
    """A float that PostgreSQL would give back as an integer is one from the start, wherever it stands."""
    content = msgspec.json.decode(draft(content={"n": number, "deep": [{"n": number}]}).content)
    assert isinstance(content["n"], int)
    assert content == {"n": content["n"], "deep": [{"n": content["n"]}]}
    assert float(content["n"]) == number


def test_text_that_looks_like_a_large_float_stays_text() -> None:
    """Only numbers are turned into what PostgreSQL gives back."""
    content = {"a": "[1e300", "b": ":2.5e17", "c": 1e300}
    decoded = msgspec.json.decode(draft(content=content).content)
    assert (decoded["a"], decoded["b"]) == ("[1e300", ":2.5e17")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "missing"),
        ([], "not a JSON object but list"),
        ("{}", "not a JSON object but str"),
        (5, "not a JSON object but int"),
        ({"a": {1j}}, "not JSON"),
        ({(1, 2): 3}, "not JSON"),
        ({None: 3}, "not JSON"),
        ({"a": object()}, "not JSON but object"),
        ({"a": np.float64(4.5)}, "not JSON but float64"),
        ({"a": float("nan")}, "not a JSON number"),
        ({"a": float("inf")}, "not a JSON number"),
        ({"a": [1, {"b": float("-inf")}]}, "not a JSON number"),
        ({"a": 10**1001}, "too large a number"),
        ({"a": [10**5000]}, "too large a number"),
        ({"a": "x" * LIMIT}, "10,008 bytes as JSON"),
        ({"a": "\x00"}, "holds a NUL character"),
        ({"a\x00": 1}, "holds a NUL character"),
        ({"a": ["\ud800"]}, "holds a lone surrogate"),
        ({"\udfff": 1}, "holds a lone surrogate"),
        (nested(101), "nested more than 100 deep"),
        (nested(1600), "nested more than 100 deep"),
        (nested(100_000), "nested more than 100 deep"),  # deeper than any Python's own stack
        ({"a": [[nested(99)]]}, "nested more than 100 deep"),
        (cyclic(), "nested more than 100 deep, or holds itself"),
    ],
    ids=lambda value: value if isinstance(value, str) else "content",
)
@pytest.mark.parametrize("field", ["content", "metadata"])
def test_content_that_cannot_be_stored_is_refused(field: str, content: Any, problem: str) -> None:
    """Whatever PostgreSQL, or a later reader, could not hold is refused with its name and what is wrong."""
    if field == "metadata" and content is None:
        assert draft(metadata=None).metadata == b"{}"
        return
    error = refusal(**{field: content})
    assert error.field.split(".")[0].split("[")[0] == field
    assert problem in error.problem
    assert error.cure
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"a": [1, {"b": float("nan")}]}, "content.a[1].b"),
        ({"two words": "\x00"}, "content['two words']"),
        ({"a": {"b": np.int64(3)}}, "content.a.b"),
        ({"list": [0, 1, "\ud800"]}, "content.list[2]"),
    ],
)
def test_a_refusal_tells_where_in_the_content_the_fault_is(content: dict[str, Any], field: str) -> None:
    """The field of an error is the path to the value that is wrong."""
    assert refusal(content=content).field == field


def test_content_is_taken_up_to_the_limits() -> None:
    """What lies right at the limits of size, depth and numbers is taken."""
    assert len(draft(content={"a": "x" * (LIMIT - 8)}).content) == LIMIT
    assert draft(content=nested(100)).content.count(b"{") == 100
    assert draft(content={"a": -(10**1000)})
    assert draft(content={"brackets": "[" * 1000, "empty": [[] for _ in range(500)]})


def test_a_nul_is_told_from_text_that_spells_one() -> None:
    """The six characters `\\u0000` are harmless text; the character NUL is not."""
    assert msgspec.json.decode(draft(content={"a": r"\u0000", "null": None}).content)["a"] == r"\u0000"


@pytest.mark.parametrize(
    ("changed", "field", "problem"),
    [
        ({"stream_id": None}, "stream_id", "missing"),
        ({"stream_id": "debate-night"}, "stream_id", "not an id"),
        ({"stream_id": 5}, "stream_id", "not an id"),
        ({"source_id": "bbc"}, "source_id", "not an id"),
        ({"source_id": b"x"}, "source_id", "not an id"),
        ({"event_type": None}, "event_type", "missing"),
        ({"event_type": ""}, "event_type", "empty"),
        ({"event_type": " \t"}, "event_type", "empty"),
        ({"event_type": 5}, "event_type", "not text but int"),
        ({"event_type": "x" * 201}, "event_type", "201 characters long"),
        ({"event_type": "a\x00b"}, "event_type", "holds a NUL character"),
        ({"event_type": "a\ud800"}, "event_type", "holds a lone surrogate"),
        ({"external_id": 17}, "external_id", "not text but int"),
        ({"external_id": ""}, "external_id", "empty"),
        ({"external_id": "x" * 1001}, "external_id", "1,001 characters long"),
        ({"external_id": "語" * 1000}, "external_id", "3,000 bytes long"),
        ({"external_id": "a\x00"}, "external_id", "holds a NUL character"),
        ({"colour": "red"}, "event", "unknown field"),
        ({5: "red"}, "event", "unknown field"),
        ({"occurred_at": 1.5}, "occurred_at", "not a time but float"),
        ({"metadata": []}, "metadata", "not a JSON object but list"),
        ({"metadata": ""}, "metadata", "not a JSON object but str"),
    ],
)
def test_a_field_that_does_not_fit_is_refused(changed: dict[str, Any], field: str, problem: str) -> None:
    """Each field of an event is held to its kind and length."""
    error = refusal(**changed) if all(isinstance(key, str) for key in changed) else _refused_mapping(changed)
    assert (error.field, problem in error.problem) == (field, True), str(error)
    assert error.cure


def _refused_mapping(values: dict[Any, Any]) -> InputError:
    with pytest.raises(InputError) as caught:
        draft_event({"stream_id": STREAM_ID, "event_type": "t", "content": {}} | values, max_bytes=LIMIT)
    return caught.value


def test_ids_are_taken_in_every_form() -> None:
    """A UUID, its text, and the Stream or Source itself all name the same thing; each only where it belongs."""
    now = datetime.now(UTC)
    stream = Stream(id=STREAM_ID, slug="s", title="S", created_at=now, updated_at=now)
    source = Source(id=uuid4(), type="manual", name="S", config={}, created_at=now, updated_at=now)
    for form in (STREAM_ID, str(STREAM_ID), STREAM_ID.hex, stream):
        assert inputs.to_id("stream_id", form) == STREAM_ID
    assert inputs.to_id("source", source) == source.id
    for field, value in (("stream_id", source), ("stream", source), ("source_id", stream), ("event_id", stream)):
        with pytest.raises(InputError, match=f"the id of a {type(value).__name__}, not of a"):
            inputs.to_id(field, value)


def test_new_ids_follow_the_order_in_which_they_were_made() -> None:
    """Event ids are UUIDv7: made one after the other, they sort so."""
    made = [draft().id for _ in range(1000)]
    assert made == sorted(made)
    assert {event_id.version for event_id in made} == {7}
    assert {type(event_id) for event_id in made} == {UUID}


@given(st.datetimes(datetime(1000, 1, 2), datetime(2126, 1, 1)), st.integers(-23 * 60, 23 * 60))
def test_times_are_kept_to_the_microsecond_in_utc(naive: datetime, minutes: int) -> None:
    """An aware datetime, or its ISO text, becomes the same moment in UTC."""
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    taken = inputs.check_time("occurred_at", moment)
    assert taken == moment == inputs.check_time("occurred_at", moment.isoformat())
    assert taken.tzinfo is UTC
    assert type(taken) is datetime


def test_pandas_times_lose_only_their_nanoseconds() -> None:
    """A pandas Timestamp is a time; it becomes a plain datetime."""
    taken = inputs.check_time("occurred_at", pd.Timestamp("2026-01-31T12:00:00.000001999Z"))
    assert type(taken) is datetime
    assert taken == datetime(2026, 1, 31, 12, 0, 0, 1, UTC)


@pytest.mark.parametrize(
    ("value", "problem", "cure"),
    [
        (datetime(2026, 1, 31), "has no time zone", "datetime.now(UTC)"),
        ("2026-01-31", "has no time zone", "'2026-01-31T00:00:00Z'"),
        ("2026-01-31T12:00:00", "has no time zone", "'2026-01-31T12:00:00Z'"),
        (pd.NaT, "has no time zone", "Give"),
        ("yesterday", "not a time", "ISO 8601"),
        ("", "not a time", "ISO 8601"),
        (1769860800, "not a time but int", "datetime"),
        (datetime(999, 12, 31, tzinfo=UTC), "absurd", "year 1000"),
        (datetime(2226, 1, 1, tzinfo=UTC), "absurd", "hundred years"),
        (datetime.max.replace(tzinfo=timezone(-timedelta(hours=5))), "absurd", "hundred years"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=5))), "absurd", "year 1000"),
    ],
)
def test_naive_and_absurd_times_are_refused(value: Any, problem: str, cure: str) -> None:
    """A time without a zone, or out of this world, is refused, and the cure says how to write it."""
    with pytest.raises(InputError) as caught:
        inputs.check_time("occurred_at", value)
    assert problem in caught.value.problem
    assert cure in caught.value.cure
    assert caught.value.value is value


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (60, 60.0), (0.5, 0.5), (np.int64(5), 5.0), (np.float64(1.5), 1.5), (timedelta(minutes=2), 120.0),
        ("5m", 300.0), ("90s", 90.0), ("250ms", 0.25), ("2h", 7200.0), ("1.5h", 5400.0), ("1d", 86400.0),
        ("1 w", 604800.0), (" 3s ", 3.0),
    ],
)  # fmt: skip
def test_durations_are_numbers_timedeltas_or_short_text(value: Any, seconds: float) -> None:
    """A span of time may be written in each of these ways."""
    assert inputs.duration("window", value) == seconds


@pytest.mark.parametrize(
    "value",
    [0, -1, True, None, "", "5", "m", "5 minutes", "-5m", "5M", "1e3s", math.nan, math.inf, 10**400, -(10**400),
     timedelta(0), timedelta(-1), "9" * 400 + "s", b"5m", [5]],
)  # fmt: skip
def test_what_is_no_span_of_time_is_refused(value: Any) -> None:
    """Nothing, negative, endless or unreadable spans are refused."""
    with pytest.raises(InputError, match="not a duration"):
        inputs.duration("window", value)


@pytest.mark.parametrize("value", [1, 1000, 1_000_000, np.int64(7)])
def test_limits_are_whole_numbers(value: Any) -> None:
    """A limit is a number of rows; numpy's integers are numbers too."""
    taken = inputs.check_limit(value)
    assert (taken, type(taken)) == (value, int)


@pytest.mark.parametrize("value", [0, -1, 1_000_001, 1.0, "5", True, None, math.inf])
def test_other_limits_are_refused(value: Any) -> None:
    """No rows, too many rows, and no numbers are refused."""
    with pytest.raises(InputError, match=r"not a number of rows\. Give an int from 1 to 1,000,000"):
        inputs.check_limit(value)


@pytest.mark.parametrize("value", [-1, 2**63, 1.0, "5", True, None])
def test_what_is_no_position_is_refused(value: Any) -> None:
    """Positions are whole numbers from 0 on."""
    assert inputs.check_position("after", np.int64(5)) == 5
    with pytest.raises(InputError, match="not a position"):
        inputs.check_position("after", value)


@pytest.mark.parametrize(
    "url", ["http://example.org", "https://a.b:8080/x?y=z#f", " https://example.org/ ", "HTTP://x"]
)
def test_absolute_urls_are_taken(url: str) -> None:
    """An absolute http or https URL is taken, without the space around it."""
    assert inputs.check_url("media_url", url) == url.strip()
    assert inputs.check_media_url("media_url", url) == url.strip()


@pytest.mark.parametrize(
    "url",
    ["", "example.org", "ftp://example.org", "javascript:alert(1)", "https://", "http://:80", "http://a:99999/",
     "http://[::1", "http://a b/", 'http://a/"><script>', "http://a/\\", "http://" + "a" * 2000, 5, None, "http://\x00"],
)  # fmt: skip
def test_malformed_urls_are_refused(url: Any) -> None:
    """What a browser or a client could stumble over is no URL."""
    with pytest.raises(InputError) as caught:
        inputs.check_url("media_url", url)
    assert caught.value.field == "media_url"
    with pytest.raises(InputError):
        inputs.check_media_url("media_url", url)


@pytest.mark.parametrize("path", ["/a.mp4", "/media/a b.mp4".replace(" ", "%20"), "/x?y=1#t=2"])
def test_media_may_lie_on_the_server_that_shows_it(path: str) -> None:
    assert inputs.check_media_url("media_url", f" {path} ") == path


@pytest.mark.parametrize(
    "path", ["//evil.example/a", "/\\evil.example/a", "/a b", '/a"b', "a.mp4", "data:video/mp4,x", "/<x>"]
)
def test_what_is_no_path_of_the_own_server_is_refused(path: str) -> None:
    with pytest.raises(InputError, match="media_url"):
        inputs.check_media_url("media_url", path)


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Debate Night", "debate-night"),
        ("  São Paulo – Rio  ", "são-paulo-rio"),
        ("Straße", "strasse"),
        ("日本の地震", "日本の地震"),
        ("../../etc/passwd", "etc-passwd"),
        ("<script>alert(1)</script>", "script-alert-1-script"),
        ("'; DROP TABLE streams; --", "drop-table-streams"),
        ("!!!", "stream"),
        ("🎉", "stream"),
        ("a" * 500, "a" * 80),
    ],
)
def test_slugs_are_readable_and_harmless(title: str, slug: str) -> None:
    """A slug keeps the letters of any script, and nothing that means something in an address."""
    assert inputs.slugify(title) == slug


@given(st.text())
def test_a_slug_is_its_own_slug(title: str) -> None:
    """Making a slug of a slug changes nothing, and it has no character that must be quoted in HTML or SQL."""
    slug = inputs.slugify(title)
    assert inputs.slugify(slug) == slug
    assert 1 <= len(slug) <= 80
    assert not set(slug) & set(" /?#&<>\"'\\%;:")


@given(st.text())
def test_checked_text_can_be_stored(text: str) -> None:
    """Text that passes can be encoded, holds no NUL, and is returned as it is; other text is refused."""
    bad = len(text) > 20 or not text.strip() or "\x00" in text or any("\ud800" <= c <= "\udfff" for c in text)
    if bad:
        with pytest.raises(InputError, match=r"^title="):
            inputs.check_text("title", text, 20)
    else:
        assert inputs.check_text("title", text, 20) == text
