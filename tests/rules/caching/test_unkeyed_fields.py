"""Under RFC 9111 no field that origins take for granted passes as a viewer wrote it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from edgecache.config.model import CachePolicy
from edgecache.http.message import field_values
from edgecache.rules.caching.key import cache_key, forwarded, key_parts
from edgecache.rules.caching.unkeyed_fields import UNKEYED, effective_scheme, forwarding_fields
from edgecache.rules.routing import Route
from tests.rules.pieces import asks, headers, lines, rfc_site, site_of

PLAIN = rfc_site()


def passes(route: Route, *fields: str, cacheable: bool = True) -> tuple[tuple[bytes, bytes], ...]:
    asked = forwarded(asks("/a", *fields), route, cacheable=cacheable)
    return tuple(field for field in asked.fields if field[0] != b"host")


@pytest.mark.parametrize("name", sorted(UNKEYED))
def test_none_of_the_table_passes_where_the_answer_may_be_kept(name: bytes) -> None:
    field = f"{name.decode()}: evil"
    assert passes(PLAIN, field, "accept: a") == lines("accept: a")
    assert passes(PLAIN, field, cacheable=False) == lines(field)


@pytest.mark.parametrize("name", sorted(name for name in UNKEYED if b"-" in name))
def test_nor_what_a_gateway_takes_for_one_of_it(name: bytes) -> None:
    field = f"{name.decode().replace('-', '_', 1)}: evil"
    assert passes(PLAIN, field, "api_key: a") == lines("api_key: a")
    assert passes(PLAIN, field, cacheable=False) == lines(field)


@pytest.mark.parametrize(
    ("field", "stays"),
    [
        ("x-forwarded-proto: https", True),
        ("x-forwarded-proto: http", True),
        ("x-forwarded-proto: HTTPS", False),
        ("x-forwarded-proto: https, http", False),
        ("x-forwarded-host: evil", False),
        ("x-forwarded-port: 1337", False),
        ("x-real-ip: 192.0.2.1", True),
        ("x-real-ip: 192.0.2.1, 192.0.2.2", False),
        ("true-client-ip: '", False),
        ("x-forwarded-for: 192.0.2.1", True),
        ("client_ip: 192.0.2.1", False),
        ("true_client-ip: 192.0.2.1", False),
        ("x_own: a", True),
        ("x-own: a", True),
    ],
)
@pytest.mark.parametrize("cacheable", [False, True])
def test_what_is_said_of_the_way_is_well_formed(field: str, stays: bool, cacheable: bool) -> None:
    assert passes(PLAIN, field, cacheable=cacheable) == (lines(field) if stays else ())


@pytest.mark.parametrize(
    ("fields", "scheme", "told"),
    [
        ((), b"http", ("site.test", "http", "80")),
        ((), b"https", ("site.test", "https", "443")),
        (("x-forwarded-proto: https",), b"http", ("site.test", "https", "443")),
        (("x-forwarded-proto: ftp",), b"https", ("site.test", "https", "443")),
    ],
)
def test_what_origins_hear_of_the_way(
    fields: tuple[str, ...], scheme: bytes, told: tuple[str, str, str]
) -> None:
    request = replace(asks("/a", *fields), scheme=scheme)
    found = forwarding_fields(request)
    names = (b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-port")
    assert tuple(field_values(found, name)[0].decode() for name in names) == told
    assert effective_scheme(request) == told[1].encode()


def test_the_scheme_is_in_the_key_however_it_is_known() -> None:
    plain = asks("/a")
    secure = replace(plain, scheme=b"https")
    behind = asks("/a", "x-forwarded-proto: https")
    assert cache_key(plain, PLAIN) != cache_key(secure, PLAIN) == cache_key(behind, PLAIN)
    assert cache_key(asks("/a", "x-forwarded-proto: x"), PLAIN) == cache_key(plain, PLAIN)
    assert ("scheme", (b"https",)) in key_parts(secure, PLAIN)


@pytest.mark.parametrize("route", [PLAIN, site_of(CachePolicy(headers=headers("Host")))])
@pytest.mark.parametrize("scheme", [b"http", b"https"])
@pytest.mark.parametrize("port", [b"", b"80", b"443", b"8080"])
@pytest.mark.parametrize("claimed", ["http", "https", "ftp"])
def test_the_next_tier_reads_the_same_key_out_of_what_it_is_sent(
    route: Route, scheme: bytes, port: bytes, claimed: str
) -> None:
    request = asks("/a", f"x-forwarded-proto: {claimed}", "host: site.test")
    request = replace(request, scheme=scheme, port=port)
    sent = forwarded(request, route, cacheable=True)
    assert cache_key(sent, route) == cache_key(request, route)
    assert field_values(forwarded(sent, route, cacheable=True).fields, b"host") == field_values(
        sent.fields, b"host"
    )
