"""Random schedules of faults under load: whatever comes together, nothing is lost, doubled or out of order.

`VIBESEATER_FAULTS_SEED` makes the same choices again (what the machine makes of them differs), and
`VIBESEATER_FAULTS_SCHEDULES` says how many schedules are played. The clock's jumps are played only as events that say
to have occurred at wild times; positions and refills use no clock of the wall.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.faults.conftest import Detour
from tests.faults.stage import FAULTS, Befall, run_schedule, staged
from tests.servers import ThrowawayPostgres, ThrowawayRedis

FIRST = int(os.environ.get("VIBESEATER_FAULTS_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
SCHEDULES = int(os.environ.get("VIBESEATER_FAULTS_SCHEDULES", "0"))


async def _play(
    seed: int,
    folder: Path,
    postgres: ThrowawayPostgres,
    redis: ThrowawayRedis,
    detour: Detour,
    seconds: float,
    faults: list[Befall] | None = None,
) -> None:
    print(f"VIBESEATER_FAULTS_SEED={seed}")
    async with staged(folder, postgres, redis, detour, seed) as stage:
        findings = await run_schedule(stage, seconds, faults)
        print(", ".join(stage.log), findings, sep="\n")
        for worker in stage.crew.workers:
            print(worker.log.name, worker.log.read_text(errors="replace")[-4000:], sep="\n")
        assert findings.clean, f"seed {seed}: {', '.join(stage.log)}\n{findings}"
        assert findings.acknowledged > 0, "nothing was written: nothing was tested"
        assert findings.observed >= 2 * findings.events, (
            "two of the watchers see every event, twice where it has a source"
        )


@pytest.mark.parametrize("number", range(SCHEDULES or 1))
async def test_a_few(
    number: int, tmp_path: Path, postgres: ThrowawayPostgres, redis: ThrowawayRedis, detour: Detour
) -> None:
    """Short ones, other ones each time."""
    await _play(FIRST + number, tmp_path, postgres, redis, detour, seconds=3.0)


@pytest.mark.slow
@pytest.mark.parametrize("befall", FAULTS, ids=lambda befall: befall.__name__)
async def test_each_fault_over_and_over(
    befall: Befall, tmp_path: Path, postgres: ThrowawayPostgres, redis: ThrowawayRedis, detour: Detour
) -> None:
    """One fault alone, again and again."""
    await _play(FIRST, tmp_path, postgres, redis, detour, seconds=8.0, faults=[befall])


@pytest.mark.slow
@pytest.mark.parametrize("number", range(100))
async def test_a_hundred(
    number: int, tmp_path: Path, postgres: ThrowawayPostgres, redis: ThrowawayRedis, detour: Detour
) -> None:
    """A hundred in a row."""
    await _play(FIRST + 1000 + number, tmp_path, postgres, redis, detour, seconds=5.0)
