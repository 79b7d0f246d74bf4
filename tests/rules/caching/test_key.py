"""Cache keys: CloudFront Developer Guide, "Understand the cache key"; RFC 9111 §2."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.config.model import CachePolicy
from edgecache.http.message import Request
from edgecache.rules.caching.key import cache_key, key_parts
from edgecache.rules.routing import Route
from tests.rules.pieces import asks, chosen, headers, rfc_site, site_of

BY_PATH = site_of()
BY_COLOR = site_of(CachePolicy(headers=headers("X-Color")))
BY_HOST = site_of(CachePolicy(headers=headers("Host")))
ALL_COOKIES = site_of(CachePolicy(cookies=chosen("all")))
COOKIE_A = site_of(CachePolicy(cookies=chosen("whitelist", "a", "$Path")))
NOT_COOKIE_A = site_of(CachePolicy(cookies=chosen("allExcept", "a")))
ALL_QUERY = site_of(CachePolicy(query_strings=chosen("all")))
QUERY_A = site_of(CachePolicy(query_strings=chosen("whitelist", "a")))
NOT_QUERY_A = site_of(CachePolicy(query_strings=chosen("allExcept", "a")))
BOTH = site_of(CachePolicy(accept_encoding_gzip=True, accept_encoding_brotli=True))
GZIP = site_of(CachePolicy(accept_encoding_gzip=True))
BROTLI = site_of(CachePolicy(accept_encoding_brotli=True))
VERBATIM = site_of(CachePolicy(headers=headers("Accept-Encoding")))


def cookie(*values: str) -> Request:
    return asks("/a", *(f"cookie: {value}" for value in values))


def coding(value: str) -> Request:
    return asks("/a", f"accept-encoding: {value}")


def color(value: str) -> Request:
    return asks("/a", f"x-color: {value}")


SAME = [
    ("base: fragmentless path alone", BY_PATH, asks("/a?b=1", "cookie: c=1"), asks("/a")),
    ("base: GET and HEAD", BY_PATH, asks(), asks(method="HEAD")),
    ("base: http and https", BY_PATH, asks(), asks(scheme=b"https")),
    ("base: aliases", BY_PATH, asks("/a", "host: one"), asks("/a", "host: two", host=b"two")),
    (
        "headers: others, and order",
        BY_COLOR,
        asks("/a", "x-color: red", "x: 1"),
        asks("/a", "y: 2", "x-color: red"),
    ),
    ("headers: host, other fields", BY_HOST, asks(), asks("/a", "x: 1")),
    ("cookies: sorted by name", ALL_COOKIES, cookie("b=2; a=1"), cookie("a=1; b=2")),
    ("cookies: several fields", ALL_COOKIES, cookie("a=1", "b=2"), cookie("a=1; b=2")),
    ("cookies: $", ALL_COOKIES, cookie("$Version=1; a=1"), cookie("a=1")),
    ("cookies: $ though listed", COOKIE_A, cookie("$Path=/; a=1"), cookie("a=1")),
    ("cookies: not listed", COOKIE_A, cookie("b=2"), asks()),
    ("cookies: excepted", NOT_COOKIE_A, cookie("a=2"), asks()),
    ("query: not listed", QUERY_A, asks("/a?b=1&a=1&c"), asks("/a?a=1")),
    ("query: none listed", QUERY_A, asks("/a?b=1"), asks("/a")),
    ("query: excepted", NOT_QUERY_A, asks("/a?a=1"), asks("/a")),
    ("coding: order, weights", BOTH, coding("br;q=0.5, gzip"), coding("gzip, br")),
    ("coding: br to gzip only", GZIP, coding("br, gzip"), coding("gzip")),
    ("coding: neither is none", BOTH, coding("zstd"), asks()),
    ("coding: HTTP/1.0", BOTH, asks("/a", "accept-encoding: gzip", minor=0), asks()),
    ("coding: both off", BY_PATH, coding("gzip"), asks()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("route", "one", "other"), [row[1:] for row in SAME], ids=[r[0] for r in SAME]
)
def test_one_key(route: Route, one: Request, other: Request) -> None:
    assert cache_key(one, route) == cache_key(other, route)
    assert key_parts(one, route) == key_parts(other, route)


DIFFERENT = [
    ("base: case of the path", BY_PATH, asks("/a"), asks("/A")),
    ("base: path as received", BY_PATH, asks("/a"), asks("/./a")),
    ("base: path not decoded", BY_PATH, asks("/%61"), asks("/a")),
    ("base: OPTIONS", BY_PATH, asks(), asks(method="OPTIONS")),
    ("headers: value", BY_COLOR, color("red"), color("blue")),
    ("headers: case of the value", BY_COLOR, color("red"), color("Red")),
    ("headers: absent is not empty", BY_COLOR, asks("/a", "x-color:"), asks()),
    ("headers: host", BY_HOST, asks(), asks(host=b"other.test")),
    ("cookies: case of the name", ALL_COOKIES, cookie("a=1"), cookie("A=1")),
    ("cookies: case of the value", ALL_COOKIES, cookie("a=x"), cookie("a=X")),
    ("cookies: without =", ALL_COOKIES, cookie("a"), cookie("a=")),
    ("cookies: of one name", ALL_COOKIES, cookie("a=1; a=2"), cookie("a=2; a=1")),
    ("query: order", ALL_QUERY, asks("/a?b=1&c=2"), asks("/a?c=2&b=1")),
    ("query: case of the name", QUERY_A, asks("/a?a=1"), asks("/a?A=1")),
    ("query: not decoded", ALL_QUERY, asks("/a?b=%31"), asks("/a?b=1")),
    ("query: + is not %20", ALL_QUERY, asks("/a?b=+"), asks("/a?b=%20")),
    ("query: ; does not separate", QUERY_A, asks("/a?a=1;b=2"), asks("/a?a=1")),
    ("query: without =", ALL_QUERY, asks("/a?b"), asks("/a?b=")),
    ("query: empty parameters", ALL_QUERY, asks("/a?b&"), asks("/a?b")),
    ("query: which path it is", ALL_QUERY, asks("/a?b"), asks("/a%3Fb")),
    ("coding: gzip or both", BOTH, coding("gzip"), coding("gzip, br")),
    ("coding: gzip or br", BOTH, coding("gzip"), coding("br")),
    ("coding: verbatim", VERBATIM, coding("a,b"), coding("b,a")),
    ("RFC 9111 §2: query", rfc_site(), asks("/a?b=1&c"), asks("/a?c&b=1")),
    ("RFC 9111 §2: host", rfc_site(), asks(), asks(host=b"other.test")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("route", "one", "other"), [row[1:] for row in DIFFERENT], ids=[r[0] for r in DIFFERENT]
)
def test_two_keys(route: Route, one: Request, other: Request) -> None:
    assert cache_key(one, route) != cache_key(other, route)
    assert key_parts(one, route) != key_parts(other, route)


@pytest.mark.parametrize("route", [rfc_site(), ALL_QUERY], ids=["rfc9111", "cloudfront"])
def test_an_empty_query_is_not_the_absence_of_one(route: Route) -> None:
    assert cache_key(asks("/a?"), route) != cache_key(asks("/a"), route)


def test_a_header_that_connection_takes_out_is_absent() -> None:
    hidden = asks("/a", "x-color: red", "connection: x-color")
    assert cache_key(hidden, BY_COLOR) == cache_key(asks(), BY_COLOR)


def test_a_listed_accept_encoding_of_http_1_0_is_absent() -> None:
    old = asks("/a", "accept-encoding: gzip", minor=0)
    assert cache_key(old, VERBATIM) == cache_key(asks(), VERBATIM)


@pytest.mark.parametrize(
    ("gzip", "brotli", "received", "keyed"),
    [  # CloudFront Developer Guide, "Understand the cache key"
        (True, True, "gzip, deflate, br", b"br,gzip"),
        (True, True, "*", b"br,gzip"),
        (True, True, "gzip", b"gzip"),
        (True, True, "br", b"br"),
        (True, True, "br;q=0, *", b"gzip"),
        (True, False, "gzip", b"gzip"),
        (True, False, "br, gzip", b"gzip"),
        (True, False, "br", None),
        (False, True, "br", b"br"),
        (False, True, "gzip, br", b"br"),
        (False, True, "gzip", None),
        (True, True, "deflate", None),
        (True, True, "gzip;q=0", None),
        (True, True, "identity", None),
        (True, True, "", None),
        (True, True, None, None),
        (True, False, None, None),
        (False, True, None, None),
        (False, False, "gzip, br", None),
    ],
)
def test_accept_encoding(
    gzip: bool, brotli: bool, received: str | None, keyed: bytes | None
) -> None:
    route = site_of(CachePolicy(accept_encoding_gzip=gzip, accept_encoding_brotli=brotli))
    given_lines = () if received is None else (f"accept-encoding: {received}",)
    parts = dict(key_parts(asks("/a", *given_lines), route))
    assert parts.get("accept-encoding") == (None if keyed is None else (keyed,))


EVERYTHING = site_of(
    CachePolicy(
        headers=headers("X-One", "X-Two"),
        cookies=chosen("all"),
        query_strings=chosen("all"),
        accept_encoding_gzip=True,
        accept_encoding_brotli=True,
    )
)
ODD = st.text("a1:;-,=&", max_size=5)


@st.composite
def odd_requests(draw: st.DrawFn) -> Request:
    """Requests whose parts look like the encoding's own punctuation."""
    query = draw(st.none() | ODD)
    given_lines = [
        f"x-{name}: {draw(ODD)}" for name in draw(st.sets(st.sampled_from(["ONE", "TWO"])))
    ]
    given_lines += [f"cookie: {draw(ODD)}" for _ in range(draw(st.integers(0, 2)))]
    given_lines += draw(st.sampled_from([[], ["accept-encoding: gzip"], ["accept-encoding: br"]]))
    target = "/" + draw(ODD) + ("" if query is None else "?" + query)
    return asks(target, *given_lines, method=draw(st.sampled_from(["GET", "HEAD", "OPTIONS"])))


@given(odd_requests(), st.sampled_from([EVERYTHING, ALL_QUERY, QUERY_A, COOKIE_A, BY_COLOR]))
def test_the_encoding_is_injective(request: Request, route: Route) -> None:
    """It can be read back, without knowing the policy."""
    (_, (distribution,)), (_, (path,)), *parts = key_parts(request, route)
    start, rest = read_values(cache_key(request, route), 2)
    assert start == (distribution, path)
    for name, values in parts:
        found = re.match(rb"([a-z-]+)([0-9]+);", rest)
        assert found is not None
        read, rest = read_values(rest[found.end() :], int(found[2]))
        assert (found[1].decode(), read) == (name, values)
    assert rest == b""


def read_values(data: bytes, count: int) -> tuple[tuple[bytes | None, ...], bytes]:
    """So many values, each behind its length (`-`: absent), and what follows them."""
    values: list[bytes | None] = []
    for _ in range(count):
        size, _, data = data.partition(b":")
        values.append(None if size == b"-" else data[: int(size)])
        data = data if size == b"-" else data[int(size) :]
    return tuple(values), data
