"""Health checks of one location: when each endpoint is asked, and what counts by its threshold.

Law: each check has one connection at most, and nobody's slowness holds up another's. Two questions
are never further apart than the interval, so that a failure is known within interval × threshold
and what the last question takes. Checkers do not coordinate: where in the interval a check is asked
is left to chance; the first time is at once, since a location that has just begun knows nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from edgecache.config.health_checks import CALCULATED, HealthCheck
from edgecache.health.probe import ProbeAnswer, ProbeOutcome
from edgecache.health.verdict import CheckerOpinion
from edgecache.runtime.environment import restart_on_failure

FIRST_S = 1.0  # in which all that are new are asked for the first time
CHECK_BYTES = 2_048  # of a check's state and opinion, at most
ASKED_BYTES = 65_536  # of a connection: what a read brings
Ask = Callable[[HealthCheck], Awaitable[ProbeAnswer]]


@dataclass(frozen=True, slots=True)
class CheckerWorld:
    """What a checker meets: endpoints, epoch seconds, chance. It waits by the running loop."""

    ask: Ask
    wall: Callable[[], float]
    random: Callable[[], float]
    count: Callable[[ProbeOutcome], None] = lambda outcome: None


@dataclass(slots=True, eq=False)
class CheckState:
    """What a location knows of one check. `streak`: so many answers in a row were alike."""

    check: HealthCheck
    definition: str
    healthy: bool | None = None
    streak: int = 0
    newest: ProbeAnswer | None = None
    at: float = 0.0
    failure: str = ""
    failed_at: float = 0.0

    def take(self, answer: ProbeAnswer, now: float) -> bool:
        """Count an answer that came `now` (epoch seconds); whether the opinion is another now."""
        alike = self.newest is not None and self.newest.healthy == answer.healthy
        self.streak = self.streak + 1 if alike else 1
        self.newest, self.at = answer, now
        if not answer.healthy:
            self.failure, self.failed_at = answer.said, now
        if answer.healthy == self.healthy or self.streak < self.check.failure_threshold:
            return False
        self.healthy = answer.healthy
        return True

    @property
    def opinion(self) -> CheckerOpinion:
        """What is told of it."""
        said = "" if self.newest is None else self.newest.said
        return CheckerOpinion(
            definition=self.definition, healthy=self.healthy, said=said, at=self.at,
            failure=self.failure, failed_at=self.failed_at,
        )  # fmt: skip


@dataclass(slots=True, eq=False)
class HealthChecker:
    """The checker of a location. `on_change` is called when it thinks otherwise of a check."""

    world: CheckerWorld
    on_change: Callable[[], None] = lambda: None
    asked: int = 0  # connections there are now
    _states: dict[str, CheckState] = field(default_factory=dict)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def use(self, checks: Sequence[HealthCheck]) -> None:
        """Ask these from now on. What is asked as before keeps what is known of it."""
        wanted = {one.id: one for one in checks if one.type != CALCULATED and not one.disabled}
        for id, state in [*self._states.items()]:
            if id not in wanted or wanted[id].definition != state.definition:
                del self._states[id]
        for id, one in wanted.items():
            if id not in self._states:
                self._states[id] = CheckState(one, one.definition)
        self._changed.set()

    def opinions(self) -> dict[str, CheckerOpinion]:
        """What it says of each, by id."""
        return {id: state.opinion for id, state in self._states.items()}

    @property
    def size_bytes(self) -> int:
        """What it holds at most, as estimated."""
        return len(self._states) * CHECK_BYTES + self.asked * ASKED_BYTES

    async def run(self) -> None:
        """Ask, for good."""
        watched: dict[str, CheckState] = {}
        try:
            while True:
                self._changed.clear()
                self._follow(watched)
                await self._changed.wait()
        finally:
            for task in self._tasks.values():
                task.cancel()
            self._tasks.clear()

    def _follow(self, watched: dict[str, CheckState]) -> None:
        """A task for each check that is new, and none for what is gone."""
        for id, state in [*watched.items()]:
            if self._states.get(id) is not state:
                self._tasks.pop(id).cancel()
                del watched[id]
        loop = asyncio.get_running_loop()
        for id, state in self._states.items():
            if id not in watched:
                watched[id] = state
                work = restart_on_failure(partial(self._watch, state))
                self._tasks[id] = loop.create_task(work)

    async def _watch(self, state: CheckState) -> None:
        now, interval_s = asyncio.get_running_loop().time, state.check.interval_s
        await asyncio.sleep(self.world.random() * FIRST_S)
        due = now() - self.world.random() * interval_s
        await self._ask(state)
        while True:
            due = max(due + interval_s, now())
            await asyncio.sleep(due - now())
            await self._ask(state)

    async def _ask(self, state: CheckState) -> None:
        self.asked += 1
        try:
            answer = await self.world.ask(state.check)
        finally:
            self.asked -= 1
        self.world.count(answer.outcome)
        if state.take(answer, self.world.wall()):
            self.on_change()
