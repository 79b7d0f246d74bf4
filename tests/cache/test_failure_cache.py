"""What is remembered of an upstream that failed, for how long, and of how many keys."""

from __future__ import annotations

import tracemalloc

import pytest
from msgspec import structs

from edgecache.cache.failure_cache import FailureCache
from edgecache.cache.outcome import FetchErrand
from edgecache.config.model import CustomErrorResponse
from edgecache.rules.reasons import MissReason
from edgecache.rules.routing import Route
from edgecache.store.invalidation import InvalidationState
from edgecache.upstream.faults import Fault, UpstreamError
from tests.rules.pieces import NOW, asks, site_of

ROUTE = site_of()


def errand(key: bytes = b"k", route: Route = ROUTE) -> FetchErrand:
    return FetchErrand(asks(), route, key, MissReason.ABSENT)


def test_a_fault_is_known_for_ten_seconds() -> None:
    failures = FailureCache(InvalidationState())
    assert failures.known(errand(), NOW) is None
    failures.failed(errand(), UpstreamError(Fault.TLS, "origin"), NOW, mark=0)
    for at, known in ((NOW, True), (NOW + 9.9, True), (NOW + 10, False)):
        assert (failures.known(errand(), at) is not None) is known
    found = failures.known(errand(), NOW)
    assert found is not None
    assert (found.fault, found.where) == (Fault.TLS, "origin")


def test_the_distribution_says_for_how_long() -> None:
    error = CustomErrorResponse(error_code=504, error_caching_ttl_s_min=60)
    site = structs.replace(ROUTE.distribution, custom_error_responses=(error,))
    asked = errand(route=structs.replace(ROUTE, distribution=site))
    failures = FailureCache(InvalidationState())
    failures.failed(asked, UpstreamError(Fault.RESPONSE_TIMEOUT, "origin"), NOW, mark=0)
    assert failures.known(asked, NOW + 59) is not None
    assert failures.known(asked, NOW + 60) is None


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.LOOP, Fault.TRUNCATED])
def test_trouble_of_the_moment_is_not_remembered(fault: Fault) -> None:
    failures = FailureCache(InvalidationState())
    failures.failed(errand(), UpstreamError(fault, "origin"), NOW, mark=0)
    assert len(failures) == 0


def test_nothing_is_remembered_under_rfc_9111() -> None:
    failures = FailureCache(InvalidationState())
    error = UpstreamError(Fault.REFUSED, "origin")
    failures.failed(errand(route=site_of(semantics="rfc9111")), error, NOW, mark=0)
    assert len(failures) == 0


def test_an_answer_ends_it_and_a_new_configuration_too() -> None:
    failures = FailureCache(InvalidationState())
    failures.stood_in(errand(), 500, NOW, mark=0)
    found = failures.known(errand(), NOW)
    assert found is not None
    assert found.fault is None
    assert failures.known(errand(route=site_of()), NOW) is None
    failures.answered(errand())
    assert failures.known(errand(), NOW) is None


def test_keys_are_bounded() -> None:
    failures = FailureCache(InvalidationState(), 2)
    for key in (b"a", b"b", b"c"):
        failures.stood_in(errand(key), 503, NOW, mark=0)
    assert len(failures) == 2
    assert failures.known(errand(b"a"), NOW) is None


def test_a_long_key_takes_no_more_than_a_short_one() -> None:
    """A key has the path and what a policy keys, of a viewer's choice: kilobytes each."""
    tracemalloc.start()
    try:
        failures = FailureCache(InvalidationState(), 1_000)
        failures.stood_in(errand(b"first"), 503, NOW, mark=0)
        before = tracemalloc.get_traced_memory()[0]
        for number in range(1_000):
            failures.stood_in(errand(b"%08192d" % number), 503, NOW, mark=0)
        assert tracemalloc.get_traced_memory()[0] - before < 1_000 * 1_024
    finally:
        tracemalloc.stop()
    assert failures.known(errand(b"%08192d" % 999), NOW) is not None
