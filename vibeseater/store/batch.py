"""Batches: all of it in one transaction, or nothing. Like the writer it outlasts a lost connection, by the ids."""

from __future__ import annotations

import asyncio
import random

import asyncpg

from vibeseater.errors import BusyError, ServerError, UnreachableError, in_a_line
from vibeseater.store.backend import Backend, identify, longest_lock, settle
from vibeseater.store.commit import COPY_FROM, Commit, Within, commit_batch
from vibeseater.store.drafts import Drafts
from vibeseater.store.pool import Connection, Pool
from vibeseater.store.refusals import gone
from vibeseater.store.rows import find_by_ids, find_by_keys, key_of

__all__ = ["write_batch"]


_SECONDS_A_ROW = 0.002  # on top of the patience with a server that does not answer: what one statement may take
_SECONDS_A_BYTE = 1e-6


async def write_batch(
    pool: Pool,
    drafts: Drafts,
    within: Within | None = None,
    *,
    seconds: float | None = None,
    gone_is_fine: bool = False,
) -> Commit:
    """Store a batch.

    Args:
        within: writes something more in the same transaction. It is called once a try, and must do the same each time:
            where nothing of the batch was new, a commit whose answer was lost can't be told from none.
        seconds: that it outlasts PostgreSQL's absence; `failover_timeout` when None.
        gone_is_fine: whether external_ids are passed over whose events were stored before, and purged since.

    Raises:
        InputError: an item does not fit; nothing is stored.
        NotFoundError: a stream or source does not exist; nothing is stored.
        UnreachableError: PostgreSQL stayed away for so many seconds.
        BusyError: others wrote to the same streams or sources for so many seconds; nothing is stored.
        ServerError: PostgreSQL refused the batch; nothing is stored.
    """
    if seconds is None:
        seconds = pool.settings.failover_timeout
    patience = pool.settings.connect_timeout + len(drafts) * _SECONDS_A_ROW
    if len(drafts) < COPY_FROM:
        patience += sum(draft.size for draft in drafts) * _SECONDS_A_BYTE
    deadline = asyncio.get_running_loop().time() + seconds
    unsettled: list[Backend] = []  # server processes that may still be carrying out a former try
    pause = 0.05
    while True:
        backend: Backend | None = None
        try:
            async with pool.turn(), pool.acquire_watched(patience) as (connection, heard):
                backend = await identify(connection)
                if unsettled:
                    for former in unsettled:
                        await settle(connection, former)
                    recalled = await _recall(connection, drafts)
                    if recalled is not None:
                        return recalled
                    unsettled.clear()
                return await commit_batch(
                    connection,
                    drafts,
                    within,
                    gone_is_fine=gone_is_fine,
                    lock_seconds=longest_lock(pool.settings),
                    heard=heard,
                )
        except asyncpg.LockNotAvailableError as error:
            if not unsettled and asyncio.get_running_loop().time() > deadline:
                raise BusyError(
                    f"Others wrote to the same streams or sources for {seconds:g} s. Nothing was stored: try again."
                ) from error
            continue
        except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
            continue  # rolled back as a whole; the order of locks makes these next to impossible
        except (UnreachableError, asyncpg.PostgresError) as error:
            refused = isinstance(error, asyncpg.PostgresError)
            if refused and not unsettled and not isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                raise ServerError(f"PostgreSQL refused the batch, nothing was stored: {in_a_line(error)}") from error
            if backend is not None and not refused:
                unsettled.append(backend)
            if asyncio.get_running_loop().time() + pause > deadline:
                raise _gave_up(seconds, error, doubtful=bool(unsettled)) from error
        await pool.expire()  # where one connection is dead, the others may be
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(pause * 2, 2.0)


def _gave_up(seconds: float, error: Exception, *, doubtful: bool) -> UnreachableError:
    fate = (
        "Whether the batch was stored is not known: give its events external_ids and try again; what is stored "
        "already is not stored twice."
        if doubtful
        else "Nothing was stored: try again."
    )
    return UnreachableError(f"PostgreSQL stayed away for {seconds:g} s ({in_a_line(error)}). {fate}")


async def _recall(connection: Connection, drafts: Drafts) -> Commit | None:
    """The commit of a former try whose answer was lost; None where it never came to be."""
    found = await find_by_ids(connection, [draft.id for draft in drafts])
    if not found:
        return None
    before = await find_by_keys(connection, [draft for draft in drafts if draft.id not in found])
    return Commit(
        [found.get(draft.id) or before.get(key_of(draft)) or gone(draft) for draft in drafts],
        [(draft, found[draft.id]) for draft in drafts if draft.id in found],
    )
