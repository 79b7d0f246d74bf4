"""How often an origin may be asked again. Law: retries add at most a fifth to what is asked of it.

Each request earns a fifth of a retry (Envoy's retry_budget and Finagle's RetryBudget: 20 %). A
small reserve, filled up a little each second, lets an origin that is asked rarely be tried as often
as its `connection_attempts` say. Pure: `now` is any clock in seconds that does not step back.
"""

from __future__ import annotations

SHARE = 0.2
RESERVE = 10.0  # Finagle's minRetriesPerSec
SAVED_MAX = 100.0  # what 500 requests have earned: a burst of failures gets no more
RESERVE_PER_S = 1.0


class RetryBudget:
    """The account of one origin, in retries."""

    __slots__ = ("_balance", "_counted_at")

    def __init__(self, now: float) -> None:
        self._balance = RESERVE
        self._counted_at = now

    def earn(self) -> None:
        """A request that is no retry is about to be sent."""
        self._balance = min(self._balance + SHARE, SAVED_MAX)

    def spend(self, now: float) -> bool:
        """Whether one more retry is within the budget; it is counted."""
        passed, self._counted_at = now - self._counted_at, now
        if self._balance < RESERVE:
            self._balance = min(self._balance + passed * RESERVE_PER_S, RESERVE)
        if self._balance < 1:
            return False
        self._balance -= 1
        return True
