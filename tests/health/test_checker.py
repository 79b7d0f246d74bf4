"""The checker of a location in virtual time: when it asks, and what counts by the threshold."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from random import Random

import pytest
from msgspec.structs import replace

from edgecache.config.health_checks import HealthCheck
from edgecache.health.checker import FIRST_S, CheckerWorld, HealthChecker
from edgecache.health.probe import ProbeAnswer, ProbeOutcome
from edgecache.runtime.environment import pause
from edgecache.testing.virtual_loop import VirtualLoop

WEB = HealthCheck(id="web", type="HTTP", address="192.0.2.1", interval_s=10)
WELL = ProbeAnswer(ProbeOutcome.HEALTHY, "Success: HTTP Status Code 200, OK")
REFUSED = ProbeAnswer(ProbeOutcome.CONNECT, "Failure: refused")


class Location:
    """A checker, the endpoints it asks, and when it asked."""

    def __init__(self, seed: int = 1) -> None:
        self.loop = VirtualLoop()
        self.down: set[str] = set()
        self.asked: list[tuple[str, float]] = []
        self.changes: list[float] = []
        self.takes_s = 0.0
        self.broken = 0
        world = CheckerWorld(self._ask, lambda: 1_000 + self.loop.now, Random(seed).random)
        self.checker = HealthChecker(world, lambda: self.changes.append(self.loop.now))

    async def _ask(self, check: HealthCheck) -> ProbeAnswer:
        self.asked.append((check.id, self.loop.now))
        if self.broken:
            self.broken -= 1
            raise MemoryError
        if self.takes_s:
            await pause(self.takes_s)
        return REFUSED if check.id in self.down else WELL

    def begin(self, *checks: HealthCheck) -> None:
        self.checker.use(checks)
        self.loop.inside(lambda: self.loop.create_task(self.checker.run()))

    def run_until(self, when: float) -> None:
        self.loop.inside(lambda: self.loop.run_until(when))

    def says(self, id: str = "web") -> bool | None:
        return self.checker.opinions()[id].healthy


@pytest.fixture
def location() -> Iterator[Location]:
    made = Location()
    yield made
    made.loop.close()


@pytest.mark.parametrize("interval_s", [10, 30])
def test_questions_are_never_further_apart_than_the_interval(
    location: Location, interval_s: int
) -> None:
    location.begin(replace(WEB, interval_s=interval_s))
    location.run_until(200)
    times = [at for _, at in location.asked]
    assert times[0] <= FIRST_S
    gaps = [after - before for before, after in pairwise(times)]
    assert gaps[0] <= interval_s
    assert gaps[1:] == pytest.approx([interval_s] * len(gaps[1:]))
    assert len(gaps) in (200 // interval_s, 200 // interval_s + 1)


def test_locations_ask_at_different_times() -> None:
    found = set()
    for seed in range(5):
        location = Location(seed)
        location.begin(WEB)
        location.run_until(25)
        found.add(round(location.asked[1][1], 3))
        location.loop.close()
    assert len(found) == 5


@pytest.mark.parametrize("threshold", [1, 2, 3, 10])
def test_an_opinion_changes_after_so_many_answers_in_a_row(
    location: Location, threshold: int
) -> None:
    location.begin(replace(WEB, failure_threshold=threshold))
    location.run_until(10 * threshold + 1)
    assert location.says() is True
    failed_at = location.loop.now
    location.down.add("web")
    location.run_until(failed_at + 10 * threshold)
    assert location.says() is False
    assert len([at for _, at in location.asked if at > failed_at]) == threshold
    opinion = location.checker.opinions()["web"]
    assert (opinion.said, opinion.failure) == ("Failure: refused", "Failure: refused")
    location.down.clear()
    location.run_until(failed_at + 20 * threshold)
    assert location.says() is True
    assert location.checker.opinions()["web"].failed_at == opinion.failed_at
    assert len(location.changes) == 3


def test_one_answer_that_differs_begins_anew(location: Location) -> None:
    location.begin(replace(WEB, failure_threshold=3))
    location.run_until(31)
    for _ in range(5):
        location.down.add("web")
        location.run_until(location.loop.now + 20)
        location.down.clear()
        location.run_until(location.loop.now + 10)
    assert location.says() is True


def test_too_few_answers_are_no_opinion(location: Location) -> None:
    location.begin(replace(WEB, failure_threshold=3))
    location.run_until(5)
    assert location.says() is None
    assert location.checker.opinions()["web"].said.startswith("Success")
    assert location.changes == []


def test_a_slow_endpoint_holds_up_no_other(location: Location) -> None:
    location.takes_s = 25.0
    location.begin(WEB, replace(WEB, id="b"))
    location.run_until(60)
    assert location.checker.asked == 2
    times = [at for id, at in location.asked if id == "web"]
    assert [round(b - a, 6) for a, b in pairwise(times)] == [25.0, 25.0]
    assert location.checker.size_bytes > 0


def test_what_is_asked_as_before_keeps_its_opinion(location: Location) -> None:
    location.begin(replace(WEB, failure_threshold=1))
    location.run_until(2)
    kept = replace(WEB, failure_threshold=1, inverted=True)
    location.checker.use([kept, replace(WEB, id="new")])
    assert (location.says(), location.says("new")) == (True, None)
    location.checker.use([replace(kept, path="/other")])
    assert location.says() is None
    assert location.checker.opinions().keys() == {"web"}
    location.run_until(3)
    assert location.says() is True
    location.checker.use([replace(kept, disabled=True)])
    count = len(location.asked)
    location.run_until(100)
    assert (location.checker.opinions(), len(location.asked)) == ({}, count)


def test_a_defect_does_not_end_the_asking(location: Location) -> None:
    location.broken = 1
    location.begin(replace(WEB, failure_threshold=1))
    location.run_until(3)
    assert location.says() is True
    assert location.checker.asked == 0
