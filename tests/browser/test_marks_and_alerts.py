"""Bookmarks, highlights and alerts in real browsers: what one person notes, the others see at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.servers import eventually
from vibeseater import Event, Stream, VibeSeater

Open = Callable[..., Any]
HOSTILE = "<img src=x onerror='window.hacked = 1'>"
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
LOOKS = ["desktop", "phone"]


async def _stream(beside: VibeSeater, title: str) -> tuple[Stream, list[Event]]:
    stream = await beside.streams.create_stream(title)
    now = datetime.now(UTC)
    events = await beside.events.create_events_batch(
        [
            {
                "stream_id": stream.id,
                "event_type": "goal" if number == 4 else "word",
                "content": {"title": f"Word {number}"},
                "occurred_at": now - timedelta(seconds=10 - number),
            }
            for number in range(8)
        ]
    )
    return stream, list(events)


async def _open(open_page: Open, served: str, stream: Stream, look: str) -> Any:
    view = await open_page(f"{served}/stream?id={stream.id}", **(PHONE if look == "phone" else {}))
    await view.ready()
    await view.page.locator("[data-event-id]").first.wait_for()
    return view


def _row(view: Any, event: Event) -> Any:
    return view.page.locator(f"[data-event-id='{event.id}']")


@pytest.mark.slow
@pytest.mark.parametrize("look", LOOKS)
async def test_two_browsers_see_each_other_s_bookmarks_at_once(
    served: str, beside: VibeSeater, open_page: Open, look: str
) -> None:
    """One marks an event in its row; the other sees it, writes a note, and deletes it."""
    stream, events = await _stream(beside, f"Match {look}")
    one, other = [await _open(open_page, served, stream, look) for _ in range(2)]
    await other.page.get_by_role("button", name="Bookmarks").click()
    await other.page.get_by_text("No bookmarks yet").wait_for()
    row = _row(one, events[4])
    await row.locator(".expand").click()
    button = row.locator("[data-action=bookmark]")
    await button.click()
    await row.locator("[data-action=bookmark][aria-pressed=true]").wait_for()
    await other.page.locator(f"[data-event-id='{events[4].id}'].tinted").wait_for()
    drawer = other.page.get_by_role("dialog", name="Bookmarks")
    mark = drawer.locator("[data-bookmark-id]")
    await mark.get_by_role("button", name="Edit").click()
    await mark.get_by_role("textbox", name="Note").fill(f"{HOSTILE}\nwhat a goal")
    await mark.get_by_role("button", name="Save").click()
    await one.page.get_by_role("button", name="Bookmarks").click()
    said = one.page.get_by_role("dialog", name="Bookmarks").locator(".said").first
    await one.page.get_by_text("what a goal").wait_for()
    assert await said.inner_text() == f"{HOSTILE}\nwhat a goal"
    assert (await beside.bookmarks.list_bookmarks(stream))[0].note == f"{HOSTILE}\nwhat a goal"
    await mark.get_by_role("button", name="Delete").click()
    await mark.get_by_role("button", name="Really delete?").click()
    await one.page.get_by_text("No bookmarks yet").wait_for()
    await other.page.locator(f"[data-event-id='{events[4].id}']:not(.tinted)").wait_for()
    assert await beside.bookmarks.list_bookmarks(stream) == []
    assert await one.page.evaluate("window.hacked") is None


async def test_a_range_is_marked_and_shown_in_the_plot(served: str, beside: VibeSeater, open_page: Open) -> None:
    stream, _ = await _stream(beside, "Ranges")
    view = await _open(open_page, served, stream, "desktop")
    await view.page.get_by_role("button", name="Bookmarks").click()
    drawer = view.page.get_by_role("dialog", name="Bookmarks")
    await drawer.get_by_role("textbox", name="Note").fill("the beginning")
    await drawer.get_by_role("radio", name="violet").first.click()
    await drawer.get_by_role("button", name="Bookmark", exact=True).click()
    await drawer.locator("[data-bookmark-id]").get_by_text("the beginning").wait_for()
    (mark,) = await beside.bookmarks.list_bookmarks(stream)
    assert (mark.colour, mark.first_seq, mark.last_seq) == ("violet", 1, 8)
    assert (mark.ends_at - mark.starts_at).total_seconds() == 300

    async def drawn() -> Any:
        return await view.page.evaluate(
            """() => Bokeh.documents.flatMap((doc) => [...doc._all_models.values()])
                .filter((model) => model.type == "ColumnDataSource" && model.data.note)
                .flatMap((model) => [...model.data.note])"""
        )

    assert await eventually(drawn) == ["the beginning"]


@pytest.mark.slow
async def test_what_the_plot_shows_is_marked_and_found_by_colour_and_name(
    served: str, beside: VibeSeater, open_page: Open
) -> None:
    """Jumping to a range looks closer at it in the plot; the drawer then offers that very range."""
    stream, events = await _stream(beside, "Shown")
    await beside.bookmarks.create_bookmark(stream, positions=(2, 5), note="Goals", colour="red", author="Ann")
    await beside.bookmarks.create_bookmark(stream, event=events[6], note="Words", colour="blue", author="Bea")
    view = await _open(open_page, served, stream, "desktop")
    await view.page.get_by_role("button", name="Bookmarks").click()
    drawer = view.page.get_by_role("dialog", name="Bookmarks")
    marks = drawer.locator("[data-bookmark-id]")
    await marks.nth(1).wait_for()
    await drawer.get_by_label("Only of the colour").select_option("red")
    await marks.nth(1).wait_for(state="detached")
    assert "Goals" in await marks.inner_text()
    await drawer.get_by_label("Only of the colour").select_option("")
    await drawer.get_by_label("Find in notes").fill("bea")
    await marks.get_by_text("Words").wait_for()
    assert await marks.count() == 1
    await drawer.get_by_label("Find in notes").fill("")
    await marks.filter(has_text="Goals").get_by_role("button", name="Show").click()
    await view.page.get_by_role("button", name="Bookmarks").click()
    await drawer.locator("option[value='0']").wait_for(state="attached")
    await drawer.get_by_role("textbox", name="Note").first.fill("as shown")
    await drawer.get_by_role("button", name="Bookmark", exact=True).click()
    await marks.get_by_text("as shown").wait_for()
    (mark,) = await beside.bookmarks.list_bookmarks(stream, search="as shown")
    (goals,) = await beside.bookmarks.list_bookmarks(stream, author="Ann")
    assert mark.starts_at <= goals.starts_at < goals.ends_at <= mark.ends_at


@pytest.mark.slow
async def test_a_rule_colours_rows_that_are_there_and_rows_that_come(
    served: str, beside: VibeSeater, open_page: Open
) -> None:
    stream, events = await _stream(beside, "Colours")
    one, other = [await _open(open_page, served, stream, "desktop") for _ in range(2)]
    await other.page.get_by_role("button", name="Bookmarks").click()
    await one.page.get_by_role("button", name="Bookmarks").click()
    drawer = one.page.get_by_role("dialog", name="Bookmarks")
    await drawer.get_by_role("textbox", name="Words").fill("word -7")
    await drawer.get_by_role("textbox", name="Event type").fill("word")
    await drawer.get_by_role("button", name="Highlight", exact=True).click()
    await _row(other, events[3]).and_(other.page.locator(".tinted")).wait_for()
    tinted = await other.page.locator(".tinted").evaluate_all("rows => rows.map(row => row.dataset.seq)")
    assert tinted == ["7", "6", "4", "3", "2", "1"]  # neither the goal nor the seventh word
    event = await beside.events.create_event(stream_id=stream.id, event_type="word", content={"title": "Word 9"})
    await _row(other, event).and_(other.page.locator(".tinted")).wait_for()
    await drawer.locator("[data-highlight-id]").get_by_role("button", name="Delete").click()
    await drawer.get_by_role("button", name="Really delete?").click()
    await other.page.locator(".tinted").first.wait_for(state="detached")


@pytest.mark.slow
@pytest.mark.parametrize("look", LOOKS)
async def test_a_rule_is_tried_switched_on_and_tells_in_the_page_and_by_the_browser(
    served: str, beside: VibeSeater, open_page: Open, look: str
) -> None:
    stream, _ = await _stream(beside, f"Alerts {look}")
    await beside.alerts.supervise()
    view = await _open(open_page, served, stream, look)
    await view.page.context.grant_permissions(["notifications"])
    await view.page.evaluate(
        """() => {
            window.told = []
            const real = window.Notification
            window.Notification = class { constructor(title, options) { window.told.push([title, options.body]) } }
            window.Notification.permission = real.permission
        }"""
    )
    await view.page.get_by_role("button", name="Alerts").click()
    drawer = view.page.get_by_role("dialog", name="Alerts")
    await drawer.get_by_text("No rules yet").wait_for()
    await drawer.get_by_role("textbox", name="Name").fill("Goals")
    await drawer.get_by_role("combobox", name="When").select_option("event")
    await drawer.get_by_role("textbox", name="Only of the type").fill("goal")
    await drawer.get_by_role("textbox", name="Not again for").fill("0s")
    await drawer.locator("form").get_by_role("button", name="Try on the past week").click()
    await drawer.get_by_text("Goals: would have fired once").wait_for()
    await drawer.get_by_role("button", name="Add rule").click()
    rule = drawer.locator("[data-rule-id]")
    await rule.get_by_role("button", name="Try, then switch on").click()
    await rule.get_by_text("Goals: would have fired once").wait_for()
    assert not (await beside.alerts.list_rules(stream))[0].enabled
    await rule.get_by_role("button", name="Switch on", exact=True).click()
    await rule.get_by_text("On", exact=True).wait_for()
    await drawer.get_by_role("button", name="Close").click()
    await beside.events.create_event(stream_id=stream.id, event_type="goal", content={"title": HOSTILE})
    toast = view.page.locator(".toast")
    await toast.wait_for()
    assert await toast.locator("p").inner_text() == f"Goals: {HOSTILE}"
    assert await view.page.evaluate("window.told") == [[f"Alerts {look}", f"Goals: {HOSTILE}"]]
    await toast.get_by_role("button", name="Dismiss").click()
    await view.page.get_by_role("button", name="Alerts").click()
    await drawer.get_by_role("list", name="Alerts").get_by_text("Goals: <img").wait_for()
    assert [one.rule_name for one in await beside.alerts.list_alerts(stream)] == ["Goals"]


@pytest.mark.slow
@pytest.mark.parametrize("look", LOOKS)
async def test_a_rule_is_changed_in_the_page(served: str, beside: VibeSeater, open_page: Open, look: str) -> None:
    """Its fields are put into the form; what the form has no field for stays; a mistake leaves all as it was."""
    stream, _ = await _stream(beside, f"Changes {look}")
    source = await beside.sources.create_source(stream, name="Bench")
    made = await beside.alerts.create_rule(
        stream,
        HOSTILE,
        when="above",
        threshold=3,
        window="90m",
        for_="30s",
        source=source,
        targets=["json://localhost"],
    )
    view = await _open(open_page, served, stream, look)
    await view.page.get_by_role("button", name="Alerts").click()
    drawer = view.page.get_by_role("dialog", name="Alerts")
    rule = drawer.locator("[data-rule-id]")
    await rule.get_by_role("button", name="Edit").click()
    assert await drawer.get_by_role("textbox", name="Name").input_value() == HOSTILE
    assert await drawer.get_by_role("textbox", name="Within").input_value() == "90m"
    assert await drawer.get_by_role("textbox", name="For at least").input_value() == "30s"
    await drawer.get_by_role("textbox", name="Within").fill("soon")
    await drawer.get_by_role("button", name="Save").click()
    await drawer.get_by_role("alert").get_by_text("window='soon'").wait_for()
    assert await beside.alerts.get_rule(made) == made
    await drawer.get_by_role("textbox", name="Within").fill("2h")
    await drawer.get_by_role("textbox", name="Only of the type").fill("goal")
    await drawer.get_by_role("button", name="Save").click()
    await rule.get_by_text("at least 3 events within 2 h, of type goal").wait_for()
    await drawer.get_by_role("heading", name="New rule").wait_for()
    changed = await beside.alerts.get_rule(made)
    assert (changed.window_seconds, changed.event_type, changed.for_seconds) == (7200, "goal", 30)
    assert (changed.source_id, changed.targets) == (source.id, made.targets)
    await rule.get_by_role("button", name="Edit").click()
    await drawer.get_by_role("button", name="Cancel").click()
    await drawer.get_by_role("button", name="Add rule").wait_for()
    assert await view.page.evaluate("window.hacked") is None


@pytest.mark.slow
async def test_a_rule_is_tried_on_what_came_where_all_of_it_happened_long_ago(
    served: str, beside: VibeSeater, open_page: Open
) -> None:
    """A recording that is played now: live, the time of coming counts."""
    stream = await beside.streams.create_stream("Recording")
    await beside.events.create_event(
        stream_id=stream.id, event_type="quake", content={}, occurred_at=datetime(2018, 2, 4, tzinfo=UTC)
    )
    view = await _open(open_page, served, stream, "desktop")
    await view.page.get_by_role("button", name="Alerts").click()
    drawer = view.page.get_by_role("dialog", name="Alerts")
    await drawer.get_by_role("textbox", name="Name").fill("Quakes")
    await drawer.get_by_role("combobox", name="When").select_option("event")
    await drawer.get_by_role("button", name="Try on the past week").click()
    await drawer.get_by_text("Quakes: would have fired once").wait_for()
    await drawer.get_by_text("Events that counted: 1, by when they came").wait_for()
    await drawer.get_by_role("button", name="Close").click()
    await view.page.get_by_role("button", name="Bookmarks").click()
    await view.page.get_by_role("button", name="Bookmark", exact=True).click()
    await view.page.locator("[data-bookmark-id]").get_by_text("events 1 – 1").wait_for()


@pytest.mark.slow
@pytest.mark.parametrize("look", LOOKS)
async def test_bookmarks_are_found_by_time(served: str, beside: VibeSeater, open_page: Open, look: str) -> None:
    stream, _ = await _stream(beside, f"Times {look}")
    for day in (3, 5, 7):
        moment = datetime(2026, 3, day, 12, tzinfo=UTC)
        await beside.bookmarks.create_bookmark(
            stream, start=moment, end=moment + timedelta(minutes=5), note=f"the {day}th"
        )
    view = await _open(open_page, served, stream, look)
    await view.page.get_by_role("button", name="Bookmarks").click()
    drawer = view.page.get_by_role("dialog", name="Bookmarks")
    marks = drawer.locator("[data-bookmark-id]")
    await marks.nth(2).wait_for()
    await drawer.get_by_label("Since").fill("2026-03-04T12:00")
    await marks.nth(2).wait_for(state="detached")
    await drawer.get_by_label("Before").fill("2026-03-06T12:00")
    await marks.nth(1).wait_for(state="detached")
    assert "the 5th" in await marks.inner_text()
    await drawer.get_by_label("Before").fill("2026-03-04T12:30")
    await drawer.get_by_text("No bookmark is like that").wait_for()
    await drawer.get_by_label("Since").fill("")
    await marks.get_by_text("the 3th").wait_for()
    assert await drawer.evaluate("el => el.scrollWidth <= el.clientWidth"), "nothing sticks out"


@pytest.mark.slow
async def test_what_was_typed_stays_until_it_is_stored(served: str, beside: VibeSeater, open_page: Open) -> None:
    stream, _ = await _stream(beside, "Typed")
    made = [await beside.highlights.create_highlight(stream, search=f"w{number}") for number in range(50)]
    view = await _open(open_page, served, stream, "desktop")
    await view.page.get_by_role("button", name="Bookmarks").click()
    drawer = view.page.get_by_role("dialog", name="Bookmarks")
    words = drawer.get_by_role("textbox", name="Words")
    await words.fill("goal")
    await drawer.get_by_role("button", name="Highlight", exact=True).click()
    await drawer.get_by_role("alert").filter(has_text="it has 50 rules").wait_for()
    assert await words.input_value() == "goal"
    await beside.highlights.delete_highlight(made[0])
    await drawer.get_by_role("button", name="Highlight", exact=True).click()
    await drawer.locator("[data-highlight-id]").get_by_text("goal").wait_for()

    async def emptied() -> bool:
        return bool(await words.input_value() == "")

    assert await eventually(emptied)


@pytest.mark.slow
async def test_what_does_not_fit_is_said(served: str, beside: VibeSeater, open_page: Open) -> None:
    stream, _ = await _stream(beside, "Mistakes")
    view = await _open(open_page, served, stream, "desktop")
    await view.page.get_by_role("button", name="Alerts").click()
    drawer = view.page.get_by_role("dialog", name="Alerts")
    await drawer.get_by_role("textbox", name="Name").fill("Many")
    await drawer.get_by_role("textbox", name="Within").fill("soon")
    await drawer.get_by_role("button", name="Add rule").click()
    await drawer.get_by_role("alert").get_by_text("window='soon': not a duration").wait_for()
    assert await beside.alerts.list_rules(stream) == []
