"""Failover. Law: nothing outside this file decides that another member of a group is asked.

CloudFront Developer Guide, "Optimize high availability with CloudFront origin failover".
"""

from __future__ import annotations

from edgecache.config.model import Origin, OriginGroup
from edgecache.http.message import Request
from edgecache.rules.routing import Route

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


def in_order(route: Route, preferred: str) -> tuple[Origin, ...]:
    """The members as they are to be asked: the one with the id `preferred` first, if any."""
    return tuple(sorted(route.origins, key=lambda origin: origin.id != preferred))


def patience_s(route: Route) -> float:
    """How long the origins of a route may take until there is a head, in seconds."""
    return sum(
        origin.connection_attempts * (origin.connection_timeout_s + origin.read_timeout_s)
        for origin in route.origins or (route.origin,)
    )
