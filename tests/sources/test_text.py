"""Foreign text becomes harmless text; foreign times become UTC, or are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibeseater.sources.text import clean_text, safe_link, strip_markup
from vibeseater.sources.times import parse_time, plausible


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("plain", "plain"),
        ("AT&amp;T &lt;3 2 &gt; 1", "AT&T <3 2 > 1"),
        ("<b>bold</b> and <a href='javascript:alert(1)'>link</a>", "bold and link"),
        ("a<script>alert(1)</script>b<style>p{}</style>c", "abc"),
        ("<p>one</p><p>two<br>three</p>", "one\ntwo\nthree"),
        ("<img src=x onerror=alert(1)>seen", "seen"),
        ("<svg/onload=alert(1)>x", "x"),
        ("<<script>script>alert(1)<</script>/script>", "</script>"),
        ("a\x00b\ud800c\u202ed", "abcd"),
        ("", ""),
        ("1 < 2", "1 < 2"),
        ("<!-- hidden -->shown", "shown"),
    ],
)
def test_markup_becomes_text(markup: str, text: str) -> None:
    """Tags go, scripts go with what they hold, entities are resolved, and what was meant as text stays."""
    assert strip_markup(markup) == text


@given(st.text())
def test_text_can_always_be_stored(text: str) -> None:
    """Whatever goes in, what comes out encodes as UTF-8, has no NUL, and is bounded."""
    for made in (strip_markup(text, 50), clean_text(text, 50)):
        made.encode()
        assert "\0" not in made
        assert len(made) <= 50


def test_huge_text_is_cut() -> None:
    """Ten megabytes of title are a title of a thousand characters, and cost no seconds."""
    assert len(strip_markup("<b>x</b>" * 1_250_000, 1000)) == 1000
    assert clean_text("x" * 10_000_000, 1000).endswith("…")


@pytest.mark.parametrize(
    ("link", "kept"),
    [
        ("https://a.example/x?y=1#z", True),
        (" http://a.example/ ", True),
        ("HTTPS://A.EXAMPLE/", True),
        ("javascript:alert(1)", False),
        ("java\nscript:alert(1)", False),
        ("JAVASCRIPT://a.example/%0aalert(1)", False),
        ("data:text/html,<script>", False),
        ("vbscript:x", False),
        ("file:///etc/passwd", False),
        ("//a.example/", False),
        ("/relative", False),
        ("http://", False),
        ("http://[", False),
        ("http://a.example/\u202e", False),
        ("https://a.example/" + "x" * 3000, False),
        (None, False),
        (5, False),
    ],
)
def test_only_web_links_are_kept(link, kept: bool) -> None:
    """A link is http or https, whole, and short enough to be one."""
    assert (safe_link(link) is not None) == kept


@pytest.mark.parametrize(
    ("value", "unit", "when"),
    [
        ("2018-02-07T01:26:13.840Z", "iso", datetime(2018, 2, 7, 1, 26, 13, 840_000, UTC)),
        ("2018-02-07T01:26:13+02:00", "iso", datetime(2018, 2, 6, 23, 26, 13, tzinfo=UTC)),
        ("2018-02-07", "iso", datetime(2018, 2, 7, tzinfo=UTC)),
        ("2018/02/07 01:02", "iso", datetime(2018, 2, 7, 1, 2, tzinfo=UTC)),
        ("Wed, 07 Feb 2018 01:26:13 GMT", "iso", datetime(2018, 2, 7, 1, 26, 13, tzinfo=UTC)),
        (1517966773840, "ms", datetime(2018, 2, 7, 1, 26, 13, 840_000, UTC)),
        (1517966773.84, "s", datetime(2018, 2, 7, 1, 26, 13, 840_000, UTC)),
        ("1517966773", "s", datetime(2018, 2, 7, 1, 26, 13, tzinfo=UTC)),
        (-86400, "s", datetime(1969, 12, 31, tzinfo=UTC)),
    ],
)
def test_times_are_read(value, unit, when: datetime) -> None:
    """ISO 8601, a mail's date, seconds and milliseconds."""
    assert parse_time(value, unit) == when


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        ("yesterday", "iso"), ("", "iso"), (None, "iso"), (True, "s"), (1517966773840, "iso"), (float("nan"), "s"),
        (float("inf"), "ms"), (1e300, "s"), ("x", "ms"), ([], "s"), ({}, "iso"), ("02/03/2024", "iso"),
        ("0001-01-01T00:00:00+14:00", "iso"), ("9999-12-31T23:59:59-14:00", "iso"), ("9" * 100, "iso"),
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(value, unit) -> None:
    """Nonsense, the wrong unit, what is out of range, and dates that could be read two ways."""
    with pytest.raises(ValueError, match=r"is no|out of range"):
        parse_time(value, unit)


def test_a_time_without_a_zone_is_in_the_zone_that_is_told() -> None:
    """New York's summer is four hours behind UTC."""
    when = parse_time("2013-07-01 05:00:00", zone=ZoneInfo("America/New_York"))
    assert when == datetime(2013, 7, 1, 9, tzinfo=UTC)


def test_absurd_times_are_told_from_plausible_ones() -> None:
    """Before 1970, or more than a day ahead: a feed's clock is wrong."""
    now = datetime.now(UTC)
    assert plausible(now) == now
    assert plausible(now + timedelta(hours=20)) is not None
    assert plausible(now + timedelta(days=2)) is None
    assert plausible(datetime(1969, 1, 1, tzinfo=UTC)) is None
    assert plausible(None) is None
