"""`vibeseater migrate`: bring the database's schema to what this version needs, and say from what to what."""

from __future__ import annotations

import click
import msgspec

from vibeseater.cli.output import json_line, line
from vibeseater.cli.session import run

__all__ = ["migrate"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def migrate(as_json: bool) -> None:
    """Bring the database's schema to what this version needs.

    All commands and `vibeseater.connect()` do the same by themselves; this is for those who want it done before.
    """
    run(lambda: _migrate(as_json))


async def _migrate(as_json: bool) -> None:
    from vibeseater.embedded import acquire  # here: only this needs the store below the public API
    from vibeseater.settings import load_settings
    from vibeseater.store import migrate as migrations
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
    finally:
        if embedded is not None:
            await embedded.release()
    if as_json:
        json_line({"from": before.applied, "to": before.known, "applied": [one.name for one in applied]})
    elif applied:
        line(f"Migrated from {before.applied} to {before.known}: {', '.join(one.name for one in applied)}")
    else:
        line(f"Nothing to do: the database is at {before.applied}, as this version needs.")
