"""The watch: what an episode costs the processes and a bystander, and what trouble they tell."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.adversary.actions import Attack, Disturb, Episode
from tests.adversary.operators import metrics
from tests.adversary.origin import HIT, WELL, pause
from tests.adversary.site import BUDGETS, MIB, Target
from tests.end_to_end.installation import ROOT
from tests.hostile.usage import Usage
from tests.soak.history import History, bound, role_of

TROUBLE = ("Traceback", "never retrieved", "Task was destroyed", "was never awaited")
HIT_S_MAX = 2.5  # two cores are shared with others at work; a finding must show itself again
MISS_S_MAX = 5.0
FAILED_MAX = 2  # of the bystander's questions in one episode
# Who asks for what is not in memory is refused while that is full (store/memory_account.py).
TAKE_MEMORY = {
    "slow readers", "aborted downloads", "unread uploads", "long heads", "many pages", "many heads",
    "heads ahead", "unread answers",
}  # fmt: skip
BEYOND_BYTES = 24 * MIB  # of what the allocator does not give back at once
GROWN_BYTES = 16 * MIB  # in one episode: what those before have left is not of this one
CONNECTION_BYTES = 12 * 1024  # of a viewer's connection, which no budget has
DESCRIPTORS_GROWN_MAX = 100
TASKS_GROWN_MAX = 100
SETTLED_S_MAX = 25.0  # idle connections end after 20 s
LOOK_S = 0.5
ROUND = 20  # of the bystander's questions, through all its places
WELL_S_MAX = 20.0  # a circuit of before is closed by then


@dataclass(slots=True)
class Watch:
    """Looks at one target; a process asks beside."""

    target: Target
    peaks: dict[str, int] = field(default_factory=dict)  # bytes, by role
    _said: int = 0
    _told: int = 0
    _bases: dict[str, int] = field(default_factory=dict)
    _descriptors: dict[int, int] = field(default_factory=dict)
    _resident: dict[str, int] = field(default_factory=dict)
    _tasks: dict[str, int] = field(default_factory=dict)
    _asks: subprocess.Popen[bytes] | None = None

    @property
    def _file(self) -> Path:
        return self.target.folder / "bystander"

    def starts(self) -> None:
        """The bystander asks; what the processes have now they may have."""
        ports = self.target.up.installation.ports
        places = [f"{self.target.serve_port}=serve.test", f"{ports.lhr}=cf.test"]
        places += [f"{ports.lhr}=rfc.test", f"{ports.nrt}=cf.test"]
        command = [sys.executable, "-m", "tests.adversary.bystander", str(self._file), *places]
        self._file.touch()
        self._asks = subprocess.Popen(command, cwd=ROOT)
        for role, one in self._histories():
            self._bases[role] = max(self._bases.get(role, 0), one.peak)

    def stops(self) -> None:
        if self._asks is not None:
            self._asks.kill()
            self._asks.wait()

    async def begins(self) -> None:
        """A loud episode is about to begin, once the bystander has had what it asked for."""
        for _ in range(int(WELL_S_MAX / LOOK_S)):
            rows = [json.loads(line) for line in self._file.read_text().splitlines()[-ROUND:]]
            if len(rows) == ROUND and all(row[3] == 200 for row in rows):
                break
            await pause(LOOK_S)
        self._told = self._file.stat().st_size
        self._descriptors = {pid: one.last for pid, one in self._by_pid()}
        self._tasks = await self._counted()
        for pid in self._descriptors:
            with suppress(OSError):
                Usage(pid)  # the most it ever had is counted from now on
        self._resident = {role: one.samples[-1][1] for role, one in self._histories()}

    async def ends(self, episode: Episode) -> list[str]:
        """What was wrong with it."""
        disturbed = any(isinstance(action, Disturb) for action in episode)
        full = any(isinstance(one, Attack) and one.what in TAKE_MEMORY for one in episode)
        found = [] if disturbed else [*self._latency(full=full)]
        connections = sum(one.count for one in episode if isinstance(one, Attack))
        found += [*self._memory(BEYOND_BYTES + connections * CONNECTION_BYTES)]
        found += await self._settles()
        return found + self.trouble()

    def trouble(self) -> list[str]:
        """What the processes have said of trouble since the last time."""
        said = self.target.said()
        new, self._said = said[self._said :], len(said)
        return [line for line in new.splitlines() if any(word in line for word in TROUBLE)]

    def _latency(self, *, full: bool) -> Iterator[str]:
        text = self._file.read_text()[self._told :]
        rows = [json.loads(line) for line in text.splitlines()]
        failed = Counter(
            f"{status} to {host}{path} ({why})"
            for _, host, path, status, _, why in rows
            if status != 200 and not (full and path == WELL and status == 503)
        )
        if failed.total() > FAILED_MAX:
            yield f"a bystander was answered {dict(failed)} of {len(rows)}"
        for _, host, path, _, took_s, _ in rows:
            if took_s > (HIT_S_MAX if path == HIT else MISS_S_MAX):
                yield f"a bystander waited {took_s:.1f} s for {host}{path}"

    def _memory(self, beyond: int) -> Iterator[str]:
        for role, one in self._histories():
            most = bound(BUDGETS[role], self._bases.get(role, 0)) + beyond
            self.peaks[role] = max(self.peaks.get(role, 0), one.peak)
            grown = one.peak - self._resident.get(role, one.peak)
            if role in self._bases and one.peak > most and grown > GROWN_BYTES:
                yield f"{role} had {one.peak // MIB} MiB and may have {most // MIB}"

    async def _settles(self) -> list[str]:
        """What was opened and begun for it is given back."""
        found: list[str] = []
        for _ in range(int(SETTLED_S_MAX / LOOK_S)):
            found = [
                f"{one.last - self._descriptors[pid]} descriptors more in {pid}"
                for pid, one in self._by_pid()
                if one.last - self._descriptors.get(pid, one.last) > DESCRIPTORS_GROWN_MAX
            ]
            found += [
                f"{count - self._tasks.get(place, 0)} tasks more of {place}"
                for place, count in (await self._counted()).items()
                if count - self._tasks.get(place, count) > TASKS_GROWN_MAX
            ]
            if not found:
                break
            await pause(LOOK_S)
        return found

    def _by_pid(self) -> Iterator[tuple[int, History]]:
        for pid in self.target.processes():
            one = History()
            one.take(pid, 0.0)
            yield pid, one

    def _histories(self) -> Iterator[tuple[str, History]]:
        for pid, command in self.target.processes().items():
            role = role_of(command, tuple(BUDGETS))
            if role is not None:
                one = History()
                one.take(pid, 0.0)
                if one.samples:
                    yield role, one

    async def _counted(self) -> dict[str, int]:
        """How many tasks there are, by place."""
        lines = (await metrics(self.target)).splitlines()
        some = [line for line in lines if line.startswith("edgecache_tasks{")]
        return {line.split('"')[1]: int(float(line.rpartition(" ")[2])) for line in some}
