"""Which fields of a request are part of the head cache's key, and which heads are kept.

Law: a field not named here has no say in which stored response is given. What is named too much
costs speed only; what is missing would give one viewer another's response.
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
LINE_BYTES_MAX = 1_024  # a signed URL has half of it; longer ones are read anew each time
BLOCK_BYTES_MAX = 4_096  # a browser's fields with its cookies
PRIVATE = b"edgecache-"  # what our own tiers tell each other is new each time
AMZN_TRACED = b"\r\nx-amzn-trace-id"
TRACED = b"\r\ntraceparent"

Names = frozenset[bytes] | None  # of fields, in lower case; None: all may bear


def key_names(route: Route) -> Names:
    """The fields (lower case) that bear on answers from the cache on `route`; None: all may."""
    if route.viewer_headers:
        return None  # made of the agent, of how many fields there are, of their order
    policy = route.behavior.cache_policy
    names = ALWAYS | set(lower_names(policy.headers.items))
    if route.semantics.scheme_in_key:
        names |= {PROTO}
    if route.side is not None and route.side.rule.header:
        names |= {route.side.rule.header}
    if has_cookies(policy) or route.trust is not None:  # signatures come in cookies, too
        names |= {COOKIE}
    return names


def distinct_key_names(table: RouteTable) -> tuple[Names, ...]:
    """What bears on the routes of `table`, each once; more than a few are made one."""
    distinct = tuple(dict.fromkeys(key_names(route) for route in table.routes()))
    if len(distinct) <= DISTINCT_MAX:
        return distinct
    if None in distinct:
        return (None,)
    return (frozenset().union(*[names or () for names in distinct]),)


def key_fields(fields: Fields, names: Names) -> Fields:
    """Those of a request's fields that bear, in their order."""
    if names is None:
        return fields
    return tuple([field for field in fields if field[0] in names or field[0].startswith(PREFIXES)])


def worth_remembering(head: bytes, limit: int) -> bool:
    """Whether a head is one that comes again: in origin-form, short, from no tier of ours, and of
    no trace, which each request has another one of.
    """
    cut, folded = head.find(b"\r\n"), head.lower()
    return (
        cut <= LINE_BYTES_MAX
        and len(head) - cut <= BLOCK_BYTES_MAX
        and limit >= LINE_BYTES_MAX + BLOCK_BYTES_MAX
        and head[head.find(b" ") + 1 : cut].startswith(b"/")
        and PRIVATE not in folded
        and TRACED not in folded
        and AMZN_TRACED not in folded
    )
