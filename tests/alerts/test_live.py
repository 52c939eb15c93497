"""Rules evaluated live: told once, whatever dies; by one process; sent where they say."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import vibeseater
from tests.alerts.conftest import Receiver
from tests.servers import eventually
from vibeseater.errors import InputError, NotFoundError


async def _create(seater: vibeseater.VibeSeater, stream: vibeseater.Stream, *titles: str) -> list[vibeseater.Event]:
    return [
        await seater.events.create_event(stream_id=stream.id, event_type="word", content={"title": title})
        for title in titles
    ]


async def test_an_event_is_told_in_the_page_and_by_apprise(
    seater: vibeseater.VibeSeater, stream: vibeseater.Stream, receiver: Receiver
) -> None:
    await seater.alerts.create_rule(stream, "Goals", when="event", search="goal", targets=[receiver.url], enabled=True)
    await seater.alerts.supervise()
    async with seater.alerts.watch(stream) as watch, asyncio.timeout(30):
        alerts = aiter(watch)
        assert await anext(alerts) == []
        _, goal, _ = await _create(seater, stream, "Nothing", "<b>A goal</b>", "Nothing again")
        (told,) = await anext(alerts)
        assert (told.event_id, told.position, told.message) == (goal.id, 2, "Goals: <b>A goal</b>")
        assert told.fired_at == goal.inserted_at
        await eventually(lambda: receiver.taken)
        assert (receiver.taken[0]["title"], receiver.taken[0]["message"]) == ("Match", "Goals: <b>A goal</b>")
        while told.delivery != "delivered":
            (told,) = await anext(alerts)
    assert len(receiver.taken) == 1


async def test_silence_is_told_and_over(seater: vibeseater.VibeSeater, stream: vibeseater.Stream) -> None:
    await seater.alerts.create_rule(stream, "Quiet", when="silence", window=1, enabled=True)
    await seater.alerts.supervise()
    (event,) = await _create(seater, stream, "one")

    async def after() -> Any:
        return [one for one in await seater.alerts.list_alerts(stream) if one.fired_at > event.inserted_at]

    (told,) = await eventually(after)
    assert (told.fired_at - event.inserted_at).total_seconds() == 1.0
    assert told.resolved_at is None
    (second,) = await _create(seater, stream, "two")
    (over,) = await eventually(lambda: _resolved(seater, stream, told.id))
    assert over.resolved_at == second.inserted_at


async def _resolved(seater: vibeseater.VibeSeater, stream: vibeseater.Stream, alert_id: Any) -> Any:
    return [one for one in await seater.alerts.list_alerts(stream) if one.id == alert_id and one.resolved_at]


async def test_a_restart_neither_misses_nor_repeats(
    seater: vibeseater.VibeSeater, stream: vibeseater.Stream, database_url: str, redis_url: str
) -> None:
    """Evaluators come and go, without and with a word, while events come: each event is told once."""
    await seater.alerts.create_rule(stream, "All", when="event", enabled=True)
    made: list[vibeseater.Event] = []
    for number in range(4):
        made += await _create(seater, stream, f"before {number}")
        evaluator = vibeseater.connect(database_url=database_url, redis_url=redis_url)
        async with evaluator as connected:
            await connected.alerts.supervise()
            made += await _create(seater, stream, *(f"during {number}.{one}" for one in range(5)))
            await eventually(lambda: _number(seater, stream))
            if number % 2:  # dies in the midst of it, and keeps its lease
                for task in connected.alerts._supervisor._tasks:
                    task.cancel()
                for item in connected.alerts._supervisor._running.values():
                    item.task.cancel()
                connected.alerts._supervisor._running.clear()
    async with vibeseater.connect(database_url=database_url, redis_url=redis_url) as last:
        await last.alerts.supervise()
        await eventually(lambda: _has(seater, stream, len(made)))
        await _create(seater, stream, "the end")
        await eventually(lambda: _has(seater, stream, len(made) + 1))
    told = await seater.alerts.list_alerts(stream, limit=1000)
    assert [one.event_id for one in reversed(told)][:-1] == [event.id for event in made]


async def _number(seater: vibeseater.VibeSeater, stream: vibeseater.Stream) -> int:
    return len(await seater.alerts.list_alerts(stream, limit=1000))


async def _has(seater: vibeseater.VibeSeater, stream: vibeseater.Stream, number: int) -> bool:
    return await _number(seater, stream) >= number


async def test_two_processes_share_the_rules_and_none_is_evaluated_twice(
    seater: vibeseater.VibeSeater, other: vibeseater.VibeSeater, stream: vibeseater.Stream
) -> None:
    """One of them holds the lease; when it ends, the other goes on."""
    rule = await seater.alerts.create_rule(stream, "All", when="event", enabled=True)
    await seater.alerts.supervise()
    await other.alerts.supervise()
    assert (seater.alerts.evaluated_here, other.alerts.evaluated_here) == ({rule.id}, set())
    await _create(seater, stream, "one", "two")
    await eventually(lambda: _has(seater, stream, 2))
    await seater.alerts.aclose()
    await eventually(lambda: other.alerts.evaluated_here == {rule.id})
    (third,) = await _create(seater, stream, "three")
    await eventually(lambda: _has(other, stream, 3))
    told = await other.alerts.list_alerts(stream)
    assert len(told) == 3
    assert told[0].event_id == third.id


async def test_a_rule_is_switched_on_and_off_by_whichever_process(
    seater: vibeseater.VibeSeater, other: vibeseater.VibeSeater, stream: vibeseater.Stream
) -> None:
    """What comes while it is off is told by nobody, not even later."""
    rule = await other.alerts.create_rule(stream, "All", when="event")
    await seater.alerts.supervise()
    await _create(seater, stream, "before")
    await other.alerts.update_rule(rule, enabled=True)
    (second,) = await _create(seater, stream, "while on")
    await eventually(lambda: _has(seater, stream, 1))
    await other.alerts.update_rule(rule, enabled=False)
    await eventually(lambda: not seater.alerts.evaluated_here)
    await _create(seater, stream, "after")
    await other.alerts.update_rule(rule, enabled=True)
    (fourth,) = await _create(seater, stream, "on again")
    await eventually(lambda: _has(seater, stream, 2))
    assert [one.event_id for one in await seater.alerts.list_alerts(stream)] == [fourth.id, second.id]


async def test_what_cannot_be_sent_is_tried_again(
    seater: vibeseater.VibeSeater, stream: vibeseater.Stream, receiver: Receiver
) -> None:
    """The one that refuses gets it later; the one that took it does not get it twice."""
    receiver.refuses = True
    await seater.alerts.create_rule(stream, "All", when="event", targets=[receiver.url], enabled=True)
    await seater.alerts.supervise()
    await _create(seater, stream, "one")
    await eventually(lambda: receiver.refused)
    (waiting,) = await eventually(lambda: _with_error(seater, stream))
    assert (waiting.delivery, waiting.last_error) == ("pending", "not taken by: json")
    receiver.refuses = False
    await eventually(lambda: receiver.taken)

    async def delivered() -> bool:
        return (await seater.alerts.list_alerts(stream))[0].delivery == "delivered"

    await eventually(delivered)
    assert len(receiver.taken) == 1


async def _with_error(seater: vibeseater.VibeSeater, stream: vibeseater.Stream) -> Any:
    return [one for one in await seater.alerts.list_alerts(stream) if one.last_error]


async def test_a_silenced_rule_is_recorded_and_not_sent(
    seater: vibeseater.VibeSeater, stream: vibeseater.Stream, receiver: Receiver
) -> None:
    rule = await seater.alerts.create_rule(stream, "All", when="event", targets=[receiver.url], enabled=True)
    await seater.alerts.silence_rule(rule, "1h")
    await seater.alerts.supervise()
    await _create(seater, stream, "one")
    await eventually(lambda: _has(seater, stream, 1))
    await seater.alerts.silence_rule(rule, None)
    # The change is taken up with the next run of the rule; its version stays, so nothing is evaluated anew.
    await eventually(lambda: _is_unsilenced(seater, rule))
    await _create(seater, stream, "two")
    await eventually(lambda: receiver.taken)
    assert [one.delivery for one in await seater.alerts.list_alerts(stream)][1] == "silenced"
    assert [one["message"] for one in receiver.taken] == ["All: two"]


async def _is_unsilenced(seater: vibeseater.VibeSeater, rule: Any) -> bool:
    running = seater.alerts._supervisor._running.get(rule.id)
    return running is not None and running.rule.silenced_until is None and not running.task.done()


async def test_alerts_outlive_their_rule_and_go_with_their_stream(
    seater: vibeseater.VibeSeater, stream: vibeseater.Stream
) -> None:
    rule = await seater.alerts.create_rule(stream, "All", when="event", enabled=True)
    await seater.alerts.supervise()
    await _create(seater, stream, "one")
    await eventually(lambda: _has(seater, stream, 1))
    await seater.alerts.delete_rule(rule)
    assert [one.rule_name for one in await seater.alerts.list_alerts(stream, rule=rule)] == ["All"]
    with pytest.raises(NotFoundError, match="no such rule"):
        await seater.alerts.get_rule(rule)
    await seater.streams.delete_stream(stream)
    with pytest.raises(NotFoundError, match="no such stream"):
        await seater.alerts.list_alerts(stream)


async def test_secrets_of_targets_are_not_told(seater: vibeseater.VibeSeater, stream: vibeseater.Stream) -> None:
    rule = await seater.alerts.create_rule(stream, "x", when="event", targets=["json://user:hunter2@localhost/"])
    assert "hunter2" not in repr(rule) + rule._repr_html_()
    with pytest.raises(InputError) as caught:
        await seater.alerts.create_rule(stream, "x", when="event", targets=["nonsense://hunter2"])
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"when": "often"}, "when"),
        ({"when": "above", "window": "1m"}, "threshold"),
        ({"when": "above", "threshold": 5}, "window"),
        ({"when": "event", "threshold": 5}, "threshold"),
        ({"when": "silence", "window": "1m", "threshold": 2}, "threshold"),
        ({"when": "silence", "window": "2 weeks of holidays"}, "window"),
        ({"when": "silence", "window": "52w"}, "window"),
        ({"when": "above", "threshold": 501, "window": "1m", "group_by": "type"}, "threshold"),
        ({"when": "event", "group_by": "colour"}, "group_by"),
        ({"when": "event", "cooldown": -1}, "cooldown"),
        ({"when": "event", "targets": "json://localhost"}, "targets"),
        ({"when": "event", "source": "none"}, "source"),
    ],
)
async def test_bad_rules_name_their_field(
    seater: vibeseater.VibeSeater, stream: vibeseater.Stream, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(InputError) as caught:
        await seater.alerts.create_rule(stream, "Rule", **arguments)
    assert caught.value.field == field
    assert await seater.alerts.list_rules(stream) == []


async def test_a_rule_is_changed(seater: vibeseater.VibeSeater, stream: vibeseater.Stream) -> None:
    rule = await seater.alerts.create_rule(stream, "Rule", when="above", threshold=5, window="1m", search="goal")
    renamed = await seater.alerts.update_rule(rule, name="Goals")
    assert (renamed.name, renamed.version, renamed.search) == ("Goals", rule.version, "goal")
    silence = await seater.alerts.update_rule(rule, when="silence", search=None)
    assert (silence.condition, silence.search, silence.window_seconds) == ("silence", None, 60.0)
    assert silence.version == rule.version + 1
    assert await seater.alerts.list_rules(stream) == [silence]
