"""Origin groups as an upstream: failover to the second member.

Law: a member is asked as if it were alone; the group only chooses.

CloudFront Developer Guide, "Optimize high availability with CloudFront origin failover". CloudFront
remembers nothing: the first member is asked on every miss. With `remember_s` a member that failed
is asked last for so long.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from msgspec.structs import replace

from edgecache.config.model import Origin, OriginGroup
from edgecache.http.message import Request
from edgecache.observe.counters import Counters
from edgecache.rules.routing import Route
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Call, Reply, Upstream

CONNECTION_FAILED = 503  # the status a failed connection counts as, after its last attempt
RESPONSE_LATE = 504  # and a response that did not come in time
ATTEMPTED_AGAIN = frozenset({b"GET", b"HEAD"})  # up to `connection_attempts` times
_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS"})


def has_second(request: Request, route: Route) -> bool:
    """Whether a second member may be asked for `request` at all: its body is sent but once."""
    return route.group is not None and request.method in _METHODS and not request.has_body


def fails_over(group: OriginGroup, status: int) -> bool:
    """Whether a member's answer, or what its failure counts as, sends the request to the other."""
    return status in group.status_codes


def ordered_members(route: Route, preferred: str) -> tuple[Origin, ...]:
    """The members as they are to be asked: the one with the id `preferred` first, if any."""
    return tuple(sorted(route.origins, key=lambda origin: origin.id != preferred))


def patience_s(route: Route) -> float:
    """How long the origins of a route may take until there is a head, in seconds."""
    return sum(
        origin.connection_attempts * (origin.connection_timeout_s + origin.read_timeout_s)
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

    `clock` gives epoch seconds. What is remembered is this process's own experience.
    """

    def __init__(self, origins: Upstream, clock: Callable[[], float], counters: Counters) -> None:
        self._origins = origins
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
            return self._origins.fetch(call)
        return self._in_turn(call, group)

    async def _in_turn(self, call: Call, group: OriginGroup) -> Reply:
        first, *others = ordered_members(call.route, self._preferred(call.route, group))
        reply: Reply | None = None
        try:
            reply = await self._origins.fetch(_call_of_member(call, first.id))
        except UpstreamError as error:
            if not fails_over(group, _COUNTS_AS.get(error.fault, error.status)):
                raise
        if reply is not None:
            if not fails_over(group, reply.head.status):
                return reply
            reply.body.close()
        self._counters.failovers += 1
        second = others[0].id
        answered = await self._origins.fetch(_call_of_member(call, second))
        if not fails_over(group, answered.head.status):
            self._remember(call.route, group, second)
        return answered

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
