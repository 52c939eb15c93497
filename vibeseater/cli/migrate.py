"""`vibeseater migrate`: bring the database's schema to what this version needs, and say from what to what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import msgspec

from vibeseater.cli.output import json_line, line
from vibeseater.cli.progress import progress
from vibeseater.cli.session import run

__all__ = ["migrate"]


@click.command()
@click.option("--search-index", is_flag=True, help="Also build the index that searches use, where it is missing.")
@click.option("--timescaledb", is_flag=True, help="Also make the events a hypertable, and keep their rates counted.")
@click.option("--compress-after", metavar="AGE", help="Compress what happened longer ago, such as 30d (TimescaleDB).")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def migrate(search_index: bool, timescaledb: bool, compress_after: str | None, as_json: bool) -> None:
    """Bring the database's schema to what this version needs.

    All commands and `vibeseater.connect()` do the same by themselves; this is for those who want it done before.

    A database that had more than 200,000 events before searches had an index gets it by --search-index: it takes about
    a minute for a million events, while events can be stored as ever. --timescaledb turns a plain table of events into
    a hypertable, while events can be stored and read as ever; interrupted, it goes on when it is run again.
    """
    run(lambda: _migrate(search_index, timescaledb, compress_after, as_json))


async def _migrate(search_index: bool, timescaledb: bool, compress_after: str | None, as_json: bool) -> None:
    from vibeseater.embedded import acquire  # here: only this needs the store below the public API
    from vibeseater.inputs import duration
    from vibeseater.settings import load_settings
    from vibeseater.store import conversion, event_rates, timescale
    from vibeseater.store import migrate as migrations
    from vibeseater.store import search_index as index
    from vibeseater.store.pool import connected

    age = None if compress_after is None else duration("compress-after", compress_after)
    settings = load_settings()
    embedded = None
    if settings.database_url is None:
        embedded = await acquire(settings, redis=False)
        settings = msgspec.structs.replace(settings, database_url=embedded.database_url)
    done: dict[str, Any] = {}
    try:
        async with connected(settings) as connection:
            before = await migrations.state(connection)
            applied = await migrations.apply(connection)
            done["search_index_built"] = search_index and await index.build(connection)
            if timescaledb:
                with progress("Copying events", None) as advance:
                    done["converted"] = await conversion.convert(connection, advance)
                done["rates"] = await event_rates.make(connection)
                if done["rates"]:
                    await event_rates.refresh(connection)
            if age is not None:
                done["compressed"] = await timescale.compress_after(connection, age)
    finally:
        if embedded is not None:
            await embedded.release()
    if as_json:
        json_line({"from": before.applied, "to": before.known, "applied": [one.name for one in applied], **done})
        return
    if applied:
        line(f"Migrated from {before.applied} to {before.known}: {', '.join(one.name for one in applied)}")
    else:
        line(f"Nothing to do: the database is at {before.applied}, as this version needs.")
    for text in _told(done):
        line(text)


def _told(done: dict[str, Any]) -> Iterator[str]:
    if done["search_index_built"]:
        yield "Built the search index."
    if "converted" in done:
        copied = done["converted"]
        yield "The events are a hypertable already." if copied is None else f"Made {copied:,} events a hypertable."
        if done["rates"]:
            yield "Their rates are kept counted, and refreshed each minute."
        else:
            yield "Their rates are not kept: this TimescaleDB is of the Apache licence alone."
    if "compressed" in done:
        yield f"Compressed {done['compressed']:,} chunks; others follow as they grow old."
