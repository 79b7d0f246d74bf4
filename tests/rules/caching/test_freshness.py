"""Freshness: RFC 9111 §4.2, §5.2.2, RFC 5861, RFC 9213; CloudFront Developer Guide,
"Manage how long content stays in the cache (expiration)", "How CloudFront caches HTTP 4xx and 5xx
status codes"."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.config.model import CachePolicy
from edgecache.http.message import Response
from edgecache.rules.caching.freshness import Assessment, age_value, assess
from tests.rules.pieces import DAY, NOW, YEAR, answer, date, lines, rfc_site, site_of

PLAIN = CachePolicy()
TTL_MAX = 2**31  # RFC 9111 §1.2.2


def by_rfc(head: Response) -> Assessment:
    return assess(head, rfc_site())


def ttls(low: int, default: int, high: int) -> CachePolicy:
    return CachePolicy(ttl_s_min=low, ttl_s_default=default, ttl_s_max=high)


RFC_LIFETIMES = [
    ("§1.2.2 overflow", ("cache-control: max-age=99999999999999999999",), TTL_MAX),
    ("§1.2.2 overflow, just", ("cache-control: max-age=2147483649",), TTL_MAX),
    ("§4.2.1 s-maxage first", ("cache-control: max-age=9, s-maxage=5",), 5),
    ("§4.2.1 max-age over Expires", ("cache-control: max-age=5", f"expires: {date(99)}"), 5),
    ("§4.2.1 Expires less Date", (f"expires: {date(50)}", f"date: {date(-10)}"), 60),
    ("§4.2.1 Expires without Date", (f"expires: {date(50)}",), 50),
    ("§4.2.1 duplicates: the first", ("cache-control: max-age=5, max-age=9",), 5),
    ("§4.2.1 duplicates in lines", ("cache-control: max-age=5", "cache-control: max-age=9"), 5),
    ("§4.2.1 malformed is stale", ("cache-control: max-age=abc", f"expires: {date(99)}"), 0),
    ("§4.2.1 malformed s-maxage", ("cache-control: s-maxage=x, max-age=9",), 0),
    ("§4.2.1 negative", ("cache-control: max-age=-5",), 0),
    ("§4.2.1 fraction", ("cache-control: max-age=5.5",), 0),
    ("§4.2.1 no argument", ("cache-control: max-age",), 0),
    ("§4.2.1 differing Expires", (f"expires: {date(50)}", f"expires: {date(60)}"), 0),
    ("§4.2.1 equal Expires", (f"expires: {date(50)}", f"expires: {date(50)}"), 50),
    ("§4.2.2 a tenth", (f"last-modified: {date(-1000)}",), 100),
    ("§4.2.2 of Date less it", (f"last-modified: {date(-1000)}", f"date: {date(-500)}"), 50),
    ("§4.2.2 at most a day", (f"last-modified: {date(-YEAR)}",), DAY),
    ("§4.2.2 in the future", (f"last-modified: {date(1000)}",), 0),
    ("§4.2.2 no date", ("last-modified: yesterday",), 0),
    ("§4.2.2 nothing to go by", (), 0),
    ("§4.2.2 not beside Expires", (f"last-modified: {date(-1000)}", "expires: 0"), 0),
    ("§5.2 case", ("cache-control: MAX-AGE=5",), 5),
    ("§5.2 unknown ones", ("cache-control: foo, max-age=5, bar=2",), 5),
    ("§5.2 in a quoted-string", ('cache-control: x="max-age=9", max-age=5',), 5),
    ("§5.2.2.1 quoted", ('cache-control: max-age="5"',), 5),
    ("§5.3 0", ("expires: 0",), 0),
    ("§5.3 past", (f"expires: {date(-50)}",), 0),
    ("§5.3 RFC 850", ("expires: Friday, 15-Jan-27 08:01:40 GMT",), 100),
    ("RFC 9213 §2.2", ("cdn-cache-control: max-age=5", "cache-control: max-age=9"), 5),
    ("RFC 9213 §2.2 no Expires", ("cdn-cache-control: must-revalidate", f"expires: {date(9)}"), 0),
    ("RFC 9213 §2.1 invalid", ("cdn-cache-control: max-age=5,,", "cache-control: max-age=9"), 9),
    ("RFC 9213 §2.1 empty", ("cdn-cache-control:", "cache-control: max-age=9"), 9),
]


@pytest.mark.parametrize(
    ("given_lines", "lifetime_s"),
    [row[1:] for row in RFC_LIFETIMES],
    ids=[row[0] for row in RFC_LIFETIMES],
)
def test_rfc9111_lifetime(given_lines: tuple[str, ...], lifetime_s: float) -> None:
    assert by_rfc(answer(200, *given_lines)).lifetime_s == lifetime_s


@pytest.mark.parametrize(
    ("status", "cache", "lifetime_s"),
    [  # RFC 9110 §15.1; RFC 9111 §4.2.2
        *((status, "x", 100) for status in (200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501)),
        *((status, "x", 0) for status in (201, 302, 303, 307, 400, 403, 500, 502, 503, 504, 599)),
        (302, "public", 100),
        (500, "public", 100),
    ],
)
def test_rfc9111_heuristics_by_status(status: int, cache: str, lifetime_s: float) -> None:
    head = answer(status, f"last-modified: {date(-1000)}", f"cache-control: {cache}")
    assert by_rfc(head).lifetime_s == lifetime_s


@pytest.mark.parametrize(
    ("given_lines", "took", "age_s"),
    [  # RFC 9111 §4.2.3
        ((), 0.0, 0),
        ((), 3.0, 3),
        ((f"date: {date(-7)}",), 0.0, 7),
        ((f"date: {date(-7)}",), 3.0, 7),
        ((f"date: {date(60)}",), 0.0, 0),
        (("age: 5",), 0.0, 5),
        (("age: 5",), 3.0, 8),
        (("age: 5", f"date: {date(-7)}"), 3.0, 8),
        (("age: 5", f"date: {date(-9)}"), 3.0, 9),
        (("date: never", "age: 5"), 0.0, 5),
    ],
)
def test_rfc9111_age_on_arrival(given_lines: tuple[str, ...], took: float, age_s: float) -> None:
    assert by_rfc(answer(200, *given_lines, took=took)).age_on_arrival_s == age_s


@pytest.mark.parametrize(
    ("given_lines", "age_s"),
    [  # RFC 9111 §5.1
        ((), 0),
        (("age: 5",), 5),
        (("age: 5, 9",), 5),
        (("age: 5", "age: 9"), 5),
        (("age: -5",), 0),
        (("age: 5.5",), 0),
        (("age: abc",), 0),
        (("age:",), 0),
        (("age: 5x",), 0),
        (("age: 99999999999999999999999",), TTL_MAX),
    ],
)
def test_age_value(given_lines: tuple[str, ...], age_s: float) -> None:
    assert age_value(lines(*given_lines)) == age_s


@pytest.mark.parametrize(
    ("cache", "expected"),
    [  # RFC 9111 §5.2.2, RFC 5861 §3 and §4, RFC 8246 §2
        ("max-age=9", {}),
        ("must-revalidate", {"never_stale": True}),
        ("proxy-revalidate", {"never_stale": True}),
        ("s-maxage=9", {"never_stale": True}),
        ("no-cache", {"validate_always": True}),
        ('no-cache="x-a"', {"validate_always": False}),
        ('no-cache="x-a", no-cache', {"validate_always": True}),
        ("stale-while-revalidate=7", {"stale_while_revalidate_s": 7, "stale_if_error_s": 0}),
        ("stale-if-error=7", {"stale_if_error_s": 7, "stale_while_revalidate_s": 0}),
        ("stale-while-revalidate=x, stale-if-error", {"stale_while_revalidate_s": 0}),
    ],
)
def test_rfc9111_directives(cache: str, expected: dict[str, object]) -> None:
    quiet: dict[str, object] = {"never_stale": False, "validate_always": False}
    got = by_rfc(answer(200, f"cache-control: {cache}"))
    assert {name: getattr(got, name) for name in quiet | expected} == quiet | expected


TTL_ROWS = [
    ("NONE: default", ttls(0, 600, 3600), (), 600),
    ("NONE: Min above default", ttls(900, 600, 3600), (), 900),
    ("NONE: Max does not apply", ttls(0, 600, 60), (), 600),
    ("NONE: public alone", ttls(0, 600, 3600), ("cache-control: public",), 600),
    ("NONE: API defaults", PLAIN, (), DAY),
    ("value: s-maxage", ttls(0, 600, 3600), ("cache-control: s-maxage=50, max-age=60",), 50),
    ("value: max-age", ttls(0, 600, 3600), ("cache-control: max-age=60",), 60),
    ("value: raised to Min", ttls(100, 600, 3600), ("cache-control: max-age=60",), 100),
    ("value: capped at Max", ttls(0, 600, 3600), ("cache-control: max-age=7200",), 3600),
    ("value: a year at most", PLAIN, ("cache-control: max-age=99999999",), YEAR),
    ("value: max-age=0", ttls(0, 600, 3600), ("cache-control: max-age=0",), 0),
    ("value: max-age=0, Min 1", ttls(1, 600, 3600), ("cache-control: max-age=0",), 1),
    ("value: max-age over Expires", PLAIN, ("cache-control: max-age=6", f"expires: {date(99)}"), 6),
    ("Expires: later", PLAIN, (f"expires: {date(99)}",), 99),
    ("Expires: past", PLAIN, (f"expires: {date(-99)}",), 0),
    ("Expires: invalid", PLAIN, ("expires: 0",), 0),
    ("Expires: past, Min 1", ttls(1, 600, 3600), ("expires: 0",), 1),
    ("Expires: capped", ttls(0, 600, 3600), (f"expires: {date(7200)}",), 3600),
    ("no-store, Min 5", ttls(5, 600, 3600), ("cache-control: no-store",), 5),
    ("no-cache, Min 5", ttls(5, 600, 3600), ("cache-control: no-cache, max-age=60",), 5),
    ("private, Min 5", ttls(5, 600, 3600), ("cache-control: private, s-maxage=60",), 5),
    ("no-cache, Min 0", ttls(0, 600, 3600), ("cache-control: no-cache, max-age=60",), 0),
    ("no-cache=field", ttls(5, 60, 99), ('cache-control: no-cache="Set-Cookie", max-age=70',), 70),
    ("no-cache=field, NONE", ttls(0, 600, 3600), ('cache-control: no-cache="Set-Cookie"',), 600),
]  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "given_lines", "lifetime_s"),
    [row[1:] for row in TTL_ROWS],
    ids=[row[0] for row in TTL_ROWS],
)
@pytest.mark.parametrize("status", [200, 301, 302])
def test_cloudfront_ttl(
    status: int, policy: CachePolicy, given_lines: tuple[str, ...], lifetime_s: float
) -> None:
    assert assess(answer(status, *given_lines), site_of(policy)).lifetime_s == lifetime_s


def test_cloudfront_takes_the_time_in_transit_for_nothing_and_age_as_told() -> None:
    head = answer(200, "age: 5", f"date: {date(-60)}", "cache-control: max-age=60", took=3.0)
    assert assess(head, site_of(PLAIN)).age_on_arrival_s == 5


@pytest.mark.parametrize(
    ("status", "policy", "cache", "lifetime_s"),
    [  # §1.5: the larger of ErrorCachingMinTTL (10 s) and what the header says
        *((status, PLAIN, "x", 10) for status in (404, 414, 500, 501, 502, 503, 504)),
        (404, PLAIN, "max-age=60", 60),
        (404, PLAIN, "s-maxage=60, max-age=5", 60),
        (404, PLAIN, "max-age=5", 10),
        (500, PLAIN, "max-age=0", 10),
        (403, PLAIN, "max-age=60", 60),
        (404, ttls(300, 600, 3600), "x", 10),
        (400, ttls(300, 600, 3600), "max-age=20", 20),
    ],
)
def test_cloudfront_errors(status: int, policy: CachePolicy, cache: str, lifetime_s: float) -> None:
    head = answer(status, f"cache-control: {cache}")
    assert assess(head, site_of(policy)).lifetime_s == lifetime_s


@pytest.mark.parametrize(
    ("cache", "policy", "swr_s", "sie_s"),
    [  # §1.3, serving stale
        ("max-age=5", ttls(0, 60, 600), 0, None),
        ("max-age=5, stale-while-revalidate=30", ttls(0, 60, 600), 30, None),
        ("max-age=5, stale-while-revalidate=30", ttls(0, 20, 20), 15, None),
        ("max-age=5, stale-if-error=30", ttls(0, 60, 600), 0, 30),
        ("max-age=5, stale-if-error=0", ttls(0, 60, 600), 0, 0),
        ("max-age=5, stale-while-revalidate=30, stale-if-error=60", ttls(0, 60, 600), 30, 60),
        pytest.param(
            "max-age=5, stale-while-revalidate=30", ttls(0, 6, 6), 1, None,
        ),
        pytest.param(
            "max-age=5, stale-if-error=30", ttls(0, 6, 6), 0, 1,
        ),
        pytest.param(
            "max-age=5", ttls(0, 60, 600), 0, 595,
        ),
    ],
)  # fmt: skip
def test_cloudfront_stale_windows(
    cache: str, policy: CachePolicy, swr_s: float, sie_s: float | None
) -> None:
    got = assess(answer(200, f"cache-control: {cache}"), site_of(policy))
    assert got.stale_while_revalidate_s == swr_s
    assert sie_s is None or got.stale_if_error_s == sie_s


@pytest.mark.parametrize(
    ("vary", "policy", "always"),
    [  # §1.3: stored, but asked for in full each time; with a MinTTL the `*` is dropped
        ("*", ttls(0, 60, 600), True),
        ("*", ttls(1, 60, 600), False),
        ("accept", ttls(0, 60, 600), False),
        pytest.param(
            "accept, *", ttls(0, 60, 600), True,
        ),
    ],
)  # fmt: skip
def test_cloudfront_vary_star(vary: str, policy: CachePolicy, always: bool) -> None:
    head = answer(200, f"vary: {vary}", "cache-control: max-age=60")
    assert assess(head, site_of(policy)).validate_always is always


@given(
    st.integers(0, 100), st.integers(0, 100), st.integers(0, 100), st.integers(0, 400),
    st.sampled_from(["rfc9111", "cloudfront"]),
)  # fmt: skip
def test_it_is_fresh_exactly_while_its_age_is_below_its_lifetime(
    lifetime: int, age: int, took: int, later: int, semantics: str
) -> None:
    """RFC 9111 §4.2: fresh while freshness_lifetime > current_age."""
    head = answer(200, f"cache-control: max-age={lifetime}", f"age: {age}", took=took)
    got = assess(head, rfc_site() if semantics == "rfc9111" else site_of(PLAIN))
    now = NOW + later
    assert (now < got.fresh_until(NOW)) is (got.age(NOW, now) < got.lifetime_s)
    assert got.age(NOW, NOW - later) >= 0
