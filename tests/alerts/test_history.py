"""Rules tried on the recorded earthquakes, beside a plain count of the recording; live they tell the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

import vibeseater
from tests.alerts.making import store_quakes
from tests.analytics.frames import quakes
from tests.servers import eventually
from vibeseater.errors import InputError, NotFoundError

TAIWAN = {"when": "above", "search": "Taiwan", "threshold": 4, "window": "2h", "cooldown": "1h"}


def _plainly(start: datetime, end: datetime) -> list[datetime]:
    """When four earthquakes of Taiwan lay within two hours, from the recording itself."""
    moments = sorted(
        datetime.fromtimestamp(item["time"] / 1000, UTC) for item in quakes() if "Taiwan" in item["title"].split()
    )
    told: list[datetime] = []
    over = datetime.min.replace(tzinfo=UTC)
    for at in range(3, len(moments)):
        if moments[at] - moments[at - 3] < timedelta(hours=2):
            if moments[at] >= over and start <= moments[at] < end:
                told.append(moments[at])
            over = moments[at - 3] + timedelta(hours=2)
    return told


async def test_the_aftershocks_of_hualien_fire_and_a_quiet_day_does_not(seater: vibeseater.VibeSeater) -> None:
    stream = await store_quakes(seater)
    rule = await seater.alerts.create_rule(stream, "Taiwan shakes", **TAIWAN)
    trial = await seater.alerts.try_on_history(rule, "2018-01-31T00:00Z", "2018-02-08T00:00Z")
    expected = _plainly(trial.start, trial.end)
    assert [f"{moment:%d %H:%M}" for moment in expected] == ["04 14:13", "06 19:36"]
    assert [one.fired_at for one in trial.alerts] == expected
    assert trial.alerts[0].resolved_at > trial.alerts[0].fired_at
    assert trial.alerts[0].message == "Taiwan shakes: at least 4 events within 2 h"
    assert trial.events == sum("Taiwan" in item["title"].split() for item in quakes())
    assert str(trial) == (
        "Taiwan shakes: would have fired 2 times from 2018-01-31 00:00 to 2018-02-08 00:00 UTC: "
        "2018-02-04 14:13, 2018-02-06 19:36."
    )
    quiet = await seater.alerts.try_on_history(rule, "2018-02-01T00:00Z", "2018-02-02T00:00Z")
    assert quiet.alerts == ()
    assert str(quiet) == "Taiwan shakes: would not have fired from 2018-02-01 00:00 to 2018-02-02 00:00 UTC."
    assert await seater.alerts.list_alerts(stream) == []  # nothing is stored


async def test_archived_events_are_tried_as_stored_ones(seater: vibeseater.VibeSeater, tmp_path: Path) -> None:
    """By either time, whether part of them or all stand in the archive only."""
    stream = await store_quakes(seater)
    draft = seater.alerts.draft_rule(stream, "Taiwan shakes", **TAIWAN)
    window = ("2018-01-31T00:00Z", "2018-02-08T00:00Z")

    async def tried() -> list[tuple[int, list[datetime], list[datetime | None]]]:
        trials = [
            await seater.alerts.try_on_history(draft, *window),
            await seater.alerts.try_on_history(draft, "1h", by="inserted_at"),
        ]
        return [
            (one.events, [each.fired_at for each in one.alerts], [each.resolved_at for each in one.alerts])
            for one in trials
        ]

    before = await tried()
    assert [len(fired) for _, fired, _ in before] == [2, 1]
    await seater.archive.write(stream, tmp_path / "archive")
    for kept in (500, 0):
        await seater.archive.purge(stream, keep=kept, dry_run=False)
        after = await tried()
        assert [(events, fired) for events, fired, _ in after] == [(events, fired) for events, fired, _ in before]
        assert after[0] == before[0]


async def test_a_silence_of_the_past_is_found(seater: vibeseater.VibeSeater) -> None:
    """The longest pause between two earthquakes of Nevada's network, by hand."""
    stream = await store_quakes(seater)
    times = sorted(item["time"] for item in quakes() if "Nevada" in item["title"].split())
    longest = max(after - before for before, after in pairwise(times)) / 1000
    start, end = (datetime.fromtimestamp(times[at] / 1000, UTC) for at in (0, -1))
    draft = seater.alerts.draft_rule(stream, "Nevada", when="silence", search="Nevada", window=longest - 0.002)
    told = (await seater.alerts.try_on_history(draft, start + timedelta(days=1), end)).alerts
    before = next(one for one, after in pairwise(times) if (after - one) / 1000 == pytest.approx(longest))
    assert [round(one.fired_at.timestamp(), 2) for one in told] == [round(before / 1000 + longest - 0.002, 2)]
    assert await seater.alerts.list_rules(stream) == []  # a draft is not stored


async def test_what_a_rule_tells_live_is_what_it_would_have_told(
    seater: vibeseater.VibeSeater, stream: vibeseater.Stream
) -> None:
    """Bursts of events are evaluated as they come; tried on the past by arrival, the rule fires at the same moments."""
    arguments = {"when": "above", "threshold": 5, "window": 0.5, "search": "goal"}
    rule = await seater.alerts.create_rule(stream, "Goals", **arguments, enabled=True)
    await seater.alerts.supervise()
    for number in range(30):
        title = "A goal!" if number % 2 else "Talk"
        await seater.events.create_event(stream_id=stream.id, event_type="x", content={"title": title})
    live = await eventually(lambda: seater.alerts.list_alerts(stream))
    await eventually(lambda: _over(seater, stream))
    live = await seater.alerts.list_alerts(stream)
    trial = await seater.alerts.try_on_history(rule, "1h", by="inserted_at")
    assert [one.fired_at for one in trial.alerts] == [one.fired_at for one in reversed(live)]
    assert [one.resolved_at for one in trial.alerts] == [one.resolved_at for one in reversed(live)]
    assert trial.events == 15


async def _over(seater: vibeseater.VibeSeater, stream: vibeseater.Stream) -> bool:
    return all(one.resolved_at is not None for one in await seater.alerts.list_alerts(stream))


async def test_bad_windows_are_refused(seater: vibeseater.VibeSeater, stream: vibeseater.Stream) -> None:
    draft = seater.alerts.draft_rule(stream, "x", when="event")
    with pytest.raises(InputError, match="not after the start"):
        await seater.alerts.try_on_history(draft, "2018-02-02T00:00Z", "2018-02-01T00:00Z")
    with pytest.raises(InputError, match="by='arrival'"):
        await seater.alerts.try_on_history(draft, "1h", by="arrival")
    with pytest.raises(NotFoundError, match="no such rule"):
        await seater.alerts.try_on_history(draft.id, "1h")
