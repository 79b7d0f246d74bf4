"""Under RFC 9111 no field that origins take for granted passes as a viewer wrote it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from edgecache.http.message import field_values
from edgecache.rules.caching.key import cache_key, forwarded, key_parts
from edgecache.rules.caching.unkeyed_fields import UNKEYED, effective_scheme, forwarding_fields
from edgecache.rules.routing import Route
from tests.rules.pieces import asks, lines, rfc_site

PLAIN = rfc_site()


def passes(route: Route, *fields: str, cacheable: bool = True) -> tuple[tuple[bytes, bytes], ...]:
    asked = forwarded(asks("/a", *fields), route, cacheable=cacheable)
    return tuple(field for field in asked.fields if field[0] != b"host")


@pytest.mark.parametrize("name", sorted(UNKEYED))
def test_none_of_the_table_passes_where_the_answer_may_be_kept(name: bytes) -> None:
    field = f"{name.decode()}: evil"
    assert passes(PLAIN, field, "accept: a") == lines("accept: a")
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
