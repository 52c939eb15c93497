"""One polite HTTP client for all sources: bounded, patient, and strict about where it connects.

It owns the connections. It must not know what is read with them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver
from yarl import URL

from vibeseater._version import __version__
from vibeseater.errors import FetchError, InputError
from vibeseater.sources.addresses import (
    GuardedResolver,
    PrivateAddressError,
    check_url,
    guarded_socket,
    is_public,
    literal_address,
    public_url,
)
from vibeseater.sources.decode import ACCEPT_ENCODING, DecodeError, Decoder, TooLargeError
from vibeseater.sources.headers import next_after, retry_after
from vibeseater.sources.hosts import HostGate

__all__ = ["MAX_BYTES", "Answer", "HttpClient", "Validators"]

MAX_BYTES = 20 * 1024 * 1024
"""Bytes of an answer, after decompression, unless told otherwise."""

USER_AGENT = f"VibeSeater/{__version__} (+https://github.com/vibeseater/vibeseater)"

_PERMANENT = (301, 308)
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_GOODBYE = 2.0  # seconds that a WebSocket gets to be closed in good order
_TIMEOUT = aiohttp.ClientTimeout(total=60.0, sock_connect=15.0, sock_read=30.0)


class Validators(msgspec.Struct, frozen=True, kw_only=True):
    """What a conditional GET is asked with. Keep it only after what came with it is stored."""

    etag: str | None = None
    last_modified: str | None = None

    @classmethod
    def from_cursor(cls, cursor: Any, url: str) -> Validators | None:
        """The validators that `to_cursor` made for the same URL, else None."""
        if not isinstance(cursor, dict) or cursor.get("url") != public_url(url):
            return None
        etag, modified = cursor.get("etag"), cursor.get("last_modified")
        return cls(
            etag=etag if isinstance(etag, str) else None,
            last_modified=modified if isinstance(modified, str) else None,
        )

    def to_cursor(self, url: str) -> dict[str, Any]:
        """As a JSON object that can be kept."""
        return {"url": public_url(url), "etag": self.etag, "last_modified": self.last_modified}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that can be used.

    Attributes:
        url: where it came from in the end, without credentials.
        headers: names in lower case.
        body: decompressed; empty when `not_modified`.
        not_modified: the server said 304.
        validators: to ask with the next time.
        next_after: seconds that it asks to wait (Retry-After, Cache-Control), or None.
        moved_to: where the server says that it is to be asked from now on (301, 308), or None.
    """

    url: str
    status: int
    headers: dict[str, str]
    body: bytes = b""
    not_modified: bool = False
    validators: Validators = Validators()
    next_after: float | None = None
    moved_to: str | None = None

    @property
    def content_type(self) -> str:
        """The media type alone, in lower case; empty where the server does not tell."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str | None:
        """The charset that the server tells, or None."""
        found = re.search(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", self.headers.get("content-type", ""), re.IGNORECASE)
        return found[1] if found else None


class HttpClient:
    """Fetches for all sources of one process. Make it in a running loop; `await aclose()` at the end.

    Args:
        allow_private_urls: whether loopback and private addresses may be asked.
        user_agent: what it calls itself.
        max_bytes: the bound of an answer after decompression.
        timeout: aiohttp's timeouts; all of them end in FetchError.
        resolver: how names are resolved, before the check of what they resolve to.
        gate: how often one host is asked; a machine of one's own is not spared.
    """

    def __init__(
        self,
        *,
        allow_private_urls: bool = False,
        user_agent: str | None = None,
        max_bytes: int = MAX_BYTES,
        timeout: aiohttp.ClientTimeout = _TIMEOUT,
        resolver: AbstractResolver | None = None,
        gate: HostGate | None = None,
    ) -> None:
        self.allow_private = allow_private_urls
        self._gate, self._spares_all = gate or HostGate(), gate is not None
        self._user_agent = user_agent or USER_AGENT
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._resolver = resolver
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def aclose(self) -> None:
        """Close all connections."""
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            await session.close()

    def _session(self, *, streaming: bool) -> aiohttp.ClientSession:
        """Streams hold their connection for ever, so they don't count against the bound a host that polls keep to."""
        if streaming not in self._sessions:
            connector = aiohttp.TCPConnector(
                resolver=GuardedResolver(self.allow_private, self._resolver),
                limit=0,
                limit_per_host=0,  # the gate counts them
                ttl_dns_cache=10,
                socket_factory=guarded_socket(self.allow_private),
            )
            self._sessions[streaming] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": self._user_agent},
                auto_decompress=False,
                trust_env=False,  # a proxy would connect to what was not checked
                trace_configs=[_no_redirects()],
            )
        return self._sessions[streaming]

    async def get(
        self,
        url: str,
        *,
        accept: str = "*/*",
        validators: Validators | None = None,
        max_bytes: int | None = None,
        headers: Mapping[str, str] | None = None,
        errors_too: bool = False,
    ) -> Answer:
        """GET the URL, politely.

        Args:
            accept: the Accept header.
            validators: of the last answer, for a conditional GET.
            max_bytes: another bound than the client's.
            headers: more of them, perhaps secret: they are not sent on when another host redirects.
            errors_too: give answers with an error status too, where their body tells more.

        Raises:
            InputError: the URL is malformed.
            FetchError: no answer, an error status, a refused address, too large, cut off, too slow.
        """
        asked = {"Accept": accept, "Accept-Encoding": ACCEPT_ENCODING}
        if validators is not None and validators.etag:
            asked["If-None-Match"] = validators.etag
        if validators is not None and validators.last_modified:
            asked["If-Modified-Since"] = validators.last_modified
        async with self._opened(url, asked, headers or {}, self._timeout, streaming=False, errors_too=errors_too) as (
            response,
            moved_to,
        ):
            body = b""
            if response.status != 304:
                body = await _read(response, max_bytes or self._max_bytes)
            return Answer(
                url=public_url(response.url),
                status=response.status,
                headers={name.lower(): value for name, value in response.headers.items()},
                body=body,
                not_modified=response.status == 304,
                validators=_validators(response, validators),
                next_after=next_after(response.headers),
                moved_to=moved_to,
            )

    @asynccontextmanager
    async def stream(
        self, url: str, *, accept: str = "*/*", headers: Mapping[str, str] | None = None, idle_timeout: float = 90.0
    ) -> AsyncIterator[tuple[Answer, AsyncGenerator[bytes, None]]]:
        """GET an answer that does not end; yields its head and its body, decompressed, as it comes.

        Args:
            idle_timeout: seconds of silence after which the connection is taken for dead.

        Raises:
            InputError, FetchError: as in `get`; also while the body is read.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout.sock_connect, sock_read=idle_timeout)
        asked = {"Accept": accept, "Accept-Encoding": "identity", "Cache-Control": "no-store"}
        async with self._opened(url, asked, headers or {}, timeout, streaming=True) as (response, _):
            head = Answer(
                url=public_url(response.url),
                status=response.status,
                headers={name.lower(): value for name, value in response.headers.items()},
            )
            yield head, _pieces(response)

    @asynccontextmanager
    async def websocket(
        self, url: str, *, headers: Mapping[str, str] | None = None, most: int = 1024 * 1024
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a WebSocket (ws, wss). Redirects are not followed; pings and pongs are the reader's.

        Args:
            most: bytes of one message, decompressed.

        Raises:
            InputError: the URL is malformed.
            FetchError: it can't be opened.
        """
        here = check_url(url, schemes=("ws", "wss"))
        shown = public_url(url)
        try:
            self._check_literal(here)
            async with self._turn(here, brief=False):
                socket = await self._session(streaming=True).ws_connect(
                    here,
                    headers=dict(headers or {}),
                    autoping=False,
                    max_msg_size=most,
                    timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
                )
        except aiohttp.WSServerHandshakeError as error:
            wait = retry_after(error.headers.get("Retry-After")) if error.headers else None
            raise FetchError(
                f"GET {shown}: no WebSocket: the server says {error.status}",
                url=shown,
                status=error.status,
                retry_after=wait,
            ) from None
        except (FetchError, InputError):
            raise
        except PrivateAddressError as error:
            raise FetchError(f"GET {shown}: refused: {error}", url=shown) from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _as_fetch_error(error, shown) from error
        try:
            yield socket
        finally:
            with suppress(TimeoutError):  # a server that goes on talking would never let it be closed
                async with asyncio.timeout(_GOODBYE):
                    await socket.close()

    @asynccontextmanager
    async def _opened(
        self,
        url: str,
        headers: Mapping[str, str],
        own: Mapping[str, str],
        timeout: aiohttp.ClientTimeout,
        *,
        streaming: bool,
        errors_too: bool = False,
    ) -> AsyncIterator[tuple[aiohttp.ClientResponse, str | None]]:
        """The response after redirects, each hop checked as the first, and where it moved to for good; closed at the
        end, whatever happens. `own` are headers for the first host alone."""
        first = here = check_url(url)
        shown = public_url(url)
        moved: str | None = None
        permanent = True
        try:
            for _ in range(_MOST_REDIRECTS + 1):
                self._check_literal(here)
                sent = {**headers, **own} if here.origin() == first.origin() else dict(headers)
                async with self._turn(here, brief=not streaming):
                    response = await self._session(streaming=streaming).get(
                        here, headers=sent, timeout=timeout, allow_redirects=False
                    )
                    try:
                        target = _redirect(response, here)
                        if target is None:
                            if not errors_too:
                                _check_status(response, shown)
                            yield response, moved
                            return
                    finally:
                        response.close()
                permanent = permanent and response.status in _PERMANENT
                if permanent:
                    moved = str(target)
                here = target
        except FetchError:
            raise
        except PrivateAddressError as error:
            raise FetchError(f"GET {shown}: refused: {error}", url=shown) from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _as_fetch_error(error, shown) from error
        raise FetchError(f"GET {shown}: more than {_MOST_REDIRECTS} redirects", url=shown)

    @asynccontextmanager
    async def _turn(self, url: URL, *, brief: bool) -> AsyncIterator[None]:
        address = literal_address(url.host or "")
        if not self._spares_all and address is not None and not is_public(address):
            yield
        else:
            async with self._gate.turn((url.host or "").lower(), brief=brief):
                yield

    def _check_literal(self, url: URL) -> None:
        """aiohttp resolves no host that is written as an address, so those are looked at here."""
        address = literal_address(url.host or "")
        if address is not None and not self.allow_private and not is_public(address):
            raise PrivateAddressError(str(url.host), str(address))


def _no_redirects() -> aiohttp.TraceConfig:
    """Redirects are followed here, one by one; what aiohttp would follow by itself (a WebSocket's) is refused."""

    async def refuse(_session: object, _context: object, found: aiohttp.TraceRequestRedirectParams) -> None:
        shown = public_url(found.url)
        target = public_url(found.response.headers.get("Location", ""))[:200]
        raise FetchError(f"GET {shown}: redirects to {target!r}. Give that address", url=shown)

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(refuse)
    return trace


def _redirect(response: aiohttp.ClientResponse, here: URL) -> URL | None:
    if response.status not in _REDIRECTS:
        return None
    location = response.headers.get("Location", "").strip()
    shown = public_url(here)
    if not location:
        raise FetchError(f"GET {shown}: {response.status} without a Location", url=shown, status=response.status)
    try:
        target = here.join(URL(location))
        return check_url(str(target))
    except (InputError, ValueError):
        raise FetchError(
            f"GET {shown}: redirects to {public_url(location)[:200]!r}, which can't be read",
            url=shown,
            status=response.status,
        ) from None


def _check_status(response: aiohttp.ClientResponse, shown: str) -> None:
    if response.status in (200, 203, 204, 206) or response.status == 304:
        return
    reason = " ".join((response.reason or "").split())[:80]
    raise FetchError(
        f"GET {shown}: the server says {response.status} {reason}".rstrip(),
        url=shown,
        status=response.status,
        retry_after=retry_after(response.headers.get("Retry-After")),
    )


def _validators(response: aiohttp.ClientResponse, before: Validators | None) -> Validators:
    etag, modified = response.headers.get("ETag"), response.headers.get("Last-Modified")
    if response.status == 304 and before is not None:
        etag, modified = etag or before.etag, modified or before.last_modified
    return Validators(
        etag=etag if etag and len(etag) <= 1024 else None,
        last_modified=modified if modified and len(modified) <= 100 else None,
    )


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    shown = public_url(response.url)
    out = bytearray()
    received = 0
    try:
        decoder = Decoder(response.headers.get("Content-Encoding", ""), most)
        async for piece in response.content.iter_any():
            received += len(piece)
            if received > most:
                raise TooLargeError
            out += decoder.feed(piece)
        if not decoder.complete:
            raise FetchError(f"GET {shown}: the compressed answer was cut off", url=shown, status=response.status)
    except TooLargeError:
        raise FetchError(
            f"GET {shown}: the answer is larger than {most / 1024 / 1024:g} MiB", url=shown, status=response.status
        ) from None
    except DecodeError as error:
        raise FetchError(f"GET {shown}: can't be decompressed ({error})", url=shown, status=response.status) from None
    return bytes(out)


async def _pieces(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    shown = public_url(response.url)
    try:
        decoder = Decoder(response.headers.get("Content-Encoding", ""), None)
        async for piece in response.content.iter_any():
            yield decoder.feed(piece)
    except (DecodeError, TooLargeError) as error:
        raise FetchError(f"GET {shown}: can't be decompressed ({error})", url=shown, status=response.status) from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _as_fetch_error(error, shown) from error


def _as_fetch_error(error: Exception, shown: str) -> FetchError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, PrivateAddressError):
            return FetchError(f"GET {shown}: refused: {cause}", url=shown)
        cause = cause.__cause__
    host = urlsplit(shown).hostname
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        reason = f"the name {host!r} can't be resolved"
    elif isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        reason = f"TLS with {host!r} failed ({' '.join(str(error).split())[:200]})"
    elif isinstance(error, aiohttp.ClientConnectorError):
        reason = f"can't connect to {host!r} ({error.strerror or type(error).__name__})"
    elif isinstance(error, TimeoutError):
        reason = "no answer in time"
    elif isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError | aiohttp.ClientOSError):
        reason = "the answer was cut off"
    else:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return FetchError(f"GET {shown}: {reason}", url=shown)
