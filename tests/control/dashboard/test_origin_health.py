"""Health of origins by what was reported of them in the last minute."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.control.dashboard.origin_health import ORIGINS_MAX, OriginHealth
from edgecache.observe.counters import Counters

NAME = "192.0.2.1:80"


class Reports:
    """Two processes that ask origins, looked at once a second."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.processes = [Counters(), Counters()]
        self.health = OriginHealth()
        self.passes(1)

    def passes(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            self.health.observe(self.now, [one.snapshot() for one in self.processes])

    def responses(self, count: int, name: str = NAME, taken_s: float = 0.02) -> None:
        for one in self.processes:
            one.labeled["origin_responses"].labels(name, "2xx").value += count
            times = one.labeled_histograms["origin_first_byte"].labels(name)
            times.observe_many(taken_s, count)

    def errors(self, count: int, name: str = NAME, fault: str = "connect") -> None:
        self.processes[0].labeled["origin_errors"].labels(name, fault).value += count

    def row(self) -> dict[str, Any]:
        (row,) = self.health.told(self.now)
        return row


@pytest.fixture
def reports() -> Reports:
    return Reports()


def test_an_origin_that_answers(reports: Reports) -> None:
    reports.responses(10)
    gauge = reports.processes[1].labeled_gauges["origin_connections"].labels(NAME)
    gauge.value = 3
    reports.passes(5)
    row = reports.row()
    assert (row["name"], row["state"], row["connections"]) == (NAME, "healthy", 3)
    assert (row["requests_s"], row["errors_s"], row["faults"]) == (4.0, 0.0, {})
    assert (row["p50_s"], row["p99_s"]) == (0.025, 0.025)


def test_one_that_fails_more_than_it_answers(reports: Reports) -> None:
    reports.responses(1)
    reports.errors(2)
    reports.passes(1)
    assert reports.row()["state"] == "healthy"
    reports.errors(1, fault="timeout")
    reports.passes(1)
    assert (reports.row()["state"], reports.row()["faults"]) == (
        "failing", {"connect": 2, "timeout": 1},
    )  # fmt: skip


def test_an_open_circuit_comes_first(reports: Reports) -> None:
    reports.responses(5, "a:80")
    reports.errors(5, "b:80")
    reports.processes[0].labeled_gauges["origin_circuit_open"].labels("c:80").value = 2
    reports.passes(1)
    told = [(one["name"], one["state"]) for one in reports.health.told(reports.now)]
    assert told == [("c:80", "open"), ("b:80", "failing"), ("a:80", "healthy")]


def test_a_minute_later_it_is_idle(reports: Reports) -> None:
    reports.errors(5)
    reports.passes(59)
    assert reports.row()["state"] == "failing"
    reports.passes(2)
    row = reports.row()
    assert (row["state"], row["faults"], row["p50_s"]) == ("idle", {}, None)


def test_a_process_that_is_gone_takes_nothing_below_zero(reports: Reports) -> None:
    reports.responses(10)
    reports.passes(3)
    reports.processes.pop()
    reports.passes(1)
    assert reports.row()["requests_s"] >= 0
    assert reports.row()["state"] == "healthy"


def test_what_is_told_is_bounded(reports: Reports) -> None:
    for number in range(2):
        for origin in range(100):
            name = f"o{number}-{origin}:80"
            reports.processes[number].labeled["origin_responses"].labels(name, "2xx").value = 1
    reports.passes(1)
    assert len(reports.health.told(reports.now)) == ORIGINS_MAX


def test_looked_at_after_an_hour_nobody_was(reports: Reports) -> None:
    reports.responses(5)
    reports.now += 3_600
    reports.passes(1)
    assert reports.row()["requests_s"] == 0.0
