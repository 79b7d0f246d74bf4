"""Circuits, by the law: asked freely, left alone but for a trickle, forgotten with time."""

from __future__ import annotations

import pytest

from edgecache.upstream.circuit_breaker import CircuitBreaker, CircuitDecision, CircuitLimits

ASK, LEAVE = CircuitDecision.ASK, CircuitDecision.LEAVE
LIMITS = CircuitLimits(failures=20, window_s=10, trickle_per_s=2)


def opened(at: float = 100.0) -> CircuitBreaker:
    circuit = CircuitBreaker(LIMITS)
    for _ in range(20):
        circuit.failed(at)
    assert not circuit.is_closed(at)
    return circuit


@pytest.mark.parametrize(
    ("story", "closed"),
    [
        ("f" * 19, True),
        ("f" * 20, False),
        ("f" * 19 + "a" + "f" * 19, True),  # an answer says that it is there
        ("a" * 100 + "f" * 20, False),
        ("fa" * 100, True),  # O31: every other attempt fails
    ],
)
def test_what_opens_it(story: str, closed: bool) -> None:
    circuit = CircuitBreaker(LIMITS)
    for letter in story:
        if letter == "f":
            circuit.failed(5.0)
        else:
            circuit.answered()
    assert circuit.is_closed(5.0) is closed


def test_failures_of_long_ago_do_not_count() -> None:
    circuit = CircuitBreaker(LIMITS)
    for _ in range(19):
        circuit.failed(5.0)
    circuit.failed(15.0)
    assert circuit.is_closed(15.0)


def test_while_it_is_open_a_trickle_goes_on() -> None:
    circuit, now, asked = opened(100.0), 100.0, []
    while now < 102:
        if circuit.admit(now) is ASK:
            asked.append(now)  # and nothing ever comes of it
        now += 0.125
    assert asked == [100.5, 101, 101.5]


def test_one_answer_closes_it() -> None:
    circuit = opened(100.0)
    assert circuit.admit(100.5) is ASK
    circuit.answered()
    assert circuit.is_closed(100.7)
    circuit.failed(100.8)  # what failed before is forgotten
    assert circuit.is_closed(100.8)


def test_silence_closes_it() -> None:
    circuit = opened(100.0)
    assert circuit.admit(109.9) is ASK  # of the trickle
    assert circuit.admit(109.9) is LEAVE
    assert [circuit.admit(110.0) for _ in range(9)] == [ASK] * 9


def test_it_stays_open_while_the_trickle_fails() -> None:
    circuit, now = opened(100.0), 100.0
    while now < 160:
        if circuit.admit(now) is ASK:
            circuit.failed(now)
        assert not circuit.is_closed(now)
        now += 0.25


def test_late_failures_of_before_it_opened_let_nobody_through() -> None:
    circuit = opened(100.0)
    circuit.failed(100.2)
    assert circuit.admit(100.4) is LEAVE
    assert circuit.admit(100.5) is ASK
