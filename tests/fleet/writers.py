"""Writers of a fleet: change objects, invalidate them at one control or another, await Completed.

Each has paths of its own. It asks by the socket file of a control's machine, so that what it
measures is the fleet's: from the answer that accepts an invalidation (it is committed by then) to
the first control that says Completed.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fleet.event_loop import pause
from tests.fleet.register import Register

ANSWER_S_MAX = 8.0  # of one request, beyond what it is to wait
WAIT_S = 2.0  # of one long poll
COMPLETED_S_MAX = 40.0
PAUSE_S_REFUSED = 0.2
OVER_AN_OUTAGE = "accepted before an outage of the databases"


class RefusedError(Exception):
    """Control did not accept, or did not answer; the message says why."""


@dataclass(slots=True)
class Row:
    """What became of the invalidations of one phase; seconds from accepted to Completed."""

    took_s: list[float] = field(default_factory=list)
    ended_in: list[str] = field(default_factory=list)  # the phase of its end, of each
    accepting_s: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def quantile(self, part: float) -> float:
        """Seconds until Completed that a part of them took at most; nan when there are none."""
        some = sorted(self.took_s)
        return some[min(len(some) - 1, int(part * len(some)))] if some else float("nan")

    def later_than(self, seconds: float) -> list[str]:
        """A line for each that took longer: how long, and in which phase it ended."""
        both = zip(self.took_s, self.ended_in, strict=True)
        return [
            f"Completed after {took:.2f} s, in {phase}" for took, phase in both if took > seconds
        ]


@dataclass(slots=True)
class Ledger:
    """Everything that was accepted, and how long it took by phase."""

    phase: str = "start"
    outages: int = 0  # of the databases, that have begun
    rows: dict[str, Row] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)
    never: list[str] = field(default_factory=list)  # accepted, and not Completed in time

    @property
    def row(self) -> Row:
        """That of the phase that lasts."""
        return self.rows.setdefault(self.phase, Row())

    def row_since(self, row: Row, outages: int) -> Row:
        """Where one is told of that was accepted in `row` after so many outages.

        Completed is told once it is committed: where nothing can be for a while, after that.
        """
        return row if outages == self.outages else self.rows.setdefault(OVER_AN_OUTAGE, Row())


class Writers:
    """All writers. `all_` are the sockets of controls; `usable`, those an operator would ask."""

    def __init__(
        self,
        site: str,
        register: Register,
        usable: Callable[[], Sequence[Path]],
        all_: Sequence[Path],
    ) -> None:
        self.ledger = Ledger()
        self.active, self.every_s = 1, 0.5  # how many write, and how often each does
        self._writers = 0
        self._site, self._register = site, register
        self._usable, self._all = usable, all_

    async def write(self, paths: Sequence[str], draw: random.Random) -> None:
        """One writer, without end; it writes while fewer than `active` are before it."""
        number, self._writers = self._writers, self._writers + 1
        while True:
            began, usable = time.monotonic(), self._usable()
            if usable and number < self.active:
                await self.invalidate(draw.choice(usable), draw.choice(paths))
            pause_s = self.every_s * draw.uniform(0.5, 1.5) - (time.monotonic() - began)
            await pause(max(0.0, pause_s))

    async def invalidate(self, control: Path, path: str) -> None:
        """Change an object, invalidate it, and wait for Completed."""
        version, row, began = self._register.raise_version(path), self.ledger.row, time.monotonic()
        outages = self.ledger.outages
        body = {"distribution": self._site, "paths": [path]}
        try:
            told = await ask(control, "POST", "/invalidations", body)
        except RefusedError as error:
            row.refused[str(error)] += 1
            await pause(PAUSE_S_REFUSED)
            return
        accepted = time.monotonic()
        self.ledger.accepted.append(told["id"])
        if told["status"] != "Completed" and not await self._completes(told["id"]):
            self.ledger.never.append(told["id"])
            return
        self._register.completed(path, version)
        row = self.ledger.row_since(row, outages)
        row.accepting_s.append(accepted - began)
        row.took_s.append(time.monotonic() - accepted)
        row.ended_in.append(self.ledger.phase)

    async def _completes(self, id_: str) -> bool:
        """Wait until any control says so; False when none does in time."""
        target = f"/invalidations/{self._site}/{id_}?wait_s={WAIT_S}"
        watching = [asyncio.create_task(self._watch(control, target)) for control in self._all]
        try:
            done, _ = await asyncio.wait(
                watching, timeout=COMPLETED_S_MAX, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in watching:
                task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        return bool(done)

    async def _watch(self, control: Path, target: str) -> None:
        while True:
            with suppress(RefusedError):
                told = await ask(control, "GET", target)
                if told["status"] == "Completed":
                    return
                continue
            await pause(PAUSE_S_REFUSED)


async def listed(control: Path, site: str) -> set[str]:
    """All invalidations of a site that a control lists. RefusedError."""
    found: set[str] = set()
    marker = ""
    while True:
        told = await ask(control, "GET", f"/invalidations/{site}?marker={marker}")
        found |= {one["id"] for one in told["invalidations"]}
        marker = told["next"]
        if not marker:
            return found


async def ask(control: Path, method: str, target: str, body: Any = None) -> dict[str, Any]:
    """The answer of a control, by its socket file. RefusedError."""
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    length = f"Content-Length: {len(content)}\r\n\r\n"
    try:
        async with asyncio.timeout(ANSWER_S_MAX):
            reader, writer = await asyncio.open_unix_connection(control)
            try:
                writer.write((head + length).encode() + content)
                answer = await reader.read(-1)
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError) as error:
        raise RefusedError(type(error).__name__) from error
    start, _, rest = answer.partition(b"\r\n")
    told = rest.partition(b"\r\n\r\n")[2]
    if start.split(b" ")[1:2] not in ([b"200"], [b"201"]):
        raise RefusedError(f"{start.decode()} {told[:200].decode()}" if start else "cut")
    found: dict[str, Any] = json.loads(told)
    return found


def shares(paths: Sequence[str], count: int) -> Iterable[Sequence[str]]:
    """Paths for each of so many writers."""
    return [paths[number::count] for number in range(count)]
