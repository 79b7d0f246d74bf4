"""Reuse: RFC 9111 §4.2.4, §5.2.1, §5.4, RFC 5861; CloudFront Developer Guide,
"Serve stale (expired) content"."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgecache.config.model import CachePolicy, SemanticsName
from edgecache.http.message import Response
from edgecache.rules.caching.freshness import assess
from edgecache.rules.caching.reuse import (
    accepted_staleness,
    has_validator,
    judge,
    request_directives,
    serves_on_error,
)
from edgecache.rules.reasons import (
    Fetch,
    MissReason,
    Revalidate,
    Serve,
    ServeStale,
    Unsatisfiable,
    Verdict,
)
from edgecache.rules.semantics import SEMANTICS
from tests.rules.pieces import DAY, NOW, answer, asks, lines, site_of

ETAG = 'etag: "v"'


def verdict(
    response: str,
    age: float,
    wishes: str | None = None,
    *,
    semantics: SemanticsName = "rfc9111",
    policy: CachePolicy | None = None,
    etag: bool = True,
) -> Verdict:
    """What is done with a response so many seconds after it came."""
    given_lines = (f"cache-control: {response}", *((ETAG,) if etag else ()))
    head = answer(200, *given_lines)
    request = asks("/a", *(() if wishes is None else (wishes,)))
    assessment = assess(head, site_of(policy, semantics=semantics))
    return judge(request, head, assessment, SEMANTICS[semantics], NOW + age)


NEWER = ("no-cache", "max-age=0", "no-store", "min-fresh=99")
EXPIRED, MUST, WISH = MissReason.EXPIRED, MissReason.VALIDATE, MissReason.REQUEST


@pytest.mark.parametrize(
    ("response", "age", "expected"),
    [  # RFC 9111 §4, §4.2, §4.2.4, §5.2.2; RFC 5861 §3
        ("max-age=60", 0, Serve(NOW + 60)),
        ("max-age=60", 59.9, Serve(NOW + 60)),
        ("max-age=60", 60, Revalidate(EXPIRED)),
        ("max-age=0", 0, Revalidate(MUST)),
        ("no-cache, max-age=60", 0, Revalidate(MUST)),
        ("max-age=60, must-revalidate", 59, Serve(NOW + 60)),
        ("max-age=60, stale-while-revalidate=30", 89, ServeStale()),
        ("max-age=60, stale-while-revalidate=30", 90, Revalidate(EXPIRED)),
        ("max-age=60, stale-while-revalidate=30, must-revalidate", 60, Revalidate(EXPIRED)),
        ("max-age=60, stale-while-revalidate=30, proxy-revalidate", 60, Revalidate(EXPIRED)),
        ("s-maxage=60, stale-while-revalidate=30", 60, Revalidate(EXPIRED)),
        ("no-cache, stale-while-revalidate=30", 0, Revalidate(MUST)),
        ("max-age=60, stale-if-error=30", 60, Revalidate(EXPIRED)),
    ],
)
def test_rfc9111(response: str, age: float, expected: Verdict) -> None:
    assert verdict(response, age) == expected


def test_without_a_validator_the_whole_is_fetched() -> None:
    assert verdict("max-age=60", 60, etag=False) == Fetch(EXPIRED)
    assert verdict("no-cache", 0, etag=False) == Fetch(MUST)


@pytest.mark.parametrize(
    ("given_lines", "has"),
    [((), False), ((ETAG,), True), (("last-modified: x",), True), (("date: x",), False)],
)
def test_has_validator(given_lines: tuple[str, ...], has: bool) -> None:
    assert has_validator(lines(*given_lines)) is has


@pytest.mark.parametrize(
    ("wishes", "response", "age", "expected"),
    [  # RFC 9111 §5.2.1 in its order
        ("max-age=30", "max-age=60", 20, Serve(NOW + 30)),
        ("max-age=30", "max-age=60", 30, Serve(NOW + 30)),
        ("max-age=30", "max-age=60", 31, Revalidate(WISH)),
        ("max-age=90", "max-age=60", 20, Serve(NOW + 60)),
        ("max-age=0", "max-age=60", 1, Revalidate(WISH)),
        ("max-age=x", "max-age=60", 1, Revalidate(WISH)),
        pytest.param(
            "max-age=90", "max-age=60, stale-while-revalidate=30", 70, Revalidate(WISH)
        ),
        ("max-stale", "max-age=60", 1e6, Serve(float("inf"))),
        ("max-stale=30", "max-age=60", 89, Serve(NOW + 90)),
        ("max-stale=30", "max-age=60", 91, Revalidate(EXPIRED)),
        ("max-stale=x", "max-age=60", 61, Revalidate(EXPIRED)),
        ("max-stale=30", "max-age=60, must-revalidate", 61, Revalidate(EXPIRED)),
        ("max-stale=30", "s-maxage=60", 61, Revalidate(EXPIRED)),
        ("max-stale=30", "no-cache, max-age=60", 1, Revalidate(MUST)),
        ("max-stale=30", "no-cache, max-age=60", 61, Revalidate(MUST)),
        ("max-age=30, max-stale=99", "max-age=60", 61, Revalidate(WISH)),
        ("min-fresh=30", "max-age=60", 30, Serve(NOW + 30)),
        ("min-fresh=30", "max-age=60", 31, Revalidate(WISH)),
        ("min-fresh=30", "max-age=60, stale-while-revalidate=30", 70, Revalidate(WISH)),
        ("no-cache", "max-age=60", 0, Revalidate(WISH)),
        ("no-store", "max-age=60", 1, Serve(NOW + 60)),
        ("no-transform", "max-age=60", 1, Serve(NOW + 60)),
        ("only-if-cached", "max-age=60", 1, Serve(NOW + 60)),
        ("only-if-cached", "max-age=60", 60, Unsatisfiable()),
        ("only-if-cached, no-cache", "max-age=60", 1, Unsatisfiable()),
        ("only-if-cached, max-stale=9", "max-age=60", 61, Serve(NOW + 69)),
        ("only-if-cached", "max-age=60, stale-while-revalidate=9", 61, ServeStale()),
        ("unknown=1", "max-age=60", 1, Serve(NOW + 60)),
        pytest.param("max-age=50, min-fresh=30", "max-age=60", 1, Serve(NOW + 30)),
        pytest.param("max-age=70, max-stale=99", "max-age=60", 61, Serve(NOW + 70)),
    ],
)  # fmt: skip
def test_rfc9111_wishes(wishes: str, response: str, age: float, expected: Verdict) -> None:
    assert verdict(response, age, f"cache-control: {wishes}") == expected


@pytest.mark.parametrize(
    ("given_lines", "asks_anew"),
    [  # RFC 9111 §5.4
        (("pragma: no-cache",), True),
        (("pragma: No-Cache, x",), True),
        (("pragma: x",), False),
        (("pragma: no-cache", "cache-control: max-age=60"), False),
        ((), False),
        pytest.param(
            ("pragma: not-no-cache-at-all",), False,
        ),
    ],
)  # fmt: skip
def test_pragma(given_lines: tuple[str, ...], asks_anew: bool) -> None:
    wishes = request_directives(lines(*given_lines))
    assert (wishes is not None and wishes.has(b"no-cache")) is asks_anew


@pytest.mark.parametrize(
    ("wishes", "seconds"),
    [
        ("max-age=5", None),
        ("max-stale", float("inf")),
        ("max-stale=5", 5.0),
        ('max-stale="5"', 5.0),
        ("max-stale=abc", 0.0),
    ],
)
def test_accepted_staleness(wishes: str, seconds: float | None) -> None:
    directives = request_directives(lines(f"cache-control: {wishes}"))
    assert directives is not None
    assert accepted_staleness(directives) == seconds


def ttls(low: int, default: int, high: int) -> CachePolicy:
    return CachePolicy(ttl_s_min=low, ttl_s_default=default, ttl_s_max=high)


@pytest.mark.parametrize(
    ("response", "age", "expected"),
    [  # CloudFront Developer Guide, "Serve stale (expired) content"
        ("max-age=60", 59, Serve(NOW + 60)),
        ("max-age=60", 60, Revalidate(EXPIRED)),
        ("max-age=60, must-revalidate", 60, Revalidate(EXPIRED)),
        ("max-age=60, stale-while-revalidate=30", 89, ServeStale()),
        ("max-age=60, stale-while-revalidate=30", 90, Revalidate(EXPIRED)),
        ("max-age=60, stale-while-revalidate=30, stale-if-error=90", 89, ServeStale()),
        pytest.param(
            "max-age=60, stale-while-revalidate=30, stale-if-error=0", 89, ServeStale(),
        ),
        ("max-age=0", 0, Revalidate(MUST)),
    ],
)  # fmt: skip
def test_cloudfront(response: str, age: float, expected: Verdict) -> None:
    assert verdict(response, age, semantics="cloudfront") == expected


@pytest.mark.parametrize(
    "wishes", ["cache-control: no-cache", "pragma: no-cache", "cache-control: max-age=0"]
)
def test_cloudfront_does_not_ask_the_viewer(wishes: str) -> None:
    assert verdict("max-age=60", 1, wishes, semantics="cloudfront") == Serve(NOW + 60)


def test_cloudfront_fetches_vary_star_in_full_each_time() -> None:
    head = answer(200, ETAG, "vary: *", "cache-control: max-age=60")
    assessment = assess(head, site_of())
    assert judge(asks(), head, assessment, SEMANTICS["cloudfront"], NOW + 1) == Fetch(MUST)


RFC: tuple[SemanticsName, CachePolicy] = ("rfc9111", CachePolicy())
CLOUDFRONT: tuple[SemanticsName, CachePolicy] = ("cloudfront", ttls(0, 60, 600))


@pytest.mark.parametrize(
    ("rules", "response", "age", "on_error", "cut_off"),
    [  # RFC 5861 §4; RFC 9111 §4.2.4; "Serve stale (expired) content"
        (RFC, "max-age=60", 61, False, True),
        (RFC, "max-age=60", 60 + DAY, False, False),
        (RFC, "max-age=60, stale-if-error=30", 89, True, True),
        (RFC, "max-age=60, stale-if-error=30", 90, False, True),
        (RFC, "max-age=60, stale-if-error=30, must-revalidate", 61, False, False),
        (RFC, "s-maxage=60, stale-if-error=30", 61, False, False),
        (RFC, "max-age=60, proxy-revalidate", 61, False, False),
        (RFC, "no-cache, stale-if-error=30", 1, False, False),
        (CLOUDFRONT, "max-age=60", 599, True, True),
        (CLOUDFRONT, "max-age=60, stale-if-error=30", 89, True, True),
        (CLOUDFRONT, "max-age=60, stale-if-error=30", 90, False, False),
        (CLOUDFRONT, "max-age=60, stale-if-error=0", 60, False, False),
        pytest.param(
            CLOUDFRONT, "max-age=60", 600, False, False,
        ),
    ],
)  # fmt: skip
def test_serves_on_error(
    rules: tuple[SemanticsName, CachePolicy],
    response: str,
    age: float,
    on_error: bool,
    cut_off: bool,
) -> None:
    semantics, policy = rules
    head = answer(200, f"cache-control: {response}")
    assessment = assess(head, site_of(policy, semantics=semantics))
    assert serves_on_error(head, assessment, NOW + age, cut_off=False) is on_error
    assert serves_on_error(head, assessment, NOW + age, cut_off=True) is cut_off


SECONDS = st.integers(0, 40)
WISHES = st.lists(
    st.one_of(
        st.sampled_from(["no-cache", "max-stale", "only-if-cached", "no-store"]),
        *(SECONDS.map(f"{name}={{}}".format) for name in ("max-age", "min-fresh", "max-stale")),
    ),
    max_size=3,
)
RESPONSE = st.lists(
    st.one_of(
        st.sampled_from(["no-cache", "must-revalidate", "proxy-revalidate", "immutable"]),
        *(
            SECONDS.map(f"{name}={{}}".format)
            for name in ("max-age", "s-maxage", "stale-while-revalidate", "stale-if-error")
        ),
    ),
    max_size=4,
)


def told(response: list[str], age: int, took: int) -> Response:
    fields = (f"cache-control: {', '.join(response)}", f"age: {age}")
    return answer(200, *fields, took=took)


@given(RESPONSE, SECONDS, SECONDS, SECONDS, SECONDS, st.sampled_from([RFC, CLOUDFRONT]))
def test_a_response_is_never_served_outside_its_verdict(
    response: list[str],
    age: int,
    took: int,
    later: int,
    still_later: int,
    rules: tuple[SemanticsName, CachePolicy],
) -> None:
    semantics, policy = rules
    head = told(response, age, took)
    assessment = assess(head, site_of(policy, semantics=semantics))
    concluded = judge(asks(), head, assessment, SEMANTICS[semantics], NOW + later)
    if not isinstance(concluded, Serve):
        return
    assert NOW + later < concluded.until
    now = min(NOW + later + still_later, concluded.until - 0.5)
    assert assessment.age(NOW, now) < assessment.lifetime_s
    assert judge(asks(), head, assessment, SEMANTICS[semantics], now) == concluded
    ended = judge(asks(), head, assessment, SEMANTICS[semantics], concluded.until)
    assert not isinstance(ended, Serve)


@given(RESPONSE, WISHES, SECONDS, SECONDS)
@example(["max-age=40"], ["max-age=40", "min-fresh=30"], 0, 20)
def test_a_lease_ends_when_the_request_would_be_judged_anew(
    response: list[str], wishes: list[str], later: int, still_later: int
) -> None:
    """Law: a remembered conclusion is one that would be reached again."""
    head = told(response, 0, 0)
    assessment = assess(head, site_of(semantics="rfc9111"))
    request = asks("/a", f"cache-control: {', '.join(wishes)}")
    concluded = judge(request, head, assessment, SEMANTICS["rfc9111"], NOW + later)
    now = NOW + later + still_later
    if isinstance(concluded, Serve) and now < concluded.until:
        again = judge(request, head, assessment, SEMANTICS["rfc9111"], now)
        assert isinstance(again, Serve)
