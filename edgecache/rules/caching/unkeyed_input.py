"""Unkeyed input: what of a viewer's request reaches an origin without being in the key.

Law: what nobody's policy names is well-formed and bounded, and no failure that such input may have
caused is remembered for others. RFC 8586 (CDN-Loop); CloudFront Developer Guide, "X-Forwarded-For"
and "Control how long CloudFront caches errors".
"""

from __future__ import annotations

from edgecache.config.model import HeaderSelection
from edgecache.http.forwarded_for import EVERYWHERE
from edgecache.http.message import Request, names_in
from edgecache.rules.caching.key import lower_names
from edgecache.rules.routing import Route

# Chosen among the operator's own names, made anew, or ours.
_OF_FEW_VALUES = frozenset({b"host", b"accept-encoding"})
_MADE_HERE = b"cloudfront-"


def failure_is_of_object(request: Request, route: Route, status: int) -> bool:
    """Whether a failure may be remembered for others, who ask for the same without such input.

    X-Forwarded-For and CDN-Loop reach origins though no policy names them: whatever fails of a
    request that has one counts for itself. Of what an origin request policy names the same holds
    for 400 and above 499, unless the operator said how long that error is kept.
    """
    names = names_in(request.fields)
    if not EVERYWHERE.isdisjoint(names):
        return False
    if route.behavior.origin_request_policy is None or 400 < status < 500:
        return True
    if any(one.error_code == status for one in route.distribution.custom_error_responses):
        return True
    return not _carries_unkeyed(request, route, names)


def _carries_unkeyed(request: Request, route: Route, names: frozenset[bytes]) -> bool:
    """Whether the origin request policy forwards something of `request` that the key has not."""
    keyed, extra = route.behavior.cache_policy, route.behavior.origin_request_policy
    assert extra is not None
    beyond = names - _OF_FEW_VALUES - set(lower_names(keyed.headers.items)) - {b"cookie"}
    if any(_lets_pass(extra.headers, name) for name in beyond if not name.startswith(_MADE_HERE)):
        return True
    query = extra.query_strings.behavior != "none" and keyed.query_strings.behavior != "all"
    cookies = extra.cookies.behavior != "none" and keyed.cookies.behavior != "all"
    return (query and bool(request.query)) or (cookies and b"cookie" in names)


def _lets_pass(headers: HeaderSelection, name: bytes) -> bool:
    match headers.behavior:
        case "none":
            return False
        case "whitelist":
            return name in lower_names(headers.items)
        case "allExcept":
            return name not in lower_names(headers.items)
        case _:
            return True
