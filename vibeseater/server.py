"""The server of the dashboards: finds the pages, binds, serves, ends cleanly. It owns the process's one seater.

It knows pages only as files, and nothing of the command line. Panel is imported here and in the views, nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import panel.io.server  # noqa: F401 - teaches Bokeh's server Panel's pages; nothing else of it is used here
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from panel.io.application import build_applications
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets
from tornado.web import RedirectHandler, RequestHandler

from vibeseater.access.rules import Person, access_of
from vibeseater.draining import UnderWay
from vibeseater.errors import InputError, ServerError, SettingsError, VibeSeaterError
from vibeseater.gate import Policy, guard
from vibeseater.ingest import Ingest
from vibeseater.login import KEPT_OUT, THEME_COOKIE, login_of
from vibeseater.operations import monitor_of
from vibeseater.operations.sessions import sessions_of
from vibeseater.operations.siblings import Board, Siblings
from vibeseater.operations.snapshot import SessionFigure
from vibeseater.probes import ReadyHandler, probe_routes
from vibeseater.sign_ins import SignIns

# The pages' components name the scripts that /static serves: a process that did not import them would answer 404 for
# the scripts of a page that another process made.
from vibeseater.views import pages as _pages  # noqa: F401
from vibeseater.views import runtime
from vibeseater.views.rows_socket import rows_routes

if TYPE_CHECKING:
    from vibeseater.seater import VibeSeater

__all__ = ["Bound", "bind", "find_pages", "serve", "serve_in_processes"]

HOME = "/streams"
"""Where `/` leads."""

_LARGEST_MESSAGE = 4 << 20  # bytes that a page's browser may send at once

_CLOSING_SECONDS = 2.0  # for the websockets to be closed
_SHORTEST_LIFE = 5.0  # seconds after which a forked process that ends is thought to have worked
_LONGEST_PAUSE = 10.0  # seconds before one that could not take another's place is tried again
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_log = logging.getLogger(__name__)


def dashboards_folder() -> Path:
    """The folder of the pages: beside the package in the wheel, beside it in the checkout.

    Raises:
        SettingsError: neither is there.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "dashboards", package.parent / "dashboards"):
        if folder.is_dir():
            return folder
    raise SettingsError(f"No dashboards beside {package}: the installation is not whole. Install vibeseater again.")


def find_pages() -> dict[str, Path]:
    """Each page's address and script: `/streams` → `dashboards/streams.py`.

    Raises:
        SettingsError: there are none.
    """
    folder = dashboards_folder()
    pages = {f"/{path.stem}": path for path in sorted(folder.glob("[a-z]*.py"))}
    if HOME not in pages:
        raise SettingsError(f"{folder} holds no streams.py: the installation is not whole. Install vibeseater again.")
    return pages


class Bound:
    """The sockets that a server listens on, bound before all else, so that a port in use is told at once."""

    def __init__(self, sockets: Sequence[socket.socket], address: str) -> None:
        self.sockets, self.address = list(sockets), address
        self.port: int = self.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        """The address to open in a browser on this machine."""
        if self.address in ("", "0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            host = "localhost"
        else:
            host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.port}"

    def origins(self, allowed: Sequence[str]) -> list[str]:
        """The hosts whose pages may open this server's websockets: this machine's names, and those allowed."""
        own = [f"{host}:{self.port}" for host in ("localhost", "127.0.0.1", "[::1]")]
        return list(dict.fromkeys([*own, urlsplit(self.url).netloc, *allowed]))

    def close(self) -> None:
        """Stop listening."""
        for one in self.sockets:
            one.close()


def bind(port: int, address: str = "localhost", *, reuse_port: bool = False) -> Bound:
    """Listen on a port of an address; port 0 takes any free one.

    Args:
        reuse_port: whether another server that asks for the same may listen there too, for a restart without a break.

    Raises:
        ServerError: the port is taken or not allowed, or the address is not this machine's.
    """
    try:
        return Bound(bind_sockets(port, address, reuse_port=reuse_port), address)
    except OSError as error:
        where = f"{address}:{port}"
        if isinstance(error, socket.gaierror):
            raise InputError(
                "address", address, "not an address of this machine", "Give localhost or 0.0.0.0"
            ) from None
        reason = {
            "EADDRINUSE": "the port is in use. Choose another with --port, or --port 0 for any free one.",
            "EACCES": "the port may not be used by this user. Choose one above 1023 with --port.",
            "EADDRNOTAVAIL": "the address is not this machine's. Give localhost or 0.0.0.0 with --address.",
        }.get(_name(error), f"{error.strerror}.")
        raise ServerError(f"Can't listen on {where}: {reason}") from None


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "")


async def serve(
    bound: Bound,
    *,
    allow_origins: Sequence[str] = (),
    prefix: str = "",
    behind_proxy: bool = False,
    drain: float = 5.0,
    ready: Callable[[VibeSeater], Awaitable[None]] | None = None,
    siblings: Siblings | None = None,
) -> None:
    """Serve all pages and supervise the ingestion of all live streams, until cancelled.

    Args:
        bound: where to listen; closed at the end.
        allow_origins: `host:port` of further addresses under which the pages are opened (a reverse proxy's, say).
        prefix: the path under which all is served.
        behind_proxy: whether a proxy's word is believed of who asks, and how.
        drain: seconds that requests under way get at the end.
        ready: awaited once the pages are served; the server ends when it raises.
        siblings: the server's other processes, if any.

    Raises:
        ServerError: PostgreSQL or Redis can't be used.
    """
    web: _Web | None = None
    try:
        seater = await runtime.shared_seater()
        web = _Web(seater, bound, allow_origins, prefix=prefix, behind_proxy=behind_proxy, drain=drain)
        monitor_of(seater, "serve", siblings).sessions = web.sessions
        await seater.streaming.supervise()
        await seater.alerts.supervise()
        await seater.archive.supervise()
        if ready is not None:
            await ready(seater)
        await asyncio.Event().wait()  # that nobody sets: until cancelled
    finally:
        if web is not None:
            await web.aclose()
        bound.close()
        await runtime.close_shared_seater()


def _log_failure(handler: RequestHandler) -> None:
    """Log requests that failed by our fault. What a visitor mistypes is no news to whoever runs the server."""
    if handler.get_status() >= 500 and not isinstance(handler, ReadyHandler):
        _log.error("%d %s", handler.get_status(), handler.request.path)


class _Web:
    """The HTTP server and its sessions."""

    def __init__(
        self,
        seater: VibeSeater,
        bound: Bound,
        allow_origins: Sequence[str],
        *,
        prefix: str,
        behind_proxy: bool,
        drain: float,
    ) -> None:
        self._drain = drain
        self._under_way = UnderWay()
        pages: dict[str, Any] = dict(find_pages())
        self._ingest = Ingest(seater)

        async def connected() -> VibeSeater:
            return seater

        self._sign_ins = SignIns(seater.pool)
        login = login_of(seater.settings, self._sign_ins)
        options: dict[str, Any] = {}
        applications = build_applications(pages)
        if login is not None:
            options = {
                "auth_provider": login.provider,
                "cookie_secret": login.cookie_secret,
                "sign_sessions": True,
                "secret_key": login.session_key,
            }
            for application in applications.values():
                application.add(login.page_cookies)
        self._tornado = BokehTornado(
            applications,
            exclude_headers=KEPT_OUT,
            include_cookies=[THEME_COOKIE],
            extra_websocket_origins=bound.origins(allow_origins),
            extra_patterns=[
                # Without a prefix of its own it may stand below one that a proxy strips: only the browser knows that.
                (r"/?", RedirectHandler, {"url": f"{prefix}{HOME}" if prefix else HOME[1:], "permanent": False}),
                *probe_routes(connected),
                *self._ingest.routes(),
                *rows_routes(runtime.shared_seater),
            ],
            use_index=False,
            prefix=prefix,
            websocket_max_message_size_bytes=_LARGEST_MESSAGE,
            **options,
            log_function=_log_failure,
        )
        access = access_of(seater.settings.access)
        guard(
            self._tornado,
            Policy.of(seater.settings),
            login,
            lambda name: access.rules.allows(Person(name), "operations.overview"),
        )
        self._http = HTTPServer(self._under_way.counted(self._tornado), xheaders=behind_proxy)
        self._server = BaseServer(IOLoop.current(), self._tornado, self._http)
        self._server.start()
        self._http.add_sockets(bound.sockets)

    def sessions(self) -> list[SessionFigure]:
        """The pages that are open."""
        return sessions_of(self._tornado)

    def _busy(self) -> bool:
        return any(one.connection_count or one.expiration_blocked for one in self._server.get_sessions())

    async def aclose(self) -> None:
        """Stop listening, let requests under way end, end every session (so that its feeds are closed), and let the
        pages' hooks run."""
        # Two things have no public way in Bokeh before 3.10: to close the websockets, and to end sessions before their
        # time. From 3.10 on, it ends them by itself, but doesn't wait for requests under way: so it is told last.
        self._http.stop()
        for client in list(self._tornado._clients):
            client._socket.close(1001, "the server ends")
        await self._under_way.none(self._drain)
        await self._http.close_all_connections()
        patience = time.monotonic() + _CLOSING_SECONDS
        # They are closed when the browsers have answered, of which nobody is told; nor of when a page's callback is
        # done, before which Bokeh leaves its session as it is.
        while self._busy() and time.monotonic() < patience:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        if hasattr(self._server, "stop_async"):
            await self._server.stop_async()
        else:
            self._server.stop()
            for context in self._tornado.applications.values():
                await context._cleanup_sessions(-1)
        await self._ingest.aclose()
        await self._sign_ins.aclose()


def serve_in_processes(number: int, work: Callable[[bool, Siblings], None]) -> int:
    """Run `work` in `number` forked processes until a signal ends them, or one can't start. Returns the exit code.

    One that ends later is replaced, and tried again where that fails: PostgreSQL or Redis may be away just then, and
    the others still serve.

    `work` is told whether its process is the first, and where it finds the others' figures. Each process connects by
    itself: nothing that lives in an event loop may exist before.

    Raises:
        InputError: this system can't fork.
    """
    if not hasattr(os, "fork") or sys.platform == "darwin":  # macOS's frameworks don't survive a fork
        raise InputError("num-procs", number, "several processes need Linux", "Leave it out")
    children: dict[int, _Child] = {}
    board = Board(number)
    ended_by: list[int] = []
    code = 0

    def end(signal_number: int, _frame: object) -> None:
        ended_by.append(signal_number)
        _signal_all(children)

    def add(place: int, failures: int | None = None) -> None:
        pause = min(_LONGEST_PAUSE, 2.0**failures - 1) if failures else 0.0

        def begin() -> None:
            time.sleep(pause)  # here, where a signal ends it: the parent waits for all of them
            work(place == 0 and failures is None, Siblings(board, place))

        # A signal that comes while a child is being made waits until the child is known, so that it is ended too.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            if not ended_by:
                children[_forked(begin)] = _Child(place, time.monotonic() + pause, failures)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)

    for name in _ENDING:
        signal.signal(name, end)
    for place in range(number):
        add(place)
    while children:
        pid, status = os.wait()
        if (child := children.pop(pid, None)) is None:
            continue  # adopted: nothing that was made here
        if ended_by or code:
            continue
        lived = time.monotonic() - child.begun >= _SHORTEST_LIFE
        if not lived and child.failures is None:  # it can't start, and has said why
            code = 1
            _signal_all(children)
        else:
            _log.error("server process %d ended (%d); another takes its place", pid, os.waitstatus_to_exitcode(status))
            add(child.place, 0 if lived or child.failures is None else child.failures + 1)
    return code if not ended_by else 130 if ended_by[0] == signal.SIGINT else 0


class _Child(NamedTuple):
    """A forked process: its place, when its work began, and how often it failed to take another's place in a row; None
    for one that takes nobody's."""

    place: int
    begun: float
    failures: int | None


def _signal_all(children: Iterable[int]) -> None:
    for child in list(children):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)


def _forked(work: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        for name in _ENDING:  # it was born with its parent's handlers, and with the signals blocked
            signal.signal(name, signal.default_int_handler if name == signal.SIGINT else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        work()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except KeyboardInterrupt:
        code = 130
    except VibeSeaterError as error:
        _log.error("server process %d can't go on: %s", os.getpid(), error)
    except BaseException:
        _log.exception("server process failed")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # the parent's clean-up is the parent's
