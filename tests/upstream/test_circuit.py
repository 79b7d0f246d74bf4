"""Circuits, by the law: asked freely, left alone, probed by one at a time."""

from __future__ import annotations

import pytest

from edgecache.upstream.circuit import Admission, Circuit

ASK, PROBE, LEAVE = Admission.ASK, Admission.PROBE, Admission.LEAVE


def opened(at: float = 100.0) -> Circuit:
    circuit = Circuit()
    for _ in range(20):
        circuit.failed(at)
    return circuit


@pytest.mark.parametrize(
    ("well", "ill", "closed"),
    [(0, 19, True), (0, 20, False), (10, 10, False), (11, 10, True), (100, 99, True)],
)
def test_half_of_twenty_requests_open_it(well: int, ill: int, closed: bool) -> None:
    circuit = Circuit()
    for _ in range(well):
        circuit.succeeded(5.0)
    for _ in range(ill):
        circuit.failed(5.5)
    assert circuit.closed is closed


def test_failures_of_long_ago_do_not_count() -> None:
    circuit = Circuit()
    for _ in range(19):
        circuit.failed(5.0)
    circuit.failed(15.0)
    assert circuit.closed


def test_flapping_opens_it() -> None:
    """O31: every other answer is an error."""
    circuit = Circuit()
    for n in range(21):
        (circuit.succeeded if n % 2 else circuit.failed)(n / 4)
    assert not circuit.closed


def test_while_open_one_probes_and_nobody_else_asks() -> None:
    circuit = opened(100.0)
    assert circuit.admit(100.9) is LEAVE
    assert circuit.admit(101.0) is PROBE
    assert [circuit.admit(101.1) for _ in range(3)] == [LEAVE] * 3


def test_a_probe_that_succeeds_closes_it() -> None:
    circuit = opened(100.0)
    circuit.admit(101.0)
    circuit.succeeded(101.2)
    assert circuit.closed
    circuit.failed(101.3)  # what failed before is forgotten
    assert circuit.admit(101.3) is ASK


def test_after_a_probe_that_fails_the_next_comes_a_second_later() -> None:
    circuit, now, probes = opened(100.0), 100.0, []
    while now < 104:
        if circuit.admit(now) is PROBE:
            probes.append(now)
            circuit.failed(now)
        now += 0.25
    assert probes == [101, 102, 103]


def test_a_probe_given_up_leaves_its_place_to_the_next() -> None:
    circuit = opened(100.0)
    circuit.admit(101.0)
    circuit.unknown()
    assert circuit.admit(101.0) is PROBE


def test_late_answers_of_before_it_opened_change_nothing() -> None:
    circuit = opened(100.0)
    circuit.succeeded(100.1)
    circuit.failed(100.2)
    assert circuit.admit(100.9) is LEAVE
    assert circuit.admit(101.0) is PROBE
