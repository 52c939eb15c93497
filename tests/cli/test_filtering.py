"""`tail`, `replay` and `export` print what a filter lets through, and refuse one that does not fit in one line."""

from __future__ import annotations

import json

import pytest

from tests.cli.processes import Commands
from vibeseater import Stream, VibeSeater


@pytest.fixture
async def stream(seater: VibeSeater) -> Stream:
    """Six events of two sources and two types."""
    made = await seater.streams.create_stream(title="Filtered")
    quakes = await seater.sources.create_source(made, type="manual", name="Quakes", config={})
    await seater.events.create_events_batch(
        {
            "stream_id": made.id,
            "source_id": quakes if n % 2 else None,
            "event_type": "big" if n > 3 else "small",
            "content": {"title": f"near {'Lima' if n in (2, 5) else 'Tokyo'}", "mag": n},
            "occurred_at": f"2026-01-0{n + 1}T00:00:00Z",
        }
        for n in range(6)
    )
    return made


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--search", "lima"], [2, 5]),
        (["--where", "$.mag > 3"], [4, 5]),
        pytest.param(["--source", "Quakes", "--type", "big"], [5], marks=pytest.mark.slow),
        pytest.param(
            ["--source", "none", "--source", "Quakes", "--search", "-lima"], [0, 1, 3, 4], marks=pytest.mark.slow
        ),
        (["--type", "big", "--type", "small", "--where", "$.mag == 1"], [1]),
    ],
)
async def test_a_filter_lets_the_same_events_through_everywhere(
    commands: Commands, stream: Stream, options: list[str], found: list[int]
) -> None:
    for command in (
        ["tail", stream.slug, "--since", "0", "--limit", str(len(found)), "--json"],
        ["replay", stream.slug, "--speed", "inf", "--json"],
        ["export", stream.slug],
    ):
        done = await commands.run(*command, *options)
        assert (done.code, [json.loads(line)["content"]["mag"] for line in done.out.splitlines()]) == (0, found), done


async def test_export_takes_a_span_of_time(commands: Commands, stream: Stream) -> None:
    done = await commands.run("export", stream.slug, "--from", "2026-01-02T00:00:00Z", "--to", "2026-01-04T00:00:00Z")
    assert [json.loads(line)["content"]["mag"] for line in done.out.splitlines()] == [1, 2]


@pytest.mark.parametrize("options", [["--where", "$.mag >"], ["--source", "nobody"], ["--search", " "]])
async def test_a_filter_that_does_not_fit_is_one_line(commands: Commands, stream: Stream, options: list[str]) -> None:
    done = await commands.run("tail", stream.slug, *options)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert options[1].strip() in done.err
