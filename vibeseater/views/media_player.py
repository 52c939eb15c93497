"""A stream's video or audio, with its events over it at their time. One clock with the plot and the table."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, ClassVar

import param
from panel.custom import JSComponent
from panel.viewable import Viewer

from vibeseater.models import Event, Stream
from vibeseater.seater import VibeSeater
from vibeseater.views import component, rows
from vibeseater.views.choice import Apply, at_once
from vibeseater.views.known_sources import source_key
from vibeseater.views.media_state import CAPTIONS, MediaState
from vibeseater.views.state import StreamState

__all__ = ["MediaPlayer"]


class PlayerComponent(JSComponent):
    """The browser's half: an HTML5 player, and captions over it that it shows by its own clock."""

    url = param.String("")
    kind = param.String("video")
    problem = param.String("")
    note = param.String("", doc="What its clock is told by.")

    _esm = component.script("media_player")
    _stylesheets: ClassVar[list[str]] = component.styles("media_player")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.on_message: Callable[[dict[str, Any]], None] | None = None

    def tell(self, **message: Any) -> None:
        """Send the browser something."""
        self._send_msg(json.dumps(message))

    def _handle_msg(self, data: Any) -> None:
        # A browser sends what it likes: whatever is not understood is left alone.
        if isinstance(data, dict) and self.on_message is not None:
            self.on_message(data)


class MediaPlayer(Viewer):
    """The media of a stream: `MediaPlayer(seater, stream, state)`, where the state may be that of a `StreamView`.

    The media begins with the stream's `media_started_at`; where that is not told, with its first event, and where there
    is none, with the moment the stream was made. Events are shown at `occurred_at`.

    Args:
        state: gives names and colours of sources, and has the plot whose cursor follows.
        spawn: runs a coroutine on the side, and shows what it raises.
        apply: runs a change that a browser asked for where nothing else touches the state.
        jump: shows the rows of a moment (seconds since 1970).
    """

    def __init__(
        self,
        seater: VibeSeater,
        stream: Stream,
        state: StreamState,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        apply: Apply = at_once,
        jump: Callable[[float], None] | None = None,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self.seater, self.stream, self.state = seater, stream, state
        self.media = MediaState(stream.media_url)
        self._spawn, self._apply, self._jump = spawn, apply, jump
        self._shown = False
        media = self.media
        self._player = PlayerComponent(
            url=media.url, kind=media.kind, problem=media.problem, sizing_mode="stretch_width", margin=0,
            css_classes=["vs-media"],
        )  # fmt: skip
        self._player.on_message = self._on_message
        if stream.media_started_at is not None:
            media.started_at = stream.media_started_at.timestamp()
        media.param.watch(self._on_captions, ["captions", "started_at"])
        media.param.watch(self._on_sent, ["sent"])
        self._watcher = state.param.watch(self._on_fresh, ["fresh"])

    def end(self) -> None:
        """It is shown no more: follow the state no longer."""
        self.state.param.unwatch(self._watcher)

    def seek(self, moment: float) -> None:
        """Send the player to a moment (seconds since 1970), if the media has it. May be called from any thread."""

        def change() -> None:
            self.media.send(moment)

        self._apply(change)

    # What the browser says

    def _on_message(self, data: dict[str, Any]) -> None:
        op, place = data.get("op"), data.get("t")
        if op == "ready":
            self._shown = True
            self._apply(self._tell_start)
            self._spawn(self._begin())
        elif op == "at" and isinstance(place, int | float) and 0 <= place < 1e9:
            told, sought = data.get("duration"), data.get("sought") is True
            duration = float(told) if isinstance(told, int | float) and 0 < told < 1e9 else None
            self._apply(lambda: self._at(float(place), duration, sought))

    def _at(self, place: float, duration: float | None, sought: bool) -> None:
        media, plot = self.media, self.state.plot
        media.param.update(place=place, duration=duration)
        moment = media.moment
        if moment is None:
            return
        plot.cursor = moment
        if sought:
            if not plot.frame.start <= moment <= plot.frame.end:
                self._look_at_all()
            if self._jump is not None:
                self._jump(moment)
        wanted = media.lacks()
        if wanted is not None:
            self._spawn(self._read(*wanted))

    def _look_at_all(self) -> None:
        """Let the plot show the whole of the media, or as much of it as lies around the player's place."""
        media = self.media
        start, moment = media.started_at, media.moment
        if start is not None and moment is not None:
            end = start + media.duration if media.duration else moment + 300
            self.state.plot.look_at(start, min(end, start + 86_400) if moment < start + 86_400 else moment + 300)

    # What it is told

    async def _begin(self) -> None:
        """Find out with which moment the media begins."""
        moment = self.media.started_at
        if moment is None:
            first = await self.seater.events.list_events(self.stream, limit=1, order="oldest")
            moment = (first[0].occurred_at if first else self.stream.created_at).timestamp()

        def change() -> None:
            self.media.started_at = moment
            self._ask()

        self._apply(change)

    def _ask(self) -> None:
        """Read the captions around the player's place, where they are not at hand."""
        wanted = self.media.lacks()
        if wanted is not None:
            self._spawn(self._read(*wanted))

    async def _read(self, start: float, end: float) -> None:
        begin, until = (datetime.fromtimestamp(t, UTC) for t in (start, end))
        events = await self.seater.events.list_events(self.stream, begin, until, limit=CAPTIONS)
        self._apply(lambda: self.media.fill(start, events))

    def _on_fresh(self, *_: Any) -> None:
        self.media.take(self.state.fresh)

    def _caption(self, event: Event) -> dict[str, Any]:
        key = source_key(event.source_id)
        return {
            "id": str(event.id),
            "t": round(event.occurred_at.timestamp() - (self.media.started_at or 0.0), 3),
            "source": self.state.name_of(key) or "",
            "colour": self.state.colour_of(key),
            "text": rows.summary(event.content)[:160],
        }

    def _tell_start(self) -> None:
        start = self.media.started_at
        self._player.tell(op="start", at=None if start is None else round(start * 1000))
        self._on_captions()

    def _on_captions(self, *events: Any) -> None:
        if not self._shown or self.media.started_at is None:
            return
        if any(event.name == "started_at" for event in events):
            self._player.tell(op="start", at=round(self.media.started_at * 1000))
        self._player.tell(op="captions", rows=[self._caption(event) for event in self.media.captions])

    def _on_sent(self, *_: Any) -> None:
        self._player.tell(op="seek", t=self.media.wanted)
        self._ask()

    def __panel__(self) -> Any:
        return self._player
