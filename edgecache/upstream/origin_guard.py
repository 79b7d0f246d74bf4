"""Guards of origins: a circuit and a retry budget for each. Law: they refuse, and never ask.

Every process guards for itself, from what it has met itself, and for each origin of each
distribution apart: what one distribution has met at an address is no evidence for another's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cachetools import LRUCache

from edgecache.config.model import Origin
from edgecache.rules.routing import Route
from edgecache.rules.semantics import Semantics
from edgecache.upstream.circuit_breaker import CircuitBreaker, CircuitDecision, CircuitLimits
from edgecache.upstream.endpoint import Endpoint
from edgecache.upstream.faults import Fault, UpstreamError

SHARE = 0.2
RESERVE = 10.0  # Finagle's minRetriesPerSec
SAVED_MAX = 100.0  # what 500 requests have earned: a burst of failures gets no more
RESERVE_PER_S = 1.0


class RetryBudget:
    """Retries one origin may be sent: at most a fifth is added to what it is asked.

    Each request earns a fifth of a retry (Envoy's retry_budget and Finagle's RetryBudget: 20 %). A
    small reserve, filled up a little each second, lets an origin that is asked rarely be tried as
    often as its `connection_attempts` say. Pure: `now` is any clock in seconds that does not step
    back.
    """

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


ORIGINS_MAX = 10_000  # 500 distributions of 25 origins (CloudFront's quotas), less what is idle
# What says that an origin cannot be reached. A late or malformed answer, or none before it closes,
# is about what was asked for, a broken upload about the viewer's body, a full pool about us.
_UNREACHABLE = frozenset({Fault.REFUSED, Fault.CONNECT_TIMEOUT, Fault.TLS, Fault.NAME})


def circuit_limits(origin: Origin, semantics: Semantics) -> CircuitLimits | None:
    """The circuit an origin is to have; none under CloudFront's rules unless it is asked for."""
    wanted = origin.circuit_breaker
    if not (semantics.breaks_circuits if wanted is None else wanted):
        return None
    return CircuitLimits(
        origin.circuit_failures, origin.circuit_window_s, origin.circuit_trickle_per_s
    )


class OriginGuard:
    """Circuit and retry budget of one origin; without `limits` it has no circuit."""

    __slots__ = ("_budget", "_circuit", "_clock", "where")

    def __init__(
        self, where: str, clock: Callable[[], float], limits: CircuitLimits | None
    ) -> None:
        self.where = where
        self._clock = clock
        self._circuit = None if limits is None else CircuitBreaker(limits)
        self._budget = RetryBudget(clock())

    def begin(self) -> None:
        """Something is about to be asked that is no retry."""
        self._budget.earn()

    def admit(self) -> None:
        """UpstreamError when the origin is to be left alone."""
        circuit = self._circuit
        if circuit is not None and circuit.admit(self._clock()) is CircuitDecision.LEAVE:
            raise UpstreamError(Fault.OPEN, self.where, sent=False)

    @property
    def is_open(self) -> bool:
        """Whether its circuit lets nearly nobody ask."""
        return self._circuit is not None and not self._circuit.is_closed(self._clock())

    def may_retry(self) -> bool:
        """Whether the origin may be asked once more for the same."""
        now = self._clock()
        closed = self._circuit is None or self._circuit.is_closed(now)
        return closed and self._budget.spend(now)

    def answered(self) -> None:
        """The origin answered, whatever it said."""
        if self._circuit is not None:
            self._circuit.answered()

    def failed(self, error: UpstreamError, *, viewers_name: bool = False) -> None:
        """The origin did not answer, or was not asked.

        `viewers_name`: TLS asked for a viewer's Host. That an origin is not called so says nothing
        of what it is to others.
        """
        if viewers_name and _is_of_handshake(error):
            return
        if self._circuit is not None and error.fault in _UNREACHABLE:
            self._circuit.failed(self._clock())


def _is_of_handshake(error: UpstreamError) -> bool:
    """Whether a connection was made, and ended before it was one of TLS.

    Refusals of a name come as alerts, and, without one, as a close or a reset; on Linux what no
    connection is made to is refused, never reset.
    """
    broken = isinstance(error.__cause__, ConnectionResetError | ConnectionAbortedError)
    return error.fault is Fault.TLS or (error.fault is Fault.REFUSED and broken)


class _Known(NamedTuple):
    """A guard, and of what it is one."""

    origin: Origin
    semantics: Semantics
    guard: OriginGuard


class OriginGuards:
    """The guards of one process; those longest not needed are forgotten first."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: LRUCache[tuple[str, str], _Known] = LRUCache(ORIGINS_MAX)

    def of(self, route: Route, endpoint: Endpoint) -> OriginGuard:
        """The guard of a route's origin: a new one when what it guards has changed."""
        origin, secure = route.origin, endpoint.tls is not None
        # An origin that is asked as its viewers ask is two.
        key = (route.distribution.id, f"{origin.id} over TLS" if secure else origin.id)
        try:
            known = self._known[key]
        except KeyError:
            known = None
        if known is not None and known.origin is origin:  # of this generation, as most often
            return known.guard
        semantics = route.semantics
        if known is not None and (known.origin, known.semantics) == (origin, semantics):
            guard = known.guard
        else:
            guard = OriginGuard(endpoint.where, self._clock, circuit_limits(origin, semantics))
        self._known[key] = _Known(origin, semantics, guard)
        return guard
