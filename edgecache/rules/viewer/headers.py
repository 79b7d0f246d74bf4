"""Viewer headers: `CloudFront-` request headers of device, place and connection, and the way here.

Law: a `CloudFront-` header beyond the frontend is ours; a viewer's never is. Developer Guide, "Add
CloudFront request headers". They are made only where a policy names them, and then are in key and
origin request as if the viewer had sent them. X-Forwarded-Proto, -Host and -Port are ours likewise
where an origin request policy lists them beside every header of the viewer's (the behavior
`allViewerAndWhitelistCloudFront`, ours beyond CloudFront): applications take them for the truth.

Devices are told by a short table, not a catalog of models (viewer device type): of mobile, tablet
and television several may be true; desktop is what is none of them. The words are those of MDN,
"Browser detection using the user agent", and of the makers of televisions (HbbTV, Tizen, webOS,
Roku, Fire TV, Chromecast, Bravia, Viera).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from edgecache.config.model import Behavior, Distribution, HeaderSelection, OriginRequestPolicy
from edgecache.http.message import Fields, Request, first_value
from edgecache.http.target import DEFAULT_PORTS
from edgecache.rules.semantics import SEMANTICS
from edgecache.rules.viewer.geo import NOWHERE, GeoPlace

_TV = re.compile(
    rb"smart-?tv|google ?tv|apple ?tv|hbbtv|web0s|netcast|roku|crkey|bravia|viera"
    rb"|\baft[a-z]{1,4}\b|android tv",
    re.IGNORECASE,
)
_TIZEN, _TIZEN_TV = re.compile(rb"tizen", re.IGNORECASE), re.compile(rb"\btv\b", re.IGNORECASE)
_TABLET = re.compile(rb"ipad|tablet|playbook|kindle|\bsilk/", re.IGNORECASE)
_MOBILE = re.compile(rb"mobi|iphone|ipod|windows phone|blackberry|opera mini", re.IGNORECASE)
_ANDROID = re.compile(rb"android", re.IGNORECASE)
_IOS = re.compile(rb"iphone|ipad|ipod", re.IGNORECASE)

PREFIX = b"cloudfront-"
HEADER_ORDER_CHARS_MAX = 7_680  # CloudFront's
_FROM_PLACE: dict[bytes, Callable[[GeoPlace], str]] = {
    b"cloudfront-viewer-asn": lambda place: place.asn,
    b"cloudfront-viewer-city": lambda place: place.city,
    b"cloudfront-viewer-country": lambda place: place.country,
    b"cloudfront-viewer-country-name": lambda place: place.country_name,
    b"cloudfront-viewer-country-region": lambda place: place.region,
    b"cloudfront-viewer-country-region-name": lambda place: place.region_name,
    b"cloudfront-viewer-latitude": lambda place: place.latitude,
    b"cloudfront-viewer-longitude": lambda place: place.longitude,
    b"cloudfront-viewer-metro-code": lambda place: place.metro_code,
    b"cloudfront-viewer-postal-code": lambda place: place.postal_code,
    b"cloudfront-viewer-time-zone": lambda place: place.time_zone,
}
_FROM_DEVICE: dict[bytes, Callable[[Device], bool]] = {
    b"cloudfront-is-android-viewer": lambda device: device.android,
    b"cloudfront-is-desktop-viewer": lambda device: device.desktop,
    b"cloudfront-is-ios-viewer": lambda device: device.ios,
    b"cloudfront-is-mobile-viewer": lambda device: device.mobile,
    b"cloudfront-is-smarttv-viewer": lambda device: device.smart_tv,
    b"cloudfront-is-tablet-viewer": lambda device: device.tablet,
}
_FROM_REQUEST: dict[bytes, Callable[[Request], bytes]] = {
    b"cloudfront-forwarded-proto": lambda request: request.scheme,
    b"cloudfront-viewer-address": lambda request: _address(request),
    b"cloudfront-viewer-header-count": lambda request: b"%d" % len(request.fields),
    b"cloudfront-viewer-header-order": lambda request: _header_order(request.fields),
    b"cloudfront-viewer-http-version": lambda request: request.version,
    b"cloudfront-viewer-tls": lambda request: request.tls,
    b"x-forwarded-host": lambda request: first_value(request.fields, b"host") or b"",
    b"x-forwarded-port": lambda request: request.port or DEFAULT_PORTS[request.scheme],
    b"x-forwarded-proto": lambda request: request.scheme,
}
_OF_THE_WAY = frozenset({b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto"})
# What is known of the connection, not of its bytes.
_OF_CONNECTION = {*_FROM_PLACE, b"cloudfront-viewer-address", b"cloudfront-viewer-tls"}


@dataclass(frozen=True, slots=True)
class Device:
    """Kinds of device that hold for a User-Agent."""

    desktop: bool
    mobile: bool
    tablet: bool
    smart_tv: bool
    android: bool
    ios: bool


def device_of(user_agent: bytes) -> Device:
    """The device a User-Agent tells of; without one (empty) it counts as a desktop."""
    tv = _TV.search(user_agent) is not None or (
        # Tizen is on watches and phones, too. Two searches: one for both would not be linear.
        _TIZEN.search(user_agent) is not None and _TIZEN_TV.search(user_agent) is not None
    )
    mobile = _MOBILE.search(user_agent) is not None
    android = _ANDROID.search(user_agent) is not None and b"Windows Phone" not in user_agent
    # An Android phone says "Mobile", a tablet does not (Chrome, "User-Agent strings").
    tablet = not tv and (_TABLET.search(user_agent) is not None or (android and not mobile))
    return Device(
        desktop=not (mobile or tablet or tv),
        mobile=mobile and not tv,
        tablet=tablet,
        smart_tv=tv,
        android=android,
        ios=_IOS.search(user_agent) is not None and b"Windows Phone" not in user_agent,
    )


def named_headers(distribution: Distribution, behavior: Behavior) -> frozenset[bytes] | None:
    """The headers of ours that a behavior's policies name, lower case.

    None: the policies let no such header through, a viewer's neither, so nothing is to be done.
    """
    if not SEMANTICS[distribution.semantics].makes_viewer_headers:
        return None  # no policies there, and another's CloudFront may well stand in front
    extra = behavior.origin_request_policy or OriginRequestPolicy()
    named = _named(behavior.cache_policy.headers)
    if extra.headers.behavior in ("whitelist", "allViewerAndWhitelistCloudFront"):
        named |= _named(extra.headers)
    if extra.headers.behavior == "allViewerAndWhitelistCloudFront":
        named |= _OF_THE_WAY & {name.lower().encode() for name in extra.headers.items}
    if named or extra.headers.behavior not in ("none", "whitelist"):
        return frozenset(named)
    return None


def needs_place(named: frozenset[bytes] | None) -> bool:
    """Whether one of these headers says where the viewer is."""
    return named is not None and not named.isdisjoint(_FROM_PLACE)


def depends_on_viewer(distribution: Distribution, behavior: Behavior) -> bool:
    """Whether the same bytes from another viewer may have another answer.

    Such an answer must not be remembered by the request's bytes alone.
    """
    if distribution.geo_restriction.kind != "none":
        return True
    return not _named(behavior.cache_policy.headers).isdisjoint(_OF_CONNECTION)


def with_viewer_headers(
    request: Request, named: frozenset[bytes] | None, place: GeoPlace | None
) -> Request:
    """`request` as the tiers see it: with the headers `named`, without a viewer's own of that kind.

    What is not known (a place, TLS where there is none) has no header.
    """
    if named is None:
        return request
    ours = named & _OF_THE_WAY
    kept = tuple(
        [item for item in request.fields if not item[0].startswith(PREFIX) and item[0] not in ours]
    )
    made: dict[bytes, bytes] = {}
    if not named.isdisjoint(_FROM_DEVICE):
        device = device_of(first_value(request.fields, b"user-agent") or b"")
        for name in named & _FROM_DEVICE.keys():
            made[name] = b"true" if _FROM_DEVICE[name](device) else b"false"
    for name in named & _FROM_PLACE.keys():
        made[name] = _FROM_PLACE[name](place or NOWHERE).encode("ascii")
    for name in named & _FROM_REQUEST.keys():
        made[name] = _FROM_REQUEST[name](request)
    return replace(request, fields=kept + tuple(item for item in sorted(made.items()) if item[1]))


def _named(headers: HeaderSelection) -> set[bytes]:
    names = {name.lower().encode() for name in headers.items}
    return {name for name in names if name.startswith(PREFIX)}


def _address(request: Request) -> bytes:
    """`ip:port`; an IPv6 address without brackets."""
    host, port = request.client
    return f"{host}:{port}".encode() if host else b""


def _header_order(fields: Fields) -> bytes:
    """Names in the order received. The reader has folded their case."""
    return b":".join(name for name, _ in fields)[:HEADER_ORDER_CHARS_MAX]
