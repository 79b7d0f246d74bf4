"""Storing: RFC 9111 §3 in its order; CloudFront Developer Guide, "Manage how long content
stays in the cache (expiration)", "Cached HTTP methods", "How CloudFront processes HTTP 4xx and 5xx
status codes from your origin"."""

from __future__ import annotations

import pytest

from edgecache.config.model import CachePolicy, OriginRequestPolicy
from edgecache.http.message import without
from edgecache.rules.caching.reuse import caching_disabled, forwards_cookies
from edgecache.rules.caching.storability import (
    OF_ONE_REQUEST,
    passable_fields,
    post_answers_get,
    refusal_to_store,
    storable_fields,
)
from edgecache.rules.reasons import StoreReason
from tests.rules.pieces import answer, asks, chosen, date, rfc_site, site_of

RFC = rfc_site()
MIN_0 = site_of()
MIN_1 = site_of(CachePolicy(ttl_s_min=1))
PROXY_REVALIDATE = "cache-control: proxy-revalidate, max-age=9"
MAX_AGE = "cache-control: max-age=9"
TARGETED = "cdn-cache-control: must-revalidate"
AUTHORIZED = ("authorization: Basic x",)

RFC_ROWS = [
    ("§3 understood 200", (), 200, (), None),
    ("§3 a 304 is no response to keep", (), 304, ("cache-control: max-age=9",), "status"),
    ("§3 1xx is not final", (), 103, ("cache-control: max-age=9",), "status"),
    ("§3 unknown status, max-age", (), 599, ("cache-control: max-age=9",), None),
    ("§3 no-store", (), 200, ("cache-control: no-store, max-age=9",), "no-store"),
    ("§3 private", (), 200, ("cache-control: private, max-age=9",), "private"),
    ("§3 private with names", (), 200, ('cache-control: private="x-a", max-age=9',), None),
    ("§3 public", (), 500, ("cache-control: public",), None),
    ("§3 Expires", (), 500, (f"expires: {date(9)}",), None),
    ("§3 Expires, though past", (), 500, ("expires: 0",), None),
    ("§3 max-age", (), 500, ("cache-control: max-age=9",), None),
    ("§3 s-maxage", (), 500, ("cache-control: s-maxage=9",), None),
    ("§3 nothing", (), 500, (), "no-freshness"),
    ("§3 nothing, 302", (), 302, (), "no-freshness"),
    ("§3 private of names alone", (), 500, ('cache-control: private="x-a"',), "no-freshness"),
    ("§3.5 Authorization", AUTHORIZED, 200, ("cache-control: max-age=9",), "authorization"),
    ("§3.5 public", AUTHORIZED, 200, ("cache-control: public, max-age=9",), None),
    ("§3.5 s-maxage", AUTHORIZED, 200, ("cache-control: s-maxage=9",), None),
    ("§3.5 must-revalidate", AUTHORIZED, 200, ("cache-control: must-revalidate",), None),
    ("§3.5 not proxy-revalidate", AUTHORIZED, 200, (PROXY_REVALIDATE,), "authorization"),
    ("§4.1 Vary: *", (), 200, ("vary: *", "cache-control: max-age=9"), "vary-any"),
    ("§4.1 Vary: * among others", (), 200, ("vary: a , *",), "vary-any"),
    ("§4.1 Vary: * on a line", (), 200, ("vary: a", "vary: *"), "vary-any"),
    ("§5.2.1.5 request no-store", ("cache-control: no-store",), 200, (), "request"),
    ("§5.2.2.3 understood", (), 200, ("cache-control: must-understand, no-store",), None),
    ("§5.2.2.3 not understood", (), 599, ("cache-control: must-understand, max-age=9",), "status"),
    ("§5.2.2.4 no-cache is kept", (), 200, ("cache-control: no-cache",), None),
    ("§5.2.2.5 malformed", (), 200, ("cache-control: no-store=x, max-age=9",), "no-store"),
    ("RFC 9213 §2.2", (), 200, ("cdn-cache-control: max-age=9", "cache-control: no-store"), None),
    ("RFC 9213 §2.2 stricter", (), 200, ("cdn-cache-control: no-store", MAX_AGE), "no-store"),
    ("RFC 9213 §2.2 Expires", (), 500, (TARGETED, "expires: 0"), "no-freshness"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "status", "given_lines", "why"),
    [
        *(pytest.param(*row[1:], id=row[0]) for row in RFC_ROWS),
    ],
)  # fmt: skip
def test_rfc9111(
    asked: tuple[str, ...], status: int, given_lines: tuple[str, ...], why: str | None
) -> None:
    assert refusal_to_store(asks("/a", *asked), answer(status, *given_lines), RFC) == why


@pytest.mark.parametrize("status", [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])
def test_rfc9111_heuristically_cacheable_statuses(status: int) -> None:
    assert refusal_to_store(asks(), answer(status), RFC) is None


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "X"])
def test_only_answers_to_get_are_stored(method: str) -> None:
    head = answer(200, "cache-control: max-age=60")
    for each in (RFC, MIN_0, MIN_1):
        assert refusal_to_store(asks(method=method), head, each) is StoreReason.METHOD


CLOUDFRONT_ROWS = [
    *((status, "x", None, None) for status in (200, 203, 204, 300, 301, 302, 303, 410)),
    *((status, "x", None, None) for status in (404, 414, 500, 501, 502, 503, 504)),
    *((status, "x", "status", "status") for status in (400, 403, 405, 412, 415, 307, 308)),
    *((status, "max-age=9", None, None) for status in (400, 403, 405, 412, 415, 307, 308)),
    *((status, "s-maxage=9", None, None) for status in (400, 403, 405, 412, 415, 307, 308)),
    *((status, "max-age=9", "status", "status") for status in (206, 304, 401, 416, 418, 429)),
    (200, "no-store", "no-store", None),
    (200, "private", "private", None),
    (200, "no-cache", "no-cache", None),
    (200, "no-store, max-age=9", "no-store", None),
    (301, "private, max-age=9", "private", None),
    (200, 'no-cache="Set-Cookie"', None, None),
    (200, 'private="Set-Cookie"', None, None),
    (501, "no-store", "no-store", "no-store"),
    (403, "max-age=9, no-store", "status", None),
]


@pytest.mark.parametrize(("status", "cache", "min_0", "min_1"), CLOUDFRONT_ROWS)
def test_cloudfront(status: int, cache: str, min_0: str | None, min_1: str | None) -> None:
    head = answer(status, f"cache-control: {cache}")
    assert refusal_to_store(asks(), head, MIN_0) == min_0
    assert refusal_to_store(asks(), head, MIN_1) == min_1


def test_cloudfront_does_not_ask_the_viewer() -> None:
    """§1.3: a viewer's Cache-Control and Pragma are ignored."""
    request = asks("/a", "cache-control: no-store", "pragma: no-cache", *AUTHORIZED)
    assert refusal_to_store(request, answer(200, "vary: *"), MIN_0) is None


@pytest.mark.parametrize(
    ("ttls", "disabled"),
    [((0, 0, 0), True), ((0, 0, 1), False), ((0, 1, 1), False), ((1, 1, 1), False)],
)
def test_caching_disabled(ttls: tuple[int, int, int], disabled: bool) -> None:
    low, default, high = ttls
    policy = CachePolicy(ttl_s_min=low, ttl_s_default=default, ttl_s_max=high)
    assert caching_disabled(policy) is disabled


EVERY_COOKIE = chosen("all")


@pytest.mark.parametrize(
    ("policy", "request_policy", "forwards"),
    [
        (CachePolicy(), None, False),
        (CachePolicy(), OriginRequestPolicy(), False),
        (CachePolicy(cookies=chosen("whitelist", "a")), None, True),
        (CachePolicy(cookies=EVERY_COOKIE), None, True),
        (CachePolicy(), OriginRequestPolicy(cookies=EVERY_COOKIE), True),
    ],
)
def test_set_cookie_passes_where_cookies_are_forwarded(
    policy: CachePolicy, request_policy: OriginRequestPolicy | None, forwards: bool
) -> None:
    """§1.7: dropped if they are not; if they are, cached and replayed."""
    route = site_of(policy, request_policy)
    head = answer(200, "set-cookie: a=1", "x-a: 1")
    assert forwards_cookies(route) is forwards
    kept = head.fields if forwards else without(head.fields, (b"set-cookie",))
    assert passable_fields(head.fields, route) == kept


@pytest.mark.parametrize(
    ("cache", "gone"),
    [  # RFC 9111 §5.2.2.4, §5.2.2.7: what may not be reused by a shared cache is not kept
        ("max-age=9", ""),
        ('private="X-A"', "x-a"),
        ('no-cache="x-a, set-cookie"', "x-a set-cookie"),
        ('private="x-a", no-cache="x-b"', "x-a x-b"),
        ("no-cache=x-a", "x-a"),
    ],
)
def test_named_fields_are_not_kept(cache: str, gone: str) -> None:
    head = answer(200, f"cache-control: {cache}", "x-a: 1", "x-b: 2", "set-cookie: a=1")
    expected = without(head.fields, (name.encode() for name in gone.split()))
    assert storable_fields(head, RFC) == expected


@pytest.mark.parametrize(
    ("status", "given_lines", "answers"),
    [  # RFC 9110 §9.3.3
        (200, ("content-location: /a", MAX_AGE), True),
        (200, ("content-location: http://site.test/a", MAX_AGE), True),
        (200, ("content-location: /a", f"expires: {date(9)}"), True),
        (200, ("content-location: /a",), False),
        (200, ("content-location: /b", MAX_AGE), False),
        (200, ("content-location: http://other.test/a", MAX_AGE), False),
        (200, ("content-location: /a", "cache-control: max-age=9, no-store"), False),
        (200, (MAX_AGE,), False),
        (201, ("content-location: /a", MAX_AGE), False),
    ],
)
def test_a_post_that_answers_a_later_get(
    status: int, given_lines: tuple[str, ...], answers: bool
) -> None:
    head = answer(status, *given_lines)
    assert post_answers_get(asks(method="POST"), head, RFC) is answers
    assert not post_answers_get(asks(method="PUT"), head, RFC)
    assert not post_answers_get(asks(method="POST"), head, MIN_0)
    poisoned = asks("/a", "x-forwarded-prefix: /evil", method="POST")
    assert not post_answers_get(poisoned, head, RFC), "no GET is forwarded with it"


@pytest.mark.parametrize("status", sorted(OF_ONE_REQUEST))
def test_what_answers_how_one_request_was_made_is_not_kept(status: int) -> None:
    """RFC 6585: 428, 429, 431 and 511 MUST NOT be stored; the like for statuses of its kind."""
    head = answer(status, "cache-control: public, max-age=60")
    assert refusal_to_store(asks(), head, RFC) is StoreReason.STATUS


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (("last-modified: Mon, 01 Jan 2024 00:00:00 GMT",), StoreReason.SET_COOKIE),
        (("cache-control: max-age=9",), None),
        (("cache-control: public",), None),
        (("expires: Mon, 01 Jan 2029 00:00:00 GMT",), None),
    ],
)
def test_a_cookie_is_kept_only_with_what_says_so(
    said: tuple[str, ...], expected: StoreReason | None
) -> None:
    """RFC 9111 §7.3; decision 015."""
    assert refusal_to_store(asks(), answer(200, "set-cookie: a=b", *said), RFC) == expected
