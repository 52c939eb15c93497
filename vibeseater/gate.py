"""The gate of a server: security headers on every answer, and what is refused before any handler sees it.

It owns the policy and its answers, and stands before all routes of a Tornado application, ours and Bokeh's. It knows no
page's contents, no users and no events.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import weakref
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import msgspec
from bokeh.server.util import check_allowlist
from bokeh.settings import settings as bokeh_settings
from bokeh.util.token import get_session_id
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform, RequestHandler, stream_request_body

from vibeseater.login import Login
from vibeseater.settings import Settings
from vibeseater.throttle import Throttle

__all__ = ["Policy", "allowed_origin", "guard", "security_headers"]

_log = logging.getLogger(__name__)

INGEST = "/ingest/"
"""What stands under it takes bodies, and looks at their size and proof by itself."""

METRICS, LOGIN = "/metrics", "/login"
_OPEN = (LOGIN, "/logout", "/healthz", "/readyz", "/favicon.ico", "", "/")
_OPEN_FOLDERS = ("/static/",)  # the programs' files, the same for everybody

_LOGINS_PER_MINUTE = 10  # of an address
_LARGEST_BODY = 64 * 1024  # bytes of what is sent elsewhere: a login's form
_FULL_PATIENCE = 30  # seconds after which to try again where there are too many pages
_SAFE = ("GET", "HEAD", "OPTIONS")
_NAMED = ("bokeh-session-id", "bokeh-token")  # by which a page is asked for as one that is open

# Bokeh's pages carry their document in inline scripts, and run what CustomJS brings; components set inline styles.
# Without these there is no page. What events say never reaches the page's source: see docs/security.md.
_CONTENT = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval' blob:",
    "style-src": "'self' 'unsafe-inline'",
    "font-src": "'self' data:",
    "img-src": "'self' data: blob:",
    "media-src": "'self' http: https: blob:",  # a stream's video may be anywhere
    "connect-src": "'self' blob: data:",  # components are modules that were made in the browser
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "frame-src": "'none'",
    "base-uri": "'self'",
}


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a server lets do.

    Attributes:
        frame_ancestors: the origins whose pages may show this server's in a frame, besides itself.
        max_sessions: pages that may be open in this process; 0 for any number.
        opens_per_minute: pages, and websockets, that an address may open in a minute, as many at once; 0 for any.
        metrics_token: lets read `/metrics`; None: this machine, and who is signed in, may.
    """

    frame_ancestors: tuple[str, ...] = ()
    max_sessions: int = 1000
    opens_per_minute: float = 600
    metrics_token: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        """What the settings say."""
        return cls(
            frame_ancestors=settings.frame_ancestors,
            max_sessions=settings.max_sessions,
            opens_per_minute=settings.opens_per_minute,
            metrics_token=settings.metrics_token,
        )


def security_headers(policy: Policy, *, https: bool = False) -> dict[str, str]:
    """The headers of every answer.

    Args:
        https: whether it goes over HTTPS; browsers are then told to use nothing else for a year.
    """
    content = {**_CONTENT, "frame-ancestors": " ".join(["'self'", *policy.frame_ancestors])}
    headers = {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in content.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }
    if not policy.frame_ancestors:  # the older header can't name others
        headers["X-Frame-Options"] = "SAMEORIGIN"
    if https:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers


def allowed_origin(application: Any, origin: str) -> bool:
    """Whether a page of that origin may speak to this server: as Bokeh decides it for its own websockets."""
    named = bokeh_settings.allowed_ws_origin()
    allowed = set(named) if named else getattr(application, "websocket_origins", set())
    try:
        return bool(check_allowlist(urlsplit(origin).netloc.lower(), allowed))
    except ValueError:  # no origin that a browser would send
        return False


def guard(
    application: Any, policy: Policy, login: Login | None = None, measures: Callable[[str], bool] = lambda name: True
) -> None:
    """Put the gate before a `BokehTornado`: its headers, and what it refuses. Where there is a login, nobody passes who
    is not signed in, but to what is open to all; pages are answered by Bokeh, with the way to the login.
    `measures` says who of those that are signed in may read `/metrics`.

    A path is asked for without the server's prefix, which Bokeh tells. A gate that stands there already is
    replaced.
    """
    has_one = application in _gates
    _gates[application] = _Gate(application, policy, login, measures)
    if has_one:
        return
    application.add_transform(_headers_of(application))
    # Public, and where Tornado itself decides who answers; an application has no other place before its handlers.
    find: Callable[..., Any] = application.find_handler

    def find_handler(request: HTTPServerRequest, **kwargs: Any) -> Any:
        refusal = _gates[application].refusal(request)
        if refusal is None:
            return find(request, **kwargs)
        return application.get_handler_delegate(request, _Refused, {"refusal": refusal})

    application.find_handler = find_handler


def _headers_of(application: Any) -> Callable[[HTTPServerRequest], OutputTransform]:
    class _Headers(OutputTransform):
        """Adds the headers to whatever is answered, errors included."""

        def __init__(self, request: HTTPServerRequest) -> None:
            self._https = request.protocol == "https"

        def transform_first_chunk(
            self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
        ) -> tuple[int, HTTPHeaders, bytes]:
            for name, value in security_headers(_gates[application].policy, https=self._https).items():
                headers.setdefault(name, value)
            return status_code, headers, chunk

    return _Headers


class _Refusal(msgspec.Struct, frozen=True):
    status: int
    text: str
    wait: int = 0  # seconds after which to try again; 0: it would be in vain


class _Gate:
    def __init__(self, application: Any, policy: Policy, login: Login | None, measures: Callable[[str], bool]) -> None:
        self._measures = measures
        self._application, self.policy, self._login = weakref.proxy(application), policy, login
        self._logins = Throttle(_LOGINS_PER_MINUTE)
        self._pages = Throttle(policy.opens_per_minute)
        self._sockets = Throttle(policy.opens_per_minute)

    def refusal(self, request: HTTPServerRequest) -> _Refusal | None:
        path = request.path.removeprefix(getattr(self._application, "prefix", "") or "")
        if not path.startswith(INGEST) and (refusal := self._of_writing(request)):
            return refusal
        is_socket = request.headers.get("Upgrade", "").lower() == "websocket"
        origin = request.headers.get("Origin")
        if is_socket and origin is not None and not allowed_origin(self._application, origin):
            _log.warning("a page of %.200r may not open a websocket here: see --allow-origin", origin)
            return _Refusal(403, "A page of another site may not open a websocket here.")
        page = path.rstrip("/").removesuffix("/ws").removesuffix("/autoload.js")
        context = self._application.applications.get(page or "/")
        if refusal := self._of_nobody(request, path, is_page=context is not None and not is_socket):
            return refusal
        if context is None and not is_socket:
            return None
        wait = (self._sockets if is_socket else self._pages).wait(_who(request.remote_ip))
        if wait:
            return _Refusal(429, "Too many pages were opened from this address.", wait)
        if context is not None and self._is_full() and not (is_socket and _session(request) in _ids(context)):
            return _Refusal(503, "Too many pages are open on this server.", _FULL_PATIENCE)
        return None

    def _of_nobody(self, request: HTTPServerRequest, path: str, *, is_page: bool) -> _Refusal | None:
        """What is not for everybody, asked for by nobody who is known; or with another's page."""
        if path == METRICS:
            return (
                None
                if self._may_measure(request)
                else _Refusal(401, "Send the token that VIBESEATER_METRICS_TOKEN names.")
            )
        if self._login is None or path in _OPEN or path.startswith((INGEST, *_OPEN_FOLDERS)):
            if path == LOGIN and request.method == "POST" and (wait := self._logins.wait(_who(request.remote_ip))):
                return _Refusal(429, "Too many tries to sign in.", wait)
            return None
        token = _token(request)
        # Whoever may name a session joins another's page, or has another open one that was made up for that: only the
        # server makes them. A body would be taken for arguments, too.
        if not path.endswith("/ws") and (
            any(name in request.arguments for name in _NAMED)
            or "Bokeh-Session-Id" in request.headers
            or request.headers.get("Content-Length", "0").strip("0")
        ):
            return _Refusal(403, "A page is opened without a session's name.")
        if self._login.user(request) is None:
            return None if is_page else _Refusal(401, "Sign in first.")
        if token and path.endswith("/ws") and not self._login.owns(request, token):
            return _Refusal(403, "That is another user's page.")
        return None

    def _may_measure(self, request: HTTPServerRequest) -> bool:
        user = None if self._login is None else self._login.user(request)
        if user is not None and self._measures(user):
            return True
        token = self.policy.metrics_token
        if token is not None:
            sent = request.headers.get("Authorization", "").encode("utf-8", "replace")
            return hmac.compare_digest(sent, f"Bearer {token}".encode())
        # What a proxy on this machine passes on comes from elsewhere.
        return _is_here(request.remote_ip) and not {"X-Forwarded-For", "X-Real-Ip", "Forwarded"} & set(request.headers)

    def _of_writing(self, request: HTTPServerRequest) -> _Refusal | None:
        length = request.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in request.headers or not length.isdigit() or int(length) > _LARGEST_BODY:
            return _Refusal(413, f"At most {_LARGEST_BODY:,} bytes are taken here.")
        origin = request.headers.get("Origin")
        if request.method not in _SAFE and origin is not None and not allowed_origin(self._application, origin):
            return _Refusal(403, "A page of another site may not send anything here.")
        return None

    def _is_full(self) -> bool:
        contexts: Sequence[Any] = list(self._application.applications.values())
        most = self.policy.max_sessions
        return bool(most) and sum(len(_ids(context)) for context in contexts) >= most


_gates: weakref.WeakKeyDictionary[Any, _Gate] = weakref.WeakKeyDictionary()


@stream_request_body
class _Refused(RequestHandler):
    """Answers before a body is read; Tornado then closes the connection."""

    def initialize(self, refusal: _Refusal) -> None:
        self._refusal = refusal

    def check_xsrf_cookie(self) -> None:
        """Nothing is done here."""

    def prepare(self) -> None:
        refusal = self._refusal
        _log.info("refused %s %s with %d", self.request.method, self.request.path, refusal.status)
        self.set_status(refusal.status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Connection", "close")
        if refusal.wait:
            self.set_header("Retry-After", str(refusal.wait))
        again = f" Try again in {refusal.wait} s." if refusal.wait else ""
        self.finish(f"{HTTPStatus(refusal.status).phrase}: {refusal.text}{again}\n")

    def data_received(self, chunk: bytes) -> None:
        """What was refused is not read."""


def _who(address: str | None) -> str:
    """Whom an address stands for: itself, or of IPv6 the network, of which one machine has all addresses."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or ""
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))


def _is_here(address: str | None) -> bool:
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False


def _token(request: HTTPServerRequest) -> str:
    """The token that a page's websocket brings."""
    return request.headers.get("Sec-WebSocket-Protocol", "").partition(",")[2].strip()


def _session(request: HTTPServerRequest) -> str:
    """The session that a page's websocket asks for; empty where that can't be read."""
    try:
        return str(get_session_id(_token(request)))
    except Exception:  # Bokeh's reader raises what json and base64 raise; Bokeh refuses it by itself
        return ""


def _ids(context: Any) -> set[str]:
    """The ids of a page's sessions."""
    return {str(session.id) for session in list(context.sessions)}
