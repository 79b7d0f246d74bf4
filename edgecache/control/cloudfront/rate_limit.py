"""Rate limit of API callers: token buckets by name, for calls and for failures."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable


class RateLimiter:
    """A bucket for each name, `burst` deep, filled with `per_s`.

    At most `names_max` are kept: the one unused the longest goes first, and would be full again.
    """

    def __init__(
        self, burst: float, per_s: float, names_max: int, clock: Callable[[], float]
    ) -> None:
        self._burst = burst
        self._per_s = per_s
        self._names_max = names_max
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> bool:
        """One token of `name`'s bucket; False when it is empty."""
        now = self._clock()
        level, at = self._buckets.pop(name, (self._burst, now))
        level = min(self._burst, level + (now - at) * self._per_s)
        allowed = level >= 1
        self._buckets[name] = (level - 1 if allowed else level, now)
        while len(self._buckets) > self._names_max:
            self._buckets.popitem(last=False)
        return allowed


CALLS_BURST = 400.0  # of one caller; a deployment of a large site makes a few hundred at once


CALLS_PER_S = 100.0  # AWS allows some 10; a write is an fsync, and there are no more in a second


FAILURES_BURST = 20.0  # of one address, before it is told less


FAILURES_PER_S = 1.0


NAMES_MAX = 4_096  # of 100 bytes each
