"""Highlight rules: stored, shared, and held against events by the rules of a search."""

from __future__ import annotations

import asyncio

import pytest

import vibeseater
from tests.bookmarks.conftest import Scene
from vibeseater.errors import InputError, NotFoundError


async def test_rules_colour_by_type_source_and_words_the_first_that_holds_wins(
    seater: vibeseater.VibeSeater, scene: Scene
) -> None:
    stream, rules = scene.stream, seater.highlights
    goal = await rules.create_highlight(stream, search="goal -offside", colour="red")
    words = await rules.create_highlight(stream, event_type="word", source=scene.source, colour="blue")
    assert (goal.name, words.name) == ("goal -offside", "word")
    assert await rules.list_highlights(stream) == [goal, words]
    coloured = await rules.colours(scene.events, [goal, words])
    assert {event.stream_seq: coloured[event.id].colour for event in scene.events if event.id in coloured} == {
        2: "blue",
        4: "red",
        6: "blue",
        8: "blue",
        10: "blue",
    }
    stored = await seater.events.list_events(stream, search="goal -offside")
    assert [event.id for event in stored] == [one for one, rule in coloured.items() if rule == goal]


async def test_who_watches_sees_rules_come_and_go(
    seater: vibeseater.VibeSeater, other: vibeseater.VibeSeater, scene: Scene
) -> None:
    async with other.highlights.watch(scene.stream) as watch, asyncio.timeout(30):
        lists = aiter(watch)
        assert await anext(lists) == []
        rule = await seater.highlights.create_highlight(scene.stream, event_type="goal", name="Goals")
        assert await anext(lists) == [rule]
        await seater.highlights.delete_highlight(rule)
        assert await anext(lists) == []
    with pytest.raises(NotFoundError, match="no such rule"):
        await seater.highlights.delete_highlight(rule.id)


async def test_bad_rules_are_refused(seater: vibeseater.VibeSeater, scene: Scene) -> None:
    with pytest.raises(InputError, match="asks for nothing"):
        await seater.highlights.create_highlight(scene.stream)
    with pytest.raises(InputError, match="colour='pink'"):
        await seater.highlights.create_highlight(scene.stream, search="x", colour="pink")
    with pytest.raises(InputError, match="source='none'"):
        await seater.highlights.create_highlight(scene.stream, source="none")
    assert await seater.highlights.list_highlights(scene.stream) == []
