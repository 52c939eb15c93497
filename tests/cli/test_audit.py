"""`vibeseater audit`: what was done by the command line, and by others, as text and as JSON."""

from __future__ import annotations

import json
import signal

from tests.cli.processes import Commands
from vibeseater import VibeSeater
from vibeseater.access.actor import acting_as
from vibeseater.store.audit import who


async def test_who_did_what(commands: Commands, seater: VibeSeater) -> None:
    """The command line's actions are this user's; whatever was typed, a terminal sees text; filters narrow."""
    made = await commands.run("streams", "create", "Match")
    assert (made.code, made.err) == (0, "")
    with acting_as("eve\x1b[31m"):
        await seater.streams.update_stream("match", title="Red\x1b[31m")
    shown = await commands.run("audit", "--stream", "match")
    assert (shown.code, shown.err) == (0, "")
    newest, oldest = shown.out.splitlines()
    assert "\x1b" not in shown.out
    assert "streams.update_stream" in newest
    assert "title: Match → Red" in newest
    assert all(part in oldest for part in (who(seater.pool), "cli", "done", "streams.create_stream", "stream match"))
    narrowed = await commands.run("audit", "--action", "streams.create_stream", "--since", "1h", "--json")
    record = json.loads(narrowed.out)
    assert (record["who"], record["way"], record["outcome"]) == (who(seater.pool), "cli", "done")
    assert record["changes"]["title"] == [None, "Match"]
    pruned = await commands.run("audit", "--prune-before", "1d")
    assert (pruned.code, pruned.err.strip()) == (0, "0 records were deleted.")
    wrong = await commands.run("audit", "--since", "yesterday")
    assert (wrong.code, wrong.err.count("\n")) == (1, 1)


async def test_it_follows(commands: Commands, seater: VibeSeater) -> None:
    """What is recorded while it runs comes by itself, once."""
    await seater.streams.create_stream("A")
    async with commands.start("audit", "--follow", "--json") as running:
        assert json.loads(await running.line())["object_name"] == "a"
        for title in ("B", "C"):
            await seater.streams.create_stream(title)
            assert json.loads(await running.line())["object_name"] == title.lower()
        done = await running.done(send=signal.SIGTERM)
    assert (done.code, done.out, done.err) == (0, "", "")
