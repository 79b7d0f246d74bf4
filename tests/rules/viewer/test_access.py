"""Who may enter, in CloudFront's order ("Viewer protocol policy", "Allowed HTTP methods")."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from edgecache.config.listen import ViewerPorts
from edgecache.config.model import GeoRestriction
from edgecache.rules.viewer.access import (
    GB,
    AccessRedirect,
    AccessRefused,
    EntryPoint,
    RefusalReason,
    admit,
    blocks,
    counted_down,
    https_location,
    outgrows_quota,
    passages,
    with_passage,
)
from tests.rules.pieces import asks, lines, site_of

US = EntryPoint(b"cloudfront")
EVERY = ("GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE")


def test_a_plain_request_enters() -> None:
    assert admit(asks(), site_of(), None, US) is None


@pytest.mark.parametrize(
    ("policy", "scheme", "method", "status"),
    [
        ("allow-all", b"http", "GET", None),
        ("https-only", b"https", "GET", None),
        ("https-only", b"http", "GET", 403),
        ("redirect-to-https", b"https", "GET", None),
        ("redirect-to-https", b"http", "GET", 301),
        ("redirect-to-https", b"http", "HEAD", 301),
        ("redirect-to-https", b"http", "DELETE", 307),
        ("redirect-to-https", b"http", "OPTIONS", 307),
        ("redirect-to-https", b"http", "PATCH", 307),
        ("redirect-to-https", b"http", "POST", 307),
        ("redirect-to-https", b"http", "PUT", 307),
        ("redirect-to-https", b"http", "TRACE", 403),
    ],
)
def test_viewer_protocol_policy(
    policy: str, scheme: bytes, method: str, status: int | None
) -> None:
    route = site_of(viewer_protocol_policy=policy, allowed_methods=EVERY)
    got = admit(asks(method=method, scheme=scheme), route, None, US)
    assert (None if got is None else got.status) == status


@pytest.mark.parametrize(
    ("target", "more", "ports", "location"),
    [
        ("/a?b=c&d", {}, (), b"https://site.test/a?b=c&d"),
        ("/a?", {}, (), b"https://site.test/a?"),
        ("/a", {}, (8080, 8443), b"https://site.test/a"),  # mapped: -p 80:8080 -p 443:8443
        ("/a", {"port": b"8080"}, (8080, 8443), b"https://site.test:8443/a"),
        ("/a", {"port": b"8080"}, (8080, 443), b"https://site.test/a"),
        ("/a", {"port": b"8081"}, (8080, 8443), b"https://site.test/a"),
        ("/a", {"port": b"8080"}, (8080, 8443, 443), b"https://site.test/a"),
        ("/a", {}, (8080, 8443, 9443), b"https://site.test:9443/a"),
        ("//evil.test/%2f..", {}, (), b"https://site.test//evil.test/%2f.."),  # N05
        ("/\\evil.test", {}, (), b"https://site.test/\\evil.test"),
        ("/a", {"host": b""}, (), b"https://done.cloudfront.net/a"),  # HTTP/1.0 sent none
        ("*", {}, (), b""),
    ],
)
def test_where_a_redirect_leads(
    target: str, more: dict[str, Any], ports: tuple[int, ...], location: bytes
) -> None:
    fields = ("x-forwarded-host: evil.test", "forwarded: host=evil.test")
    request = asks(target, *fields, **more)
    assert https_location(request, site_of().distribution, ViewerPorts(*ports)) == location


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        ((), ()),
        (("max-forwards: 2",), ("max-forwards: 1",)),
        (("max-forwards: 0010",), ("max-forwards: 9",)),
        (("max-forwards: 0",), None),
        (("max-forwards: x",), ()),
        (("max-forwards: 0", "max-forwards: 1"), ()),
    ],
)
def test_max_forwards_is_counted_down(lines: tuple[str, ...], left: tuple[str, ...] | None) -> None:
    """RFC 9110 §7.6.2."""
    counted = counted_down(asks("/a", *lines, method="OPTIONS"))
    assert (None if counted is None else counted.fields) == (
        None if left is None else asks("/a", *left).fields
    )


def test_the_redirect_comes_before_the_method() -> None:
    route = site_of(viewer_protocol_policy="redirect-to-https")
    got = admit(asks(method="POST"), route, None, US)
    assert got == AccessRedirect(307, b"https://site.test/a")


@pytest.mark.parametrize(
    ("method", "semantics", "refused"),
    [
        ("GET", "cloudfront", None),
        ("HEAD", "cloudfront", None),
        ("OPTIONS", "cloudfront", 403),
        ("POST", "cloudfront", 403),
        ("PURGE", "cloudfront", 403),
        ("TRACE", "cloudfront", 405),
        ("PURGE", "rfc9111", None),
        ("TRACE", "rfc9111", 405),
    ],
)
def test_methods(method: str, semantics: Any, refused: int | None) -> None:
    got = admit(asks(method=method), site_of(semantics=semantics), None, US)
    assert got == (None if refused is None else AccessRefused(refused, RefusalReason.METHOD))
    if isinstance(got, AccessRefused):
        assert got.detail == "InvalidRequestMethod"


@pytest.mark.parametrize(
    ("method", "length", "refused"),
    [
        ("GET", 1, AccessRefused(403, RefusalReason.BODY)),
        ("HEAD", None, AccessRefused(403, RefusalReason.BODY)),
        ("POST", 1, None),
        ("POST", None, None),
        ("POST", 64 * GB, None),
        ("POST", 64 * GB + 1, AccessRefused(413, RefusalReason.BODY_TOO_LARGE)),
    ],
)
def test_bodies(method: str, length: int | None, refused: AccessRefused | None) -> None:
    request = asks(method=method, length=length)
    assert admit(request, site_of(allowed_methods=EVERY), None, US) == refused


@pytest.mark.parametrize(
    ("kind", "countries", "country", "blocked"),
    [
        ("none", ("DE",), "DE", False),
        ("whitelist", ("DE", "FR"), "DE", False),
        ("whitelist", ("DE", "FR"), "US", True),
        ("whitelist", (), "US", True),
        ("blacklist", ("DE", "FR"), "DE", True),
        ("blacklist", ("de",), "DE", True),
        ("blacklist", ("DE", "FR"), "US", False),
    ],
)
def test_geo_restriction(
    kind: Any, countries: tuple[str, ...], country: str, blocked: bool
) -> None:
    restriction = GeoRestriction(kind=kind, countries=countries)
    assert blocks(restriction, country) is blocked
    site = structs.replace(site_of().distribution, geo_restriction=restriction)
    route = structs.replace(site_of(), distribution=site)
    expected = AccessRefused(403, RefusalReason.COUNTRY) if blocked else None
    assert admit(asks(), route, country, US) == expected
    assert admit(asks(), route, None, US) is None  # nobody knows where the viewer is


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ((), 0),
        (("cdn-loop: cloudfront",), 1),
        (("cdn-loop: CloudFront; v=1, other, cloudfront",), 2),
        (("cdn-loop: cloudfront", "cdn-loop: a.test, cloudfront;x"), 2),
        (("cdn-loop: cloudfronts, not-cloudfront",), 0),
        (('cdn-loop: other; by="cloudfront, cloudfront"',), 0),
    ],
)
def test_passages(fields: tuple[str, ...], count: int) -> None:
    request = asks("/a", *fields)
    assert passages(request.fields, b"cloudfront") == count
    assert passages(with_passage(request, b"cloudfront").fields, b"cloudfront") == count + 1
    got = admit(request, site_of(), None, US)
    assert got == (AccessRefused(403, RefusalReason.LOOP) if count >= 2 else None)
    plain = admit(request, site_of(semantics="rfc9111"), None, US)
    assert plain == (AccessRefused(508, RefusalReason.LOOP) if count >= 2 else None)


def test_who_passed_before_stays_named() -> None:
    request = with_passage(asks("/a", "cdn-loop: other; v=1", "cdn-loop: b"), b"us")
    assert request.fields == lines("cdn-loop: other; v=1, b, us")


def test_an_object_beyond_the_quota() -> None:
    assert not outgrows_quota(50 * GB, site_of())
    assert outgrows_quota(50 * GB + 1, site_of())
    assert not outgrows_quota(50 * GB + 1, site_of(semantics="rfc9111"))


@pytest.mark.parametrize(("cdns", "count"), [(32, 0), (33, 2)])
def test_a_chain_longer_than_any_counts_as_a_loop(cdns: int, count: int) -> None:
    request = asks("/a", "cdn-loop: " + ", ".join(["a"] * cdns))
    assert passages(request.fields, b"cloudfront") == count
