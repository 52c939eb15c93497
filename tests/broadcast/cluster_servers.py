"""A real Redis Cluster of three nodes on loopback, for tests: made, killed in part, ended."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Self

import redis.asyncio as redis

from tests.servers import eventually

SERVER = shutil.which("redis-server")
SLOTS = 16384


def too_old() -> str | None:
    """Why no cluster can be made here; None where one can."""
    if SERVER is None:
        return "no redis-server on PATH"
    version = subprocess.run([SERVER, "--version"], capture_output=True, text=True, check=True).stdout
    major = int(version.split("v=")[1].split(".")[0])
    return None if major >= 7 else f"sharded pub/sub needs Redis 7, here is {version.split()[2]}"


def _free_ports(count: int) -> list[int]:
    # A node's cluster bus listens 10,000 above its port, so both must be free, and under 65,536.
    found: list[int] = []
    port = 21000
    while len(found) < count:
        port += 1
        with socket.socket() as one, socket.socket() as other:
            try:
                one.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + 10000))
            except OSError:
                continue
            found.append(port)
    return found


class RedisClusterServers:
    """Three masters without replicas: what a killed one served is not served until it is back."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vs-cluster-"))
        self.ports = _free_ports(3)
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        """What VIBESEATER_REDIS_URL would be."""
        return f"redis+cluster://127.0.0.1:{self.ports[0]}"

    async def __aenter__(self) -> Self:
        try:
            await self._form()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _form(self) -> None:
        for port in self.ports:
            self.start(port)
        for index, port in enumerate(self.ports):
            async with self._client(port) as client:
                await eventually(client.ping)
                first, last = SLOTS * index // 3, SLOTS * (index + 1) // 3 - 1
                await client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
                await client.execute_command("CLUSTER MEET", "127.0.0.1", self.ports[0])
        for port in self.ports:
            await eventually(lambda port=port: self._formed(port))

    async def __aexit__(self, *_: object) -> None:
        for port in list(self._processes):
            self.kill(port)
        await asyncio.to_thread(shutil.rmtree, self.folder)

    def start(self, port: int) -> None:
        """Start a node; one that was killed comes back as what it was."""
        folder = self.folder / str(port)
        folder.mkdir(exist_ok=True)
        assert SERVER is not None
        self._processes[port] = subprocess.Popen(
            [SERVER, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "",
             "--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no"],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def kill(self, port: int) -> None:
        """`kill -9` a node."""
        process = self._processes.pop(port)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def _client(self, port: int) -> redis.Redis:
        return redis.Redis(host="127.0.0.1", port=port, protocol=2)

    async def _formed(self, port: int) -> bool:
        async with self._client(port) as client:
            info = await client.execute_command("CLUSTER INFO")
            return info["cluster_state"] == "ok" and info["cluster_slots_assigned"] == str(SLOTS)
