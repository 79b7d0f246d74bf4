"""Forwarding. Law: what is not in the key is not forwarded, unless a policy says so.

CloudFront Developer Guide, "Control origin requests with a policy" and "Request and response
behavior for custom origins".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from edgecache.config.model import HeaderSelection
from edgecache.http.fields import (
    PROTECTED,
    connection_options,
    end_to_end,
    query_pairs,
)
from edgecache.http.forwarded_for import well_formed
from edgecache.http.function_cache import BLOCK_BYTES, remembers
from edgecache.http.message import (
    Fields,
    Request,
    combined_value,
    first_value,
    is_short,
    names_in,
    without,
)
from edgecache.rules.caching.key import Pair, chosen_cookies, chosen_query, keyed_encoding
from edgecache.rules.caching.unkeyed_fields import of_the_way, without_unkeyed
from edgecache.rules.routing import Route

CONDITIONS = frozenset(
    {b"if-none-match", b"if-modified-since", b"if-match", b"if-unmodified-since", b"if-range"}
)
_OF_THE_VIEWER = CONDITIONS | {b"range"}
# Ours to say, never a viewer's (hostile-inputs B06).
_OUR_PREFIXES = (b"edgecache-", b"x-edgecache-")  # between tiers, and of the gate's proof
OURS = frozenset({b"x-amz-cf-id", b"x-cache", b"age", b"x-fill-seq", b"expect"})


def of_no_hop(request: Request) -> Request:
    """`request` without what its Connection field takes out: no key and no variant sees that.

    What is keyed but not forwarded would let one viewer choose what the others get.
    """
    if b"connection" not in names_in(request.fields):
        return request
    options = [value for name, value in request.fields if name == b"connection"]
    if not options or options in ([b"keep-alive"], [b"close"], [b"Keep-Alive"]):
        return request
    hidden = connection_options(request.fields) - PROTECTED - {b"upgrade"}
    return replace(request, fields=without(request.fields, hidden)) if hidden else request


def forwarded(request: Request, route: Route, *, cacheable: bool, part: Fields = ()) -> Request:
    """`request` as the next tier or the origin may see it.

    For a cacheable exchange the viewer's conditions and Range stay here: the tier asks for the
    whole, or for `part`, and answers them itself.
    """
    alike = ForwardingKey(
        request.method, request.fields, request.host, request.minor, request.length
    )
    of = _forwarded_fields if is_short(request.fields) else _forwarded_fields.__wrapped__
    fields = of(alike, route, cacheable)
    if route.distribution.semantics == "rfc9111":
        return replace(request, fields=fields + part if cacheable else fields)
    return replace(request, query=_query(request, route), fields=fields + part)


class ForwardingKey(NamedTuple):
    """What of a request decides which of its fields are forwarded."""

    method: bytes
    fields: Fields
    host: bytes
    minor: int
    length: int | None


@remembers(256, BLOCK_BYTES)  # blocks come again
def _forwarded_fields(alike: ForwardingKey, route: Route, cacheable: bool) -> Fields:
    method, fields, host, minor, length = alike
    request = Request(method, b"/", None, fields, host, minor=minor, length=length)
    if route.distribution.semantics == "rfc9111":
        fields = of_the_way(_plain_fields(request))
        return without_unkeyed(without(fields, _OF_THE_VIEWER)) if cacheable else fields
    chosen = _chosen_fields(request, route)
    if cacheable:
        return chosen
    return chosen + tuple([field for field in fields if field[0] in _OF_THE_VIEWER])


def _plain_fields(request: Request) -> Fields:
    """What a proxy passes on; Host in the form the key has, so that one entry has one Host."""
    kept = well_formed(without(end_to_end(request.fields), OURS | {b"content-length"}))
    return tuple(
        (name, request.host) if name == b"host" else (name, value)
        for name, value in kept
        if not name.startswith(_OUR_PREFIXES)
    )


def _chosen_fields(request: Request, route: Route) -> Fields:
    """The headers that the key and the origin request policy name, each as received."""
    policy = route.behavior.cache_policy
    extra = route.behavior.origin_request_policy
    viewer = _plain_fields(request)
    names = {name.lower().encode() for name in policy.headers.items}
    if extra is not None:
        names |= _extra_names(viewer, extra.headers)
    if request.has_body:  # what describes a body goes wherever it goes
        names |= {name for name, _ in viewer if name.startswith(b"content-")}
    names |= {b"x-forwarded-for", b"cdn-loop"}  # RFC 8586 §2: never taken away
    if request.method.decode("ascii") not in route.behavior.cached_methods:
        names |= {b"authorization"}
    names -= CONDITIONS | {b"cookie", b"accept-encoding", b"range"}
    kept = tuple(field for field in viewer if field[0] in names)
    return kept + _cookie_field(request, route) + _encoding_field(request, route)


def _extra_names(viewer: Fields, headers: HeaderSelection) -> set[bytes]:
    listed = {name.lower().encode() for name in headers.items}
    every = {name for name, _ in viewer}
    match headers.behavior:
        case "whitelist":
            return listed
        case "allViewer" | "allViewerAndWhitelistCloudFront":
            return every | listed
        case "allExcept":
            return every - listed
        case _:
            return set()


def _cookie_field(request: Request, route: Route) -> Fields:
    pairs = chosen_cookies(request, route.behavior.cache_policy.cookies)
    extra = route.behavior.origin_request_policy
    if extra is not None:
        seen = {pair[0] for pair in pairs}
        pairs += [p for p in chosen_cookies(request, extra.cookies) if p[0] not in seen]
    if not pairs:
        return ()
    pairs.sort(key=lambda pair: pair[0])
    return ((b"cookie", b"; ".join(_joined(pair) for pair in pairs)),)


def _encoding_field(request: Request, route: Route) -> Fields:
    policy = route.behavior.cache_policy
    extra = route.behavior.origin_request_policy
    received = combined_value(request.fields, b"accept-encoding")
    if received is None or request.minor == 0:
        return ()
    if policy.accept_encoding_gzip or policy.accept_encoding_brotli:
        keyed = keyed_encoding(request.fields, policy, request.minor)
        return ((b"accept-encoding", keyed or b"identity"),)
    listed = any(name.lower() == "accept-encoding" for name in policy.headers.items)
    if listed or (extra is not None and b"accept-encoding" in _passed_by(request, extra.headers)):
        return ((b"accept-encoding", received),)
    return ((b"accept-encoding", b"identity"),)


def _passed_by(request: Request, headers: HeaderSelection) -> set[bytes]:
    """The names an origin request policy lets through beyond those it lists."""
    if headers.behavior == "whitelist":
        return set()  # a policy cannot list Accept-Encoding alone
    return _extra_names(request.fields, headers)


def _query(request: Request, route: Route) -> bytes | None:
    """The union of what the two policies name, in the order received."""
    if request.query is None:
        return None
    policy = route.behavior.cache_policy
    extra = route.behavior.origin_request_policy
    if policy.query_strings.behavior == "all":
        return request.query
    kept = chosen_query(request, policy.query_strings)
    if extra is not None:
        if extra.query_strings.behavior == "all":
            return request.query
        names = {p[0] for p in kept} | {p[0] for p in chosen_query(request, extra.query_strings)}
        kept = [pair for pair in query_pairs(request.query) if pair[0] in names]
    return b"&".join(_joined(pair) for pair in kept) if kept else None


def _joined(pair: Pair) -> bytes:
    name, value = pair
    return name if value is None else name + b"=" + value


def conditional(request: Request, stored: Sequence[Fields]) -> Request:
    """`request` asking whether one of the stored responses still holds (RFC 9111 §4.3.1).

    The first is the one that would be used; of the others only the entity tags are offered.
    """
    added: Fields = ()
    etags = [etag for fields in stored if (etag := first_value(fields, b"etag")) is not None]
    modified = first_value(stored[0], b"last-modified")
    if etags:
        added += ((b"if-none-match", b", ".join(dict.fromkeys(etags))),)
    if modified is not None and (not etags or len(stored) == 1):
        added += ((b"if-modified-since", modified),)
    return replace(request, fields=without(request.fields, CONDITIONS | {b"range"}) + added)


def forwards_ranges(route: Route) -> bool:
    """Whether a part that is not stored is asked for alone, rather than with all the rest.

    CloudFront may ask for more than it was asked; here it asks for the whole, once.
    """
    return route.distribution.semantics == "rfc9111"
