"""Pages of people who may do little, or see few streams: what their browsers ask for is refused, nothing is told."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import panel as pn
import pytest
from bokeh.document import Document
from panel.io.state import set_curdoc
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import create_signed_value

from tests.servers import eventually
from vibeseater import VibeSeater
from vibeseater.access.rules import NOBODY, Access, Person
from vibeseater.errors import AccessError, NotFoundError
from vibeseater.filters import EventFilter
from vibeseater.guarded import guarded
from vibeseater.login import PageCookies
from vibeseater.models import Event, Stream
from vibeseater.operations import monitor_of
from vibeseater.views.analysis.session import AnalysisSession
from vibeseater.views.analysis.state import AnalysisState
from vibeseater.views.counts import counts_of
from vibeseater.views.matching import matcher
from vibeseater.views.navigation import Navigation
from vibeseater.views.operations_view import OperationsView
from vibeseater.views.replay_page import streams_of
from vibeseater.views.replay_view import ReplayView
from vibeseater.views.shared_rows import shared_rows
from vibeseater.views.stream_view import StreamView
from vibeseater.views.streams_view import StreamsView
from vibeseater.views.visitor import visitor
from vibeseater.views.wall.session import WallSession
from vibeseater.views.wall.state import WallState
from vibeseater.views.watch import _answers, stream_now, streams_and_rates
from vibeseater.views.windows import SPANS

RULES = """
default = "viewer"
[users]
op = "operator"
narrow = "operator"
ada = "admin"
[[streams]]
stream = "Secret*"
seen_by = ["op"]
"""


@pytest.fixture
def access(tmp_path: Path) -> Access:
    path = tmp_path / "access.toml"
    path.write_text(RULES)
    return Access(path)


class Told(SimpleNamespace):
    """A stream with one of everything, and what a browser may name of it."""

    stream: Stream
    event: Event


@pytest.fixture
async def world(seater: VibeSeater) -> Told:
    stream = await seater.streams.create_stream("Secret talks")
    source = await seater.sources.create_source(stream, name="One")
    event = await seater.events.create_event(
        stream_id=stream.id, source_id=source.id, event_type="note", content={"title": "said"}
    )
    return Told(
        stream=stream,
        source=source,
        event=event,
        bookmark=await seater.bookmarks.create_bookmark(stream, event=event, note="mark"),
        highlight=await seater.highlights.create_highlight(stream, search="said"),
        rule=await seater.alerts.create_rule(stream, "Rule", when="event"),
        open=await seater.streams.create_stream("Open"),
    )


async def _stored(seater: VibeSeater) -> list[Any]:
    tables = ("streams", "sources", "stream_sources", "events", "bookmarks", "highlights", "alert_rules")
    return [
        await seater.pool.fetchval(f"SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {table} t")
        for table in tables
    ]


@pytest.fixture
async def viewers_page(seater: VibeSeater, world: Told, tmp_path: Path) -> AsyncIterator[StreamView]:
    """The page of a viewer who sees the stream."""
    path = tmp_path / "all.toml"
    path.write_text('default = "viewer"')
    page = guarded(seater, Person("vi"), Access(path))
    view = await StreamView(page, await page.streams.get_stream(world.stream.slug)).loaded()
    await eventually(lambda: view.bookmarks.marked and view.bookmarks.rules)
    yield view
    await view.aclose()


async def test_a_viewer_s_press_starts_and_stops_nothing(seater: VibeSeater, viewers_page: StreamView) -> None:
    before = await _stored(seater)
    bar: Any = viewers_page.controls._bar
    assert "asks for an operator" in bar.denied
    for action in ("start", "pause", "resume", "stop"):
        bar._handle_msg({"action": action})
        told = f"“{action} stream” asks for an operator, and you are a viewer here"
        await eventually(lambda told=told: told in viewers_page.state.problem and not bar.busy)
    assert await _stored(seater) == before


MESSAGES: list[tuple[str, dict[str, Any]]] = [
    ("manager", {"op": "look", "url": "https://example.org/feed"}),
    ("manager", {"op": "webhook"}),
    ("manager", {"op": "edit", "id": "source"}),
    ("manager", {"op": "save", "id": "source", "name": "Changed", "config": "{}"}),
    ("manager", {"op": "pause", "id": "source"}),
    ("manager", {"op": "resume", "id": "source"}),
    ("manager", {"op": "remove", "id": "source"}),
    ("bookmarks", {"op": "range", "seconds": 300, "note": "mine", "colour": "amber"}),
    ("bookmarks", {"op": "update", "id": "bookmark", "note": "changed"}),
    ("bookmarks", {"op": "delete", "id": "bookmark"}),
    ("bookmarks", {"op": "highlight", "search": "x", "type": "", "colour": "amber"}),
    ("bookmarks", {"op": "unhighlight", "id": "highlight"}),
    ("alerts", {"op": "add", "name": "New", "when": "event"}),
    ("alerts", {"op": "change", "changes": "rule", "name": "Changed", "when": "event"}),
    ("alerts", {"op": "on", "id": "rule"}),
    ("alerts", {"op": "off", "id": "rule"}),
    ("alerts", {"op": "silence", "id": "rule"}),
    ("alerts", {"op": "loud", "id": "rule"}),
    ("alerts", {"op": "delete", "id": "rule"}),
]


async def test_a_viewer_s_messages_change_nothing(seater: VibeSeater, world: Told, viewers_page: StreamView) -> None:
    """The browser sends them all the same: each is refused in a line that the page shows."""
    before = await _stored(seater)
    for part, message in MESSAGES:
        drawer: Any = getattr(viewers_page, part)._drawer
        assert drawer.denied
        drawer.problem = {} if part == "manager" else ""
        named = {key: str(getattr(world, value).id) for key, value in message.items() if key in ("id", "changes")}
        drawer._handle_msg({**message, **named})

        def told(drawer: Any = drawer) -> str:
            return str(drawer.problem.get("text", "") if isinstance(drawer.problem, dict) else drawer.problem)

        await eventually(lambda told=told: "Not allowed" in told(), message=f"{part} {message}")
        assert await _stored(seater) == before, message
        assert not getattr(drawer, "editing", {})
        assert not getattr(drawer, "made", {})
        await eventually(lambda drawer=drawer: not getattr(drawer, "busy", False))


async def test_a_viewer_may_try_a_rule_on_the_past(world: Told, viewers_page: StreamView) -> None:
    drawer: Any = viewers_page.alerts._drawer
    drawer._handle_msg({"op": "try", "id": str(world.rule.id)})
    await eventually(lambda: "would have fired once" in drawer.tried.get(str(world.rule.id), ""))


async def test_a_viewer_s_rows_have_no_button_to_bookmark(seater: VibeSeater, viewers_page: StreamView) -> None:
    assert viewers_page.table._table.actions == []
    with pytest.raises(AccessError):
        await viewers_page.bookmarks._toggle(viewers_page.state.rows[0])
    assert len(await seater.bookmarks.list_bookmarks(viewers_page.session.stream)) == 1


async def test_a_bookmark_says_who_made_it(seater: VibeSeater, access: Access, world: Told) -> None:
    page = guarded(seater, Person("op"), access)
    view = await StreamView(page, await page.streams.get_stream(world.stream.id)).loaded()
    await eventually(lambda: view.bookmarks.marked)
    for event in (world.event, world.event):  # taken away, and made anew
        await view.bookmarks._toggle(event)
    assert [one.author for one in await seater.bookmarks.list_bookmarks(world.stream)] == ["op"]
    await view.aclose()


async def test_a_viewer_makes_no_stream(seater: VibeSeater, access: Access) -> None:
    view = StreamsView(guarded(seater, Person("vi"), access))
    view.start()
    sent: list[str] = []
    view._list._send_msg = sent.append  # type: ignore[method-assign]
    assert "asks for an operator" in view._list.denied
    view._list._handle_msg({"op": "create", "title": "Mine", "url": "https://example.org/feed"})
    await eventually(lambda: bool(sent))
    assert "Not allowed" in json.loads(sent[0])["text"]
    assert await seater.streams.list_streams() == []
    await view.aclose()


@pytest.fixture
def narrow(seater: VibeSeater, access: Access) -> VibeSeater:
    return guarded(seater, Person("narrow"), access)


async def test_a_stream_that_is_not_seen_is_in_no_list(
    seater: VibeSeater, access: Access, narrow: VibeSeater, world: Told
) -> None:
    """Streams, analytics, wall: only the other one; who sees both shares what was read with who does not."""
    for stream in (world.stream, world.open):
        await seater.events.create_event(stream_id=stream, event_type="note", content={})
    everything, every_rate = await streams_and_rates(seater)
    assert {one.title for one in everything} == {"Secret talks", "Open"}
    assert set(every_rate) == {world.stream.id, world.open.id}
    told, rates = await streams_and_rates(narrow)
    assert {one.title for one in told} == {"Open"}
    assert set(rates) == {world.open.id}
    view = StreamsView(narrow)
    await view.refresh()
    assert [one["title"] for one in view._list.streams] == ["Open"]

    analysis = AnalysisSession(narrow, AnalysisState())
    await analysis._list()
    assert [one["title"] for one in analysis.state.streams] == ["Open"]

    wall = WallSession(narrow, WallState())
    await wall.list_streams()
    assert [one["title"] for one in wall.state.streams] == ["Open"]
    await wall.add(world.stream.slug)
    assert wall.state.problem == f"There is no stream {world.stream.slug}."
    await wall.show([str(world.stream.id), "open"], [None, None])
    assert wall.state.ids == [str(world.open.id)]
    assert f"There is no stream {world.stream.id}." in wall.state.problem
    await wall.aclose()


async def test_a_stream_that_is_not_seen_is_answered_as_one_that_is_not_there(narrow: VibeSeater, world: Told) -> None:
    """Whatever a page asks: each of them knows it only by an address, or has got it in another way."""
    for asked in (str(world.stream.id), world.stream.slug):
        with pytest.raises(NotFoundError) as refused:
            await streams_of(narrow, [asked])
        with pytest.raises(NotFoundError) as missing:
            await streams_of(narrow, ["nothing-here"])
        assert str(refused.value).replace(asked, "") == str(missing.value).replace("nothing-here", "")
    with pytest.raises(NotFoundError):  # a source's id stands for its streams
        await streams_of(narrow, [str(world.source.id)])
    for read in (
        stream_now(narrow, world.stream.id),
        counts_of(narrow, world.stream.id, SPANS[0]),
        shared_rows(narrow, world.stream.id),
        narrow.events.list_events(world.stream, search="said"),
    ):
        with pytest.raises(NotFoundError):
            await read
    with pytest.raises(NotFoundError):
        matcher(narrow, world.stream.id, EventFilter(search="said"))
    with pytest.raises(NotFoundError):
        ReplayView(narrow, world.stream)


async def test_a_view_of_a_stream_that_is_not_seen_shows_nothing_of_it(narrow: VibeSeater, world: Told) -> None:
    """Even where a page was given it: no rows, no figures, no bookmarks, no alerts, no sources, and no ticket."""
    view = StreamView(narrow, world.stream)
    view.session.start()
    await eventually(lambda: "no such stream" in view.state.problem)
    view.manager._drawer._handle_msg({"op": "open"})
    await eventually(lambda: "no such stream" in view.manager._drawer.problem.get("text", ""))
    with pytest.raises(NotFoundError):
        view.bookmarks.start()
    with pytest.raises(NotFoundError):
        view.alerts.start()
    assert not view.state.rows
    assert view.manager._drawer.sources == []
    assert view.table._table.ticket is None or view.table._table.ticket() == ""
    history: Any = view.table._table._past
    with pytest.raises(NotFoundError):
        await history._events.get_event(world.event.id)
    await view.aclose()


async def test_pages_of_several_people_share_what_is_read_once(
    seater: VibeSeater, access: Access, narrow: VibeSeater, world: Told
) -> None:
    """Encoded once, asked for once, matched once, whoever sees it: roles cost no speed."""
    wanted = EventFilter(search="said")
    several = [seater, narrow, guarded(seater, Person("ada"), access)]
    for page in several:
        await page.streams.get_stream(world.open.id)
    rows = [await shared_rows(page, world.open.id) for page in several]  # held: what nobody holds is forgotten
    matchers = [matcher(page, world.open.id, wanted) for page in several]
    assert len({id(one) for one in rows}) == 1
    assert len({id(one) for one in matchers}) == 1
    assert len(await asyncio.gather(*(stream_now(page, world.open.id) for page in several))) == 3
    assert len(_answers[seater]) == 1


async def test_operations_are_for_who_sees_all_streams_and_the_log_for_admins(
    seater: VibeSeater, access: Access, narrow: VibeSeater, world: Told
) -> None:
    for page, why in ((narrow, "about all streams"), (guarded(seater, Person("vi"), access), "asks for an operator")):
        with pytest.raises(AccessError, match=why):
            OperationsView(page)
    monitor = monitor_of(seater)
    await monitor.next()
    views = {name: OperationsView(guarded(seater, Person(name), access)) for name in ("op", "ada")}
    for view in views.values():
        await view.refresh(monitor)
        assert monitor_of(view.seater) is monitor
        view.state.tables = {**view.state.tables, "logs": [{"key": "1", "text": "a line"}]}
    assert views["op"].tables["logs"].rows == []
    assert "admins" in views["op"].tables["logs"].empty
    assert views["ada"].tables["logs"].rows == [{"key": "1", "text": "a line"}]


def test_a_page_that_may_not_be_opened_is_not_linked() -> None:
    assert [one["name"] for one in Navigation(without={"operations"}).pages][-1] == "analytics"


# Who opened the page.

SECRET = "a secret for tests"


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(pn.config, "cookie_secret", SECRET)

    def told(secret: str = SECRET, **cookies: str) -> Person:
        values = {name: create_signed_value(secret, name, value).decode() for name, value in cookies.items()}
        return asked(values)

    def asked(cookies: dict[str, str]) -> Person:
        document = Document()
        document._session_context = lambda: SimpleNamespace(request=SimpleNamespace(cookies=cookies))
        with set_curdoc(document):
            return visitor()

    told.asked = asked  # type: ignore[attr-defined]
    return told


def _token(**fields: Any) -> str:
    from base64 import urlsafe_b64encode

    return urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


def test_who_is_signed_in_is_told_by_signed_cookies_alone(signed: Any) -> None:
    assert signed(user="ada") == Person("ada")
    assert signed("another secret", user="ada") == NOBODY
    assert signed.asked({"user": "ada"}) == NOBODY
    assert signed.asked({}) == NOBODY
    guest = {"is_guest": "1", "user": create_signed_value(SECRET, "user", "bob").decode()}
    assert signed.asked(guest) == Person("bob")


@pytest.mark.parametrize(
    ("told", "mail"),
    [
        ({"user": "ada", "email": "ada@example.org"}, "ada@example.org"),
        ({"sub": "ada", "email": "ada@example.org", "email_verified": True}, "ada@example.org"),
        ({"sub": "ada", "email": "boss@example.org", "email_verified": False}, None),
        ({"sub": "ada", "email": "boss@example.org", "email_verified": "false"}, None),
        ({"user": "eve", "email": "eve@example.org"}, None),  # another's, put beside it
        ({"user": "ada", "email": ["ada@example.org"]}, None),
        ({"user": "ada"}, None),
    ],
)
def test_an_address_counts_where_the_provider_stands_for_it(
    signed: Any, told: dict[str, Any], mail: str | None
) -> None:
    assert signed(user="ada", id_token=_token(**told)) == Person("ada", mail)


@pytest.mark.parametrize(
    ("owner", "secret", "mail"),
    [("ada", SECRET, "ada@example.org"), ("eve", SECRET, None), ("ada", "another secret", None)],
)
def test_a_page_s_token_has_of_a_provider_s_the_address_alone(
    signed: Any, owner: str, secret: str, mail: str | None
) -> None:
    """What the provider signed may be good elsewhere, and whoever has the page's text can read it. The address counts
    where it is that of who is signed in."""
    token = _token(login=owner, email="ada@example.org", sub="for other services")
    sent = {
        "user": create_signed_value(SECRET, "user", "ada"),
        "id_token": create_signed_value(secret, "id_token", token),
    }
    headers = HTTPHeaders({"Cookie": "; ".join(f"{name}={value.decode()}" for name, value in sent.items())})
    request = HTTPServerRequest(start_line=RequestStartLine("GET", "/streams", "HTTP/1.0"), headers=headers)
    kept = PageCookies(SECRET, 1).process_request(request)["cookies"]
    assert signed.asked(kept) == Person("ada", mail)
    assert {b64decode(value.split("|")[4].partition(":")[2]).decode() for value in kept.values()} == {"ada", mail or ""}


def test_a_token_that_can_t_be_read_is_none(signed: Any) -> None:
    assert signed(user="ada", id_token="{{{") == Person("ada")
