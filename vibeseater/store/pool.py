"""The connections to PostgreSQL of one process and one event loop. It owns them; it knows no table."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
import msgspec

from vibeseater.encryption import why_not
from vibeseater.errors import (
    ClosedError,
    ServerError,
    TooOldError,
    TooSlowError,
    UnreachableError,
    WrongLoopError,
    in_a_line,
)
from vibeseater.settings import Settings, without_secrets

__all__ = ["CONNECTION_LOST", "Connection", "Pool", "connect", "connected", "hang_up", "in_a_line"]

_log = logging.getLogger(__name__)

Connection = asyncpg.Connection
T = TypeVar("T")

OLDEST = 14
"""The oldest PostgreSQL that is supported (its major version)."""

_FOR_READING = 3  # connections that batches leave to others
_RELEASE_SECONDS = 2.0  # that a connection with a cancelled query gets to become usable again

CONNECTION_LOST = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,  # a connection that broke in the middle of a statement is asked for the next one
)
"""What asyncpg raises when the server, or the way to it, is gone. A later try may succeed."""


_SERVER_SETTINGS = {
    "application_name": "vibeseater",
    "timezone": "UTC",
    # Compiling the short statements used here costs more than it can win.
    "jit": "off",
    # A process that is frozen within a transaction (a laptop that sleeps, a machine that is cut off) must not hold its
    # locks for ever: all who write to the same streams would wait for it. Ten seconds, in milliseconds.
    "idle_in_transaction_session_timeout": "10000",
}


def _encode_jsonb(value: bytes) -> bytes:
    return b"\x01" + value


def _decode_jsonb(value: bytes) -> Any:
    return msgspec.json.decode(memoryview(value)[1:])


async def _prepare_connection(connection: Connection) -> None:
    # JSON goes in as bytes that are encoded already, and comes out decoded: once each, by msgspec.
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", format="binary", encoder=_encode_jsonb, decoder=_decode_jsonb
    )


async def _leave_as_it_is(_connection: object) -> None:
    # Nothing here leaves anything behind in a session, so nothing has to be tidied up at the price of a round trip.
    pass


async def connect(settings: Settings) -> Connection:
    """One connection outside the pool, prepared like the pool's.

    Raises:
        UnreachableError: no PostgreSQL answers there.
        TooOldError: its version is not supported.
    """
    async with _translated(settings, connecting=True):
        connection = await asyncpg.connect(
            settings.database_url, timeout=settings.connect_timeout, server_settings=_SERVER_SETTINGS
        )
        try:
            _check_version(connection)
            async with asyncio.timeout(settings.connect_timeout):
                await _prepare_connection(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Connection]:
    """One connection outside the pool, for a while.

    Raises:
        UnreachableError: no PostgreSQL answers there, or the connection was lost meanwhile.
        TooOldError: its version is not supported.
    """
    connection = await connect(settings)
    try:
        async with _translated(settings):
            yield connection
    except BaseException:
        connection.terminate()
        raise
    await hang_up(connection)


async def hang_up(connection: Connection) -> None:
    """End a connection in good order where the server still listens, and at any rate soon."""
    try:
        await connection.close(timeout=2.0)
    except CONNECTION_LOST:
        connection.terminate()


def _check_version(connection: Connection) -> None:
    version = connection.get_server_version()
    if version.major < OLDEST:
        raise TooOldError(
            f"PostgreSQL {version.major}.{version.minor} is too old: VibeSeater needs {OLDEST} or newer. "
            "Upgrade it, or unset VIBESEATER_DATABASE_URL to use the embedded server."
        )


@asynccontextmanager
async def _translated(settings: Settings, *, connecting: bool = False) -> AsyncIterator[None]:
    url = settings.database_url or ""
    where = without_secrets(url)
    try:
        yield
    except asyncpg.ClientConfigurationError as error:  # which is an InterfaceError, too
        reason = why_not(error, url) or f"{in_a_line(error)}. Mend it."
        raise UnreachableError(f"VIBESEATER_DATABASE_URL={where!r} can't be used: {reason}") from error
    except (asyncpg.InvalidCatalogNameError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        reason = why_not(error, url) or f"{in_a_line(error)}. Mend VIBESEATER_DATABASE_URL."
        raise UnreachableError(f"PostgreSQL at {where} refuses: {reason}") from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise ServerError(
            f"PostgreSQL refuses: {in_a_line(error)}. Connect as a user who may: see docs/security.md, least rights."
        ) from error
    except CONNECTION_LOST as error:
        reason = (connecting and why_not(error, url)) or (
            f"{in_a_line(error)}. Start it, mend VIBESEATER_DATABASE_URL, or unset it to use the embedded server."
        )
        raise UnreachableError(f"PostgreSQL at {where} can't be reached: {reason}") from error


class Pool:
    """A bounded pool of connections, for reads and rare writes. The event log's writer has a connection of its own.

    A query that finds its connection dead (PostgreSQL was restarted) is tried once more on a new one: it may only be
    used with statements that can be repeated.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turns: asyncio.Semaphore | None = None

    async def open(self) -> None:
        """Connect once, so that a wrong URL or an old server is told at once."""
        async with connected(self.settings):
            pass
        self._loop = asyncio.get_running_loop()
        self._turns = asyncio.Semaphore(max(1, self.settings.pool_size - _FOR_READING))
        self._pool = await asyncpg.create_pool(
            self.settings.database_url,
            min_size=0,
            max_size=self.settings.pool_size,
            timeout=self.settings.connect_timeout,
            max_inactive_connection_lifetime=60.0,
            server_settings=_SERVER_SETTINGS,
            init=_prepare_connection,
            reset=_leave_as_it_is,
        )

    async def close(self) -> None:
        """Close all connections. Queries under way get five seconds."""
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                async with asyncio.timeout(5.0):
                    await pool.close()
            except CONNECTION_LOST:  # or time is up
                pool.terminate()

    def check_usable(self) -> None:
        """Tell early, before anything is begun.

        Raises:
            ClosedError: it was closed.
            WrongLoopError: it was opened in another event loop.
        """
        self._opened()

    def _opened(self) -> asyncpg.Pool[asyncpg.Record]:
        if self._pool is None:
            raise ClosedError("This VibeSeater is closed. Call `await vibeseater.connect()` again.")
        if asyncio.get_running_loop() is not self._loop:
            raise WrongLoopError(
                "This VibeSeater was connected in another event loop. Call `await vibeseater.connect()` in this one; "
                "or, from a thread, hand the call over: `asyncio.run_coroutine_threadsafe(…, loop).result()`."
            )
        return self._pool

    def turn(self) -> asyncio.Semaphore:
        """To be held while many events are stored: so that whoever reads always finds a connection."""
        self._opened()
        assert self._turns is not None
        return self._turns

    @asynccontextmanager
    async def acquire_watched(self, seconds: float) -> AsyncIterator[tuple[Connection, Callable[[], None]]]:
        """A connection for long work. It is cut when nothing is heard for so many seconds.

        Returns:
            The connection, and what is called whenever something is heard: the seconds begin anew.

        Raises:
            UnreachableError: PostgreSQL is away.
        """
        async with self.acquire() as connection:
            loop = asyncio.get_running_loop()
            cut = loop.call_later(seconds, connection.terminate)

            def heard() -> None:
                nonlocal cut
                cut.cancel()
                cut = loop.call_later(seconds, connection.terminate)

            try:
                yield connection, heard
            finally:
                cut.cancel()

    @asynccontextmanager
    async def acquire(self, timeout: float | None = None) -> AsyncIterator[Connection]:
        """A connection for several statements, as in a transaction.

        Args:
            timeout: seconds to wait for one, and seconds after which it is cut, whatever is asked on it: a
                connection of which nobody says that it is dead would be waited on for ever.

        Raises:
            UnreachableError: PostgreSQL is away.
        """
        pool = self._opened()
        async with _translated(self.settings, connecting=True):
            connection = await pool.acquire(timeout=timeout)
        cut = None if timeout is None else asyncio.get_running_loop().call_later(timeout, connection.terminate)
        try:
            async with _translated(self.settings):
                yield connection  # type: ignore[misc]
        finally:
            if cut is not None:
                cut.cancel()
            await _release(pool, connection)

    async def expire(self) -> None:
        """Replace every connection before its next use: the server, or the way to it, may be another one by now."""
        await self._opened().expire_connections()

    async def fetch(self, query: str, *arguments: Any, timeout: float | None = None) -> list[asyncpg.Record]:
        """All rows of a query. With a `timeout` (seconds) a server that says nothing is unreachable then."""
        return await self._twice(lambda connection: connection.fetch(query, *arguments), timeout)

    async def fetch_within(self, seconds: float, local: str, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """All rows of a query that may take so many seconds, planned for its very arguments.

        Args:
            local: further `SET LOCAL` statements.

        Raises:
            TooSlowError: PostgreSQL gave it up.
        """
        bounds = (
            f"SET LOCAL statement_timeout = {round(seconds * 1000)}; SET LOCAL plan_cache_mode = force_custom_plan;"
        )

        async def work(connection: Connection) -> list[asyncpg.Record]:
            try:
                async with connection.transaction(readonly=True):
                    await connection.execute(f"{bounds} {local}")
                    return await connection.fetch(query, *arguments)
            except asyncpg.QueryCanceledError as error:
                raise TooSlowError(
                    f"The search was given up after {seconds:g} s. Narrow it by time, source or type."
                ) from error

        return await self._twice(work, None)

    async def fetchrow(self, query: str, *arguments: Any) -> asyncpg.Record | None:
        """The first row of a query, or None."""
        return await self._twice(lambda connection: connection.fetchrow(query, *arguments))

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        """The first value of a query's first row, or None."""
        return await self._twice(lambda connection: connection.fetchval(query, *arguments))

    async def execute(self, query: str, *arguments: Any) -> str:
        """Run a statement that can be repeated; returns PostgreSQL's word for what was done."""
        return await self._twice(lambda connection: connection.execute(query, *arguments))

    async def transact(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do several statements as one transaction; once more where the connection was lost, so that it must not
        matter whether they were carried out before."""

        async def whole(connection: Connection) -> T:
            async with connection.transaction():
                return await work(connection)

        return await self._twice(whole)

    async def _twice(self, work: Callable[[Connection], Awaitable[T]], timeout: float | None = None) -> T:
        try:
            try:
                async with self.acquire(timeout) as connection:
                    return await work(connection)
            except UnreachableError:
                # One dead connection tells nothing of the server: the others that a restart killed are still pooled.
                await self.expire()
                async with self.acquire(timeout) as connection:
                    return await work(connection)
        except asyncpg.PostgresError as error:
            raise ServerError(f"PostgreSQL refused: {in_a_line(error)}") from error


async def _release(pool: asyncpg.Pool[asyncpg.Record], connection: Any) -> None:
    """Give a connection back. One that can't be used any more is ended by asyncpg, which raises all the same."""
    try:
        await pool.release(connection, timeout=_RELEASE_SECONDS)
    except Exception as error:
        # What was asked is answered, or has its own error: this one would hide it.
        _log.debug("A connection was ended when it was given back: %r", error)
