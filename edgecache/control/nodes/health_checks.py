"""Verdicts on health checks at control, from what edge locations report; their history.

Law: the newest opinions count, of checkers that are heard of; where no checker has one, a health
check stays as it was. A control that has just begun says nothing before it has heard them all.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from edgecache.cluster.credentials import is_edge
from edgecache.cluster.node_status import Opinions
from edgecache.config.health_checks import CALCULATED, CHECKS_MAX, HealthCheck
from edgecache.control.nodes.other_controls import ControlAnswers
from edgecache.control.nodes.registry import NODES_MAX, SILENT_S, NodeRegistry
from edgecache.health.verdict import CheckerOpinion, share_verdict, verdicts

HISTORY_MAX = 50  # changes of each check
OPINIONS = "/health-checks/opinions"  # what controls ask each other
ASK_S = 0.4  # between two questions to each; name servers ask twice a second
LOOK_S = 1.0  # while there are none
FRESH_S = 0.1  # verdicts are not made again: each of many name servers asks for them
CHANGE_BYTES, OPINION_BYTES = 400, 700  # of the history, of another control's opinions; at most


class CheckerOpinions(msgspec.Struct, frozen=True):
    """A checker's opinions by check, how long ago it was heard of; `location` is its own."""

    location: str
    seen_s_ago: float
    opinions: Opinions


class ControlOpinions(msgspec.Struct, frozen=True):
    """What reports to one control: checkers by `NAME@MACHINE`."""

    checkers: Annotated[dict[str, CheckerOpinions], msgspec.Meta(max_length=NODES_MAX)]


class HealthCheckChange(msgspec.Struct, frozen=True):
    """A change of a verdict: when (epoch seconds), to what, and what a checker said."""

    at: float
    healthy: bool
    said: str = ""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of an endpoint of a definition; `healthy` None: nothing yet."""

    definition: str
    healthy: bool | None = None


@dataclass(slots=True, eq=False)
class HealthCheckStatuses:
    """Whether the health checks of a configuration are healthy. Used on the loop.

    `checks` gives those that count now; `wall` epoch seconds.
    """

    nodes: NodeRegistry
    checks: Callable[[], Sequence[HealthCheck]]
    wall: Callable[[], float]
    others: ControlAnswers | None = None  # where there are several controls
    _known: dict[str, _Known] = field(default_factory=dict)
    _healthy: dict[str, bool] = field(default_factory=dict)
    _history: dict[str, deque[HealthCheckChange]] = field(default_factory=dict)
    _elsewhere: dict[str, CheckerOpinions] = field(default_factory=dict)
    _elsewhere_at: float = 0.0
    _checkers: dict[str, CheckerOpinions] = field(default_factory=dict)  # of the last look
    _made_at: float = -1.0

    async def run(self) -> None:
        """Look again and again, for good; other controls are asked."""
        while True:
            there_are = bool(self.checks())
            if self.others is not None and there_are:
                await self.ask_others()
            self.refresh()
            await asyncio.sleep(ASK_S if there_are else LOOK_S)

    async def ask_others(self) -> None:
        """Hear what reports to the other controls; one that does not answer says nothing."""
        assert self.others is not None
        answers, _ = await self.others.ask(f"{OPINIONS}?own=1", ControlOpinions)
        self._elsewhere = {
            name: one for said in answers.values() for name, one in said.checkers.items()
        }
        self._elsewhere_at = self.wall()

    def own_opinions(self) -> dict[str, CheckerOpinions]:
        """The opinions that are reported to this control, by checker."""
        return {
            f"{one.name}@{one.machine}": CheckerOpinions(
                one.status.location, one.seen_s_ago, one.status.health_checks
            )
            for one in self.nodes.processes()
            if is_edge(one.name) and one.status.health_checks
        }

    def opinions(self) -> dict[str, CheckerOpinions]:
        """Those of all checkers that are heard of; of one that has moved, the newer ones."""
        age_s, found = self.wall() - self._elsewhere_at, self.own_opinions()
        for name, one in self._elsewhere.items():
            seen_s_ago = one.seen_s_ago + age_s
            if name not in found or seen_s_ago < found[name].seen_s_ago:
                found[name] = CheckerOpinions(one.location, seen_s_ago, one.opinions)
        return {name: one for name, one in found.items() if one.seen_s_ago < SILENT_S}

    def refresh(self) -> None:
        """Make the verdicts anew, where that was not just done, and keep what has changed."""
        checks = self.checks()[:CHECKS_MAX]
        if 0 <= self.nodes.running_s - self._made_at < FRESH_S or not (checks or self._healthy):
            return
        self._made_at = self.nodes.running_s
        checkers = self._checkers = dict(sorted(self.opinions().items()))
        self._known = {
            one.id: self._observed(one, checkers) for one in checks if one.type != CALCULATED
        }
        observed = {id: one.healthy for id, one in self._known.items()}
        before, self._healthy = self._healthy, verdicts(checks, observed)
        self._history = {id: self._history.get(id, _empty()) for id in self._healthy}
        for id, healthy in self._healthy.items():
            if before.get(id) is not healthy:
                said = _newest(id, checkers)
                self._history[id].append(HealthCheckChange(self.wall(), healthy, said))

    def _observed(self, check: HealthCheck, checkers: Mapping[str, CheckerOpinions]) -> _Known:
        definition = check.definition
        known = self._known.get(check.id)
        if known is None or known.definition != definition:
            known = _Known(definition)
        votes = [
            said.healthy
            for one in checkers.values()
            if (said := one.opinions.get(check.id)) is not None
            and said.definition == definition
            and said.healthy is not None
        ]
        verdict = share_verdict(votes)
        return known if verdict is None else _Known(definition, verdict)

    def unhealthy(self) -> list[str] | None:
        """The ids of those that are not healthy; None: this control has not heard enough yet."""
        if self.nodes.running_s <= SILENT_S:
            return None
        self.refresh()
        return [id for id, healthy in self._healthy.items() if not healthy]

    def is_healthy(self, id: str) -> bool | None:
        """The verdict on a check; None: there is none such."""
        self.refresh()
        return self._healthy.get(id)

    def history(self, id: str) -> list[HealthCheckChange]:
        """The last changes of a check's verdict, the newest first; they begin with this process."""
        return [*reversed(self._history.get(id, ()))]

    def of(self, check: HealthCheck) -> dict[str, CheckerOpinion]:
        """What each checker says of a check as it is defined now, by checker."""
        self.refresh()
        return {
            name: said
            for name, one in self._checkers.items()
            if (said := one.opinions.get(check.id)) is not None
            and said.definition == check.definition
        }

    def percent_healthy(self, check: HealthCheck) -> float | None:
        """Percent of the checkers with an opinion that call it healthy; None: there are none."""
        votes = [one.healthy for one in self.of(check).values() if one.healthy is not None]
        return 100 * sum(votes) / len(votes) if votes else None

    def figures(self) -> dict[str, tuple[bool, float | None]]:
        """Of each check whether it is healthy, and percent of its checkers; for metrics."""
        self.refresh()
        return {
            one.id: (self._healthy.get(one.id, True), self.percent_healthy(one))
            for one in self.checks()
        }

    @property
    def size_bytes(self) -> int:
        """What it holds at most, as estimated."""
        changes = sum(map(len, self._history.values()))
        said = sum(len(one.opinions) for one in self._elsewhere.values())
        return changes * CHANGE_BYTES + said * OPINION_BYTES


def _empty() -> deque[HealthCheckChange]:
    return deque(maxlen=HISTORY_MAX)


def _newest(id: str, checkers: Mapping[str, CheckerOpinions]) -> str:
    """What the checker that was asked last says of a check."""
    said = [found for one in checkers.values() if (found := one.opinions.get(id)) is not None]
    newest = max(said, key=lambda one: one.at, default=None)
    return "" if newest is None else newest.said
