"""Bearing. Law: a request field not named here has no say in which stored answer is given.

The memo knows requests by what bears on them, so that a thousand browsers, each with an agent and
cookies of its own, are one to it. What is named too much costs speed only; what is missing would
give one viewer another's answer.
"""

from __future__ import annotations

from edgecache.http.message import Fields
from edgecache.rules.caching.key import has_cookies, lower_names
from edgecache.rules.caching.unkeyed_fields import PROTO
from edgecache.rules.routing import Route, RouteTable

ALWAYS = frozenset(
    # The message and its way: RFC 9110 §7.6, §8.6, §10.1.1, §14.2; RFC 8586.
    {b"host", b"connection", b"content-length", b"transfer-encoding", b"upgrade", b"expect"}
    | {b"te", b"trailer", b"keep-alive", b"proxy-connection", b"via", b"cdn-loop"}
    | {b"range", b"if-range", b"if-match", b"if-none-match"}
    | {b"if-modified-since", b"if-unmodified-since"}
    # The viewer's wishes, its rights, and what variants differ in most.
    | {b"cache-control", b"pragma", b"authorization", b"accept-encoding"}
    # CORS, of which response headers policies speak.
    | {b"origin", b"access-control-request-method", b"access-control-request-headers"}
)
PREFIXES = (b"edgecache-", b"sec-websocket-")  # between our tiers, and towards a tunnel
COOKIE = b"cookie"
DISTINCT_MAX = 4  # a request is looked for under each

Names = frozenset[bytes] | None


def bearing_names(route: Route) -> Names:
    """The fields (lower case) that bear on answers from the cache on `route`; None: all may."""
    if route.viewer_headers:
        return None  # made of the agent, of how many fields there are, of their order
    policy = route.behavior.cache_policy
    names = ALWAYS | set(lower_names(policy.headers.items))
    if route.distribution.semantics == "rfc9111":
        names |= {PROTO}
    if has_cookies(policy) or route.trust is not None:  # signatures come in cookies, too
        names |= {COOKIE}
    return names


def distinct_names(table: RouteTable) -> tuple[Names, ...]:
    """What bears on the routes of `table`, each once; more than a few are made one."""
    found = tuple(dict.fromkeys(bearing_names(route) for route in table.routes()))
    if len(found) <= DISTINCT_MAX:
        return found
    return (None,) if None in found else (frozenset().union(*[names or () for names in found]),)


def bearing(fields: Fields, names: Names) -> Fields:
    """Those of a request's fields that bear, in their order."""
    if names is None:
        return fields
    return tuple([field for field in fields if field[0] in names or field[0].startswith(PREFIXES)])
