"""Servers that are no HTTP servers (Redis, Kafka): whether they may be spoken to, judged as addresses of feeds are.

It resolves names. It connects nowhere.
"""

from __future__ import annotations

import asyncio
import socket

from vibeseater.errors import SourceError
from vibeseater.sources.addresses import PrivateAddressError, check_peer

__all__ = ["check_host"]


async def check_host(host: str, port: int, *, allow_private: bool) -> None:
    """Look at every address that a name has.

    Raises:
        SourceError: it has none, or one that may not be spoken to.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise SourceError(f"the name {host!r} can't be resolved ({error.strerror or error})") from None
    try:
        for *_, address in found:
            check_peer(str(address[0]), allow_private)
    except PrivateAddressError as error:
        raise SourceError(f"refused: {error}") from None
