"""Viewers of a fleet, who judge what they are given by the register.

Each edge has viewers on its own host, who ask it for one path after the other on a connection that
is kept. A request that fails is *excused* where, at some time while it was under way, there was no
path from its edge to the origin.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fleet.event_loop import pause
from tests.fleet.network import Network
from tests.fleet.register import Register, Verdict
from tests.fleet.topology import Host

ANSWER_S_MAX = 20.0
NOTES_MAX = 20  # of what went wrong, to print
PAUSE_S_AFTER_FAILURE = 0.1


@dataclass(slots=True)
class Tally:
    """What viewers were given."""

    answers: int = 0
    hits: int = 0
    slowest_s: float = 0.0
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    failed: int = 0
    excused: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Whether nothing was wrong, stale or failed without an excuse."""
        return not self.failed and set(self.verdicts) <= {Verdict.GOOD}

    def note(self, line: str) -> None:
        """Keep a line of what went wrong."""
        if len(self.notes) < NOTES_MAX:
            self.notes.append(line)

    def __str__(self) -> str:
        hits = self.hits / max(1, self.answers)
        return (
            f"{self.answers} answers, {hits:.1%} hits: wrong {self.verdicts[Verdict.WRONG]},"
            f" stale {self.verdicts[Verdict.STALE]}, failed {self.failed}"
            f" ({self.excused} more while there was no path); slowest {self.slowest_s:.2f} s"
        )


class Viewers:
    """All viewers. `excuses`: whether an edge had no path at some time since (monotonic)."""

    def __init__(
        self, network: Network, register: Register, excuses: Callable[[Host, float], bool]
    ) -> None:
        self.tally = Tally()
        self._network, self._register, self._excuses = network, register, excuses

    async def view(self, edge: Host, draw: random.Random, every_s: float) -> None:
        """One viewer of an edge, without end."""
        connection = EdgeConnection(self._network, edge)
        while True:
            path = draw.choice(self._register.paths)
            least, began = self._register.least[path], time.monotonic()
            try:
                async with asyncio.timeout(ANSWER_S_MAX):
                    status, head, body = await connection.get(path)
                failure = "" if status == 200 else f"{status}: {body[:80]!r}"
            except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
                failure = f"{type(error).__name__} {error}"
            if failure:
                connection.close()
                self._failed(edge, path, began, failure)
                await pause(PAUSE_S_AFTER_FAILURE)
                continue
            self._answered(edge, path, began, self._register.judge(path, least, body))
            self.tally.hits += b"\r\nx-cache: hit" in head.lower()
            await pause(max(0.0, every_s - (time.monotonic() - began)))

    def _answered(self, edge: Host, path: str, began: float, verdict: Verdict) -> None:
        tally, took_s = self.tally, time.monotonic() - began
        tally.answers += 1
        tally.slowest_s = max(tally.slowest_s, took_s)
        tally.verdicts[verdict] += 1
        if verdict is not Verdict.GOOD:
            tally.note(f"{verdict}: {path} at {edge.name}, asked at {began:.3f}")

    def _failed(self, edge: Host, path: str, began: float, failure: str) -> None:
        if self._excuses(edge, began):
            self.tally.excused += 1
            return
        self.tally.failed += 1
        took_s = time.monotonic() - began
        self.tally.note(f"failed: {path} at {edge.name} after {took_s:.1f} s: {failure}")


class EdgeConnection:
    """A connection from an edge's host to the edge, made anew when it is lost."""

    def __init__(self, network: Network, edge: Host) -> None:
        self._network, self._edge = network, edge
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> tuple[int, bytes, bytes]:
        """Status, head and body. OSError, ValueError or IncompleteReadError when there is none."""
        reader, writer = self._streams or await self._connect()
        writer.write(b"GET %b HTTP/1.1\r\nHost: fleet.test\r\n\r\n" % path.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        body = await reader.readexactly(int(length))
        if b"\r\nconnection: close" in head.lower():
            self.close()
        return int(head.split(b" ", 2)[1]), head, body

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        wanted = self._network.socket(self._edge)
        wanted.setblocking(False)
        address = ("127.0.0.1", self._network.topology.port(self._edge))
        try:
            await asyncio.get_running_loop().sock_connect(wanted, address)
        except BaseException:
            wanted.close()
            raise
        self._streams = await asyncio.open_connection(sock=wanted)
        return self._streams

    def close(self) -> None:
        """Give the connection up."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None
