"""A proxy before a server: it carries bytes, and at a chosen step cuts, swallows, delays or delivers too late."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Literal, Self

__all__ = ["Fault", "Proxy", "Step"]

Way = Literal["request", "answer"]

Fault = Literal["before", "middle", "after", "late", "silent"]
"""What befalls a step: the connection is reset before it is carried, in its middle, after it; "late": the client is
reset at once, the server gets what it sent later; "silent": neither it nor anything after is carried, and the
connection stays open."""

LATE_SECONDS = 0.25


class Step:
    """A piece that one side sent and that the proxy is about to carry."""

    def __init__(self, number: int, way: Way, data: bytes, connection: object) -> None:
        self.number, self.way, self.data, self.connection = number, way, data, connection


class _Connection:
    """A client's connection and the server's, and what carries between them."""

    def __init__(self, proxy: Proxy, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self.silent = False
        self.late: asyncio.Task[None] | None = None

    def cut(self) -> None:
        """Reset both sides."""
        self.client.transport.abort()
        if self.late is None:
            self.server.transport.abort()

    async def carry(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                if way == "answer" and self.proxy.delay:
                    await asyncio.sleep(self.proxy.delay)
                if way == "answer":
                    await self.proxy.open_gate.wait()
                if self.silent:
                    continue
                await self._carry(Step(self.proxy.next_step(), way, data, self), writer)
        if not self.silent:
            self.cut()

    async def _carry(self, step: Step, writer: asyncio.StreamWriter) -> None:
        self.proxy.note(step)
        fault = self.proxy.judge(step)
        if fault == "silent":
            self.silent = True
        elif fault == "before":
            self.cut()
        elif fault == "late":
            self.client.transport.abort()
            self.late = asyncio.create_task(self._deliver_late(step.data, writer))
        else:
            writer.write(step.data[: len(step.data) // 2] if fault == "middle" else step.data)
            await writer.drain()
            if fault is not None:
                await asyncio.sleep(0.005)  # for the other side to take it before the reset
                self.cut()

    async def _deliver_late(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(LATE_SECONDS)
        with contextlib.suppress(OSError):
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(LATE_SECONDS)
        self.server.transport.abort()


class Proxy:
    """Listens on a port of loopback and carries to a unix socket.

    Attributes:
        port: where it listens.
        judge: called with each step; the fault that shall befall it, or None.
        steps: how many steps it has carried.
        delay: seconds by which answers are late.
        refusing: whether new connections are reset at once.
        open_gate: answers wait while it is not set.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self.port = 0
        self.steps = 0
        self.delay = 0.0
        self.refusing = False
        self.open_gate = asyncio.Event()
        self.open_gate.set()
        self.judge: Callable[[Step], Fault | None] = lambda step: None
        self._server: asyncio.Server | None = None
        self._requests: list[bytes] = []
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def late(self) -> int:
        """How many connections have a request yet to be delivered."""
        return sum(connection.late is not None for connection in self._connections)

    @property
    def connections(self) -> int:
        """How many connections stand."""
        return len(self._connections)

    def next_step(self) -> int:
        """Count a step."""
        self.steps += 1
        return self.steps - 1

    def requests_with(self, marker: bytes, without: bytes | None = None) -> int:
        """How many requests so far held the marker, and not the other."""
        return sum(marker in request and (without is None or without not in request) for request in self._requests)

    def note(self, step: Step) -> None:
        """Keep a request."""
        if step.way == "request":
            self._requests.append(step.data)

    def cut(self) -> None:
        """Reset all connections."""
        for connection in list(self._connections):
            connection.cut()

    def silence(self) -> None:
        """All connections stay open and carry nothing any more; new ones do."""
        for connection in self._connections:
            connection.silent = True

    def at(self, number: int, fault: Fault) -> None:
        """Let the fault befall the step of that number, counted from now on, and no other."""
        self.steps = 0
        self.judge = lambda step: fault if step.number == number else None

    def once(self, way: Way, marker: bytes, fault: Fault) -> asyncio.Event:
        """Let the fault befall the request that holds the marker, or the first answer after it. Returns when it did."""
        struck = asyncio.Event()
        asked: set[object] = set()

        def judge(step: Step) -> Fault | None:
            if step.way == "request" and marker in step.data:
                asked.add(step.connection)
            if struck.is_set() or step.way != way or step.connection not in asked:
                return None
            struck.set()
            return fault

        self.judge = judge
        return struck

    def calm(self) -> None:
        """No more faults."""
        self.judge = lambda step: None
        self.delay, self.refusing = 0.0, False
        self.open_gate.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        _reset_on_close(writer)
        if self.refusing:
            writer.transport.abort()
            return
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(self._target)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(self, writer, server_writer)
        self._connections.add(connection)
        try:
            await asyncio.gather(
                connection.carry("request", reader, server_writer), connection.carry("answer", server_reader, writer)
            )
            if connection.late is not None:
                await connection.late
        except asyncio.CancelledError:
            pass  # the proxy is closed; asyncio would log that its handler was cancelled
        finally:
            self._connections.discard(connection)
            connection.cut()
            server_writer.transport.abort()


def _reset_on_close(writer: asyncio.StreamWriter) -> None:
    """Closing shall reset the connection, as a dead host or a firewall does, and not end it politely."""
    peer = writer.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
