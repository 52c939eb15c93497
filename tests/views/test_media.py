"""The player's state, without a browser: addresses, the clock, captions, and what a browser may say."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import eventually
from tests.views.making import a_source, an_event
from vibeseater.seater import VibeSeater
from vibeseater.views.media_state import CAPTIONS, MediaState, kind_of
from vibeseater.views.stream_view import StreamView

START = 1_750_000_000.0


@pytest.mark.parametrize("url", ["https://example.org/a.webm", "http://h:8000/a.wav?x=1", "/media/a.mp4"])
def test_what_can_be_played(url: str) -> None:
    media = MediaState(url)
    assert (media.url, media.problem) == (url, "")


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:video/mp4;base64,AAAA",
        "//evil.example/a.mp4",
        "file:///etc/passwd",
        "blob:x",
        "a b",
    ],
)
def test_what_is_refused_says_why(url: str) -> None:
    media = MediaState(url)
    assert media.url == ""
    assert "refused" in media.problem
    assert not media.send(START)


@pytest.mark.parametrize(
    ("url", "kind"), [("https://h/a.MP3", "audio"), ("/a.wav?x=.mp4", "audio"), ("/a.mp4", "video"), ("/live", "video")]
)
def test_sound_and_pictures_are_told_by_their_ends(url: str, kind: str) -> None:
    assert kind_of(url) == kind


def test_one_clock_for_the_media_and_its_events() -> None:
    media = MediaState("/a.wav", started_at=START)
    media.place = 20.0
    wanted = media.lacks()
    assert wanted is not None
    assert wanted[0] < START + 20 < wanted[1]
    assert media.lacks() is None, "asked for once"
    media.fill(wanted[0], [an_event(seq, at=START + 10 + seq) for seq in range(1, 16)])
    assert [event.stream_seq for event in media.newest(3)] == [7, 8, 9, 10]
    media.place = 12.0
    assert [event.stream_seq for event in media.newest(3)] == [1, 2]
    media.take([an_event(99, at=START + 11.5), an_event(100, at=START + 5000)])
    assert [event.stream_seq for event in media.newest(3)] == [1, 99, 2]
    media.place = 4000.0
    assert media.lacks() is not None, "somewhere else other captions are wanted"
    media.fill(wanted[0], [])
    assert media.captions, "what was asked for before is not taken"


def test_captions_at_hand_are_bounded() -> None:
    media = MediaState("/a.wav", started_at=START)
    media.lacks()
    for seq in range(3 * CAPTIONS):
        media.take([an_event(seq, at=START + 5)])
    assert len(media.captions) == CAPTIONS


def test_the_player_is_sent_where_the_media_is() -> None:
    media = MediaState("/a.wav", started_at=START, duration=60.0)
    assert media.send(START + 30)
    assert (media.wanted, media.sent, media.moment) == (30.0, 1, START + 30)
    assert not media.send(START - 1)
    assert not media.send(START + 61)
    assert media.sent == 1


async def test_a_browser_says_what_it_likes(seater: VibeSeater) -> None:
    stream = await seater.streams.create_stream("Media", media_url="/a.wav", media_started_at="2026-01-31T12:00:00Z")
    view = StreamView(seater, stream)
    assert view.player is not None
    said: list[dict[str, Any]] = [
        {}, {"op": "?"}, {"op": "at"}, {"op": "at", "t": "1"}, {"op": "at", "t": float("nan")},
        {"op": "at", "t": 10**400}, {"op": "at", "t": -1, "duration": 5},
    ]  # fmt: skip
    for message in said:
        view.player._on_message(message)
    assert view.player.media.place == 0.0
    await view.aclose()


async def test_the_start_is_that_of_the_first_event_where_none_is_told(seater: VibeSeater) -> None:
    stream = await seater.streams.create_stream("Media", media_url="/a.wav")
    source = await seater.sources.create_source(stream, name=a_source().name)
    made: list[Any] = [
        await seater.events.create_event(
            stream_id=stream.id, source_id=source.id, event_type="n", content={}, occurred_at=f"2026-01-31T12:00:0{n}Z"
        )
        for n in range(3)
    ]
    view = StreamView(seater, stream)
    view.start()
    assert view.player is not None
    media = view.player.media
    view.player._on_message({"op": "ready"})
    await eventually(lambda: [event.id for event in media.captions] == [event.id for event in made])
    assert media.started_at == made[0].occurred_at.timestamp()
    view.player._on_message({"op": "at", "t": 1.5, "duration": 60, "sought": True})
    await eventually(lambda: view.state.moment == made[0].occurred_at.timestamp() + 1.5)
    assert [event.id for event in view.state.rows] == [made[1].id, made[0].id]
    assert view.state.plot.cursor == media.moment == view.state.moment
    start, end = view.state.plot.zoom
    assert (start, end) == (media.started_at, media.started_at + 60), "the plot shows where the media is"
    await view.aclose()


async def test_media_that_is_told_while_somebody_looks_is_shown(seater: VibeSeater) -> None:
    stream = await seater.streams.create_stream("Media to come")
    view = StreamView(seater, stream)
    assert view.player is None
    changed = await seater.streams.update_stream(stream, media_url="/a.wav", media_started_at="2026-01-31T12:00:00Z")
    view.state.set_stream(changed)
    first = view.player
    assert first is not None
    assert (first.media.url, first.media.started_at) == ("/a.wav", changed.media_started_at.timestamp())
    assert len(view._media) == 1
    assert view.state.plot.by == "occurred_at"
    view.state.set_stream(await seater.streams.get_stream(stream.id))
    assert view.player is first, "what stays the same plays on"
    view.state.set_stream(await seater.streams.update_stream(stream, media_url=None))
    assert (view.player, len(view._media), view.state.plot.by) == (None, 0, "inserted_at")
    await view.aclose()
