"""Token buckets: a burst, then so many a second; strangers' names cannot fill memory."""

from __future__ import annotations

from edgecache.control.cloudfront.rate_limit import RateLimiter


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(rates: RateLimiter, name: str, count: int) -> int:
    return sum(rates.take(name) for _ in range(count))


def test_a_burst_and_then_as_many_as_time_brings() -> None:
    clock = Clock()
    rates = RateLimiter(burst=5, per_s=2, names_max=10, clock=clock)
    assert taken(rates, "a", 9) == 5
    clock.now += 1.5
    assert taken(rates, "a", 9) == 3
    clock.now += 3600
    assert taken(rates, "a", 9) == 5


def test_names_do_not_share() -> None:
    rates = RateLimiter(burst=1, per_s=1, names_max=10, clock=Clock())
    assert [rates.take("a"), rates.take("a"), rates.take("b")] == [True, False, True]


def test_the_longest_unused_goes_first_when_there_are_too_many() -> None:
    rates = RateLimiter(burst=1, per_s=0, names_max=2, clock=Clock())
    assert [rates.take(name) for name in "abab"] == [True, True, False, False]
    assert rates.take("c")  # a goes
    assert [rates.take("b"), rates.take("a")] == [False, True]
