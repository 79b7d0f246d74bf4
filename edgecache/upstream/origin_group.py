"""Origin groups as an upstream: failover to the second member.

Law: a member is asked as if it were alone; the group only chooses.

CloudFront Developer Guide, "Optimize high availability with CloudFront origin failover". CloudFront
remembers nothing: the first member is asked on every miss. With `remember_s` a member that failed
is asked last for so long.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from msgspec.structs import replace

from edgecache.config.model import Origin, OriginGroup
from edgecache.http.message import Request
from edgecache.observe.counters import Counters
from edgecache.rules.routing import ORIGIN_EVENTS, Route
from edgecache.upstream.faults import OF_LAMBDA, Fault, UpstreamError
from edgecache.upstream.interface import Call, PlanningUpstream, Reply, Upstream, UpstreamPlan

CONNECTION_FAILED = 503  # the status a failed connection counts as, after its last attempt
RESPONSE_LATE = 504  # and a response that did not come in time
ATTEMPTED_AGAIN = frozenset({b"GET", b"HEAD"})  # up to `connection_attempts` times
_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS"})
LAMBDA_S_MAX = 70.0  # of one function: to wait for a process, to start it, and to run


def has_second(request: Request, route: Route) -> bool:
    """Whether a second member may be asked for `request` at all: its body is sent but once."""
    return route.group is not None and request.method in _METHODS and not request.has_body


def fails_over(group: OriginGroup, status: int) -> bool:
    """Whether a member's answer, or what its failure counts as, sends the request to the other."""
    return status in group.status_codes


def ordered_members(
    route: Route, preferred: str, unhealthy: Collection[str] = ()
) -> tuple[Origin, ...]:
    """The members as they are to be asked: the one with the id `preferred` first, if any.

    Of whom a health check in `unhealthy` says that it is not well is asked last.
    """
    return tuple(
        sorted(
            route.origins,
            key=lambda origin: (origin.health_check in unhealthy, origin.id != preferred),
        )
    )


def patience_s(route: Route) -> float:
    """How long the origins of a route, and the Lambda functions before and after each, may take
    until there is a head, in seconds.
    """
    lambdas_s = LAMBDA_S_MAX * len(ORIGIN_EVENTS.intersection(route.lambdas))
    return sum(
        origin.connection_attempts * (origin.connection_timeout_s + origin.read_timeout_s)
        + lambdas_s
        for origin in route.origins or (route.origin,)
    )


GROUPS_MAX = 5_000  # CloudFront's quotas: 500 distributions of 10 groups
_COUNTS_AS = {
    Fault.REFUSED: CONNECTION_FAILED,
    Fault.NAME: CONNECTION_FAILED,
    Fault.TLS: CONNECTION_FAILED,
    Fault.CONNECT_TIMEOUT: CONNECTION_FAILED,
    Fault.BUSY: CONNECTION_FAILED,
    Fault.OPEN: CONNECTION_FAILED,
    Fault.RESPONSE_TIMEOUT: RESPONSE_LATE,
}


@dataclass(frozen=True, slots=True)
class _Preference:
    """Who answered in a failed one's place, and until when (epoch seconds) it is asked first."""

    preferred: str
    until: float


class GroupUpstream:
    """Asks `origins` for the members of a route's group in turn; a route without one as it is.

    `triggered` are the same behind the Lambda functions of a route that has some; None: such a
    route is refused. `clock` gives epoch seconds, `unhealthy` the health checks that are not
    healthy. What is remembered is this process's own experience.
    """

    def __init__(
        self,
        origins: Upstream,
        clock: Callable[[], float],
        counters: Counters,
        triggered: Upstream | None = None,
        unhealthy: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._unhealthy = unhealthy
        self._origins = origins
        self._triggered = triggered
        self._clock = clock
        self._counters = counters
        self._preferences: dict[tuple[str, str], _Preference] = {}

    def forget(self) -> None:
        """Ask every group in its own order."""
        self._preferences.clear()

    def fetch(self, call: Call) -> Awaitable[Reply]:
        """The first member's response unless the group fails over, else the second's as it is.

        UpstreamError at once where the behavior is in maintenance.
        """
        if call.route.behavior.maintenance.enabled:
            raise UpstreamError(Fault.MAINTENANCE, "behavior", sent=False)
        group = call.route.group
        if group is None or call.body is not None or not has_second(call.request, call.route):
            origins = self._behind_functions(call.route) if call.route.lambdas else self._origins
            return origins.fetch(call)
        return self._in_turn(call, group)

    def plan(self, call: Call) -> UpstreamPlan | None:
        """See PlanningUpstream: of a route with one origin, without functions."""
        route = call.route
        if route.behavior.maintenance.enabled or route.group is not None or route.lambdas:
            return None
        origins = self._origins
        return origins.plan(call) if isinstance(origins, PlanningUpstream) else None

    async def _in_turn(self, call: Call, group: OriginGroup) -> Reply:
        preferred = self._preferred(call.route, group)
        first, *others = ordered_members(call.route, preferred, self._unhealthy())
        origins = self._behind_functions(call.route) if call.route.lambdas else self._origins
        reply: Reply | None = None
        try:
            reply = await origins.fetch(_call_of_member(call, first.id))
        except UpstreamError as error:
            counts_as = _COUNTS_AS.get(error.fault, error.status)
            if error.fault in OF_LAMBDA or not fails_over(group, counts_as):
                raise
        if reply is not None:
            if not fails_over(group, reply.head.status):
                return reply
            reply.body.close()
        self._counters.failovers += 1
        second = others[0].id
        answered = await origins.fetch(_call_of_member(call, second))
        if not fails_over(group, answered.head.status):
            self._remember(call.route, group, second)
        return answered

    def _behind_functions(self, route: Route) -> Upstream:
        """Who is asked on a route that has Lambda functions. UpstreamError where none is run."""
        if self._triggered is not None:
            return self._triggered
        if ORIGIN_EVENTS.isdisjoint(route.lambdas):
            return self._origins
        raise UpstreamError(Fault.LAMBDA_EXECUTION, "no Lambda function is run here", sent=False)

    def _preferred(self, route: Route, group: OriginGroup) -> str:
        """The id of the member to ask first, empty for the group's own order."""
        key = (route.distribution.id, group.id)
        preference = self._preferences.get(key)
        if preference is None:
            return ""
        if self._clock() >= preference.until:
            del self._preferences[key]
            return ""
        return preference.preferred

    def _remember(self, route: Route, group: OriginGroup, preferred: str) -> None:
        if not group.remember_s:
            return
        key = (route.distribution.id, group.id)
        self._preferences.pop(key, None)
        if preferred == group.members[0]:
            return  # the group's own order again
        if len(self._preferences) >= GROUPS_MAX:
            del self._preferences[next(iter(self._preferences))]
        self._preferences[key] = _Preference(preferred, self._clock() + group.remember_s)


def _call_of_member(call: Call, member: str) -> Call:
    """The same question for one member: it is dressed, signed and sent as that origin says."""
    if call.route.origin.id == member:
        return call
    origin = next(origin for origin in call.route.origins if origin.id == member)
    return replace(call, route=replace(call.route, origin=origin))
