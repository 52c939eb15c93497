"""StreamView: everything about one stream, live: badge, controls, figures, plot, sources, filter, table."""

from __future__ import annotations

from typing import Any, Self

import msgspec
import panel as pn
import param
from panel.viewable import Viewer

from vibeseater.errors import InputError
from vibeseater.feeds.base import Feed
from vibeseater.guarded import why_not
from vibeseater.models import Stream
from vibeseater.seater import VibeSeater
from vibeseater.views import layout, rows_socket
from vibeseater.views.alert_panel import AlertPanel
from vibeseater.views.bookmark_panel import BookmarkPanel
from vibeseater.views.controls import Controls
from vibeseater.views.event_table import EventTable
from vibeseater.views.filter_bar import FilterBar
from vibeseater.views.heading import Heading
from vibeseater.views.history import History
from vibeseater.views.lifeline import Lifeline
from vibeseater.views.lifetime import close_soon, live
from vibeseater.views.live_badge import LiveBadge
from vibeseater.views.media_player import MediaPlayer
from vibeseater.views.notice import Notice
from vibeseater.views.presenting import Presenter, ensure_extension, page_document
from vibeseater.views.rate_plot import RatePlot
from vibeseater.views.session import StreamSession
from vibeseater.views.source_filter import SourceFilter
from vibeseater.views.source_manager import SourceManager
from vibeseater.views.source_table import SourceTable
from vibeseater.views.state import StreamState
from vibeseater.views.statistics import Statistics
from vibeseater.views.tints import Tints, connect_marks
from vibeseater.views.windows import SPANS, span_of

__all__ = ["StreamView"]


class StreamView(Viewer):
    """Watch a stream: `StreamView(seater, stream)` as the last line of a notebook's cell, or `.servable()` in a page.

    It begins when it is shown. A page's view ends with its session; a notebook's ends with `await view.aclose()`, with
    the seater, or when it is forgotten.

    Args:
        seater: a connected VibeSeater, of the loop that runs.
        stream: what to watch.
        feed: a feed to show instead of the live one, such as a replay.

    Raises:
        InputError: `stream` is no Stream.
    """

    height = param.Integer(560, bounds=(200, None), doc="Pixels of the table.")
    span = param.Selector(
        default=SPANS[0].key,
        objects=[span.key for span in SPANS],
        doc="How much of the past the plot shows at first: `1m` to `24h`, or `all`.",
    )
    by = param.Selector(
        default="inserted_at",
        objects=["inserted_at", "occurred_at"],
        doc="Which clock counts in the plot at first: arrival, or occurrence, as for what was imported.",
    )

    def __init__(self, seater: VibeSeater, stream: Stream, feed: Feed | None = None, **params: Any) -> None:
        if not isinstance(stream, Stream):
            raise InputError("stream", stream, "not a Stream", "Give what `await seater.streams.get_stream(…)` returns")
        super().__init__(**params)
        document = page_document()
        served = document is not None
        if not served:
            ensure_extension()
        self.state = StreamState(stream)
        self.state.plot.param.update(span=span_of(self.span), by=self.by)
        self._presenter = Presenter(document)
        self.session = StreamSession(seater, stream, self.state, self._presenter, feed)
        self.lifeline = Lifeline(self.state, self.session.change, whole_page=served, place=str(stream.id))
        self.badge = LiveBadge(self.state)
        refused = why_not(seater, *(f"streaming.{name}_stream" for name in ("start", "pause", "resume", "stop")))
        self.controls = Controls(self.state, self._act, self.session.spawn, refused)
        self.manager = SourceManager(seater, stream, self._presenter, self.session.spawn)
        self.notice = Notice(self.state)
        self.statistics = Statistics(self.state)
        self.plot = RatePlot(self.state, self.session.change, self._jump, self.session.back_to_live)
        self.player: MediaPlayer | None = None
        self._media = pn.Column(sizing_mode="stretch_width", margin=0, visible=False)
        if feed is None:
            self._show_media()
            self.state.param.watch(self._show_media, ["media"])
        self.sources = SourceTable(self.state)
        self.filter = self.state.filters
        self.filter_bar = FilterBar(self.state, self.session.change)
        self.source_filter = SourceFilter(self.state, self.session.change)
        self.table = EventTable(
            self.state,
            History(seater, stream, self.state) if feed is None else None,
            self.session.spawn,
            self.session.change,
            link=f"stream?id={stream.id}&event=" if served else "",
            whole_page=served,
            place=str(stream.id),
            height=self.height,
        )
        self.table.on_ready(self._presenter.browser_is_ready)
        self.table.on_now(self.session.back_to_live)
        if served and feed is None and rows_socket.is_served():
            self.table.share(rows_socket.tickets_of(seater, stream.id), self._on_live)
        self.bookmarks = BookmarkPanel(
            seater, stream, self._presenter, self.session.spawn, pages=served and feed is None
        )
        self.alerts = AlertPanel(seater, stream, self._presenter, self.session.spawn)
        self._tints = Tints(self.state, self.bookmarks, self.table, self.session.spawn, self.session.change)
        connect_marks(self.bookmarks, self.table, self.state.plot)

    def _show_media(self, *_: Any) -> None:
        """A player for the stream's media; another, or none, where that is changed while somebody looks."""
        media = self.state.media
        if self.player is not None:
            self.player.end()
        if media is None:
            self.player, self.state.plot.by = None, self.by
        else:
            session = self.session
            self.state.plot.by = "occurred_at"  # one clock with the media
            stream = msgspec.structs.replace(session.stream, media_url=media[0], media_started_at=media[1])
            self.player = MediaPlayer(
                session.seater, stream, self.state, session.spawn, session.change, session.jump_to
            )
        self._media[:] = [self.player] if self.player is not None else []
        self._media.visible = self.player is not None

    def _jump(self, moment: float) -> None:
        """Show the rows of a moment, and what the media showed then."""
        self.session.jump_to(moment)
        if self.player is not None:
            self.player.seek(moment)

    async def _act(self, name: str) -> None:
        streaming = self.session.seater.streaming
        stream = await getattr(streaming, f"{name}_stream")(self.session.stream)
        if isinstance(stream, Stream):
            self.state.set_stream(stream)

    def _on_live(self, live: bool) -> None:
        self.session.rows_elsewhere = live

    def start(self) -> None:
        """Begin to follow, in the running loop. Showing the view does this."""
        self.session.start()
        self.bookmarks.start()
        self.alerts.start()

    async def loaded(self) -> Self:
        """Begin to follow, and return the view once it knows what is stored, so that it is whole when it is shown."""
        self.start()
        await self.session.begun()
        return self

    async def aclose(self) -> None:
        """Stop following. What is shown stays, and says that it is STALE. May be called twice."""
        self._presenter.browser_is_ready()
        self.bookmarks.stop()
        self.alerts.stop()
        await self.session.aclose()

    def __panel__(self) -> Any:
        self._presenter.await_browser()
        live(self, lambda view: close_soon(view, view._presenter))
        return self.compose()

    def compose(self) -> Any:
        """What is shown. Override it to show other parts, or to lay them out in another way.

        The parts are this view's attributes: `badge`, `controls`, `statistics`, `plot`, `sources`, `filter_bar`,
        `source_filter`, `table` and so on. `table` has to be among them: it tells when the browser is there, which all
        others wait for. A part of one's own is a Viewer that watches `state.fresh` and `state.resets`.
        """
        heading = Heading(text=self.state.param.title, margin=0)
        return layout.sheet(
            self.lifeline,
            layout.head(heading, self.badge, layout.together(*self._drawers())),
            self.notice,
            self.statistics,
            self._media,
            layout.side_by_side(self.plot, self.sources),
            self.filter_bar,
            self.source_filter,
            self.table,
            css_classes=["vs-stream-view"],
        )

    def _drawers(self) -> list[Any]:
        """What can be opened and pressed; in the past there is nothing to start, stop or be warned of."""
        present = [self.alerts, self.manager, self.controls] if self.session.replaying is None else []
        return [self.bookmarks, *present]
