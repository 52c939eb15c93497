"""The drawer of a stream's sources: add one by its address, see how each fares, edit, pause and remove it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar

import param
from panel.viewable import Viewer

from vibeseater.errors import InputError, VibeSeaterError
from vibeseater.guarded import as_person, require, whole, why_not
from vibeseater.html import printable
from vibeseater.masking import masked_url
from vibeseater.models import Stream
from vibeseater.seater import VibeSeater
from vibeseater.views import add_source, add_webhook, component, edit_source, source_health
from vibeseater.views.session import Present
from vibeseater.views.telling import TellingComponent

if TYPE_CHECKING:
    from vibeseater.sources.discovery import Found

__all__ = ["SourceManager"]

_REFRESH = 1.0  # seconds, while the drawer is open


class DrawerComponent(TellingComponent):
    """The browser's half: a button, and the drawer that it opens. It sends `{"op": …}` and sets everything as text."""

    sources = param.List([], doc="How each source fares, as `source_health.shown` tells it.")
    loaded = param.Boolean(False, doc="Whether the sources were read, so that an empty list means that there are none.")
    found = param.Dict({}, doc="What stands at the address that was looked at, as `add_source.shown` tells it.")
    made = param.Dict({}, doc="The webhook that was made, as `add_webhook.shown` tells it.")
    editing = param.Dict({}, doc="The source that is being edited: `id`, `name`, `config` as JSON text.")
    problem = param.Dict({}, doc="What went wrong: `where` (add, edit or list) and `text`.")
    busy = param.String("", doc="The operation that is under way.")
    denied = param.String("", doc="Why nothing may be changed here; empty where it may.")

    _esm = component.script("drawer", "source_manager")
    _stylesheets: ClassVar[list[str]] = component.styles("source_manager")


class SourceManager(Viewer):
    """A button that opens the sources of a stream.

    Args:
        seater: a connected VibeSeater, of the loop that runs.
        stream: whose sources.
        present: how a change gets to the browser.
        spawn: starts a coroutine as a task that somebody looks after, and cancels with the page.
    """

    def __init__(
        self,
        seater: VibeSeater,
        stream: Stream,
        present: Present,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self._seater, self._stream, self._present, self._spawn = seater, stream, present, spawn
        self._found: Found | None = None
        self._open = False
        self._watching = False
        denied = why_not(seater, "sources.create_source", "sources.update_source", "streaming.pause_source")
        self._drawer = DrawerComponent(self._on_message, denied=denied, css_classes=["vs-source-manager"], margin=0)

    def _on_message(self, data: dict[str, Any]) -> None:
        op = data.get("op")
        if op == "close":
            self._open = False
        elif op == "open":
            self._open = True
            if not self._watching:
                self._watching = True
                self._spawn(self._watch())
        elif op in _OPERATIONS and not self._drawer.busy:
            where, work = _OPERATIONS[op]
            self._drawer.busy = op
            self._spawn(self._run(where, work(self, data)))

    async def _watch(self) -> None:
        """Tell how the sources fare, once a second while the drawer is open."""
        try:
            while self._open:
                try:
                    await self._refresh()
                except VibeSeaterError as error:
                    await self._tell("list", str(error))
                await asyncio.sleep(_REFRESH)
        finally:
            self._watching = False

    async def _refresh(self) -> None:
        status = await self._seater.streaming.status(self._stream)
        lines = [source_health.shown(fare) for fare in status.sources]
        await self._present(lambda: self._drawer.param.update(sources=lines, loaded=True))

    async def _run(self, where: str, work: Awaitable[None]) -> None:
        text = ""
        try:
            await work
            await self._refresh()
        except VibeSeaterError as error:
            text = str(error)
        finally:
            done = {"where": where, "text": text} if text else {}
            await self._present(lambda: self._drawer.param.update(busy="", problem=done))

    async def _tell(self, where: str, text: str) -> None:
        await self._present(lambda: setattr(self._drawer, "problem", {"where": where, "text": text}))

    async def _look(self, data: dict[str, Any]) -> None:
        from vibeseater.sources.discovery import discover  # late, as it brings the HTTP client

        self._found = None
        require(self._seater, "sources.create_source")  # the server is not there to look at addresses for anybody
        await self._present(lambda: self._drawer.param.update(found={}, made={}, problem={}))
        found = self._found = await discover(str(data.get("url", "")), self._seater.settings)
        await self._present(lambda: setattr(self._drawer, "found", add_source.shown(found)))

    async def _add(self, data: dict[str, Any]) -> None:
        found = self._found
        if found is None:
            raise InputError("url", None, "nothing was looked at", "Paste an address first")
        name = str(data.get("name", "")).strip() or found.title
        address = found.config.get("url")
        for source in await self._seater.sources.list_sources(self._stream):
            if address is not None and source.config.get("url") == address:
                reason = f"“{printable(source.name)}” reads it already"
                raise InputError("url", masked_url(address), reason, "Edit that source, or add another address")
        await self._seater.sources.create_source(self._stream, type=found.type, name=name, config=found.config)
        self._found = None
        await self._present(lambda: setattr(self._drawer, "found", {}))

    async def _add_webhook(self, data: dict[str, Any]) -> None:
        token, config = add_webhook.new_token()
        source = await self._seater.sources.create_source(self._stream, type="webhook", name="Webhook", config=config)
        made = add_webhook.shown(source.id, token)
        await self._present(lambda: self._drawer.param.update(found={}, made=made))

    async def _edit(self, data: dict[str, Any]) -> None:
        require(self._seater, "sources.update_source")  # a configuration is for who may change it
        source = await self._seater.sources.get_source(str(data.get("id", "")))
        editing = {"id": str(source.id), "name": source.name, "config": edit_source.shown(source.config)}
        await self._present(lambda: setattr(self._drawer, "editing", editing))

    async def _save(self, data: dict[str, Any]) -> None:
        source = await self._seater.sources.get_source(str(data.get("id", "")))
        config = edit_source.taken(str(data.get("config", "")), source.config)
        await self._seater.sources.update_source(source, name=str(data.get("name", "")), config=config)
        await self._present(lambda: setattr(self._drawer, "editing", {}))

    async def _pause(self, data: dict[str, Any]) -> None:
        await self._seater.streaming.pause_source(str(data.get("id", "")))

    async def _resume(self, data: dict[str, Any]) -> None:
        await self._seater.streaming.resume_source(str(data.get("id", "")))

    async def _remove(self, data: dict[str, Any]) -> None:
        source = await self._seater.sources.get_source(str(data.get("id", "")))
        await self._seater.sources.detach(self._stream, source)
        # Where it feeds nothing else any more, whether that is seen or not.
        if not await whole(self._seater).sources.stream_ids(source):
            require(self._seater, "sources.delete_source")
            with as_person(self._seater):
                await whole(self._seater).sources.delete_source(source)

    def __panel__(self) -> Any:
        return self._drawer


_Operation = Callable[[SourceManager, dict[str, Any]], Awaitable[None]]
_OPERATIONS: dict[Any, tuple[str, _Operation]] = {
    "look": ("add", SourceManager._look),
    "add": ("add", SourceManager._add),
    "webhook": ("add", SourceManager._add_webhook),
    "edit": ("list", SourceManager._edit),
    "save": ("edit", SourceManager._save),
    "pause": ("list", SourceManager._pause),
    "resume": ("list", SourceManager._resume),
    "remove": ("list", SourceManager._remove),
}
