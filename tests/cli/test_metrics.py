"""`/metrics` of `vibeseater serve`: in Prometheus' format, and consistent whichever process is asked."""

from __future__ import annotations

import signal

import aiohttp
import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.processes import Commands, served
from tests.servers import eventually
from vibeseater import VibeSeater


async def scraped(url: str) -> dict[tuple[str, str], float]:
    """Each sample that has a process, over a connection of its own, so that any process may answer."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        assert (answer.status, answer.content_type) == (200, "text/plain")
        families = list(text_string_to_metric_families(await answer.text()))
    return {
        (sample.name, sample.labels["process"]): sample.value
        for family in families
        for sample in family.samples
        if "process" in sample.labels and not {"le", "topic", "page"} & set(sample.labels)
    }


async def test_any_process_answers_for_all_and_no_counter_goes_back(commands: Commands, seater: VibeSeater) -> None:
    """Both are there in every scrape, and Redis is not needed for it."""
    await seater.streams.create_stream(title="s")
    async with served(commands, "--num-procs", "2") as (server, url):
        children = {str(child.pid) for child in psutil.Process(server.process.pid).children()}

        async def both() -> bool:
            return {process for _, process in await scraped(url)} == children

        await eventually(both)
        last: dict[tuple[str, str], float] = {}
        for _ in range(30):
            found = await scraped(url)
            assert {process for _, process in found} == children
            counters = {key: value for key, value in found.items() if key[0].endswith(("_total", "_count"))}
            assert len(counters) > 20
            assert all(value >= last.get(key, 0.0) for key, value in counters.items())
            last = counters
        done = await server.done(send=signal.SIGTERM)
    assert (done.code, done.err) == (0, "")
