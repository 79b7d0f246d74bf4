"""Guards: what counts against an origin, and what a viewer cannot make count."""

from __future__ import annotations

from ssl import SSLError
from typing import Any

import pytest

from edgecache.config.model import Behavior, Distribution, Origin, SemanticsName
from edgecache.rules.routing import Route
from edgecache.rules.semantics import SEMANTICS
from edgecache.upstream.circuit_breaker import CircuitLimits
from edgecache.upstream.endpoint import Endpoint, TlsName
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.origin_guard import OriginGuard, OriginGuards, circuit_limits


class Now:
    at = 100.0

    def __call__(self) -> float:
        return self.at


def guard(now: Now | None = None) -> OriginGuard:
    return OriginGuard("o", now or Now(), CircuitLimits())


def is_open(guard: OriginGuard) -> bool:
    try:
        guard.admit()
    except UpstreamError as error:
        return (error.fault, error.sent, error.status) == (Fault.OPEN, False, 503)
    return False


@pytest.mark.parametrize("fault", list(Fault))
def test_which_faults_open_it(fault: Fault) -> None:
    unreachable = {Fault.REFUSED, Fault.CONNECT_TIMEOUT, Fault.NAME, Fault.TLS}
    one = guard()
    for _ in range(20):
        one.failed(UpstreamError(fault, "o"))
    assert is_open(one) is (fault in unreachable)


@pytest.mark.parametrize("heard", [False, True])
def test_a_url_that_breaks_the_origin_leaves_the_others_their_answers(heard: bool) -> None:
    """Even where nobody had an answer of it before."""
    one = guard()
    for _ in range(100):
        one.failed(UpstreamError(Fault.CLOSED, "o", heard=heard))
        assert not is_open(one)


def test_what_closes_early_does_not_keep_it_open() -> None:
    now = Now()
    one = guard(now)
    for _ in range(20):
        one.failed(UpstreamError(Fault.REFUSED, "o"))
    for _ in range(20):
        assert not one.may_retry()
        one.failed(UpstreamError(Fault.CLOSED, "o"))
        now.at += 0.5
    assert one.may_retry()


@pytest.mark.parametrize(
    ("fault", "cause", "opens"),
    [
        (Fault.TLS, SSLError("unrecognized name"), False),
        (Fault.REFUSED, ConnectionResetError(), False),  # as some refuse a name
        (Fault.REFUSED, ConnectionAbortedError(), False),
        (Fault.REFUSED, ConnectionRefusedError(), True),
        (Fault.CONNECT_TIMEOUT, TimeoutError(), True),
    ],
)
def test_what_is_called_by_a_name_it_does_not_have_is_no_less_there(
    fault: Fault, cause: OSError, opens: bool
) -> None:
    for viewers_name in (False, True):
        one = guard()
        for _ in range(20):
            error = UpstreamError(fault, "o")
            error.__cause__ = cause
            one.failed(error, viewers_name=viewers_name)
        assert is_open(one) is (opens or not viewers_name)


def test_nothing_is_retried_while_it_is_open() -> None:
    one = guard()
    assert one.may_retry()
    for _ in range(20):
        one.failed(UpstreamError(Fault.REFUSED, "o"))
    assert not one.may_retry()


def test_without_a_circuit_nothing_is_left_alone() -> None:
    one = OriginGuard("o", Now(), None)
    for _ in range(100):
        one.failed(UpstreamError(Fault.REFUSED, "o"))
    assert not is_open(one)
    assert one.may_retry()


@pytest.mark.parametrize(
    ("semantics", "asked_for", "there"),
    [
        ("cloudfront", None, False),
        ("cloudfront", True, True),
        ("rfc9111", None, True),
        ("rfc9111", False, False),
    ],
)
def test_cloudfront_has_no_circuit(
    semantics: SemanticsName, asked_for: bool | None, there: bool
) -> None:
    origin = Origin(id="o", domain_name="o.test", circuit_breaker=asked_for)
    assert (circuit_limits(origin, SEMANTICS[semantics]) is not None) is there


def test_its_limits_are_the_origin_s() -> None:
    origin = Origin(
        id="o", domain_name="o.test", circuit_failures=3, circuit_window_s=4,
        circuit_trickle_per_s=5,
    )  # fmt: skip
    assert circuit_limits(origin, SEMANTICS["rfc9111"]) == CircuitLimits(3, 4, 5)


def route(
    id: str = "E1", origin: str = "o", semantics: SemanticsName = "rfc9111", **more: Any
) -> Route:
    made = Origin(id=origin, domain_name="o.test", **more)
    behavior = Behavior(origin=origin)
    distribution = Distribution(
        id=id, origins=(made,), default_behavior=behavior, semantics=semantics
    )
    return Route(distribution, behavior, made, SEMANTICS[semantics])


def test_each_origin_of_each_distribution_has_its_own() -> None:
    guards, plain = OriginGuards(Now()), Endpoint("o.test", 80)
    tls = Endpoint("o.test", 443, tls=TlsName("o.test"))
    known = [
        guards.of(route("E1"), plain),
        guards.of(route("E2"), plain),
        guards.of(route("E1", "other"), plain),
        guards.of(route("E1"), tls),
    ]
    assert len(set(map(id, known))) == 4
    assert guards.of(route("E1"), plain) is known[0]  # of a later generation


@pytest.mark.parametrize("more", [{"circuit_failures": 9}, {"semantics": "cloudfront"}])
def test_a_changed_origin_has_a_new_one(more: dict[str, Any]) -> None:
    guards, plain = OriginGuards(Now()), Endpoint("o.test", 80)
    assert guards.of(route(), plain) is not guards.of(route(**more), plain)
