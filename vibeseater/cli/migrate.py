"""`vibeseater migrate`: bring the database's schema to what this version needs, and say from what to what."""

from __future__ import annotations

import click
import msgspec

from vibeseater.cli.output import json_line, line
from vibeseater.cli.session import run

__all__ = ["migrate"]


@click.command()
@click.option("--search-index", is_flag=True, help="Also build the index that searches use, where it is missing.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def migrate(search_index: bool, as_json: bool) -> None:
    """Bring the database's schema to what this version needs.

    All commands and `vibeseater.connect()` do the same by themselves; this is for those who want it done before.

    A database that had more than 200,000 events before searches had an index gets it by --search-index: it takes about
    a minute for a million events, while events can be stored as ever.
    """
    run(lambda: _migrate(search_index, as_json))


async def _migrate(search_index: bool, as_json: bool) -> None:
    from vibeseater.embedded import acquire  # here: only this needs the store below the public API
    from vibeseater.settings import load_settings
    from vibeseater.store import migrate as migrations
    from vibeseater.store import search_index as index
    from vibeseater.store.pool import connected

    settings = load_settings()
    embedded = None
    if settings.database_url is None:
        embedded = await acquire(settings, redis=False)
        settings = msgspec.structs.replace(settings, database_url=embedded.database_url)
    try:
        async with connected(settings) as connection:
            before = await migrations.state(connection)
            applied = await migrations.apply(connection)
            built = search_index and await index.build(connection)
    finally:
        if embedded is not None:
            await embedded.release()
    if as_json:
        json_line(
            {
                "from": before.applied,
                "to": before.known,
                "applied": [one.name for one in applied],
                "search_index_built": built,
            }
        )
    elif applied:
        line(f"Migrated from {before.applied} to {before.known}: {', '.join(one.name for one in applied)}")
    else:
        line(f"Nothing to do: the database is at {before.applied}, as this version needs.")
    if built and not as_json:
        line("Built the search index.")
