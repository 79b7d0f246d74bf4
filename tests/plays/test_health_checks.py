"""An endpoint fails, and leaves the DNS within its interval × threshold and a second.

Locations ask it, control makes a verdict of what they say, and a name server asks control twice a
second, all in one virtual time; each begins when it likes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import dns.message
import pytest

from edgecache.cluster.node_status import NodeStatus
from edgecache.config.dns import DnsAlias, DnsRecord, DnsZoneSettings
from edgecache.config.health_checks import PREFIX, HealthCheck
from edgecache.config.zone_records import rdata_wire
from edgecache.control.nodes.health_checks import HealthCheckStatuses
from edgecache.control.nodes.registry import SILENT_S, NodeRegistry
from edgecache.dns.cdn_zone import what_is_down
from edgecache.dns.responder import Responder, ResponderWorld
from edgecache.dns.user_zone import ZoneContext, user_zone
from edgecache.health.checker import CheckerWorld, HealthChecker
from edgecache.health.probe import ProbeAnswer, ProbeOutcome
from edgecache.node.health_checks import LocationHealthChecks
from edgecache.node.name_server import TICK_S
from edgecache.observe.counters import Counters
from edgecache.runtime.environment import pause
from edgecache.testing.virtual_loop import VirtualLoop

REPORT_S = 1.0  # of nodes
ON_THE_WAY_S = 0.02  # a report, an answer
CHECKS = (
    HealthCheck(id="one", type="TCP", address="192.0.2.1", port=80),
    HealthCheck(id="two", type="TCP", address="192.0.2.2", port=80),
    HealthCheck(id="both", type="CALCULATED", children=("one", "two")),
)


def record(id: str, value: str, **members: object) -> DnsRecord:
    return DnsRecord(name="www", type="A", values=(value,), id=id, **members)  # type: ignore


SAMPLE = Counters().snapshot()
RECORDS = (
    record("one", "192.0.2.1", failover="primary", health_check="one"),
    record("two", "192.0.2.2", failover="secondary", health_check="two"),
    DnsRecord(name="many", type="A", values=("192.0.2.1",), id="a", multivalue=True,
              health_check="one"),
    DnsRecord(name="many", type="A", values=("192.0.2.2",), id="b", multivalue=True,
              health_check="two"),
    DnsRecord(name="nested", type="A", id="a", weight=1,
              alias=DnsAlias(name="www", evaluate_target_health=True)),
    DnsRecord(name="nested", type="A", id="b", weight=0, values=("192.0.2.3",)),
)  # fmt: skip


class Installation:
    """Locations, a control and a name server."""

    def __init__(self, seed: int, locations: int, threshold: int, interval_s: int) -> None:
        self.loop, self.random = VirtualLoop(), Random(seed)
        self.down: set[str] = set()
        self.checks = tuple(
            HealthCheck(
                id=one.id, type=one.type, address=one.address, port=one.port,
                children=one.children, failure_threshold=threshold, interval_s=interval_s,
            )
            for one in CHECKS
        )  # fmt: skip
        self.nodes = NodeRegistry(self._now)
        self.statuses = HealthCheckStatuses(self.nodes, lambda: self.checks, self._now)
        self.responder = Responder(ResponderWorld(self.random.random))
        context = ZoneContext(rdata_wire, {}, (), (), ("ns.test",), 1)
        zone = DnsZoneSettings(name="users.test", records=RECORDS)
        self.responder.use([user_zone(zone, context)])
        self.stopped: set[str] = set()
        for number in range(locations):
            self._begin_location(f"L{number}")
        self.loop.create_task(self._serve_names())

    def _now(self) -> float:
        return 1_000 + self.loop.now

    async def _ask(self, check: HealthCheck) -> ProbeAnswer:
        await pause(self.random.random() * ON_THE_WAY_S)
        if check.id in self.down:
            return ProbeAnswer(ProbeOutcome.CONNECT, "Failure: connection refused")
        return ProbeAnswer(ProbeOutcome.HEALTHY, "Success: connected")

    def _begin_location(self, name: str) -> None:
        checker = HealthChecker(CheckerWorld(self._ask, self._now, self.random.random))
        checker.use(self.checks)

        async def tell() -> None:
            await pause(self.random.random() * ON_THE_WAY_S)
            if name not in self.stopped:
                self.nodes.report(f"edge-{name}-1", NodeStatus(
                    role="edge", location=name, pid=1, generation=1, sample=SAMPLE,
                    health_checks=checker.opinions(),
                ))  # fmt: skip

        async def report() -> None:
            await pause(self.random.random() * REPORT_S)
            while True:
                await tell()
                await pause(REPORT_S)

        self.loop.create_task(LocationHealthChecks(checker, tell).run())
        self.loop.create_task(report())

    async def _serve_names(self) -> None:
        await pause(self.random.random() * TICK_S)
        while True:
            await pause(self.random.random() * ON_THE_WAY_S)
            unhealthy = self.statuses.unhealthy()
            await pause(self.random.random() * ON_THE_WAY_S)
            if unhealthy is not None:
                self.responder.world.down = what_is_down((), unhealthy)
            await pause(TICK_S)

    def answer(self, name: str) -> set[str]:
        query = dns.message.make_query(f"{name}.users.test", "A")
        data = self.responder.answer(query.to_wire(), "192.0.2.200")
        assert data is not None
        return {value.to_text() for one in dns.message.from_wire(data).answer for value in one}

    def run_for(self, seconds: float) -> None:
        self.loop.inside(lambda: self.loop.run_until(self.loop.now + seconds))


@contextmanager
def installation(
    seed: int = 1, locations: int = 3, threshold: int = 3, interval_s: int = 10
) -> Iterator[Installation]:
    made = Installation(seed, locations, threshold, interval_s)
    try:
        yield made
    finally:
        made.loop.close()


@pytest.mark.parametrize(("threshold", "interval_s"), [(1, 10), (3, 10), (2, 30)])
@pytest.mark.parametrize("locations", [1, 6])
def test_what_fails_leaves_within_interval_times_threshold_and_a_second(
    locations: int, threshold: int, interval_s: int
) -> None:
    bound_s = interval_s * threshold + 1.0
    worst_s = 0.0
    for seed in range(10):
        with installation(seed, locations, threshold, interval_s) as world:
            world.run_for(bound_s + SILENT_S + world.random.random() * interval_s)
            assert world.answer("www") == {"192.0.2.1"}
            failed_at = world.loop.now
            world.down.add("one")
            while PREFIX + "one" not in world.responder.world.down:
                world.run_for(0.05)
                assert world.loop.now - failed_at <= bound_s
            assert world.answer("www") == {"192.0.2.2"}
            worst_s = max(worst_s, world.loop.now - failed_at)
    assert worst_s > interval_s * (threshold - 1)  # it was not for something else


def test_it_comes_back_once_it_passes_again() -> None:
    with installation(threshold=2) as world:
        world.run_for(25)
        world.down.add("one")
        world.run_for(21)
        assert world.answer("www") == {"192.0.2.2"}
        world.down.clear()
        world.run_for(10)
        assert world.answer("www") == {"192.0.2.2"}  # it has not passed often enough
        world.run_for(11)
        assert world.answer("www") == {"192.0.2.1"}


def test_each_policy_goes_by_its_checks_and_none_up_is_all_up() -> None:
    with installation(threshold=1) as world:
        world.run_for(12)
        assert world.answer("many") == {"192.0.2.1", "192.0.2.2"}
        assert world.answer("nested") == {"192.0.2.1"}
        world.down = {"two"}
        world.run_for(11)
        assert world.answer("many") == {"192.0.2.1"}
        world.down = {"one"}
        world.run_for(11)
        assert world.answer("many") == {"192.0.2.2"}
        assert world.answer("nested") == {"192.0.2.2"}  # through the alias
        world.down = {"one", "two"}
        world.run_for(11)
        assert world.answer("many") == {"192.0.2.1", "192.0.2.2"}  # nothing is up
        assert world.answer("www") == {"192.0.2.1"}
        assert world.answer("nested") == {"192.0.2.3"}  # nothing behind the alias is up
        assert world.statuses.unhealthy() == ["one", "two", "both"]


def test_a_location_that_dies_takes_its_opinion_with_it() -> None:
    """Of two locations one cannot reach the endpoint, which is up as long as the other says so."""
    with installation(locations=2, threshold=1) as world:
        world.run_for(12)
        world.stopped.add("L1")
        world.down.add("one")
        world.run_for(11 + SILENT_S)
        assert world.answer("www") == {"192.0.2.2"}
        world.stopped.add("L0")
        world.down.clear()
        world.run_for(60)
        assert world.answer("www") == {"192.0.2.2"}  # nobody says otherwise
