"""Changes of what people note about a stream, told to all who watch: PostgreSQL counts them, Redis hints at them.

It owns `stream_changes` and the channels `<kind>:<stream_id>`. It must not know what is noted; whoever is told of a
change reads it again. A hint that Redis loses is made up for within a second by the counter.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Generic, NamedTuple, Self, TypeVar
from uuid import UUID

import asyncpg
import msgspec

from vibeseater.broadcast.hub import Hub
from vibeseater.broadcast.publisher import Publisher
from vibeseater.errors import ClosedError, UnreachableError, VibeSeaterError
from vibeseater.store.pool import Connection, Pool

__all__ = ["Board", "Changes", "Watch"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_CHECK_SECONDS = 1.0

Noted = Callable[[Connection, asyncpg.Record], Awaitable[None]]

_RAISE = """
INSERT INTO stream_changes AS c (stream_id, kind, number) VALUES ($1, $2, 1)
ON CONFLICT (stream_id, kind) DO UPDATE SET number = c.number + 1 RETURNING number
"""

_READ = """
SELECT c.stream_id, c.kind, c.number
FROM unnest($1::uuid[], $2::text[]) AS wanted (stream_id, kind) JOIN stream_changes c USING (stream_id, kind)
"""


class Board(NamedTuple):
    """Notes of one kind about one stream: what is changed, and watched, as a whole."""

    kind: str
    stream_id: UUID

    def __str__(self) -> str:
        return f"{self.kind}:{self.stream_id}"


class Changes:
    """Counts changes, tells of them, and wakes who watches.

    Args:
        pool: the store's pool.
        hub: the one listener to Redis of this process.
        publisher: what sends to Redis.
    """

    def __init__(self, pool: Pool, hub: Hub, publisher: Publisher) -> None:
        self._pool, self._hub, self._publisher = pool, hub, publisher
        self._watches: dict[Board, set[Watch[object]]] = {}
        self._check_task: asyncio.Task[None] | None = None
        # One watch reads at a time: a change that a thousand pages watch must not take all connections.
        self._reading = asyncio.Lock()

    async def write(
        self, board: Board, statement: str, *arguments: Any, noted: Noted | None = None
    ) -> asyncpg.Record | None:
        """Change something and count it, in one transaction, then tell all processes of it.

        Args:
            statement: returns a row where it changes something.
            noted: awaited with that row, as a part of the transaction.

        Returns:
            The row; None where nothing was changed, and so nothing told.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(statement, *arguments)
            if row is None:
                return None
            if noted is not None:
                await noted(connection, row)
            number = await self.count(connection, board)
        self.tell(board, number)
        return row

    async def count(self, connection: Connection, board: Board) -> int:
        """Count a change, within the transaction that makes it; returns its number, for `tell`."""
        number: int = await connection.fetchval(_RAISE, board.stream_id, board.kind)
        return number

    def tell(self, board: Board, number: int) -> None:
        """Tell all processes of a change that is committed. Returns at once, and never fails."""
        message = msgspec.json.encode({"type": "changed", "kind": board.kind, "number": number})
        self._publisher.announce(str(board), message)
        self._wake(board, number)

    def watch(self, board: Board, read: Callable[[], Awaitable[_T]]) -> Watch[_T]:
        """What `read` gives, now and after each change: `async with … as watch`, then `async for … in watch`."""
        return Watch(self, board, read)

    async def numbers(self, boards: list[Board]) -> dict[Board, int]:
        """The number of each board's last change; 0 where there was none."""
        rows = await self._pool.fetch(
            _READ,
            [board.stream_id for board in boards],
            [board.kind for board in boards],
            timeout=self._pool.settings.connect_timeout,
        )
        found = {Board(row["kind"], UUID(int=row["stream_id"].int)): row["number"] for row in rows}
        return {board: found.get(board, 0) for board in boards}

    async def aclose(self) -> None:
        """End every watch. May be called twice."""
        task, self._check_task = self._check_task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        for watches in list(self._watches.values()):
            for watch in list(watches):
                await watch.aclose()

    async def _add(self, watch: Watch[object]) -> None:
        self._pool.check_usable()  # before a task is begun in a loop that is not ours
        watches = self._watches.setdefault(watch.board, set())
        watches.add(watch)
        if len(watches) == 1:
            board = watch.board
            await self._hub.hear(str(board), lambda message: self._hinted(board, message))
        if self._check_task is None:
            self._check_task = asyncio.create_task(self._keep_checking(), name="vibeseater-changes")

    async def _remove(self, watch: Watch[object]) -> None:
        watches = self._watches.get(watch.board)
        if watches is None or watch not in watches:
            return
        watches.remove(watch)
        if not watches:
            del self._watches[watch.board]
            await self._hub.unhear(str(watch.board))

    def _hinted(self, board: Board, message: bytes) -> None:
        try:
            told = msgspec.json.decode(message, type=dict[str, str | int])
            number = told.get("number")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return  # somebody else speaks on our channel; the counter tells what is true
        if isinstance(number, int):
            self._wake(board, None)  # PostgreSQL says what number it is, not who can reach Redis

    def _wake(self, board: Board, number: int | None) -> None:
        for watch in self._watches.get(board, ()):
            watch.hint(number)

    async def _keep_checking(self) -> None:
        """Once a second, one query for all boards that are watched."""
        away = False
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            try:
                for board, number in (await self.numbers(list(self._watches))).items() if self._watches else ():
                    self._wake(board, number)
                away = False
            except Exception as error:  # nothing may end this loop
                if not away:
                    known = isinstance(error, VibeSeaterError | TimeoutError)
                    _log.warning("changes can't be read: %s", error, exc_info=None if known else error)
                away = True


class Watch(Generic[_T]):
    """Iterates over what is noted: as it is now, then anew after each change. Changes that come together are one."""

    def __init__(self, changes: Changes, board: Board, read: Callable[[], Awaitable[_T]]) -> None:
        self.board = board
        self._changes, self._read = changes, read
        self._number = -1  # of the last change that was read
        self._wake = asyncio.Event()
        self._closed = False

    def hint(self, number: int | None) -> None:
        """There may be something new: change `number`, or one of which nobody knows the number."""
        if number is None or number != self._number:
            self._wake.set()

    async def _woken(self) -> bool:
        """Wait for a hint; whether there is anything left to do."""
        await self._wake.wait()
        self._wake.clear()
        return not self._closed

    def end(self) -> None:
        """Let the iteration end, soon. Returns at once; who leaves the `async with` does the rest."""
        self._closed = True
        self._wake.set()

    async def aclose(self) -> None:
        """End: who waits is woken, and the iteration ends. May be called twice."""
        self.end()
        await self._changes._remove(self)  # type: ignore[arg-type]

    async def __aenter__(self) -> Self:
        try:
            await self._changes._add(self)  # type: ignore[arg-type]
        except BaseException:  # cancelled, while Redis had not confirmed yet
            await self.aclose()
            raise
        self._wake.set()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def __aiter__(self) -> AsyncIterator[_T]:
        while await self._woken():
            try:
                # The number first: what is read then is at least as new.
                async with self._changes._reading:
                    number = (await self._changes.numbers([self.board]))[self.board]
                    if number == self._number:
                        continue
                    found = await self._read()
            except (UnreachableError, ClosedError):
                await asyncio.sleep(random.uniform(0.1, 0.5))
                self._wake.set()
                continue
            self._number = number
            yield found
