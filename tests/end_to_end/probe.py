"""Probes at a steady pace while something goes wrong, and how soon all is as it was before.

A probe is a new connection and one request. It is normal when its answer is the right one and came
about as soon as those before the trouble.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.end_to_end.processes import wait_for
from tests.measurements import tell

BACK_S_MAX = 2.0  # what docs/operating.md promises, from the end of a fault
EVERY_S = 0.02
IN_A_ROW = 20  # normal probes that make it so
QUIET = 100  # probes that tell what is normal
SLOW = 3  # times the slowest of those is not normal any more
SLOW_MS_MIN = 150.0  # what another program on the machine may cost a probe
GIVEN_UP_S = 20.0


class Probe(NamedTuple):
    """One exchange: when it began (seconds, monotonic), how long it took, what was wrong."""

    began: float
    took_ms: float
    trouble: str


@dataclass(slots=True)
class Probes:
    """Ask `pages` (path: right body) of `ports` in turn, in a thread, while the context lasts."""

    ports: tuple[int, ...]
    pages: dict[str, bytes]
    host: str = "127.0.0.1"
    done: list[Probe] = field(default_factory=list)
    normal_ms: float = 0.0  # at most, once it is known
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Probes:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.learns()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        assert self._thread is not None
        self._thread.join(2 * GIVEN_UP_S)

    def learns(self) -> None:
        """What is normal now: the slowest of so many, and some."""
        wait_for("probes without trouble", lambda: _all_well(self.done[-QUIET:]))
        slowest = max(probe.took_ms for probe in self.done[-QUIET:])
        self.normal_ms = max(SLOW * slowest, SLOW_MS_MIN)

    @contextmanager
    def recover(self, what: str, most_s: float = BACK_S_MAX) -> Iterator[None]:
        """The context ends with the fault. AssertionError unless all is normal soon after."""
        began = time.monotonic()
        yield
        ended = time.monotonic()
        back = wait_for(f"normal after: {what}", lambda: self._normal_since(ended)) or 0.0
        during = [probe for probe in list(self.done) if began <= probe.began < ended + back]
        lost = sum(bool(probe.trouble) for probe in during)
        late = max((probe.took_ms for probe in during), default=0.0)
        words = f"{what}: normal {back:.2f} s after; of {len(during)} probes until then {lost} "
        words += f"failed, the slowest {late:.0f} ms"
        tell(words)
        assert back <= most_s, f"{words}: { ({probe.trouble for probe in during}) }"

    def _normal_since(self, moment: float) -> float | None:
        """Seconds from a moment to the first of so many normal probes in a row, or a tick more."""
        row: list[float] = []
        for probe in sorted(probe for probe in list(self.done) if probe.began >= moment):
            if probe.trouble or probe.took_ms > self.normal_ms:
                row.clear()
            else:
                row.append(probe.began)
            if len(row) == IN_A_ROW:
                return max(row[0] - moment, EVERY_S)
        return None

    def _run(self) -> None:
        self._loop.run_until_complete(self._all())
        self._loop.close()

    async def _all(self) -> None:
        number = 0
        paths = list(self.pages)
        async with asyncio.TaskGroup() as group:
            while not self._over.is_set():
                port, path = self.ports[number % len(self.ports)], paths[number % len(paths)]
                group.create_task(self._probe(port, path))
                number += 1
                try:
                    await asyncio.wait_for(self._over.wait(), EVERY_S)
                except TimeoutError:
                    continue

    async def _probe(self, port: int, path: str) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(GIVEN_UP_S):
                trouble = await self._asked(port, path)
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            trouble = repr(error)
        self.done.append(Probe(began, 1000 * (time.monotonic() - began), trouble))

    async def _asked(self, port: int, path: str) -> str:
        """What is wrong with the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            request = f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n\r\n"
            writer.write(request.encode())
            head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        finally:
            writer.close()
        if head.startswith(b"HTTP/1.1 200 ") and body == self.pages[path]:
            return ""
        return f"{path} at {port}: {head[:20]!r}, {len(body)} bytes"


def with_a_start() -> float:
    """The promise where a process must start first: a crowded machine may take longer for that."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import edgecache.node.roles"], check=True)
    return max(BACK_S_MAX, 3 * (time.monotonic() - began))


def _all_well(probes: list[Probe]) -> bool:
    return len(probes) == QUIET and not any(probe.trouble for probe in probes)
