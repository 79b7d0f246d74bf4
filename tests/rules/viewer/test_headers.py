"""CloudFront's own request headers: which are made, from what, and what a viewer cannot do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgecache.config.managed import ORIGIN_REQUEST_POLICIES, by_name
from edgecache.config.model import (
    Behavior,
    CachePolicy,
    Config,
    Distribution,
    GeoRestriction,
    HeaderSelection,
    Origin,
    OriginRequestPolicy,
)
from edgecache.http.head import parse_request_head
from edgecache.http.message import HeadLimits, Request, field_values
from edgecache.rules.caching.key import cache_key, forwarded
from edgecache.rules.routing import Route, compile_routes, route
from edgecache.rules.viewer.geo import GeoPlace
from edgecache.rules.viewer.headers import with_viewer_headers
from tests.rules.pieces import ZURICH, asks

PLACE = replace(ZURICH, metro_code="819")
PHONE = "User-Agent: Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/120.0 Mobile Safari/537.36"


def on(
    *keyed: str,
    extra: HeaderSelection | None = None,
    semantics: Any = "cloudfront",
    geo: Any = None,
) -> Route:
    """The route of a behavior whose policies name these headers."""
    behavior = Behavior(
        origin="o",
        cache_policy=CachePolicy(headers=listing(*keyed) if keyed else HeaderSelection()),
        origin_request_policy=None if extra is None else OriginRequestPolicy(headers=extra),
    )
    distribution = Distribution(
        id="E",
        origins=(Origin(id="o", domain_name="origin.test"),),
        default_behavior=behavior,
        semantics=semantics,
        geo_restriction=geo or GeoRestriction(),
    )
    return route(compile_routes(Config(distributions=(distribution,))).by_id["E"], b"/")


def listing(*names: str, behavior: Any = "whitelist") -> HeaderSelection:
    return HeaderSelection(behavior=behavior, items=names)


def made(name: str, request: Request, place: GeoPlace | None = PLACE) -> str | None:
    """The value of the header of this name, forwarded by an origin request policy."""
    found = with_viewer_headers(request, on(extra=listing(name)).viewer_headers, place)
    values = field_values(found.fields, name.lower().encode())
    assert len(values) <= 1
    return values[0].decode() if values else None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CloudFront-Viewer-ASN", "559"),
        ("CloudFront-Viewer-City", "Z%C3%BCrich"),
        ("CloudFront-Viewer-Country", "CH"),
        ("CloudFront-Viewer-Country-Name", "Switzerland"),
        ("CloudFront-Viewer-Country-Region", "ZH"),
        ("CloudFront-Viewer-Country-Region-Name", "Zurich"),
        ("CloudFront-Viewer-Latitude", "47.36820"),
        ("CloudFront-Viewer-Longitude", "8.56710"),
        ("CloudFront-Viewer-Metro-Code", "819"),
        ("CloudFront-Viewer-Postal-Code", "8000"),
        ("CloudFront-Viewer-Time-Zone", "Europe/Zurich"),
        ("CloudFront-Is-Android-Viewer", "true"),
        ("CloudFront-Is-Desktop-Viewer", "false"),
        ("CloudFront-Is-IOS-Viewer", "false"),
        ("CloudFront-Is-Mobile-Viewer", "true"),
        ("CloudFront-Is-SmartTV-Viewer", "false"),
        ("CloudFront-Is-Tablet-Viewer", "false"),
        ("CloudFront-Forwarded-Proto", "https"),
        ("CloudFront-Viewer-Address", "198.51.100.7:4711"),
        ("CloudFront-Viewer-Header-Count", "3"),
        ("CloudFront-Viewer-Header-Order", "host:user-agent:accept"),
        ("CloudFront-Viewer-Http-Version", "1.1"),
        ("CloudFront-Viewer-TLS", "TLSv1.3:TLS_AES_128_GCM_SHA256:fullHandshake"),
        ("CloudFront-Viewer-JA3-Fingerprint", None),  # not made
    ],
)
def test_each_header_is_made_where_it_is_named(name: str, value: str | None) -> None:
    request = asks(
        "/a",
        "Host: site.test",
        PHONE,
        "Accept: */*",
        scheme=b"https",
        client=("198.51.100.7", 4711),
        tls=b"TLSv1.3:TLS_AES_128_GCM_SHA256:fullHandshake",
    )
    assert made(name, request) == value


@pytest.mark.parametrize(
    ("request_", "name", "value"),
    [
        (asks(client=("2001:db8::1", 80)), "CloudFront-Viewer-Address", "2001:db8::1:80"),
        (asks(minor=0), "CloudFront-Viewer-Http-Version", "1.0"),
        (asks(), "CloudFront-Viewer-Http-Version", "1.1"),
        (asks(), "CloudFront-Viewer-TLS", None),
        (asks(), "CloudFront-Viewer-Address", None),
        (asks(), "CloudFront-Is-Desktop-Viewer", "true"),
        (asks("/a", "X: " + "y" * 9, *["A" * 800 + ": b"] * 10), "CloudFront-Viewer-Header-Count",
         "11"),
    ],
)  # fmt: skip
def test_what_they_are_made_from(request_: Request, name: str, value: str | None) -> None:
    assert made(name, request_) == value


def test_a_header_order_is_bounded() -> None:
    order = made("CloudFront-Viewer-Header-Order", asks("/a", *["A" * 800 + ": b"] * 10))
    assert order is not None
    assert len(order) == 7_680


def test_what_is_not_known_of_a_place_has_no_header() -> None:
    assert made("CloudFront-Viewer-Country", asks(), None) is None
    assert made("CloudFront-Viewer-City", asks(), GeoPlace(country="CH")) is None


FORGED = asks("/a", "CloudFront-Viewer-Country: XX", "cloudfront-is-mobile-viewer: true", "X-A: b")


@pytest.mark.parametrize(
    ("keyed", "extra", "sent"),
    [
        ((), None, set()),
        (("X-A",), None, {b"x-a"}),
        (("CloudFront-Viewer-Country",), None, {b"cloudfront-viewer-country"}),
        ((), listing("CloudFront-Viewer-Country"), {b"cloudfront-viewer-country"}),
        ((), listing(behavior="allViewer"), {b"x-a"}),
        (("CloudFront-Viewer-Country",), listing(behavior="allViewer"),
         {b"x-a", b"cloudfront-viewer-country"}),
        ((), listing("CloudFront-Is-Mobile-Viewer", behavior="allViewerAndWhitelistCloudFront"),
         {b"x-a", b"cloudfront-is-mobile-viewer"}),
        ((), listing("Host", behavior="allExcept"), {b"x-a"}),
        ((), listing("CloudFront-Viewer-Country", behavior="allExcept"), {b"x-a"}),
    ],
)  # fmt: skip
def test_a_viewers_own_never_reach_the_origin(
    keyed: tuple[str, ...], extra: HeaderSelection | None, sent: set[bytes]
) -> None:
    found = on(*keyed, extra=extra)
    ours = with_viewer_headers(FORGED, found.viewer_headers, PLACE)
    request = forwarded(ours, found, cacheable=True)
    assert {name for name, _ in request.fields} == sent
    assert field_values(request.fields, b"cloudfront-viewer-country") in ([], [b"CH"])
    assert field_values(request.fields, b"cloudfront-is-mobile-viewer") in ([], [b"false"])


def test_a_viewers_own_never_enter_the_key() -> None:
    found = on("CloudFront-Viewer-Country")
    keys = {
        cache_key(with_viewer_headers(asks("/a", *lines), found.viewer_headers, PLACE), found)
        for lines in ((), ("CloudFront-Viewer-Country: XX",), ("cloudfront-viewer-country: CH",))
    }
    assert len(keys) == 1
    german = with_viewer_headers(asks("/a"), found.viewer_headers, GeoPlace(country="DE"))
    assert cache_key(german, found) not in keys


def test_where_no_policy_lets_one_through_nothing_is_done() -> None:
    for found in (on(), on("X-A"), on(extra=listing("X-A")), on(semantics="rfc9111")):
        assert with_viewer_headers(FORGED, found.viewer_headers, PLACE) is FORGED


@pytest.mark.parametrize(
    ("keyed", "extra", "needs", "depends"),
    [
        ((), None, False, False),
        (("User-Agent",), None, False, False),
        (("CloudFront-Is-Mobile-Viewer",), None, False, False),  # of bytes alone
        (("CloudFront-Forwarded-Proto",), None, False, False),  # of the listener
        (("CloudFront-Viewer-Country",), None, True, True),
        (("cloudfront-viewer-time-zone",), None, True, True),
        ((), listing("CloudFront-Viewer-Country"), True, False),  # sent, but one object for all
        ((), listing("CloudFront-Viewer-Address"), False, False),
    ],
)
def test_what_depends_on_the_viewer(
    keyed: tuple[str, ...], extra: HeaderSelection | None, needs: bool, depends: bool
) -> None:
    found = on(*keyed, extra=extra)
    assert (found.needs_place, found.depends_on_viewer) == (needs, depends)


def test_admission_by_country_depends_on_the_viewer() -> None:
    geo = GeoRestriction(kind="blacklist", countries=("XX",))
    assert on(geo=geo).depends_on_viewer


FOR_APPLICATIONS = by_name(ORIGIN_REQUEST_POLICIES)["AllViewerAndForwardedHeaders"].headers
SAID = ("X-Forwarded-Proto: gopher", "X-Forwarded-Host: evil.test", "X-Forwarded-Port: 1", "X-A: b")


@pytest.mark.parametrize("scheme", [b"http", b"https"])
@pytest.mark.parametrize(
    ("host", "port"), [("shop.test", ""), ("shop.test:8443", "8443"), ("[::1]:80", "80")]
)
def test_an_application_hears_from_us_how_the_viewer_came(
    scheme: bytes, host: str, port: str
) -> None:
    found = on(extra=FOR_APPLICATIONS)
    head = "\r\n".join(["GET /a HTTP/1.1", f"Host: {host}", *SAID, "", ""]).encode()
    asked = parse_request_head(head, HeadLimits(), scheme, ("192.0.2.1", 5))
    request = forwarded(
        with_viewer_headers(asked, found.viewer_headers, None), found, cacheable=False
    )
    said = {name: field_values(request.fields, name) for name, _ in request.fields}
    assert said[b"x-forwarded-proto"] == [scheme]
    assert said[b"x-forwarded-host"] == [host.encode()]
    default = "443" if scheme == b"https" else "80"
    assert said[b"x-forwarded-port"] == [(port or default).encode()]
    assert said[b"x-a"] == [b"b"]


def test_where_a_policy_only_lists_them_they_are_the_viewers() -> None:
    found = on(extra=listing("X-Forwarded-Proto"))
    request = forwarded(asks("/a", *SAID), found, cacheable=True)
    assert field_values(request.fields, b"x-forwarded-proto") == [b"gopher"]
