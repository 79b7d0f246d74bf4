"""Guards of origins: a circuit and a retry budget for each. Law: they refuse, and never ask.

Every process guards for itself, from what it has met itself.
"""

from __future__ import annotations

from collections.abc import Callable

from cachetools import LRUCache

from edgecache.upstream.base import Fault, UpstreamError
from edgecache.upstream.circuit import Admission, Circuit
from edgecache.upstream.endpoint import Endpoint
from edgecache.upstream.retry_budget import RetryBudget

ORIGINS_MAX = 10_000  # 500 distributions of 25 origins (CloudFront's quotas), less what they share
# An origin that answers so is not well; other errors are about what was asked for.
ILL = frozenset({500, 502, 503, 504})
# Before there is a head, TRUNCATED is said of a viewer's upload. A viewer must not be able to open
# a circuit by what it sends, nor by asking for what the origin answers badly.
_OURS = frozenset(
    {
        *(Fault.BUSY, Fault.LOOP, Fault.TOO_BIG, Fault.OPEN),
        *(Fault.TRUNCATED, Fault.MALFORMED, Fault.HEAD_TOO_BIG),
    }
)


class Guard:
    """What stands before one origin."""

    __slots__ = ("_budget", "_circuit", "_clock", "_where")

    def __init__(self, where: str, clock: Callable[[], float]) -> None:
        self._where = where
        self._clock = clock
        self._circuit = Circuit()
        self._budget = RetryBudget(clock())

    def begin(self) -> None:
        """Something is about to be asked that is no retry."""
        self._budget.earn()

    def admit(self) -> Admission:
        """UpstreamError when the origin is to be left alone."""
        admission = self._circuit.admit(self._clock())
        if admission is Admission.LEAVE:
            raise UpstreamError(Fault.OPEN, self._where, sent=False)
        return admission

    def may_retry(self) -> bool:
        """Whether the origin may be asked once more for the same."""
        return self._circuit.closed and self._budget.spend(self._clock())

    def answered(self, status: int) -> None:
        """The origin answered."""
        if status in ILL:
            self._circuit.failed(self._clock())
        else:
            self._circuit.succeeded(self._clock())

    def failed(self, fault: Fault, admission: Admission) -> None:
        """It did not, or it was not asked."""
        if fault not in _OURS:
            self._circuit.failed(self._clock())
        elif admission is Admission.PROBE:
            self._circuit.unknown()

    def given_up(self, admission: Admission) -> None:
        """Whoever asked has left before there was an answer."""
        if admission is Admission.PROBE:
            self._circuit.unknown()


class Guards:
    """The guards of one process; those longest not needed are forgotten first."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._guards: LRUCache[Endpoint, Guard] = LRUCache(ORIGINS_MAX)
        self._last: tuple[Endpoint, Guard] | None = None

    def of(self, endpoint: Endpoint) -> Guard:
        """The guard of an origin."""
        if self._last is not None and self._last[0] is endpoint:  # as most often
            return self._last[1]
        guard = self._guards.get(endpoint)
        if guard is None:
            guard = self._guards[endpoint] = Guard(endpoint.where, self._clock)
        self._last = endpoint, guard
        return guard
