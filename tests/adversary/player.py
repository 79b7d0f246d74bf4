"""The player: does what an episode says, and holds what comes against the register."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.adversary import attacks, disturbances, operators
from tests.adversary.actions import (
    Action,
    Ask,
    Attack,
    Disturb,
    Episode,
    Invalidate,
    Page,
    Release,
    Wait,
)
from tests.adversary.origin import ScriptedOrigin, pause
from tests.adversary.readings import plainest
from tests.adversary.register import Floor, Question, Register, Reply
from tests.adversary.site import IDS, Target
from tests.adversary.viewer import question, reply_to

UNSAFE = ("POST", "PUT", "DELETE", "PATCH")
NAME = re.compile(r"/(e\d+e)/")


@dataclass(slots=True)
class Player:
    """One for a whole run. `findings`: by the name of the episode that met them."""

    target: Target
    clock: Callable[[], float]
    register: Register = field(default_factory=Register)
    findings: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    origin: ScriptedOrigin = field(init=False)
    _number: int = 0

    def __post_init__(self) -> None:
        self.origin = ScriptedOrigin(self.register, self.clock, self._told)

    async def starts(self) -> None:
        """The origin listens."""
        for site, taken in self.target.origins.items():
            await self.origin.listens(site, taken)

    def _told(self, target: str, what: str) -> None:
        form = NAME.search(plainest(target))
        self.findings[form[1] if form else ""].append(what)

    async def plays(self, episode: Episode) -> list[str]:
        """Everything that was wrong with one episode."""
        self._number += 1
        playing = Playing(self, f"e{self._number:06d}e")
        try:
            await playing.all(episode)
        finally:
            self.register.forget_floors(playing.name)
            gone = [path for path in self.origin.pages if f"/{playing.name}/" in path]
            for path in gone:
                del self.origin.pages[path]
        return self.findings.pop(playing.name, []) + self.findings.pop("", [])


class Playing:
    """One episode as it is played."""

    def __init__(self, player: Player, name: str) -> None:
        self.player = player
        self.name = name
        self._asked = 0
        self._tags: dict[tuple[object, ...], str] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    async def all(self, episode: Episode) -> None:
        try:
            for action in episode:
                await self._does(action)
            await self._settled()
        finally:
            for task in self._under_way:
                task.cancel()
            await disturbances.undo(self.player.target)

    async def _does(self, action: Action) -> None:
        self.player.counts[type(action).__name__.lower()] += 1
        match action:
            case Page():
                self.player.origin.pages[self._named(action.path)] = action
            case Ask():
                await self._does_later(self._asks(action), later=action.later)
            case Wait(seconds=seconds):
                await (pause(seconds) if seconds else self._settled())
            case Invalidate():
                await self._does_later(self._invalidates(action), later=action.later)
            case Release():
                await self._releases(action)
            case Disturb(what=what, seconds=seconds):
                self._finds(await disturbances.DISTURBANCES[what](self.player.target, seconds))
            case Attack():
                self._finds(
                    await attacks.ATTACKS[action.what](self.player.target, action, self.name)
                )

    def _finds(self, lines: list[str]) -> None:
        self.player.findings[self.name] += lines

    def _named(self, text: str) -> str:
        return text.replace("{e}", self.name)

    async def _does_later(self, doing: Awaitable[None], *, later: bool) -> None:
        if not later:
            await doing
            return
        task = asyncio.ensure_future(doing)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await pause(0.02)  # what comes next should meet it under way

    async def _settled(self) -> None:
        while self._under_way:
            await asyncio.gather(*self._under_way)

    async def _asks(self, ask: Ask) -> None:
        self._asked += 1
        number = self._asked
        for turn in range(ask.times):
            if turn and ask.every_s:
                await pause(ask.every_s)
            await self._asks_once(ask, number)

    async def _asks_once(self, ask: Ask, number: int) -> None:
        player = self.player
        place = (ask.site, self._named(ask.path), ask.who, ask.credentials)
        tag = self._tags.get(place, "")
        asked, data = question(ask, number, self.name, player.clock(), player.target.keys, tag)
        began: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        answering = asyncio.ensure_future(reply_to(ask, player.target.port(ask), data, began))
        await began
        asked.began, asked.floor = player.clock(), player.register.floors_now()
        reply = await answering
        reply.ended = player.clock()
        self._judges(asked, reply)
        if reply.value("x-nonce"):
            self._tags[place] = reply.value("x-nonce").decode()

    def _judges(self, asked: Question, reply: Reply) -> None:
        player, ask = self.player, asked.ask
        player.counts["requests"] += 1
        player.statuses[reply.status] += 1
        if ask.site == "cf":
            asked.id = reply.value("x-amz-cf-id").decode()
        if ask.site != "cf" and ask.method in UNSAFE and 200 <= reply.status < 400:
            player.register.wrote(asked, reply)
        for line in player.register.judge(asked, reply):
            self._finds([f"{ask.method} {asked.target} at {ask.site}.{ask.at}: {line}"])

    async def _invalidates(self, action: Invalidate) -> None:
        player = self.player
        since = player.clock()
        paths = [self._named(one) for one in action.paths]
        globs = [self._named(one) for one in action.globs]
        tags = [self._named(one) for one in action.tags]
        body = {"paths": paths, "globs": globs, "tags": tags, "soft": action.soft}
        done = await operators.invalidates(player.target, IDS[action.site], body)
        if done and not action.soft:
            names = re.compile("|".join(_expression(one) for one in paths + globs) or r"(?!)")
            why = f"a Completed invalidation of {paths or globs or tags}"
            player.register.over(Floor(since, action.site, names, frozenset(tags), why))

    async def _releases(self, action: Release) -> None:
        player = self.player
        since, pattern = player.clock(), self._named(action.pattern)
        if await operators.cuts(player.target, IDS[action.site], pattern):
            names = re.compile(_expression(pattern) + r"(\?.*)?")
            floor = Floor(since, action.site, names, frozenset(), f"the release of {pattern}")
            player.register.over(floor)


def _expression(item: str) -> str:
    return re.escape(item).replace(r"\*", ".*").replace(r"\?", ".")
