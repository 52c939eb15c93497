"""What is created in one process is printed by `tail` in another: at once, each event once, in order."""

from __future__ import annotations

import asyncio
import json
import signal
import statistics
import time

import pytest

import vibeseater
from tests.cli.processes import Commands
from tests.servers import ThrowawayRedis
from vibeseater import VibeSeater


async def test_create_prints_the_events_id_or_its_json(commands: Commands, seater: VibeSeater) -> None:
    """And what was printed is what is stored."""
    made = await commands.run("create", "debate", "--type", "goal", "--content", '{"title": "1:0"}', "--create")
    assert (made.code, made.err) == (0, "")
    event = await seater.events.get_event(made.out.strip())
    assert (event.event_type, event.content, event.stream_seq) == ("goal", {"title": "1:0"}, 1)

    arguments = ("--source", "desk", "--external-id", "x1", "--occurred-at", "2026-01-02T03:04:05+01:00", "--create")
    again = await commands.run("create", "debate", "--type", "goal", "--content", '{"n": 2}', *arguments, "--json")
    assert (again.code, again.err, again.out.count("\n")) == (0, "", 1)
    told = json.loads(again.out)
    assert told == (await seater.events.get_event(told["id"])).to_dict()
    assert (told["stream_seq"], told["source_seq"], told["occurred_at"]) == (2, 1, "2026-01-02T02:04:05Z")


async def test_create_stores_an_external_id_once(commands: Commands) -> None:
    """The second time prints the event that is there."""
    arguments = ("create", "s", "--type", "t", "--content", "{}", "--source", "x", "--external-id", "1", "--create")
    first, second = await commands.run(*arguments), await commands.run(*arguments)
    assert (first.code, second.code) == (0, 0)
    assert first.out == second.out


async def test_create_reads_content_from_stdin(commands: Commands, seater: VibeSeater) -> None:
    """With `--content -`."""
    made = await commands.run("create", "s", "--type", "t", "--content", "-", "--create", stdin=b'{"a": "\xc3\xa4"}')
    assert (await seater.events.get_event(made.out.strip())).content == {"a": "ä"}


async def test_what_one_process_creates_another_prints_within_100_ms(commands: Commands, seater: VibeSeater) -> None:
    """From the call of `create_event` to the line that `tail` printed; the median of 30, one after another."""
    stream = await seater.streams.create_stream(title="Debate night")
    async with commands.start("tail", "debate-night", "--json", "--since", "0") as tail:
        taken = []
        for number in range(31):
            begun = time.perf_counter()
            event = await seater.events.create_event(stream_id=stream.id, event_type="t", content={"n": number})
            text, read = await tail.stamped_line()
            assert json.loads(text) == event.to_dict()
            taken.append(read - begun)
        assert statistics.median(taken[1:]) < 0.1  # the first also waited for the process to start


async def test_what_the_command_creates_the_command_prints(commands: Commands) -> None:
    """`create` on one terminal, `tail` on the other: printed before `create` has ended, or 100 ms later at most."""
    await commands.run("streams", "create", "Debate")
    late = []
    async with commands.start("tail", "debate", "--json", "--since", "0") as tail:
        for number in range(4):
            content = json.dumps({"n": number})
            done, (text, read) = await asyncio.gather(
                _timed(commands, "create", "debate", "--type", "t", "--content", content), tail.stamped_line()
            )
            assert json.loads(text)["content"] == {"n": number}
            late.append(read - done)
    assert statistics.median(late[1:]) < 0.1


async def _timed(commands: Commands, *arguments: str) -> float:
    done = await commands.run(*arguments)
    assert done.code == 0, done.err
    return time.perf_counter()


async def test_tail_goes_on_from_a_position_and_ends_at_its_limit(commands: Commands, seater: VibeSeater) -> None:
    """`--since 2 --limit 3` prints the third to the fifth."""
    stream = await seater.streams.create_stream(title="s")
    for number in range(1, 7):
        await seater.events.create_event(stream_id=stream.id, event_type="t", content={"n": number})
    done = await commands.run("tail", "s", "--since", "2", "--limit", "3", "--json")
    assert (done.code, done.err) == (0, "")
    assert [json.loads(text)["stream_seq"] for text in done.out.splitlines()] == [3, 4, 5]


async def test_tail_for_people_names_the_source_and_what_happened(commands: Commands, seater: VibeSeater) -> None:
    """And shows hostile text as text."""
    stream = await seater.streams.create_stream(title="s")
    source = await seater.sources.create_source(stream, type="manual", name="desk")
    await seater.events.create_event(
        stream_id=stream.id, source_id=source.id, event_type="goal", content={"title": "one\x1b[2J nil"}
    )
    done = await commands.run("tail", str(stream.id), "--since", "0", "--limit", "1")
    assert done.code == 0
    assert done.out.split()[2:] == ["desk", "goal", "one\\u001b[2J", "nil"]
    assert "\x1b" not in done.out + done.err


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_tail_ends_cleanly_on_a_signal(
    commands: Commands, seater: VibeSeater, sent: signal.Signals, code: int
) -> None:
    """With the shell's code and without a word."""
    stream = await seater.streams.create_stream(title="s")
    await seater.events.create_event(stream_id=stream.id, event_type="t", content={})
    async with commands.start("tail", "s", "--json", "--since", "0") as tail:
        await tail.line()
        done = await tail.done(send=sent)
    assert (done.code, done.out, done.err) == (code, "", "")


async def test_tail_ends_quietly_when_its_reader_has_gone(commands: Commands, seater: VibeSeater) -> None:
    """As in `vibeseater tail s --json | head -1`: at once, not only when the next event comes."""
    stream = await seater.streams.create_stream(title="s")
    await seater.events.create_event(stream_id=stream.id, event_type="t", content={})
    async with commands.start("tail", "s", "--json", "--since", "0") as tail:
        await tail.line()
        transport = tail.process._transport.get_pipe_transport(1)  # type: ignore[attr-defined]
        transport.close()
        async with asyncio.timeout(20):
            assert await tail.process.wait() == 141
        assert tail.process.stderr is not None
        assert await tail.process.stderr.read() == b""


async def test_tail_goes_on_when_redis_comes_back_and_loses_nothing(
    commands: Commands, database_url: str, throwaway_redis: ThrowawayRedis
) -> None:
    """Events before, while and after Redis is away are each printed once, in order."""
    commands.environment["VIBESEATER_REDIS_URL"] = throwaway_redis.url
    async with vibeseater.connect(database_url=database_url, redis_url=throwaway_redis.url) as seater:
        stream = await seater.streams.create_stream(title="s")

        async def create(number: int) -> None:
            for _ in range(number):
                await seater.events.create_event(stream_id=stream.id, event_type="t", content={})

        async with commands.start("tail", "s", "--json", "--since", "0") as tail:
            await create(3)
            seen = [json.loads(await tail.line())["stream_seq"] for _ in range(3)]
            await throwaway_redis.kill()
            await create(3)
            await throwaway_redis.start()
            await create(3)
            seen += [json.loads(await tail.line())["stream_seq"] for _ in range(6)]
            assert seen == list(range(1, 10))
            done = await tail.done(send=signal.SIGINT)
        assert (done.code, done.out) == (130, "")
