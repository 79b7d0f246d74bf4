"""Access. Law: nothing outside this file decides whether a viewer's request may enter.

CloudFront Developer Guide, "Viewer protocol policy", "Allowed HTTP methods", "Restrict the
geographic distribution of your content"; RFC 9110 §15.4.2, §15.4.8. In CloudFront's order; signed
URLs and cookies are asked for last, after everything here has let the request in.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from edgecache.config.model import Distribution, GeoRestriction
from edgecache.http.message import Request
from edgecache.rules.limits import PASSAGES_MAX, REQUEST_BODY_BYTES_MAX, passages
from edgecache.rules.routing import Route

HTTPS_PORT = 443


class RefusalReason(StrEnum):
    """Why a request may not enter."""

    PATH = "path"  # something is private, and origins differ in what this path names
    LOOP = "loop"  # it has passed this CDN too often already
    HTTPS_ONLY = "https-only"
    METHOD = "method"
    BODY = "body"  # a GET or HEAD with one
    BODY_TOO_LARGE = "body-too-large"
    COUNTRY = "country"


PAGE_STANDS_FOR = frozenset({RefusalReason.COUNTRY})
"""Refusals that a distribution's custom error page may replace; the others keep ours."""

DETAILS = {
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
    """What admission knows besides the request: who we are, and where https is spoken."""

    cdn_id: bytes = b"cloudfront"  # our name in CDN-Loop
    https_port: int = HTTPS_PORT


def admit(
    request: Request, route: Route, country: str | None, entrance: EntryPoint
) -> AccessRefused | AccessRedirect | None:
    """Why `request`, as received, may not enter on `route`; None when it may.

    `country`: ISO 3166-1 alpha-2, or None while nobody knows or asks.
    """
    plain = route.distribution.semantics == "rfc9111"
    if passages(request.fields, entrance.cdn_id) >= PASSAGES_MAX:
        return AccessRefused(508 if plain else 403, RefusalReason.LOOP)
    policy = route.behavior.viewer_protocol_policy
    if request.scheme == b"http" and policy != "allow-all":
        location = b""
        if policy == "redirect-to-https":
            location = https_location(request, route.distribution, entrance.https_port)
        if not location or request.method == b"TRACE":
            return AccessRefused(403, RefusalReason.HTTPS_ONLY)
        return AccessRedirect(301 if request.method in (b"GET", b"HEAD") else 307, location)
    return _method_refused(request, route) or _country_refused(route.distribution, country)


def _method_refused(request: Request, route: Route) -> AccessRefused | None:
    if request.method == b"TRACE":  # it would send a viewer's own fields back to its scripts
        return AccessRefused(405, RefusalReason.METHOD)
    plain = route.distribution.semantics == "rfc9111"  # where any other method may pass
    if not plain and request.method.decode("ascii") not in route.behavior.allowed_methods:
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


def blocks(restriction: GeoRestriction, country: str) -> bool:
    """Whether the restriction keeps viewers of this country out."""
    if restriction.kind == "none":
        return False
    listed = country.upper() in {code.upper() for code in restriction.countries}
    return listed is (restriction.kind == "blacklist")


def https_location(request: Request, distribution: Distribution, port: int) -> bytes:
    """Where the same thing is had over https; empty when no name is known.

    The name is the one that routed the request here, never another field's: who sends a stranger's
    name is not routed (hostile-inputs N05). Path and query are as received.
    """
    host = request.host or distribution.domain_name.lower().encode("ascii")
    if not host or not request.path.startswith(b"/"):
        return b""
    authority = host if port == HTTPS_PORT else b"%b:%d" % (host, port)
    return b"https://" + authority + request.target
