"""`vibeseater bookmarks` and `vibeseater alerts`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.cli.processes import Commands
from vibeseater import Stream, VibeSeater


async def _stream(seater: VibeSeater) -> Stream:
    stream = await seater.streams.create_stream("Match")
    begin = datetime.now(UTC) - timedelta(hours=1)
    await seater.events.create_events_batch(
        [
            {
                "stream_id": stream.id,
                "event_type": "word",
                "content": {"title": "A goal" if number == 4 else "Talk"},
                "occurred_at": begin + timedelta(minutes=number),
            }
            for number in range(8)
        ]
    )
    return stream


def _lines(text: str) -> list[Any]:
    return [json.loads(one) for one in text.splitlines()]


async def test_bookmarks_are_made_found_changed_and_deleted(commands: Commands, seater: VibeSeater) -> None:
    stream = await _stream(seater)
    event = (await seater.events.list_events(stream, limit=1))[0]
    made = await commands.run(
        *("bookmarks", "add", "match", "--positions", "2-5", "--note", "the goal", "--colour", "red"),
        *("--author", "Ann", "--json"),
    )
    assert (made.code, made.err) == (0, "")
    mark = json.loads(made.out)
    assert (mark["first_seq"], mark["last_seq"], mark["colour"], mark["author"]) == (2, 5, "red", "Ann")
    second = await commands.run("bookmarks", "add", "match", "--event", str(event.id))
    assert second.code == 0
    listed = _lines((await commands.run("bookmarks", "list", "match", "--json")).out)
    assert [one["id"] for one in listed] == [second.out.strip(), mark["id"]]
    for option, value in (("--author", "Ann"), ("--colour", "red"), ("--search", "GOAL")):
        found = await commands.run("bookmarks", "list", "match", option, value, "--json")
        assert [one["id"] for one in _lines(found.out)] == [mark["id"]]
    assert (await commands.run("bookmarks", "edit", mark["id"], "--note", "a goal\x1b[31m")).code == 0
    table = (await commands.run("bookmarks", "list", "match")).out
    assert "2-5" in table
    assert "\x1b" not in table
    assert (await commands.run("bookmarks", "delete", mark["id"])).code == 0
    assert [str(one.id) for one in await seater.bookmarks.list_bookmarks(stream)] == [second.out.strip()]
    wrong = await commands.run("bookmarks", "add", "match", "--positions", "five")
    assert (wrong.code, wrong.err.count("\n")) == (1, 1)
    assert "positions" in wrong.err


async def test_a_rule_is_made_tried_switched_on_silenced_and_deleted(commands: Commands, seater: VibeSeater) -> None:
    stream = await _stream(seater)
    arguments = ("--when", "event", "--search", "goal", "--target", "json://user:hunter2@127.0.0.1/")
    made = await commands.run("alerts", "add", "match", "Goals", *arguments, "--json")
    assert (made.code, made.err) == (0, "")
    assert "hunter2" not in made.out
    rule = json.loads(made.out)
    assert (rule["enabled"], rule["targets"]) == (False, ["json://…"])
    tried = await commands.run("alerts", "try", rule["id"], "--start", "2h")
    assert "Goals: would have fired once" in tried.out
    trial = json.loads((await commands.run("alerts", "try", rule["id"], "--json")).out)
    assert (trial["events"], [one["message"] for one in trial["alerts"]]) == (1, ["Goals: A goal"])
    assert (await commands.run("alerts", "on", rule["id"])).out == "Goals  on\n"
    assert (await commands.run("alerts", "silence", rule["id"])).out.startswith("Goals  silent until ")
    assert (await commands.run("alerts", "silence", rule["id"], "--off")).out == "Goals  on\n"
    listed = await commands.run("alerts", "list", "match")
    assert "hunter2" not in listed.out
    assert "an event" in listed.out
    assert (await commands.run("alerts", "off", rule["id"])).out == "Goals  off\n"
    assert (await commands.run("alerts", "history", "match")).out == "Nothing was told.\n"
    assert (await commands.run("alerts", "delete", rule["id"])).code == 0
    assert await seater.alerts.list_rules(stream) == []
    wrong = await commands.run("alerts", "add", "match", "Many", "--when", "above")
    assert (wrong.code, wrong.err.count("\n")) == (1, 1)
    assert "window" in wrong.err
