"""Bypass. Law: nothing outside this file decides that a request never meets the store or a flight.

CloudFront Developer Guide, "Simultaneous requests for the same object (request collapsing)", and
"Minimum TTL" of a cache policy.
"""

from __future__ import annotations

from edgecache.http.message import Request
from edgecache.rules.caching.storability import caches_options, caching_disabled, forwards_cookies
from edgecache.rules.reasons import MissReason
from edgecache.rules.routing import Route
from edgecache.rules.upgrade import asks_for_websocket


def bypass(request: Request, route: Route) -> MissReason | None:
    """Why nothing is looked up, stored or shared for `request`; None when it has a key."""
    if asks_for_websocket(request):
        return MissReason.UPGRADE
    plain = request.method in (b"GET", b"HEAD") and not request.has_body
    if not plain and not caches_options(request, route):
        return MissReason.METHOD
    cloudfront = route.distribution.semantics == "cloudfront"
    if cloudfront and caching_disabled(route.behavior.cache_policy):
        return MissReason.DISABLED
    return None


def keeps_cookies(route: Route) -> bool:
    """CloudFront sends no conditional requests where cookies are forwarded."""
    return route.distribution.semantics == "cloudfront" and forwards_cookies(route)


def collapses(request: Request, route: Route) -> bool:
    """Whether `request` may wait for another's flight; it is known to have a key.

    CloudFront never collapses where cookies are forwarded: answers are likely personal. A HEAD's
    answer has no body to share.
    """
    return request.method != b"HEAD" and not keeps_cookies(route)
