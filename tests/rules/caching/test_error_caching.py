"""Which page stands for which status, and how long errors are kept (CloudFront §"errors")."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from edgecache.config.model import CachePolicy, CustomErrorResponse, Distribution
from edgecache.http.message import Request
from edgecache.rules.caching.error_caching import (
    Replacement,
    error_caching_s,
    page_for,
    page_request,
    replacement,
)
from edgecache.rules.caching.freshness import assess
from tests.rules.pieces import answer, asks, lines, site_of


def error(code: int, path: str = "", status: int | None = None, ttl_s: int = 10) -> Any:
    return CustomErrorResponse(
        error_code=code, response_page_path=path, response_code=status,
        error_caching_ttl_s_min=ttl_s,
    )  # fmt: skip


ERRORS = (
    error(404, "/404.html", 200, 300),
    error(403, "/e/403.html?x=1"),
    error(500, ttl_s=0),
    error(503, ttl_s=60),
)


def site() -> Distribution:
    return structs.replace(site_of().distribution, custom_error_responses=ERRORS)


@pytest.mark.parametrize(
    ("status", "page"),
    [
        (200, None),
        (304, None),
        (404, Replacement(b"/404.html", None, 200)),
        (403, Replacement(b"/e/403.html", b"x=1", 403)),
        (500, None),  # only its time is configured
        (502, None),
    ],
)
def test_replacement(status: int, page: Replacement | None) -> None:
    assert replacement(site(), status) == page
    assert replacement(site_of().distribution, status) is None


def test_no_page_stands_for_what_a_call_of_grpc_gets() -> None:
    behavior = structs.replace(site_of().behavior, grpc=True)
    route = structs.replace(site_of(), distribution=site(), behavior=behavior)
    call = Request(b"POST", b"/", None, ((b"content-type", b"application/grpc"),), major=2)
    assert page_for(call, route, 404) is None
    assert page_for(structs.replace(call, major=1), route, 404) == replacement(site(), 404)


@pytest.mark.parametrize(
    ("status", "seconds"), [(404, 300), (403, 10), (500, 0), (503, 60), (504, 10)]
)
def test_error_caching(status: int, seconds: float) -> None:
    assert error_caching_s(ERRORS, status) == seconds


@pytest.mark.parametrize(
    ("status", "cache", "lifetime_s"),
    [
        (404, "max-age=5", 300),
        (404, "max-age=400", 400),
        (500, "max-age=0", 0),
        (500, "max-age=7", 7),
        (502, "max-age=3", 10),
        (502, "s-maxage=30, max-age=3", 30),
    ],
)
def test_the_longer_of_the_two_times(status: int, cache: str, lifetime_s: float) -> None:
    head = answer(status, f"cache-control: {cache}")
    min_100 = site_of(CachePolicy(ttl_s_min=100))  # MinTTL has no say in errors
    assert assess(head, structs.replace(min_100, distribution=site())).lifetime_s == lifetime_s


def test_a_page_is_got_whole_and_unconditionally() -> None:
    request = asks(
        "/a?b",
        "accept-language: de",
        "range: bytes=0-1",
        "if-none-match: x",
        "content-type: a/b",
        "cache-control: only-if-cached",
        method="POST",
        length=7,
    )
    got = page_request(request, Replacement(b"/404.html", b"x", 404))
    assert (got.method, got.target, got.length) == (b"GET", b"/404.html?x", 0)
    assert got.fields == lines("accept-language: de")
    assert got.host == request.host
