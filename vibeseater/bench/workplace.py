"""Where rows are measured: a database of the benchmark's own, made and dropped, and how far a measurement is told.

Nobody's data is touched: the configured servers (or the embedded ones) lend a fresh database, and messages go to
topics that nobody else knows.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import msgspec

from vibeseater import embedded
from vibeseater.errors import ServerError
from vibeseater.seater import VibeSeater
from vibeseater.settings import Settings
from vibeseater.store.pool import Connection, connect

__all__ = ["Workplace", "open_workplace"]


class Workplace:
    """What a row is given.

    Attributes:
        settings: with the URLs of the servers that lend a database.
        quick: whether to measure just enough to see that it works, within seconds.
        step: tells how far it is, in a few words.
        note: tells what is to be known beside the figures.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        quick: bool,
        share: float = 1.0,
        step: Callable[[str], None] = lambda text: None,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.settings, self.quick, self.step, self.note = settings, quick, step, note
        self._share = share

    def scale(self, full: int, quick: int) -> int:
        """How much work: `full`, or `quick` with `--quick`; of it the share that is asked for."""
        return max(1, round((quick if self.quick else full) * self._share))

    def rounds(self, full: int, quick: int) -> int:
        """How many rounds, in the same way."""
        return 2 if self._share < 1 else quick if self.quick else full

    @contextlib.asynccontextmanager
    async def seater(self) -> AsyncIterator[VibeSeater]:
        """A VibeSeater on a fresh database, which is dropped at the end.

        Raises:
            ServerError: no database can be made there.
        """
        name = f"vibeseater_bench_{secrets.token_hex(6)}"
        lender = await connect(self.settings)
        try:
            await _create(lender, name)
            try:
                url = urlsplit(self.settings.database_url or "")._replace(path=f"/{name}").geturl()
                seater = VibeSeater(msgspec.structs.replace(self.settings, database_url=url))
                try:
                    yield await seater.open()
                finally:
                    await seater.close()
            finally:
                await lender.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        finally:
            await lender.close()


async def _create(lender: Connection, name: str) -> None:
    try:
        await lender.execute(f'CREATE DATABASE "{name}"')
    except asyncpg.PostgresError as error:
        raise ServerError(
            f"The benchmark needs a database of its own, and can't make one: {error}. Let VIBESEATER_DATABASE_URL's "
            "user make databases (ALTER ROLE … CREATEDB), or unset it to measure on the embedded server."
        ) from error


@contextlib.asynccontextmanager
async def open_workplace(settings: Settings, **how: Any) -> AsyncIterator[Workplace]:
    """The configured servers as a workplace, the embedded ones where none are configured; `how` is what it takes."""
    needs = {"postgres": settings.database_url is None, "redis": settings.redis_url is None}
    if not any(needs.values()):
        yield Workplace(settings, **how)
        return
    servers = await embedded.acquire(settings, **needs)
    try:
        urls = {
            "database_url": settings.database_url or servers.database_url,
            "redis_url": settings.redis_url or servers.redis_url,
        }
        yield Workplace(msgspec.structs.replace(settings, **urls), **how)
    finally:
        await servers.release()
