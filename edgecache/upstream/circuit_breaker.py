"""Circuit breaker of an origin. Law: only what says that it is unreachable opens it.

Answers say nothing of an origin but that it is there, whatever their status: it is opened by
attempts that failed to reach it, one after the other, with no answer between them (Envoy's
consecutive_local_origin_failure). Who closes a connection without a byte can be reached: a good
origin does so for a URL that breaks it, and one URL takes no origin away from the others. While it
is open a trickle of attempts goes on, each for itself: nobody waits for what comes of another's. It
closes with the first answer, and of itself once nothing has failed for a window. Pure: `now` is any
clock in seconds that does not step back.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from math import inf
from typing import NamedTuple


class CircuitDecision(StrEnum):
    """Whether the origin may be asked now."""

    ASK = "ask"
    LEAVE = "leave"  # do not ask


class CircuitLimits(NamedTuple):
    """When a circuit opens, and what passes it then; the defaults are those of `Origin`."""

    failures: int = 20
    window_s: float = 10.0
    trickle_per_s: float = 2.0


class CircuitBreaker:
    """Closed, or open until a time; failures since the last answer."""

    __slots__ = ("_failed_at", "_limits", "_open_until", "_trickles_at")

    def __init__(self, limits: CircuitLimits) -> None:
        self._limits = limits
        self._failed_at: deque[float] = deque(maxlen=limits.failures)  # since the last answer
        self._open_until = -inf
        self._trickles_at = -inf  # when the next one may ask while it is open

    def is_closed(self, now: float) -> bool:
        """Whether everyone may ask."""
        return now >= self._open_until

    def admit(self, now: float) -> CircuitDecision:
        """Whether to ask."""
        if now >= self._open_until:
            return CircuitDecision.ASK
        if now < self._trickles_at:
            return CircuitDecision.LEAVE
        self._trickles_at = now + 1 / self._limits.trickle_per_s
        return CircuitDecision.ASK

    def answered(self) -> None:
        """The origin said something: it can be reached."""
        if self._failed_at:
            self._failed_at.clear()
            self._open_until = -inf

    def failed(self, now: float) -> None:
        """It could not be reached."""
        limits, failed_at = self._limits, self._failed_at
        was_open = now < self._open_until
        failed_at.append(now)
        if was_open or (len(failed_at) == limits.failures and now - failed_at[0] < limits.window_s):
            self._open_until = now + limits.window_s
            if not was_open:
                self._trickles_at = now + 1 / limits.trickle_per_s
