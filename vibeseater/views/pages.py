"""The pages' frame: title bar, light or dark, and a body that is made once the page is open. What is in it is told."""

from __future__ import annotations

import base64
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import panel as pn
import panel_material_ui as pmui
from bokeh.themes import Theme
from panel.io.resources import LOCAL_DIST
from panel.util import edit_readonly

from vibeseater.access.rules import Person
from vibeseater.errors import AccessError, InputError, NotFoundError, VibeSeaterError
from vibeseater.guarded import guarded
from vibeseater.html import printable
from vibeseater.models import Stream
from vibeseater.seater import VibeSeater
from vibeseater.views.address import Address
from vibeseater.views.analysis.question import query_of, read_query
from vibeseater.views.analysis.state import AnalysisState
from vibeseater.views.analysis.view import AnalyticsView
from vibeseater.views.busy import look_after_busy_state
from vibeseater.views.frame import Frame, is_dark
from vibeseater.views.message import Message
from vibeseater.views.navigation import Navigation
from vibeseater.views.operations_view import OperationsView
from vibeseater.views.page_address import PageAddress
from vibeseater.views.palette import ACCENT
from vibeseater.views.replay_page import read_address, speed_for, streams_of
from vibeseater.views.replay_view import ReplayView, span_for
from vibeseater.views.runtime import shared_seater
from vibeseater.views.stream_view import StreamView
from vibeseater.views.streams_view import StreamsView
from vibeseater.views.tasks import detached
from vibeseater.views.visitor import access_now, visitor
from vibeseater.views.wall import state as walls
from vibeseater.views.wall.view import WallView

__all__ = [
    "analytics_page",
    "operations_page",
    "page",
    "replay_page",
    "stream_page",
    "streams_page",
    "wall_page",
]

# All components are imported with this module, none while a page is made: Panel can't tell a browser that is already
# there of a new component without spoiling what that component sends.

_log = logging.getLogger(__name__)

_BAR = {
    "MuiAppBar": {
        "styleOverrides": {
            "root": {
                "backgroundColor": "var(--panel-surface-color)",
                "backgroundImage": "none",
                "color": "var(--panel-on-surface-color)",
                "boxShadow": "0 1px 0 color-mix(in srgb, var(--panel-on-surface-color) 13%, transparent)",
            }
        }
    }
}
_THEME = {
    "light": {
        "palette": {"primary": {"main": ACCENT}, "background": {"default": "#f6f7f9", "paper": "#ffffff"}},
        "components": _BAR,
    },
    "dark": {
        "palette": {"primary": {"main": "#8b9af0"}, "background": {"default": "#101216", "paper": "#15181d"}},
        "components": _BAR,
    },
}
_LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#4f63d2"/>'
    '<path d="M7 17h4l3-8 4 14 3-9 1.5 3H25" fill="none" stroke="#fff" stroke-width="2.4" stroke-linecap="round" '
    'stroke-linejoin="round"/></svg>'
)
_ICON = f"data:image/svg+xml;base64,{base64.b64encode(_LOGO.encode()).decode()}"
_TITLE = """
.title { color: var(--panel-on-surface-color) !important; font-size: 21px !important; font-weight: 650 !important; }
/* Never used here, but there, and without a name for those who hear the page. */
.MuiLinearProgress-root { display: none !important; }
.MuiIconButton-root { min-width: 44px; min-height: 44px; }
"""
_BODY = """
:host { display: block !important; max-width: 1480px; margin: 0 auto !important; padding: 20px 24px 28px; width: 100%; }
@media (max-width: 640px) { :host { padding: 12px 10px 20px; } }
"""

Body = Callable[[VibeSeater, Frame], Awaitable[Any]]


def page(title: str, make: Body) -> Any:
    """A page whose body is made by `make(seater, frame)` when a browser has opened it.

    The seater is guarded: it does what the person may who opened the page, of the streams that they see.

    Whatever goes wrong is said in the body, with what to do about it; the page itself always opens.
    """
    look_after_busy_state()
    frame = Frame(dark=is_dark())
    frame.show(title)
    body = pn.Column(Message(heading="Opening …"), stylesheets=[_BODY], sizing_mode="stretch_width", margin=0)

    who = visitor()

    async def fill() -> None:
        try:
            access = access_now()
            if access.rules.role_of(who) is None:
                raise AccessError(f"{printable(who.told)[:80]} has no role here. Ask whoever runs this server.")
            content = await make(guarded(await detached(shared_seater()), who, access), frame)
        except AccessError as error:
            content = Message(heading="Not for you", text=str(error), link="streams", label="All streams")
        except NotFoundError as error:
            content = Message(heading=f"No such {error.field}", text=error.cure, link="streams", label="All streams")
        except InputError as error:
            content = Message(heading="That address does not fit", text=str(error), link="streams", label="All streams")
        except VibeSeaterError as error:
            content = Message(heading="Not available just now", text=f"{error}\nThen reload this page.")
        except Exception:
            _log.exception("page %r failed", title)
            content = Message(
                heading="This page failed", text="The server's log tells why. Reload the page to try again."
            )
        body[:] = [content]

    if pn.state.curdoc is not None:
        # A browser whose session ended before it connected gets a new one, of which Panel does not know where its
        # style sheets are, and would send it to the internet for them.
        pn.state.curdoc._template_variables.setdefault("dist_url", LOCAL_DIST)
    pn.config.reconnect = True  # of this session; a page that was cut off shows what its session has
    pn.state.onload(fill)
    before = _busy_watchers()
    made = pmui.Page(
        title="VibeSeater",
        meta_title=frame.title,
        header=[Navigation(without=_not_for(who))],
        main=[frame, body],
        dark_theme=frame.dark,
        theme_config=_THEME,
        site_url="streams",
        busy_indicator=None,
        logo=_ICON,
        favicon=_ICON,
        stylesheets=[_TITLE],
    )
    made.link(frame, dark_theme="dark", bidirectional=True)
    # A Page follows Panel's busy state, which lives as long as the process: that state would keep every page, with all
    # that is in it, after its session has ended. Without an indicator it is of no use here.
    with edit_readonly(made):
        made.busy = False
    for watcher in _busy_watchers():
        if not any(watcher is known for known in before):
            pn.state.param.unwatch(watcher)
    return made


def _not_for(who: Person) -> set[str]:
    """The pages that somebody may not open at all."""
    try:
        return set() if access_now().rules.allows(who, "operations.overview") else {"operations"}
    except VibeSeaterError:  # the page says so
        return set()


def _busy_watchers() -> list[Any]:
    return list(pn.state.param.watchers.get("busy", {}).get("value", []))


def stream_page() -> Any:
    """One stream, `?id=` its id or slug."""

    async def make(seater: VibeSeater, frame: Frame) -> Any:
        wanted = _query("id")
        if not wanted:
            return Message(
                heading="Which stream?",
                text="The address of a stream ends in ?id= and the stream's id or slug.",
                link="streams",
                label="All streams",
            )
        try:
            stream = await detached(seater.streams.get_stream(wanted))
        except (NotFoundError, InputError):
            return _no_such_stream(wanted)
        view = StreamView(seater, stream)
        address = Address(view.state, _whole_query(), view.session.change)
        if event := _query("event"):
            view.table.show_event(event[:100])
        frame.show(view.state.title)
        view.state.param.watch(lambda event: frame.show(event.new), "title")
        return pn.Column(address, view, sizing_mode="stretch_width", margin=0)

    return page("", make)


def replay_page() -> Any:
    """Streams as they were: `?id=`, or `?ids=` with commas between; left out, the one with the newest events.

    Besides: `start`, `end`, `speed`, `at`.
    """

    async def make(seater: VibeSeater, frame: Frame) -> Any:
        asked = read_address({name: _query(name) for name in ("id", "ids", "start", "end", "speed", "at")})
        streams = await detached(streams_of(seater, asked.ids)) if asked.ids else await _newest(seater)
        if not streams:
            return _nothing_yet("Nothing to replay yet")
        speed = await detached(speed_for(seater, streams, asked))
        view = ReplayView(seater, streams, asked.start, asked.end, speed, at=asked.at, playing=asked.at is None)
        frame.show(f"Replay: {', '.join(printable(one.title) for one in streams)[:120]}")
        if len(view.views) > 1:
            return view
        shown = view.views[0]
        address = Address(shown.state, _whole_query(), shown.session.change, span_for(speed))
        return pn.Column(address, view, sizing_mode="stretch_width", margin=0)

    return page("Replay", make)


def streams_page() -> Any:
    """All streams, and a way to make one."""

    async def make(seater: VibeSeater, _frame: Frame) -> Any:
        return StreamsView(seater)

    return page("Streams", make)


def analytics_page() -> Any:
    """A stream as a whole, `?id=` its id or slug; left out, the one with the newest events."""

    async def make(seater: VibeSeater, frame: Frame) -> Any:
        asked, problem = read_query(_whole_query())
        if wanted := asked.get("stream"):
            try:
                stream = await detached(seater.streams.get_stream(wanted))
            except (NotFoundError, InputError):
                return _no_such_stream(wanted)
        else:
            streams = await _newest(seater)
            if not streams:
                return _nothing_yet("Nothing to analyse yet")
            [stream] = streams
        state = AnalysisState(**{**asked, "stream": str(stream.id)}, problem=problem)
        view = AnalyticsView(seater, state=state)

        def moved(query: str) -> None:
            fields, told = read_query(query)
            fields.setdefault("stream", state.stream)
            view.session.change(lambda: state.param.update(**fields, problem=told))

        followed = ["stream", "range", "within", "by", "first", "second"]
        address = PageAddress(["id", "range", "within", "by", "first", "second"], query_of(state.param.values()), moved)
        state.param.watch(lambda *_: setattr(address, "query", query_of(state.param.values())), followed)
        frame.show("Analytics")
        state.param.watch(lambda event: frame.show(f"{event.new} · Analytics"), "title")
        return pn.Column(address, view, sizing_mode="stretch_width", margin=0)

    # The page's theme colours figures in the browser, but passes over those that come while it is changed. Ours are
    # made for light and dark: a theme of the document's own that names their parts lets them be.
    if pn.state.curdoc is not None:
        pn.state.curdoc.theme = Theme(json={"attrs": {"Axis": {}, "Figure": {}, "Grid": {}}})
    return page("Analytics", make)


def wall_page() -> Any:
    """Two to nine streams side by side, `?ids=` their ids or slugs."""

    async def make(seater: VibeSeater, frame: Frame) -> Any:
        asked = walls.read_query(_whole_query())
        state = walls.WallState(span=asked.span, problem=asked.problem)
        view = WallView(seater, state=state)
        await detached(view.session.show(asked.ids, asked.sizes))

        def moved(query: str) -> None:
            wanted = walls.read_query(query)
            view.session.change(lambda: setattr(state, "span", wanted.span))
            view.session.spawn(view.session.show(wanted.ids, wanted.sizes))

        address = PageAddress(["ids", "sizes", "window"], walls.query_of(state), moved)
        state.param.watch(lambda *_: setattr(address, "query", walls.query_of(state)), ["ids", "sizes", "span"])
        frame.show("Wall")
        return pn.Column(address, view, sizing_mode="stretch_width", margin=0)

    return page("Wall", make)


async def _newest(seater: VibeSeater) -> list[Stream]:
    """The stream with the newest events, of those that the person sees; none where there is no stream."""
    streams = await detached(seater.streams.list_streams())
    return [max(streams, key=lambda one: one.last_event_at or one.created_at)] if streams else []


def _nothing_yet(heading: str) -> Message:
    return Message(
        heading=heading,
        text="Make a stream first, and let it gather some events.",
        link="streams",
        label="All streams",
    )


def _no_such_stream(wanted: str) -> Message:
    return Message(
        heading="No such stream",
        text=f"There is no stream {printable(wanted)[:80]}. Was it deleted, or is the address cut off?",
        link="streams",
        label="All streams",
    )


def operations_page() -> Any:
    """How all processes, PostgreSQL and Redis fare, and what is wrong."""

    async def make(seater: VibeSeater, _frame: Frame) -> Any:
        view = OperationsView(seater)
        view.show_last()
        return view

    return page("Operations", make)


def _whole_query() -> str:
    """The query of the page's address."""
    pairs = (pn.state.session_args or {}).items()
    return urlencode([(name, bytes(value)) for name, values in pairs for value in values])


def _query(name: str) -> str:
    """A parameter of the page's address, as text, whatever it looks like."""
    values = (pn.state.session_args or {}).get(name) or [b""]
    return bytes(values[0]).decode("utf-8", "replace").strip()
