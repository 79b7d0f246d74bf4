"""A campaign: episodes by a seed until the time is over, and what became of each finding."""

from __future__ import annotations

import asyncio
import re
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import msgspec

from tests.adversary.actions import Episode, Replay, is_loud, write_replay
from tests.adversary.player import Player
from tests.adversary.profiles import PROFILES
from tests.adversary.shrink import shrunk
from tests.adversary.watch import Watch

AT_ONCE = 6
REPRODUCE_TRIES = 5
EPISODE_S_MAX = 180.0
FINDINGS_MAX = 5


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of seeds.toml."""

    profile: str
    seed: int
    seconds: float


def runs_of(file: Path) -> list[Run]:
    """The rows of a file of seeds. msgspec.ValidationError names what is wrong in it."""
    return msgspec.convert(tomllib.loads(file.read_text()), dict[str, list[Run]])["runs"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong that its replay shows again."""

    seed: str  # of the episode
    lines: tuple[str, ...]
    actions: Episode
    second: float
    file: Path | None = None


@dataclass(slots=True)
class Campaign:
    """One run of the adversary against one installation."""

    player: Player
    watch: Watch
    seed: int
    profiles: tuple[str, ...]
    seconds: float
    shrinks: bool = True
    findings_max: int = FINDINGS_MAX
    folder: Path | None = None  # where replays are written
    found: list[Finding] = field(default_factory=list)
    unconfirmed: list[tuple[str, str]] = field(default_factory=list)
    episodes: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)

    def left_s(self) -> float:
        return self.seconds - (time.monotonic() - self.began)

    def made(self) -> Iterator[tuple[str, Episode]]:
        """Episodes without end, the profiles in turn."""
        number = 0
        while True:
            for profile in self.profiles:
                name = f"{self.seed}:{profile}:{number}"
                yield name, PROFILES[profile](Random(name))
            number += 1

    async def runs(self) -> None:
        """Until the time is over or enough was found."""
        waiting = self.made()
        quiet: dict[asyncio.Task[list[str]], tuple[str, Episode]] = {}
        while self.left_s() > 0 and len(self.found) < self.findings_max:
            name, episode = next(waiting)
            self.episodes[name.split(":")[1]] += 1
            if is_loud(episode):
                await self._looks_at(quiet, until=0)
                await self._confirms(name, episode, await self._alone(episode))
                continue
            quiet[asyncio.ensure_future(self._played(episode))] = name, episode
            await self._looks_at(quiet, until=AT_ONCE - 1)
        await self._looks_at(quiet, until=0)

    async def _looks_at(
        self, quiet: dict[asyncio.Task[list[str]], tuple[str, Episode]], until: int
    ) -> None:
        """Wait until no more than so many are under way; what was found is confirmed."""
        while len(quiet) > until:
            done, _ = await asyncio.wait(quiet, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                name, episode = quiet.pop(task)
                if task.result():
                    if quiet:  # alone it is tried again
                        await asyncio.wait(quiet)
                    await self._confirms(name, episode, task.result())

    async def _played(self, episode: Episode) -> list[str]:
        try:
            async with asyncio.timeout(EPISODE_S_MAX):
                return await self.player.plays(episode) + self.watch.trouble()
        except TimeoutError:
            return [f"not over within {EPISODE_S_MAX:g} s"]

    async def _alone(self, episode: Episode) -> list[str]:
        """Play one that is loud, and look at the processes and the bystander."""
        await self.watch.begins()
        lines = await self._played(episode)
        return lines + await self.watch.ends(episode)

    async def again(self, episode: Episode, tries: int = REPRODUCE_TRIES) -> list[str]:
        """What is wrong with it when it is played again, at most so many times."""
        for _ in range(tries):
            played = self._alone(episode) if is_loud(episode) else self._played(episode)
            if lines := await played:
                return lines
        return []

    async def _confirms(self, name: str, episode: Episode, lines: list[str]) -> None:
        """A finding is one that its replay shows."""
        known = {_plain(line) for one in self.found for line in one.lines}
        if {_plain(line) for line in lines} <= known or len(self.found) >= self.findings_max:
            return
        again = await self.again(episode)
        if not again:
            self.unconfirmed.append((name, lines[0]))
            return
        second = time.monotonic() - self.began
        if self.shrinks:
            episode = await shrunk(episode, self.again)
            again = await self.again(episode) or again
        file = None
        if self.folder is not None:
            file = self.folder / f"{name.replace(':', '-')}.json"
            write_replay(file, Replay(finding=again[0], seed=name, actions=episode))
        self.found.append(Finding(name, tuple(again), episode, second, file))


def _plain(line: str) -> str:
    """The line without what differs each time."""
    return re.sub(r"\d+", "0", line)
