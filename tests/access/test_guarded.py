"""The VibeSeater that a page gets: each role and each action, and streams that are not seen, with real servers."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

import vibeseater
from tests.servers import eventually
from vibeseater import VibeSeater
from vibeseater.access.actions import ACTIONS, RIGHTS, ROLES, Role, may
from vibeseater.access.actor import actor
from vibeseater.access.rules import Access, Person
from vibeseater.errors import AccessError, NotFoundError
from vibeseater.guarded import allows, check_stream, guarded, require, seen_of, sees, whole
from vibeseater.throttle import Throttle

RULES = """
[users]
viewer = "viewer"
operator = "operator"
admin = "admin"
narrow = "operator"

[[streams]]
stream = "Secret *"
seen_by = ["viewer", "operator"]
"""
TABLES = (
    "streams", "sources", "stream_sources", "source_state", "stream_limits", "events", "bookmarks", "highlights",
    "alert_rules", "retention_rules", "archive_files",
)  # fmt: skip

World = Any


@pytest.fixture(scope="module")
async def shared(module_database_url: str, module_redis_url: str) -> AsyncIterator[VibeSeater]:
    async with vibeseater.connect(module_database_url, module_redis_url) as connected:
        yield connected


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Access:
    path = tmp_path_factory.mktemp("access") / "access.toml"
    path.write_text(RULES)
    return Access(path)


async def make_world(seater: VibeSeater, title: str, folder: Path) -> World:
    """A stream with one of everything."""
    stream = await seater.streams.create_stream(f"{title} {uuid4()}")
    stream = await seater.streams.set_status(stream, "paused")
    source = await seater.sources.create_source(stream, name="One")
    other = await seater.sources.create_source(name="Other")
    await seater.sources.attach(await seater.streams.create_stream(f"{title} {uuid4()}"), other)
    event = await seater.events.create_event(
        stream_id=stream.id, source_id=source.id, event_type="note", content={"title": "said"}
    )
    return SimpleNamespace(
        stream=stream,
        source=source,
        other=other,
        event=event,
        folder=folder,
        bookmark=await seater.bookmarks.create_bookmark(stream, event=event),
        highlight=await seater.highlights.create_highlight(stream, search="said"),
        rule=await seater.alerts.create_rule(stream, "Rule", when="event"),
        pin=await seater.pin(stream),
        new={"stream_id": stream.id, "event_type": "note", "content": {}},
    )


async def _things() -> AsyncIterator[dict[str, Any]]:
    yield {"title": "thing"}


def _frame() -> Any:
    import pandas as pd

    return pd.DataFrame({"title": ["row"]})


Call = Callable[[VibeSeater, World], Awaitable[Any]]
DOES: dict[str, Call] = {
    "streams.create_stream": lambda s, w: s.streams.create_stream("Another"),
    "streams.update_stream": lambda s, w: s.streams.update_stream(w.stream, media_url="https://example.org/a.mp4"),
    "streams.set_status": lambda s, w: s.streams.set_status(w.stream.id, "live"),
    "streams.delete_stream": lambda s, w: s.streams.delete_stream(w.stream.slug),
    "streaming.start_stream": lambda s, w: s.streaming.start_stream(w.stream),
    "streaming.pause_stream": lambda s, w: s.streaming.pause_stream(w.stream),
    "streaming.resume_stream": lambda s, w: s.streaming.resume_stream(w.stream),
    "streaming.stop_stream": lambda s, w: s.streaming.stop_stream(w.stream),
    "streaming.limit_stream": lambda s, w: s.streaming.limit_stream(w.stream, 5.0),
    "streaming.pause_source": lambda s, w: s.streaming.pause_source(w.source),
    "streaming.resume_source": lambda s, w: s.streaming.resume_source(str(w.source.id)),
    "sources.create_source": lambda s, w: s.sources.create_source(w.stream, name="New"),
    "sources.update_source": lambda s, w: s.sources.update_source(w.source.id, name="Changed"),
    "sources.delete_source": lambda s, w: s.sources.delete_source(w.source),
    "sources.attach": lambda s, w: s.sources.attach(w.stream, w.other),
    "sources.detach": lambda s, w: s.sources.detach(w.stream, w.source),
    "sources.from_iterable": lambda s, w: s.sources.from_iterable(w.stream, _things()),
    "events.create_event": lambda s, w: s.events.create_event(**w.new, source_id=w.source),
    "events.create_events_batch": lambda s, w: s.events.create_events_batch(iter([w.new, w.new])),
    "events.from_dataframe": lambda s, w: s.events.from_dataframe(w.stream, _frame(), event_type="row"),
    "bookmarks.create_bookmark": lambda s, w: s.bookmarks.create_bookmark(w.stream, event=w.event),
    "bookmarks.update_bookmark": lambda s, w: s.bookmarks.update_bookmark(w.bookmark, note="changed"),
    "bookmarks.delete_bookmark": lambda s, w: s.bookmarks.delete_bookmark(str(w.bookmark.id)),
    "highlights.create_highlight": lambda s, w: s.highlights.create_highlight(w.stream, search="more"),
    "highlights.delete_highlight": lambda s, w: s.highlights.delete_highlight(w.highlight),
    "alerts.create_rule": lambda s, w: s.alerts.create_rule(w.stream, "More", when="event"),
    "alerts.update_rule": lambda s, w: s.alerts.update_rule(w.rule, name="Changed"),
    "alerts.silence_rule": lambda s, w: s.alerts.silence_rule(str(w.rule.id), "1h"),
    "alerts.delete_rule": lambda s, w: s.alerts.delete_rule(w.rule.id),
    "archive.write": lambda s, w: s.archive.write(w.stream, w.folder),
    "archive.purge": lambda s, w: s.archive.purge(w.stream, keep=1, without_archive=True, dry_run=False),
    "archive.apply_rules": lambda s, w: s.archive.apply_rules(),
    "archive.moved": lambda s, w: s.archive.moved(w.folder, w.folder / "new"),
    "archive.retention.set": lambda s, w: s.archive.retention.set(w.stream, keep=10, without_archive=True),
    "archive.retention.remove": lambda s, w: s.archive.retention.remove(w.stream),
    "audit.prune": lambda s, w: s.audit.prune("2020-01-01T00:00:00Z"),
    "broadcast_replay": lambda s, w: _replayed(s, w),
}  # fmt: skip


async def _replayed(seater: VibeSeater, world: World) -> int:
    async with seater.replay(world.stream, speed=float("inf")) as feed:
        return await seater.broadcast_replay(feed)


async def stored(seater: VibeSeater) -> dict[str, Any]:
    """All that is stored, to be compared."""
    rows = {}
    for table in TABLES:
        # Sources that another test started are still being read: what their workers write is no person's action.
        row = "concat_ws(' ', t.source_id, t.paused)" if table == "source_state" else "t::text"
        rows[table] = await seater.pool.fetchval(f"SELECT md5(string_agg({row}, ',' ORDER BY {row})) FROM {table} t")
    return rows


def test_each_action_is_tried() -> None:
    assert set(DOES) == ACTIONS


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", sorted(DOES))
async def test_each_role_and_each_action(
    shared: VibeSeater, access: Access, tmp_path: Path, name: str, role: Role
) -> None:
    """Who may, does; who may not is told so in a sentence, and nothing is changed."""
    world = await make_world(shared, "Open", tmp_path)
    page = guarded(shared, Person(role), access)
    assert allows(page, name) is may(role, name)
    if may(role, name):
        await DOES[name](page, world)
        return
    before = await stored(shared)
    with pytest.raises(AccessError, match=rf"asks for an? {RIGHTS[name].role}, and you are a[n]? {role} here"):
        await DOES[name](page, world)
    assert await stored(shared) == before


@pytest.mark.parametrize("name", sorted(one for one, right in RIGHTS.items() if right.kind == "inside"))
async def test_what_is_inside_is_for_nobody_s_page(shared: VibeSeater, access: Access, name: str) -> None:
    page: Any = guarded(shared, Person("admin"), access)
    *parts, last = name.split(".")
    for part in parts:
        page = getattr(page, part)
    with pytest.raises(AccessError, match="is not for pages"):
        getattr(page, last)


async def test_who_has_no_role_is_told_nothing(shared: VibeSeater, access: Access, tmp_path: Path) -> None:
    world = await make_world(shared, "Open", tmp_path)
    page = guarded(shared, Person("stranger"), access)
    with pytest.raises(AccessError, match="you have no role here"):
        await page.streams.list_streams()
    with pytest.raises(AccessError):
        page.subscribe(world.stream)
    with pytest.raises(AccessError):
        _ = page.settings
    assert seen_of(page, [world.stream]) == []
    assert not sees(page, world.stream.id)


READS: dict[str, Call] = {
    "streams.get_stream": lambda s, w: s.streams.get_stream(w.stream.slug),
    "streaming.status": lambda s, w: s.streaming.status(w.stream),
    "sources.get_source": lambda s, w: s.sources.get_source(w.source),
    "sources.list_sources": lambda s, w: s.sources.list_sources(w.stream),
    "sources.stream_ids": lambda s, w: s.sources.stream_ids(w.source),
    "events.get_event": lambda s, w: s.events.get_event(w.event.id),
    "events.list_events": lambda s, w: s.events.list_events(w.stream, limit=1),
    "events.list_events_for_source": lambda s, w: s.events.list_events_for_source(w.source),
    "events.find_events": lambda s, w: s.events.find_events(w.stream, w.highlight.wanted),
    "events.count_events": lambda s, w: s.events.count_events(w.stream),
    "events.count_found": lambda s, w: s.events.count_found(w.stream, w.highlight.wanted),
    "events.get_recent_events": lambda s, w: s.events.get_recent_events(w.stream, 60),
    "events.event_types": lambda s, w: s.events.event_types(w.stream),
    "events.matching_positions": lambda s, w: s.events.matching_positions(w.stream, [1], w.highlight.wanted),
    "events.calculate_event_rate": lambda s, w: s.events.calculate_event_rate(w.stream, 60),
    "events.get_realtime_statistics": lambda s, w: s.events.get_realtime_statistics(stream=w.stream),
    "events.count_events_by_bucket": lambda s, w: s.events.count_events_by_bucket(w.stream),
    "events.count_events_between": lambda s, w: s.events.count_events_between(w.stream),
    "events.position_at": lambda s, w: s.events.position_at(w.stream, datetime.now(UTC)),
    "events.to_dataframe": lambda s, w: s.events.to_dataframe(w.stream),
    "events.dataframe_chunks": lambda s, w: _all_of(s.events.dataframe_chunks(w.stream)),
    "events.to_arrow": lambda s, w: s.events.to_arrow(w.stream),
    "events.rate_dataframe": lambda s, w: s.events.rate_dataframe(w.stream),
    "bookmarks.list_bookmarks": lambda s, w: s.bookmarks.list_bookmarks(w.stream),
    "bookmarks.to_dataframe": lambda s, w: s.bookmarks.to_dataframe(w.stream),
    "bookmarks.get_bookmark": lambda s, w: s.bookmarks.get_bookmark(str(w.bookmark.id)),
    "bookmarks.watch": lambda s, w: _first_of(s.bookmarks.watch(w.stream.id)),
    "highlights.list_highlights": lambda s, w: s.highlights.list_highlights(w.stream),
    "highlights.watch": lambda s, w: _first_of(s.highlights.watch(w.stream.id)),
    "highlights.colours": lambda s, w: s.highlights.colours([w.event], [w.highlight]),
    "alerts.list_rules": lambda s, w: s.alerts.list_rules(w.stream),
    "alerts.list_alerts": lambda s, w: s.alerts.list_alerts(w.stream),
    "alerts.watch": lambda s, w: _first_of(s.alerts.watch(w.stream.id)),
    "alerts.watch_rules": lambda s, w: _first_of(s.alerts.watch_rules(w.stream.id)),
    "alerts.draft_rule": lambda s, w: _at_once(lambda: s.alerts.draft_rule(w.stream.id, "Draft", when="event")),
    "alerts.get_rule": lambda s, w: s.alerts.get_rule(str(w.rule.id)),
    "alerts.try_on_history": lambda s, w: s.alerts.try_on_history(str(w.rule.id), "1d"),
    "archive.files": lambda s, w: s.archive.files(w.stream),
    "archive.verify": lambda s, w: s.archive.verify(w.stream),
    "pin": lambda s, w: s.pin(w.stream.id),
    "read_pin": lambda s, w: s.read_pin(str(w.pin)),
    "subscribe": lambda s, w: _first_of(s.subscribe(f"stream:{w.stream.id}", since=0)),
    "replay": lambda s, w: _first_of(s.replay([f"stream:{w.stream.id}"], speed=float("inf"))),
    "follow": lambda s, w: _entered(s.follow(f"stream:{w.stream.id}")),
}  # fmt: skip
AT_LARGE = {  # about no stream, or looked at by itself below
    "streams.list_streams", "archive.retention.list", "watch_replay", "closed", "settings", "streaming.holder",
    "events.check_filter", "events.search_words", "events.queued", "alerts.evaluated_here", "operations.overview",
    "operations.log", "audit.list_records",
}  # fmt: skip


async def _at_once(work: Callable[[], Any]) -> Any:
    return work()


async def _all_of(pieces: Any) -> list[Any]:
    return [piece async for piece in pieces]


async def _first_of(feed: Any) -> Any:
    async with feed:
        async for one in feed:
            return one
    return None


async def _entered(following: Any) -> Any:
    async with following:
        return following.frame


def test_each_read_is_tried() -> None:
    assert set(READS) | AT_LARGE == {name for name, right in RIGHTS.items() if right.kind == "read"}


@pytest.mark.parametrize("name", sorted(READS))
async def test_each_read_of_a_stream_that_is_not_seen(
    shared: VibeSeater, access: Access, tmp_path: Path, name: str
) -> None:
    """One that is not there, and one that is not seen, are answered alike; who sees it is answered."""
    secret = await make_world(shared, "Secret", tmp_path)
    page = guarded(shared, Person("viewer"), access)
    await page.streams.get_stream(secret.stream.id)  # as a page does
    await READS[name](page, secret)

    hidden = guarded(shared, Person("narrow"), access)
    with pytest.raises(NotFoundError) as refused:
        await READS[name](hidden, secret)
    missing = SimpleNamespace(**vars(secret))
    for one in ("stream", "source", "bookmark", "rule", "event"):
        setattr(missing, one, SimpleNamespace(id=uuid4(), slug="not-there"))
    if hasattr(missing.stream, "id") and name not in ("highlights.colours", "read_pin"):
        gone = _like(secret, missing)
        with pytest.raises(NotFoundError) as not_there:
            await READS[name](hidden, gone)
        assert (refused.value.field, refused.value.problem, refused.value.cure) == (
            not_there.value.field,
            not_there.value.problem,
            not_there.value.cure,
        )


def _like(world: World, ids: World) -> World:
    """The same things under ids that are not there."""
    import msgspec

    changed = {
        one: msgspec.structs.replace(getattr(world, one), id=getattr(ids, one).id)
        for one in ("stream", "source", "bookmark", "rule", "event")
    }
    changed["stream"] = msgspec.structs.replace(changed["stream"], slug="not-there", title="Secret not there")
    return SimpleNamespace(**{**vars(world), **changed})


@pytest.mark.parametrize("name", sorted(one for one in DOES if RIGHTS[one].about not in ("made", "feed", "all")))
async def test_each_action_on_a_stream_that_is_not_seen(
    shared: VibeSeater, access: Access, tmp_path: Path, name: str
) -> None:
    secret = await make_world(shared, "Secret", tmp_path)
    page = guarded(shared, Person("narrow"), access)
    before = await stored(shared)
    with pytest.raises(NotFoundError if may("operator", name) else AccessError):
        await DOES[name](page, secret)
    assert await stored(shared) == before


async def test_what_is_listed_is_what_is_seen(shared: VibeSeater, access: Access, tmp_path: Path) -> None:
    secret, plain = await make_world(shared, "Secret", tmp_path), await make_world(shared, "Open", tmp_path)
    await shared.sources.attach(plain.stream, secret.other)
    for world in (secret, plain):
        await shared.archive.retention.set(world.stream, keep=10, without_archive=True)
        await shared.events.create_event(**world.new, source_id=secret.other)
    page = guarded(shared, Person("narrow"), access)
    ids = {one.id for one in await page.streams.list_streams()}
    assert plain.stream.id in ids
    assert secret.stream.id not in ids
    sources = {one.id for one in await page.sources.list_sources()}
    assert {plain.source.id, secret.other.id} <= sources
    assert secret.source.id not in sources
    assert await page.sources.stream_ids(secret.other) == [plain.stream.id]
    assert {one.stream_id for one in await page.events.list_events_for_source(secret.other)} == {plain.stream.id}
    kept = {one.stream_id for one in await page.archive.retention.list()}
    assert plain.stream.id in kept
    assert secret.stream.id not in kept
    assert seen_of(page, [secret.stream, plain.stream]) == [plain.stream]
    assert sees(page, plain.stream.id)
    assert not sees(page, secret.stream.id)
    with pytest.raises(NotFoundError):
        await check_stream(page, secret.stream.id)


async def test_a_source_of_several_streams_is_changed_by_who_sees_all_of_them(
    shared: VibeSeater, access: Access, tmp_path: Path
) -> None:
    secret, plain = await make_world(shared, "Secret", tmp_path), await make_world(shared, "Open", tmp_path)
    await shared.sources.attach(plain.stream, secret.source)
    page = guarded(shared, Person("narrow"), access)
    assert (await page.sources.get_source(secret.source)).name == "One"
    for change in ("streaming.pause_source", "sources.update_source", "sources.delete_source", "sources.attach"):
        with pytest.raises(AccessError, match="other streams"):
            await DOES[change](
                page, SimpleNamespace(**{**vars(plain), "source": secret.source, "other": secret.source})
            )
    with pytest.raises(AccessError, match="Name its streams"):
        page.subscribe(secret.source)
    await page.sources.detach(plain.stream, secret.source)  # of its own stream it may be taken
    with pytest.raises(NotFoundError):
        await page.sources.get_source(secret.source)
    with pytest.raises(NotFoundError):  # nor may events say that they came from there
        await page.events.create_event(**plain.new, source_id=secret.source)


async def test_no_stream_is_put_where_its_maker_would_not_see_it(shared: VibeSeater, access: Access) -> None:
    page = guarded(shared, Person("narrow"), access)
    made = await page.streams.create_stream("Plain")
    for name in (
        lambda: page.streams.create_stream("Secret plans"),
        lambda: page.streams.update_stream(made, title="secret x"),
    ):
        with pytest.raises(AccessError, match="would not see"):
            await name()
    with pytest.raises(AccessError):
        await page.streams.create_stream("Secret plans", exist_ok=True)


async def test_what_is_about_all_streams_is_for_who_sees_them(shared: VibeSeater, access: Access) -> None:
    narrow, operator = (guarded(shared, Person(one), access) for one in ("narrow", "operator"))
    require(operator, "operations.overview")
    for name in ("operations.overview", "watch_replay", "archive.apply_rules"):
        assert not allows(narrow, name)
        with pytest.raises(AccessError, match="about all streams"):
            require(narrow, name)
    assert not allows(operator, "operations.log")


async def test_a_new_title_counts_within_a_second(
    shared: VibeSeater, access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await make_world(shared, "Open", tmp_path)
    page = guarded(shared, Person("narrow"), access)
    await page.events.list_events(world.stream)
    await shared.streams.update_stream(world.stream, title="Secret now")
    monkeypatch.setattr("vibeseater.guarded._FRESH", 0.0)
    with pytest.raises(NotFoundError):
        await page.events.list_events(world.stream)


async def test_it_tells_who_acts_and_is_shared(shared: VibeSeater, access: Access, tmp_path: Path) -> None:
    told: list[str | None] = []

    async def things() -> AsyncIterator[dict[str, Any]]:
        told.append(actor())
        yield {"title": "thing"}

    world = await make_world(shared, "Open", tmp_path)
    page = guarded(shared, Person("operator"), access)
    await (await page.sources.from_iterable(world.stream, things()))
    assert told == ["operator"]
    assert actor() is None
    assert whole(page) is shared
    assert whole(shared) is shared
    assert whole(guarded(page, Person("admin"), access)) is shared
    assert inspect.iscoroutinefunction(page.streams.get_stream)


async def test_the_record_says_who_did_and_who_was_refused(
    shared: VibeSeater, access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few a minute of one person's refusals: nobody fills the record by pressing without end."""
    world = await make_world(shared, "Open", tmp_path)
    monkeypatch.setattr("vibeseater.guarded._noted", Throttle(2))
    await guarded(shared, Person("operator"), access).streams.update_stream(world.stream, slug=f"new-{uuid4().hex}")
    page = guarded(shared, Person("viewer"), access)
    for _ in range(5):
        with pytest.raises(AccessError):
            await page.streams.delete_stream(world.stream)
    told = await shared.audit.list_records(stream=world.stream)
    assert [(one.who, one.action, one.outcome) for one in told if one.who in ("viewer", "operator")] == [
        ("viewer", "streams.delete_stream", "refused"),
        ("viewer", "streams.delete_stream", "refused"),
        ("operator", "streams.update_stream", "done"),
    ]


async def test_what_is_not_seen_and_what_a_page_asks_for_is_recorded_as_refused(
    shared: VibeSeater, access: Access, tmp_path: Path
) -> None:
    """To whom a stream is not shown, it is not there; the record has both. So has it what a page looks at by itself."""
    secret = await make_world(shared, "Secret", tmp_path)
    page = guarded(shared, Person("narrow"), access)
    with pytest.raises(NotFoundError):
        await page.streaming.start_stream(secret.stream)
    (told,) = await shared.audit.list_records(stream=secret.stream, who="narrow")
    assert (told.action, told.outcome, told.object_name) == (
        "streaming.start_stream",
        "refused",
        secret.stream.slug,
    )
    name = f"viewer {uuid4().hex}"
    with pytest.raises(AccessError):
        require(guarded(shared, Person(name), access), "sources.create_source")

    async def recorded() -> list[str]:
        return [one.action for one in await shared.audit.list_records(who=name, outcome="refused")]

    await eventually(recorded)
    assert await recorded() == ["sources.create_source"]


async def test_a_vibeseater_itself_is_whole(shared: VibeSeater) -> None:
    """In a notebook, and where no person is, nothing is refused."""
    require(shared, "streams.delete_stream")
    assert allows(shared, "operations.log")
    assert sees(shared, uuid4())
    await check_stream(shared, uuid4())
