"""One polite HTTP client for all sources: bounded, patient, and strict about where it connects.

It owns the connections. It must not know what is read with them.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
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
    is_public,
    literal_address,
    public_url,
)
from vibeseater.sources.decode import ACCEPT_ENCODING, DecodeError, Decoder, TooLargeError
from vibeseater.sources.headers import next_after, retry_after

__all__ = ["MAX_BYTES", "Answer", "HttpClient", "Validators"]

MAX_BYTES = 20 * 1024 * 1024
"""Bytes of an answer, after decompression, unless told otherwise."""

USER_AGENT = f"VibeSeater/{__version__} (+https://github.com/vibeseater/vibeseater)"

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
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
    """

    url: str
    status: int
    headers: dict[str, str]
    body: bytes = b""
    not_modified: bool = False
    validators: Validators = Validators()
    next_after: float | None = None

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
    """

    def __init__(
        self,
        *,
        allow_private_urls: bool = False,
        user_agent: str | None = None,
        max_bytes: int = MAX_BYTES,
        timeout: aiohttp.ClientTimeout = _TIMEOUT,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._allow_private = allow_private_urls
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
                resolver=GuardedResolver(self._allow_private, self._resolver),
                limit=0,
                limit_per_host=0 if streaming else 10,
                ttl_dns_cache=10,
            )
            self._sessions[streaming] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": self._user_agent},
                auto_decompress=False,
                trust_env=False,  # a proxy would connect to what was not checked
            )
        return self._sessions[streaming]

    async def get(
        self,
        url: str,
        *,
        accept: str = "*/*",
        validators: Validators | None = None,
        max_bytes: int | None = None,
    ) -> Answer:
        """GET the URL, politely.

        Args:
            accept: the Accept header.
            validators: of the last answer, for a conditional GET.
            max_bytes: another bound than the client's.

        Raises:
            InputError: the URL is malformed.
            FetchError: no answer, an error status, a refused address, too large, cut off, too slow.
        """
        headers = {"Accept": accept, "Accept-Encoding": ACCEPT_ENCODING}
        if validators is not None and validators.etag:
            headers["If-None-Match"] = validators.etag
        if validators is not None and validators.last_modified:
            headers["If-Modified-Since"] = validators.last_modified
        async with self._opened(url, headers, self._timeout, streaming=False) as response:
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
        asked = {"Accept": accept, "Accept-Encoding": "identity", "Cache-Control": "no-store", **(headers or {})}
        async with self._opened(url, asked, timeout, streaming=True) as response:
            head = Answer(
                url=public_url(response.url),
                status=response.status,
                headers={name.lower(): value for name, value in response.headers.items()},
            )
            yield head, _pieces(response)

    @asynccontextmanager
    async def _opened(
        self, url: str, headers: dict[str, str], timeout: aiohttp.ClientTimeout, *, streaming: bool
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The response after redirects, each hop checked as the first; closed at the end, whatever happens."""
        here = check_url(url)
        shown = public_url(url)
        try:
            for _ in range(_MOST_REDIRECTS + 1):
                self._check_literal(here)
                response = await self._session(streaming=streaming).get(
                    here, headers=headers, timeout=timeout, allow_redirects=False
                )
                try:
                    target = _redirect(response, here)
                    if target is None:
                        _check_status(response, shown)
                        yield response
                        return
                finally:
                    response.close()
                here = target
        except FetchError:
            raise
        except PrivateAddressError as error:
            raise FetchError(f"GET {shown}: refused: {error}", url=shown) from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _as_fetch_error(error, shown) from error
        raise FetchError(f"GET {shown}: more than {_MOST_REDIRECTS} redirects", url=shown)

    def _check_literal(self, url: URL) -> None:
        """aiohttp resolves no host that is written as an address, so those are looked at here."""
        address = literal_address(url.host or "")
        if address is not None and not self._allow_private and not is_public(address):
            raise PrivateAddressError(str(url.host), str(address))


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
