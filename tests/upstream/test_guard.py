"""Guards: what counts against an origin, and what a viewer cannot make count."""

from __future__ import annotations

import pytest

from edgecache.upstream.base import Fault, UpstreamError
from edgecache.upstream.circuit import Admission
from edgecache.upstream.endpoint import Endpoint
from edgecache.upstream.guard import Guard, Guards


class Now:
    at = 100.0

    def __call__(self) -> float:
        return self.at


def is_open(guard: Guard) -> bool:
    try:
        guard.admit()
    except UpstreamError as error:
        return (error.fault, error.sent, error.status) == (Fault.OPEN, False, 503)
    return False


@pytest.mark.parametrize(
    ("fault", "opens"),
    [
        *((fault, True) for fault in (Fault.REFUSED, Fault.CONNECT_TIMEOUT, Fault.NAME)),
        *((fault, True) for fault in (Fault.TLS, Fault.RESPONSE_TIMEOUT, Fault.CLOSED)),
        *((fault, False) for fault in (Fault.BUSY, Fault.LOOP, Fault.TOO_BIG, Fault.OPEN)),
        *((fault, False) for fault in (Fault.TRUNCATED, Fault.MALFORMED, Fault.HEAD_TOO_BIG)),
    ],
)
def test_which_faults_open_it(fault: Fault, opens: bool) -> None:
    guard = Guard("o", Now())
    for _ in range(20):
        guard.failed(fault, Admission.ASK)
    assert is_open(guard) is opens


@pytest.mark.parametrize(
    ("status", "opens"),
    [(500, True), (502, True), (503, True), (504, True), (501, False), (404, False), (200, False)],
)
def test_which_answers_open_it(status: int, opens: bool) -> None:
    guard = Guard("o", Now())
    for _ in range(20):
        guard.answered(status)
    assert is_open(guard) is opens


@pytest.mark.parametrize("ending", ["given up", "not asked"])
def test_a_probe_without_an_outcome_is_followed_by_another(ending: str) -> None:
    now = Now()
    guard = Guard("o", now)
    for _ in range(20):
        guard.failed(Fault.REFUSED, Admission.ASK)
    now.at += 1
    assert guard.admit() is Admission.PROBE
    assert is_open(guard)
    if ending == "given up":
        guard.given_up(Admission.PROBE)
    else:
        guard.failed(Fault.BUSY, Admission.PROBE)
    assert guard.admit() is Admission.PROBE


def test_nothing_is_retried_while_it_is_open() -> None:
    guard = Guard("o", Now())
    assert guard.may_retry()
    for _ in range(20):
        guard.failed(Fault.REFUSED, Admission.ASK)
    assert not guard.may_retry()


def test_each_origin_has_its_own() -> None:
    guards = Guards(Now())
    one, other = Endpoint("a", 80), Endpoint("b", 80)
    assert guards.of(one) is guards.of(Endpoint("a", 80)) is not guards.of(other)
