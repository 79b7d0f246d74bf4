"""Storability: whether a response may be stored, and with which fields.

Law: nothing outside this file decides that a response may be kept. RFC 9111 §3 in its order;
CloudFront Developer Guide, "Managing how long content stays in the cache" and "How CloudFront
processes HTTP 3xx / 4xx and 5xx status codes from your origin".

Law of unkeyed input (what of a viewer's request reaches an origin without being in the key): what
nobody's policy names is well-formed and bounded, and no failure that such input may have caused is
remembered for others. RFC 8586 (CDN-Loop); CloudFront Developer Guide, "X-Forwarded-For" and
"Control how long CloudFront caches errors".
"""

from __future__ import annotations

from edgecache.config.model import CachePolicy, HeaderSelection
from edgecache.http.cache_control import Directives
from edgecache.http.forwarded_for import EVERYWHERE
from edgecache.http.message import (
    Fields,
    Request,
    Response,
    field_values,
    first_value,
    names_in,
    without,
)
from edgecache.http.target import same_origin
from edgecache.http.trace_context import AMZN, NAMES
from edgecache.rules.caching.freshness import (
    ERRORS_ALWAYS,
    ERRORS_ON_REQUEST,
    HEURISTIC_STATUSES,
    directives_of,
    response_directives,
    with_one_age,
)
from edgecache.rules.caching.key import OUR_PREFIXES, lower_names
from edgecache.rules.caching.reuse import caches_options, forwards_cookies
from edgecache.rules.caching.unkeyed_fields import effective_scheme, unkeyed_names
from edgecache.rules.caching.vary import chosen_by_folded, vary_names
from edgecache.rules.reasons import StoreReason
from edgecache.rules.response.headers_policy import TARGETED
from edgecache.rules.routing import Route

# Final statuses whose meaning for a cache we know (RFC 9111 §3, "understood"); 206 and 304 apart.
TRACE_FIELDS = NAMES | {AMZN}
UNDERSTOOD = HEURISTIC_STATUSES | {302, 303, 307, 400, 401, 403, 406, 409, 411, 412, 413, 415}
UNDERSTOOD |= {416, 417, 421, 422, 426, 429, 500, 502, 503, 504, 505, 201, 202}
# Not to be kept, whatever they say of it: RFC 6585 §3-§6, RFC 9110 §15.5.20, RFC 8470 §5.2; and
# what answers how something was asked for, which no key has.
OF_ONE_REQUEST = frozenset({408, 413, 416, 417, 421, 425, 428, 429, 431, 511})
_COOKIES = frozenset({b"set-cookie"})
CLOUDFRONT_PLAIN = frozenset({200, 203, 204, 206, 300, 301, 302, 303, 410})
# Chosen among the operator's own names, made anew, or ours.
_OF_FEW_VALUES = frozenset({b"host", b"accept-encoding"})
_MADE_HERE = b"cloudfront-"


def refusal_to_store(request: Request, head: Response, route: Route) -> StoreReason | None:
    """Why `head`, answering `request`, must not be stored; None when it may be."""
    if request.method != b"GET" and not caches_options(request, route):
        return StoreReason.METHOD
    if route.semantics.policy_ttls_decide:
        return _refusal_cloudfront(request, head, route)
    return _refusal_rfc9111(request, head, route)


def storable_fields(head: Response, route: Route) -> Fields:
    """The fields of a response that may be stored: less those its own directives name, and those
    that say of which trace it was, which is that of the one request it answered.
    """
    directives, _ = _binding(head, route)
    named = (directives.field_names(b"private") or frozenset()) | (
        directives.field_names(b"no-cache") or frozenset()
    )
    for name, _ in head.fields:
        if name in TRACE_FIELDS:
            named |= TRACE_FIELDS
    return without(head.fields, named) if named else head.fields


def less_ours(fields: Fields) -> Fields:
    """An origin's fields, less those that are ours to say: what tiers tell each other, proofs."""
    return tuple(
        [item for item in fields if not item[0].startswith(OUR_PREFIXES) or item[0] == TARGETED]
    )


def passable_fields(fields: Fields, route: Route) -> Fields:
    """The origin's fields for viewers: at most one Age, and that a number (RFC 9111 §5.1).

    What is ours to say is taken from nobody. CloudFront drops Set-Cookie where no cookie is
    forwarded.
    """
    fields = less_ours(fields)
    for name, _ in fields:
        if name == b"age":
            fields = with_one_age(fields)
            break
    if route.semantics.drops_unforwarded_cookies and not forwards_cookies(route):
        return without(fields, _COOKIES)
    return fields


def post_answers_get(request: Request, head: Response, route: Route) -> bool:
    """Whether the response to a POST is what a later GET would give (RFC 9110 §9.3.3).

    It must say so, with its own URI in Content-Location, and for how long. To a POST with fields
    that a GET is not forwarded with, it is another answer.
    """
    if request.method != b"POST" or not route.semantics.post_answers_get:
        return False
    if unkeyed_names(request.fields):
        return False
    location = first_value(head.fields, b"content-location")
    if head.status != 200 or location is None:
        return False
    if same_origin(location, request, effective_scheme(request)) != (request.path, request.query):
        return False
    directives, targeted = _binding(head, route)
    expires = not targeted and first_value(head.fields, b"expires") is not None
    fresh = directives.has(b"max-age") or directives.has(b"s-maxage") or expires
    return fresh and _refusal_rfc9111(request, head, route) is None


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


def _binding(head: Response, route: Route) -> tuple[Directives, bool]:
    return response_directives(head.fields, route.distribution.cache_control_targets)


def _refusal_rfc9111(request: Request, head: Response, route: Route) -> StoreReason | None:
    directives, targeted = _binding(head, route)
    if head.status < 200 or head.status in (206, 304) or head.status in OF_ONE_REQUEST:
        return StoreReason.STATUS
    understood = head.status in UNDERSTOOD
    if directives.has(b"must-understand"):  # §5.2.2.3: then no-store is not for us
        if not understood:
            return StoreReason.STATUS
    elif directives.has(b"no-store"):
        return StoreReason.NO_STORE
    if directives_of(request.fields).has(b"no-store"):
        return StoreReason.REQUEST  # §5.2.1.5
    if directives.has(b"private") and not directives.field_names(b"private"):
        return StoreReason.PRIVATE
    if any(b"*" in value.split(b",") for value in _vary(head.fields)):
        return StoreReason.VARY_ANY
    if not TRACE_FIELDS.isdisjoint(vary_names(head.fields)):  # each request is of another
        return StoreReason.VARY_ANY
    if chosen_by_folded(request.fields, head.fields):
        return StoreReason.UNKEYED
    if first_value(request.fields, b"authorization") is not None and not _shareable(directives):
        return StoreReason.AUTHORIZATION
    if _is_meant_to_be_kept(head, directives, targeted):
        return None
    if head.status not in HEURISTIC_STATUSES:
        return StoreReason.NO_FRESHNESS
    cookie = first_value(head.fields, b"set-cookie")  # §7.3 lets it be kept; nobody asked for it
    return None if cookie is None else StoreReason.SET_COOKIE


def _vary(fields: Fields) -> list[bytes]:
    return [value.replace(b" ", b"") for value in field_values(fields, b"vary")]


def _shareable(directives: Directives) -> bool:
    """RFC 9111 §3.5: what lets a shared cache keep an answer to a request with Authorization."""
    return any(directives.has(name) for name in (b"public", b"must-revalidate", b"s-maxage"))


def _is_meant_to_be_kept(head: Response, directives: Directives, targeted: bool) -> bool:
    """RFC 9111 §3, the last list, but for statuses that may be reused though nothing says so."""
    return (
        directives.has(b"public")
        or directives.has(b"max-age")
        or directives.has(b"s-maxage")
        or (not targeted and first_value(head.fields, b"expires") is not None)
    )


def _refusal_cloudfront(request: Request, head: Response, route: Route) -> StoreReason | None:
    policy = route.behavior.cache_policy
    directives, _ = _binding(head, route)
    explicit = directives.has(b"max-age") or directives.has(b"s-maxage")
    if head.status in ERRORS_ALWAYS:
        if directives.has(b"no-store"):
            return StoreReason.NO_STORE
        kept = explicit or failure_is_of_object(request, route, head.status)
        return None if kept else StoreReason.UNKEYED
    if head.status in ERRORS_ON_REQUEST or head.status in (307, 308):
        return None if explicit and not _forbids(directives, policy) else StoreReason.STATUS
    if head.status not in CLOUDFRONT_PLAIN or head.status == 206:
        return StoreReason.STATUS
    return _forbids(directives, policy)


def _forbids(directives: Directives, policy: CachePolicy) -> StoreReason | None:
    if policy.ttl_s_min > 0:
        return None  # a MinTTL above zero overrides even no-store and private
    if directives.has(b"no-store"):
        return StoreReason.NO_STORE
    if directives.has(b"private") and not directives.field_names(b"private"):
        return StoreReason.PRIVATE
    if directives.has(b"no-cache") and not directives.field_names(b"no-cache"):
        return StoreReason.NO_CACHE
    return None


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
