"""Allowances: so many at once, and so many a second."""

from __future__ import annotations

from edgecache.http.http2.abuse import Allowance
from edgecache.http.http2.frames import ErrorCode, Http2ConnectionError


def used(allowance: Allowance, now: float) -> int:
    for count in range(10_000):
        ended = refusal_of(allowance, now)
        if ended is not None:
            assert ended.code is ErrorCode.ENHANCE_YOUR_CALM
            return count
    raise AssertionError("no end")


def refusal_of(allowance: Allowance, now: float) -> Http2ConnectionError | None:
    try:
        allowance.use(now)
    except Http2ConnectionError as error:
        return error
    return None


def test_so_many_at_once() -> None:
    assert used(Allowance(10, 2, "x"), 100.0) == 10


def test_it_comes_back_with_time_and_no_further_than_at_first() -> None:
    allowance = Allowance(10, 2, "x")
    for _ in range(10):
        allowance.use(100.0)
    assert used(allowance, 102.0) == 4
    assert used(Allowance(10, 2, "x"), 1e6) == 10


def test_a_steady_rate_goes_on_for_ever() -> None:
    allowance = Allowance(10, 2, "x")
    for step in range(1_000):
        allowance.use(100 + step / 2)


def test_what_is_given_back() -> None:
    allowance = Allowance(10, 0, "x")
    for _ in range(10):
        allowance.use(1.0)
    allowance.give_back(3)
    assert used(allowance, 1.0) == 3
