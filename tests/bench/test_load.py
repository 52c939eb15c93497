"""`vibeseater bench --load` in small: viewers, streams and webhooks at once, and nothing is lost."""

from __future__ import annotations

import msgspec
import pytest

from vibeseater.bench.load import load
from vibeseater.bench.workplace import open_workplace
from vibeseater.settings import Settings


@pytest.mark.slow
async def test_a_small_load_loses_nothing(database_url: str, redis_url: str) -> None:
    settings = msgspec.structs.replace(Settings(), database_url=database_url, redis_url=redis_url)
    async with open_workplace(settings, quick=True) as place:
        report = await load(
            place, seconds=4, processes=2, sessions=3, streams=4, rate=40.0, watched_rate=10.0, webhooks=2
        )
    assert (report.lost, report.missing, report.webhooks_failed) == (0, 0, 0)
    assert report.events == 160
    assert report.rows == 3 * 40
    assert report.webhooks > 0
    assert len(report.memory_mb) == 3
    assert all(size > 50 for size in report.memory_mb)
    assert 0 < report.create_p50_ms <= report.create_p99_ms
