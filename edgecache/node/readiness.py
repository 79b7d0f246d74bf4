"""Readiness of a node: whether a balancer should send it viewers now, and why not.

Law: each reason is said with its word (`Unready`), to the supervisor and to control alike. A node
that is not ready serves on as well as it can: who decides is who asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from edgecache.cluster.client import connection
from edgecache.config.listen import Address
from edgecache.runtime.inherited import Unready

CONNECT_S_MAX = 1.0  # to a tier of ours: one network
DETAIL_MAX = 500  # letters: a report has room for a thousand
LOOK_S = 1.0
LOOK_AGAIN_S = 0.25

Probe = Callable[[], Awaitable[str]]
"""What is wrong with an upstream; empty when nothing is."""


@dataclass(slots=True)
class NodeReadiness:
    """What stands against sending viewers here.

    `follows`: control publishes the configuration. Until its first report was answered, or could
    not be, a node does not know whether an operator drains it.
    """

    follows: bool
    probe: Probe | None = None  # of the regional cache
    reported: bool = False
    drained_by_control: bool = False
    drained_here: bool = False  # by a command to the supervisor
    upstream_problem: str = ""

    @property
    def draining(self) -> bool:
        """Whether viewers are to go elsewhere."""
        return self.drained_by_control or self.drained_here

    def unready(self, *, configured: bool, lease_s: float, problem: str = "") -> dict[str, str]:
        """The reasons why not, by word.

        `lease_s` is how long the lease still lasts, `problem` what is wrong with control.
        """
        reasons: dict[str, str] = {}
        if self.draining:
            reasons[Unready.DRAINING] = "an operator drains it"
        if self.follows and not self.reported:
            return reasons | {Unready.STARTING: "it has not reported to control yet"}
        if self.follows and not configured:
            reasons[Unready.CONFIGURATION] = "control has published none that was heard"
        if self.follows and configured and lease_s <= 0:
            why = problem or "has not confirmed what is served"
            reasons[Unready.LEASE] = f"control {why}; each hit is validated"[:DETAIL_MAX]
        if self.upstream_problem:
            reasons[Unready.UPSTREAM] = self.upstream_problem
        return reasons

    async def watch(self) -> None:
        """Look at the upstream once a second, more often while it is away, for good."""
        assert self.probe is not None
        while True:
            self.upstream_problem = await self.probe()
            await asyncio.sleep(LOOK_AGAIN_S if self.upstream_problem else LOOK_S)


def tier_probe(probes: Callable[[], Sequence[Probe]]) -> Probe:
    """Whether one of several regional caches passes its probe: it answers for the others, too."""

    async def probe() -> str:
        problem = ""
        for one in probes():
            if not (found := await one()):
                return ""
            problem = problem or found
        return problem

    return probe


def regional_probe(address: Address, is_silent: Callable[[], bool]) -> Probe:
    """Whether the regional cache can be connected to, and `is_silent` has not found it hung.

    Nothing is asked, so that nothing is counted or logged there.
    """

    async def probe() -> str:
        if is_silent():
            return f"the regional cache at {address} does not answer"
        try:
            async with asyncio.timeout(CONNECT_S_MAX), connection(address):
                return ""
        except (OSError, TimeoutError) as error:
            return f"the regional cache at {address}: {error or 'no answer'}"

    return probe
