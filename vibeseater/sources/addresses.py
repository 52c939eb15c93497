"""Which addresses sources may speak to: the check of a URL's form, and of the network address really connected to.

It owns the rule (`settings.allow_private_urls`) and applies it where names are resolved, so that a name which resolves
to something else a moment later (DNS rebinding) gains nothing. It sends no request.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from vibeseater.errors import InputError

__all__ = [
    "GuardedResolver",
    "PrivateAddressError",
    "check_peer",
    "check_url",
    "guarded_socket",
    "is_public",
    "literal_address",
    "public_url",
    "refuse_private",
    "refuse_private_url",
]

_SECRET_NAMES = re.compile(r"token|secret|passw|signature|^sig$|api_?key|^key$|auth|session", re.IGNORECASE)
_C_NOTATION = re.compile(r"(?:0x[0-9a-f]*|\d+)(?:\.(?:0x[0-9a-f]*|\d+)){0,3}", re.IGNORECASE)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Not of the open internet either, whatever this Python's tables say of them: protocols' own addresses, and those at
# which clouds answer to their machines alone (192.0.0.192: Oracle, 168.63.129.16: Azure).
_SPECIAL = [ipaddress.ip_network(text) for text in ("192.0.0.0/24", "168.63.129.16/32", "64:ff9b:1::/48")]


class PrivateAddressError(OSError):
    """The address is on loopback or a private network, and the settings don't allow those."""

    def __init__(self, host: str, address: str) -> None:
        where = host if host == address else f"{host} ({address})"
        super().__init__(
            f"{where} is on a loopback, private or reserved network. "
            "If you trust it, set VIBESEATER_ALLOW_PRIVATE_URLS=1 (allow_private_urls in vibeseater.toml)."
        )


def check_url(
    url: object,
    field: str = "url",
    problem: str = "malformed URL",
    *,
    schemes: tuple[str, ...] = ("http", "https"),
    example: str = "https://example.org/feed.xml",
) -> URL:
    """The URL, parsed, when it is a whole one of these schemes.

    Raises:
        InputError: it is not; the message does not repeat its credentials.
    """
    cure = f"Give a whole address such as {example}"
    if not isinstance(url, str):
        raise InputError(field, url, problem, cure)
    if len(url) > 4096 or not url.isprintable() or re.search(r"\s", url):
        raise InputError(field, public_url(url), problem, cure)
    try:
        parts = urlsplit(url)
        made = URL(url)
        host, port = made.host, made.port
    except ValueError:
        raise InputError(field, public_url(url), problem, cure) from None
    if parts.scheme.lower() not in schemes:
        known = " and ".join(schemes)
        raise InputError(field, public_url(url), f"only {known} can be read, not {parts.scheme or 'this'!r}", cure)
    if not host or port == 0 or not url.lower().startswith(tuple(f"{scheme}://" for scheme in schemes)):
        raise InputError(field, public_url(url), problem, cure)
    return made


def public_url(url: object) -> str:
    """The URL without user, password, and values of query fields that look like secrets; for logs and messages."""
    text = str(url)
    try:
        parts = urlsplit(text)
        netloc = parts.netloc.rpartition("@")[2]
        query = "&".join(
            f"{name}=***" if equals and _SECRET_NAMES.search(name) else field
            for field in parts.query.split("&")
            for name, equals, _ in [field.partition("=")]
        )
        return urlunsplit((parts.scheme, netloc, parts.path, query, ""))
    except ValueError:
        return re.sub(r"//[^/\s]*@", "//", text)


def refuse_private(host: str, field: str, shown: str) -> None:
    """Refuse a host that is written as an address of a loopback, private or reserved network.

    A name is let pass: it is judged by what it resolves to, whenever it is connected to.

    Args:
        shown: what the message may show of the field's value.

    Raises:
        InputError: it is such an address.
    """
    address = literal_address(host)
    if address is not None and not is_public(address):
        raise InputError(
            field,
            shown,
            f"{host} is on a loopback, private or reserved network",
            "Give a public address; or, if you trust this one, set VIBESEATER_ALLOW_PRIVATE_URLS=1",
        )


def refuse_private_url(url: str, field: str) -> None:
    """The same for the host of a URL. What is no URL is let pass.

    Raises:
        InputError: it is such an address; the message does not repeat its credentials.
    """
    try:
        host = URL(url).host
    except ValueError:
        return
    refuse_private(host or "", field, public_url(url))


def literal_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The host as an address if it is written as one, also in the notations of C (`127.1`, `0x7f.1`, `2130706433`) that
    resolvers take, with a zone or with trailing dots; else None."""
    text = host.strip("[]").partition("%")[0].rstrip(".")
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        pass
    if not _C_NOTATION.fullmatch(text):
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(text))
    except OSError:
        return None


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether the address is one of the open internet, seen through the IPv6 forms that wrap an IPv4 address."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None or address.is_site_local:
            return False
    if any(address in network for network in _SPECIAL):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


class GuardedResolver(AbstractResolver):
    """Resolves names, and gives only addresses that may be connected to."""

    def __init__(self, allow_private: bool, inner: AbstractResolver | None = None) -> None:
        self._allow_private = allow_private
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """As aiohttp asks for it.

        Raises:
            PrivateAddressError: the name has addresses, but none that may be used.
        """
        found = await self._inner.resolve(host, port, family)
        if self._allow_private:
            return found
        allowed = [item for item in found if _is_public_text(item["host"])]
        if found and not allowed:
            raise PrivateAddressError(host, found[0]["host"])
        return allowed

    async def close(self) -> None:
        """Close the resolver inside."""
        await self._inner.close()


def check_peer(peer: str, allow_private: bool) -> None:
    """Look at the address that is really spoken to.

    Raises:
        PrivateAddressError: it may not be.
    """
    if not allow_private and not _is_public_text(peer):
        raise PrivateAddressError(peer, peer)


def guarded_socket(allow_private: bool) -> Callable[[tuple[Any, ...]], socket.socket]:
    """What makes the sockets of a connector: the last look at the address, whoever resolved it, and however often."""

    def make(address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, where = address
        check_peer(where[0], allow_private)
        return socket.socket(family, kind, protocol)

    return make


def _is_public_text(host: str) -> bool:
    address = literal_address(host)
    return address is not None and is_public(address)
