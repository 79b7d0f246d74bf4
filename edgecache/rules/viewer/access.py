"""Access of viewers: addresses, loops, https, methods, bodies, countries; quotas and upgrades.

Law: nothing outside this file decides whether a viewer's request may enter, what one request or
object may weigh at most, and how often it may pass us. In CloudFront's order, which asks a web ACL
before all else, and so access lists are; signed URLs and cookies are asked for last, after all this
has let the request in. CloudFront Developer Guide, "Viewer protocol policy", "Allowed HTTP
methods", "Restrict the geographic distribution of your content", "Quotas"; RFC 9110 §15.4.2,
§15.4.8; RFC 8586 (CDN-Loop). URLs and heads are bounded where they are read, in `http/head.py`.

Law of upgrades: WebSocket is the only protocol a connection is ever upgraded to. RFC 9110 §7.8, RFC
6455 §4.1. Any other Upgrade (h2c among them) is a field of one hop: ignored, and not forwarded.
CloudFront Developer Guide, "Use WebSockets with CloudFront distributions".

Law of gRPC: a call is a POST by HTTP/2 of a media type of gRPC on a behavior that allows it; what
is like it elsewhere is a request as any other, as gRPC-Web is. CloudFront Developer Guide, "Using
gRPC with CloudFront distributions"; gRPC's "PROTOCOL-HTTP2".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from msgspec.structs import replace

from edgecache.config.listen import ViewerPorts
from edgecache.config.model import Distribution, GeoRestriction
from edgecache.http.function_cache import BLOCK_BYTES, cached
from edgecache.http.message import (
    Fields,
    Request,
    combined_value,
    field_values,
    first_value,
    is_short,
    list_members,
    names_in,
    replaced,
    without,
)
from edgecache.http.target import with_port
from edgecache.rules.routing import Route

PASSAGES_MAX = 2  # CloudFront's quota: a chain of distributions is at most two deep
GB = 10**9
REQUEST_BODY_BYTES_MAX = 64 * GB  # CloudFront's quota for the body of a request
OBJECT_BYTES_MAX = 50 * GB  # CloudFront's quota for a cacheable object since 2025
CDN_LOOP = b"cdn-loop"
MAX_FORWARDS = b"max-forwards"
_STEPS = re.compile(rb"[0-9]{1,9}")
CDNS_MAX = 32  # that one request may have passed

PROTOCOL = b"websocket"
UPGRADED: Fields = ((b"connection", b"Upgrade"), (b"upgrade", PROTOCOL))
"""What both sides of an upgrade say of their connection."""
_NAMES = frozenset({b"connection", b"upgrade"})
_NEEDED = frozenset({b"sec-websocket-key", b"sec-websocket-version"})
_PREFIX = b"sec-websocket-"
_GRPC = re.compile(rb"application/grpc(?:[+;\t ].*)?", re.IGNORECASE | re.DOTALL)
_OF_GRPC = b"grpc-"  # PROTOCOL-HTTP2: reserved for gRPC itself (timeout, encoding, status)


class RefusalReason(StrEnum):
    """Why a request may not enter."""

    ACCESS_LIST = "access-list"  # the behavior's does not let the viewer's address in
    PATH = "path"  # something is private, and origins differ in what this path names
    LOOP = "loop"  # it has passed this CDN too often already
    HTTPS_ONLY = "https-only"
    METHOD = "method"
    BODY = "body"  # a GET or HEAD with one
    BODY_TOO_LARGE = "body-too-large"
    COUNTRY = "country"


PAGE_STANDS_FOR = frozenset({RefusalReason.COUNTRY, RefusalReason.ACCESS_LIST})
"""Refusals that a distribution's custom error page may replace; the others keep ours."""


DETAILS = {
    RefusalReason.ACCESS_LIST: "InvalidRequestBlocked",
    RefusalReason.PATH: "InvalidRequest",
    RefusalReason.METHOD: "InvalidRequestMethod",
    RefusalReason.BODY: "InvalidRequest",
    RefusalReason.BODY_TOO_LARGE: "InvalidRequest",
    RefusalReason.COUNTRY: "ClientGeoBlocked",
}
"""x-edge-detailed-result-type of a refusal; `Error` for the rest."""


@dataclass(frozen=True, slots=True)
class AccessRefused:
    """The request is answered with an error status."""

    status: int
    why: RefusalReason

    @property
    def detail(self) -> str:
        """CloudFront's x-edge-detailed-result-type."""
        return DETAILS.get(self.why, "Error")


NOT_LISTED = AccessRefused(403, RefusalReason.ACCESS_LIST)
AMBIGUOUS_PATH = AccessRefused(400, RefusalReason.PATH)
"""Of a path without a route (routing.matched_route): "deceptive request routing" is among what
RFC 9110 §15.5.1 has 400 for."""


@dataclass(frozen=True, slots=True)
class AccessRedirect:
    """The request is to be made again over https."""

    status: int
    location: bytes


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """Our identity in CDN-Loop, and the ports where viewers are served."""

    cdn_id: bytes = b"cloudfront"  # our name in CDN-Loop
    ports: ViewerPorts = ViewerPorts()  # noqa: RUF009 - a tuple never changes


def outgrows_quota(length: int, route: Route) -> bool:
    """Whether CloudFront would give an error rather than an object of so many bytes.

    Asked only where caching is on: what is passed through may be of any size.
    """
    return route.semantics.limits_object_size and length > OBJECT_BYTES_MAX


def passages(fields: Fields, cdn_id: bytes) -> int:
    """How often a request says it has passed the CDN of this id (RFC 8586 §2).

    A chain of more than CDNS_MAX counts as too often: no honest one is so long.
    """
    own = cdn_id.lower()
    count = members = 0
    for value in field_values(fields, CDN_LOOP):
        for member in list_members(value):
            members += 1
            count += member.partition(b";")[0].rstrip(b" \t").lower() == own
    return count if members <= CDNS_MAX else PASSAGES_MAX


def has_passed(fields: Fields, cdn_id: bytes) -> bool:
    """Whether a request has passed the CDN of this id before: it may be one of its own flights."""
    return first_value(fields, CDN_LOOP) is not None and passages(fields, cdn_id) > 0


def with_passage(request: Request, cdn_id: bytes) -> Request:
    """`request` as it leaves the CDN of this id: one passage more, earlier ones kept."""
    passed_fields = _passed if is_short(request.fields) else _passed.__wrapped__
    return replace(request, fields=passed_fields(request.fields, cdn_id))


def counted_down(request: Request) -> Request | None:
    """An OPTIONS as it goes on, with one step less to go; None: it ends here (RFC 9110 §7.6.2).

    What is no number says nothing and goes no further.
    """
    value = combined_value(request.fields, MAX_FORWARDS)
    if value is None:
        return request
    if not _STEPS.fullmatch(value):
        return replace(request, fields=without(request.fields, (MAX_FORWARDS,)))
    if int(value) == 0:
        return None
    return replace(request, fields=replaced(request.fields, MAX_FORWARDS, b"%d" % (int(value) - 1)))


def is_listed(request: Request, route: Route) -> bool:
    """Whether the behavior's access list, if it has one, lets the viewer's address in."""
    return route.access_list is None or route.access_list.admits(request.client[0])


def admit(
    request: Request, route: Route, country: str | None, entrance: EntryPoint
) -> AccessRefused | AccessRedirect | None:
    """Why `request`, as received, may not enter on `route`; None when it may.

    `country`: ISO 3166-1 alpha-2, or None while nobody knows or asks.
    """
    if route.access_list is not None and not is_listed(request, route):
        return NOT_LISTED
    if passages(request.fields, entrance.cdn_id) >= PASSAGES_MAX:
        return AccessRefused(508 if route.semantics.loops_are_508 else 403, RefusalReason.LOOP)
    policy = route.behavior.viewer_protocol_policy
    if request.scheme == b"http" and policy != "allow-all":
        location = b""
        if policy == "redirect-to-https":
            location = https_location(request, route.distribution, entrance.ports)
        if not location or request.method == b"TRACE":
            return AccessRefused(403, RefusalReason.HTTPS_ONLY)
        return AccessRedirect(301 if request.method in (b"GET", b"HEAD") else 307, location)
    return _method_refused(request, route) or _country_refused(route.distribution, country)


def blocks(restriction: GeoRestriction, country: str) -> bool:
    """Whether the restriction keeps viewers of this country out."""
    if restriction.kind == "none":
        return False
    listed = country.upper() in {code.upper() for code in restriction.countries}
    return listed is (restriction.kind == "blacklist")


def https_location(request: Request, distribution: Distribution, ports: ViewerPorts) -> bytes:
    """Where the same thing is had over https; empty when no name is known.

    The name is the one that routed the request here, never another field's: who sends a stranger's
    name is not routed (docs/hostile-inputs.md N05). Path and query are as received. The port is
    ours only if the viewer named our own plain one: any other, or none, was mapped to ours by
    something in between, which has the port 443 to itself.
    """
    host = request.host or distribution.domain_name.lower().encode("ascii")
    if not host or not request.path.startswith(b"/"):
        return b""
    direct = request.port == b"%d" % ports.http
    port = ports.redirect or (ports.https if direct else 443)
    return b"https://" + with_port(host, b"%d" % port, b"https") + request.target


def asks_for_websocket(request: Request) -> bool:
    """Whether `request` opens a WebSocket: HTTP/1.1, GET, no body, and all the fields it takes."""
    if b"upgrade" not in names_in(request.fields):
        return False
    plain_get = request.method == b"GET" and request.minor == 1 and not request.has_body
    named = {name for name, _ in request.fields}
    return plain_get and named >= _NEEDED and upgrades(request.fields)


def upgrades(fields: Fields) -> bool:
    """Whether a head names WebSocket, alone, as what its connection is to become or has become."""
    options = _members(fields, b"connection")
    return b"upgrade" in options and _members(fields, b"upgrade") == [PROTOCOL]


def with_upgrade(forwarded: Request, received: Request) -> Request:
    """`forwarded`, with what opens the WebSocket that `received` asks for, whatever policies say.

    CloudFront leaves it to the operator's policy to name these fields; no origin could do without.
    """
    kept = without(forwarded.fields, _NAMES | {n for n, _ in received.fields if _opens(n)})
    opening = tuple(field for field in received.fields if _opens(field[0]))
    return replace(forwarded, fields=(*kept, *opening, *UPGRADED))


def is_grpc_call(request: Request, route: Route) -> bool:
    """Whether a request is a call of gRPC on a route."""
    allowed = route.behavior.grpc and request.major >= 2 and request.method == b"POST"
    return allowed and is_of_grpc(request)


def is_of_grpc(request: Request) -> bool:
    """Whether the media type of a request's body is one of gRPC."""
    media_type = first_value(request.fields, b"content-type")
    return media_type is not None and _GRPC.fullmatch(media_type) is not None


def with_grpc_fields(forwarded: Request, received: Request) -> Request:
    """`forwarded`, with the fields of the protocol that `received` has; metadata go by policies."""
    own = tuple([field for field in received.fields if _is_of_protocol(field[0])])
    names = frozenset([name for name, _ in own])
    return replace(forwarded, fields=without(forwarded.fields, names) + own)


def _is_of_protocol(name: bytes) -> bool:
    return name == b"content-type" or name.startswith(_OF_GRPC)


@cached(256, BLOCK_BYTES)  # blocks come again
def _passed(fields: Fields, cdn_id: bytes) -> Fields:
    before = combined_value(fields, CDN_LOOP)
    value = cdn_id if before is None else before + b", " + cdn_id
    return replaced(fields, CDN_LOOP, value)


def _method_refused(request: Request, route: Route) -> AccessRefused | None:
    if request.method == b"TRACE":  # it would send a viewer's own fields back to its scripts
        return AccessRefused(405, RefusalReason.METHOD)
    allowed = route.semantics.any_method_passes
    if not allowed and request.method.decode("ascii") not in route.behavior.allowed_methods:
        return AccessRefused(403, RefusalReason.METHOD)
    if request.has_body and request.method in (b"GET", b"HEAD"):
        return AccessRefused(403, RefusalReason.BODY)
    if (request.length or 0) > REQUEST_BODY_BYTES_MAX:
        return AccessRefused(413, RefusalReason.BODY_TOO_LARGE)
    return None


def _country_refused(distribution: Distribution, country: str | None) -> AccessRefused | None:
    if country is None or not blocks(distribution.geo_restriction, country):
        return None
    return AccessRefused(403, RefusalReason.COUNTRY)


def _opens(name: bytes) -> bool:
    return name.startswith(_PREFIX)


def _members(fields: Fields, name: bytes) -> list[bytes]:
    return [m.lower() for value in field_values(fields, name) for m in list_members(value)]
