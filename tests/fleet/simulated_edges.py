"""Simulated edges: what control hears of real ones, from a few processes.

Each has a long poll of the log and a report each second, on a connection each, with credentials of
its own. It applies nothing, and says at once that it has applied all.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from urllib.parse import urlencode

import msgspec

from edgecache.cluster.credentials import (
    AUTH_SCHEME,
    CONTROL,
    CredentialSigner,
    content_digest,
    control_message,
)
from edgecache.cluster.lease import LEASE_S
from edgecache.cluster.log_entries import OURS, as_query
from edgecache.cluster.node_status import NodeStatus
from edgecache.node.log_follower import WAIT_S
from edgecache.observe.counters import Counters
from tests.fleet.event_loop import pause

PLACE_EDGES = 100  # of a location: 128 are admitted
PROCESSES = 2
ANSWER_S_MAX = 20.0


@dataclass(slots=True)
class Polls:
    """What became of the polls of the edges of one process."""

    granted: int = 0  # edges that have a lease now
    refused: Counter[str] = field(default_factory=Counter)
    late_s: list[float] = field(default_factory=list)  # beyond what a poll may wait
    lapsed: int = 0  # polls that brought no lease before the former one had ended


class SimulatedEdge:
    """One edge as control hears it."""

    def __init__(self, number: int, port: int, key: dict[str, str], polls: Polls) -> None:
        self.name = f"edge-L{number // PLACE_EDGES}-{number % PLACE_EDGES + 1}"
        self._instance = f"host-{number:06d}.{secrets.token_hex(8)}"
        self._port, self._polls = port, polls
        self._signer = CredentialSigner(self.name, CONTROL, time.time, secrets.token_bytes)
        self._signer.use(key)
        self._epoch, self._after, self._until = "", 0, 0.0
        status = NodeStatus(
            role="edge", location=f"L{number // PLACE_EDGES}", instance=self._instance,
            pid=number + 1, generation=1, sample=Counters().snapshot(),
        )  # fmt: skip
        self._status = msgspec.json.encode(status)

    async def follow(self) -> None:
        """Poll without end."""
        connection = _Connection(self._port)
        while True:
            asked = time.monotonic()
            query = {"after": self._after, "wait_s": WAIT_S, "low": 0, "instance": self._instance}
            query |= {"serves": 0, "epoch": self._epoch, **as_query(OURS)}
            status, body = await self._asks(connection, "GET", f"/log?{urlencode(query)}", b"")
            now = time.monotonic()
            self._polls.late_s.append(now - asked - WAIT_S)
            if status != 200:
                self._polls.refused[f"{status} {body[:60].decode()}"] += 1
                await pause(random.uniform(0.5, 1.0))
                continue
            page = json.loads(body)
            if self._epoch and page["epoch"] != self._epoch:
                self._after = 0
            self._epoch, self._after = page["epoch"], page["upto"]
            if self._after == page["last_seq"]:
                self._polls.lapsed += self._until > 0 and now > self._until
                self._polls.granted += not self._until
                self._until = asked + LEASE_S

    async def report(self) -> None:
        """Report without end, once a second."""
        connection = _Connection(self._port)
        await pause(random.random())
        while True:
            began = time.monotonic()
            status, body = await self._asks(connection, "POST", f"/nodes/{self.name}", self._status)
            if status != 200:
                self._polls.refused[f"report: {status} {body[:60].decode()}"] += 1
            await pause(max(0.0, 1.0 - (time.monotonic() - began)))

    async def _asks(
        self, connection: _Connection, method: str, target: str, content: bytes
    ) -> tuple[int, bytes]:
        digest = content_digest(content)
        credential = self._signer.sign(control_message(method, target.encode(), digest))
        lines = [
            f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}",
            f"Authorization: {AUTH_SCHEME} {credential.decode()}",
            f"Content-Length: {len(content)}",
        ]
        lines += [f"Content-Digest: {digest}"] if digest else []
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                return await connection.exchange(head + content)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            connection.close()
            return 0, type(error).__name__.encode()


class _Connection:
    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        return int(head[9:12]), await reader.readexactly(int(length))

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


def simulate(numbers: range, port: int, key: dict[str, str], parent: Connection) -> None:
    """A process with some of the edges, until the pipe to its parent ends.

    Each line it is sent is answered by what became of the polls since the one before.
    """
    asyncio.run(_simulate(numbers, port, key, parent))


async def _simulate(numbers: range, port: int, key: dict[str, str], parent: Connection) -> None:
    polls = Polls()
    edges = [SimulatedEdge(number, port, key, polls) for number in numbers]
    tasks = []
    for number, edge in enumerate(edges):
        tasks += [asyncio.create_task(edge.follow()), asyncio.create_task(edge.report())]
        if number % 50 == 49:
            await pause(0.1)  # they do not all start at once
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(parent.fileno(), asked.set)
    while True:
        await asked.wait()
        asked.clear()
        try:
            parent.recv()
        except EOFError:
            break
        late = sorted(polls.late_s)
        parent.send((polls.granted, dict(polls.refused), late[-1:], polls.lapsed))
        polls.late_s, polls.refused, polls.lapsed = [], Counter(), 0
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Crowd:
    """The simulated edges of one measurement, in `PROCESSES` processes."""

    def __init__(self, edges: int, port: int, key: dict[str, str]) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for part in range(PROCESSES):
            ours, theirs = spawn.Pipe()
            arguments = (range(part, edges, PROCESSES), port, key, theirs)
            process = spawn.Process(target=simulate, args=arguments, daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def polls(self) -> tuple[int, Counter[str], float, int]:
        """Edges with a lease; since last asked: refusals, the latest answer (s), lapsed leases."""
        granted, refused, late, lapsed = 0, Counter[str](), 0.0, 0
        for pipe in self._pipes:
            pipe.send(None)
        for pipe in self._pipes:
            some, why, most, ends = pipe.recv()
            granted, lapsed, late = granted + some, lapsed + ends, max(late, *most, 0.0)
            refused.update(why)
        return granted, refused, late, lapsed

    def stop(self) -> None:
        """End its processes."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(30)
            if process.is_alive():
                process.kill()
