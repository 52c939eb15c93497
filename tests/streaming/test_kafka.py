"""Kafka, on a real broker where there is one: `VIBESEATER_TEST_TANSU` names the executable of Tansu, a small one."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer

from tests.servers import eventually, free_port
from tests.streaming.looking import reaches, stored
from vibeseater import VibeSeater
from vibeseater.models import Stream

TANSU = os.environ.get("VIBESEATER_TEST_TANSU", "")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not TANSU, reason="VIBESEATER_TEST_TANSU names no broker")]


class Broker:
    """A broker with one topic, `jobs`, of three partitions, in memory."""

    def __init__(self, address: str, process: asyncio.subprocess.Process) -> None:
        self.address, self.process = address, process

    async def send(self, first: int, last: int) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.address)
        await producer.start()
        try:
            for number in range(first, last):
                body = json.dumps({"n": number}).encode()
                await producer.send_and_wait("jobs", body, key=str(number).encode(), partition=number % 3)
        finally:
            await producer.stop()


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    """It runs, and the topic is there."""
    address = f"127.0.0.1:{free_port()}"
    url = f"tcp://{address}"
    process = await asyncio.create_subprocess_exec(
        TANSU, "broker", "--listener-url", url, "--advertised-listener-url", url, stdout=asyncio.subprocess.DEVNULL
    )

    async def made() -> bool:
        create = await asyncio.create_subprocess_exec(
            TANSU, "topic", "create", "--broker", url, "--partitions", "3", "jobs", stderr=asyncio.subprocess.DEVNULL
        )
        return await create.wait() == 0

    try:
        await eventually(made, message="the topic is made")
        yield Broker(address, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.fixture
async def stream(seater: VibeSeater) -> Stream:
    """A stream."""
    return await seater.streams.create_stream(title="Watched")


async def test_messages_come_once_and_a_dead_broker_is_told(seater: VibeSeater, stream: Stream, broker: Broker) -> None:
    """All partitions from the start; what was sent while the stream was paused; and the broker's death within seconds,
    though a broker that is gone says no less than one that has nothing to say."""
    await broker.send(0, 50)
    config = {"servers": broker.address, "topic": "jobs", "start": "earliest"}
    await seater.sources.create_source(stream, type="kafka", name="k", config=config)
    await seater.streaming.start_stream(stream)
    await reaches(seater, stream, "k", "running", events_stored=50)
    await broker.send(50, 80)
    await reaches(seater, stream, "k", "running", events_stored=80)
    await seater.streaming.pause_stream(stream)
    await broker.send(80, 100)
    await seater.streaming.resume_stream(stream)
    await reaches(seater, stream, "k", "running", events_stored=100)
    assert sorted(event.content["n"] for event in await stored(seater, stream)) == list(range(100))
    broker.process.kill()
    failed = await reaches(seater, stream, "k", "backoff", failures=1)
    assert broker.address in str(failed.last_error)
