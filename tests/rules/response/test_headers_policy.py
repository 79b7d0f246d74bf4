"""What viewers get beside the stored fields: removals, additions, Vary, Server, Server-Timing."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from edgecache.config.model import (
    CachePolicy,
    CorsHeaders,
    HeaderSelection,
    OriginRequestPolicy,
    ResponseHeadersPolicy,
    SetHeader,
)
from edgecache.rules.response.headers_policy import (
    ServerTiming,
    applied,
    removable,
    repeatable,
    vary_for_viewer,
    viewer_fields,
    wants_timing,
    with_alternative,
    with_timing,
)
from tests.rules.pieces import asks, chosen, headers, lines, site_of

US = b"CloudFront"


def sets(name: str, value: str, *, override: bool = False) -> SetHeader:
    return SetHeader(name=name, value=value, override=override)


@pytest.mark.parametrize(
    ("policy", "sent", "given"),
    [
        ({}, ("x-a: 1",), ("x-a: 1",)),
        ({"remove": ("X-A", "x-none")}, ("x-a: 1", "x-b: 2", "x-a: 3"), ("x-b: 2",)),
        ({"remove": ("Server",)}, ("server: nginx",), ("server: CloudFront",)),
        (
            {"remove": ("Via", "X-Cache")},
            ("via: 1.1 a", "x-cache: b"),
            ("via: 1.1 a", "x-cache: b"),
        ),
        ({"custom": (sets("X-A", "p"),)}, (), ("x-a: p",)),
        ({"custom": (sets("X-A", "p"),)}, ("x-a: o",), ("x-a: o",)),
        ({"custom": (sets("X-A", "p"),)}, ("x-a:",), ("x-a:",)),
        ({"custom": (sets("X-A", "p", override=True),)}, ("x-a: o", "x-a: q"), ("x-a: p",)),
        ({"security": (sets("X-Frame-Options", "DENY"),)}, (), ("x-frame-options: DENY",)),
        (
            {"remove": ("X-A",), "custom": (sets("X-A", "p"),)},  # removals come first
            ("x-a: o",),
            ("x-a: p",),
        ),
        ({"custom": (sets("Content-Length", "1", override=True),)}, (), ()),
        ({"custom": (sets("Transfer-Encoding", "x", override=True),)}, (), ()),
    ],
)
def test_a_policy(policy: dict[str, Any], sent: tuple[str, ...], given: tuple[str, ...]) -> None:
    got = applied(lines(*sent), asks(), ResponseHeadersPolicy(**policy), US)
    assert got == lines(*given)


def test_cors_is_part_of_it() -> None:
    policy = ResponseHeadersPolicy(cors=CorsHeaders(allow_origins=("*",)))
    got = applied((), asks("/a", "origin: https://a.test"), policy, US)
    assert got == lines("access-control-allow-origin: *")


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("Server", True), ("Date", True), ("Set-Cookie", True), ("X-Amz-Meta-A", True),
        ("X-Amzn-Trace-Id", True), ("Connection", False), ("content-encoding", False),
        ("Warning", False), ("X-Amz-Cf-Id", False), ("X-Edge-Anything", False),
        ("X-Amzn-RequestId", False), ("X-Accel-Redirect", False), ("X-Real-Ip", False),
    ],
)  # fmt: skip
def test_what_a_policy_may_touch(name: str, may: bool) -> None:
    assert removable(name) is may


def extra(behavior: Any, *names: str) -> OriginRequestPolicy:
    return OriginRequestPolicy(headers=HeaderSelection(behavior=behavior, items=names))


@pytest.mark.parametrize(
    ("policy", "request_policy", "sent", "given"),
    [
        (CachePolicy(), None, "Accept-Encoding", "Accept-Encoding"),
        (CachePolicy(), None, "Origin", None),
        (CachePolicy(), None, "Accept-Encoding, Origin, Cookie", "Accept-Encoding"),
        (CachePolicy(headers=headers("origin")), None, "Origin, X-A", "Origin"),
        (CachePolicy(cookies=chosen("all")), None, "Cookie", "Cookie"),
        (CachePolicy(), extra("whitelist", "X-A"), "x-a, X-B", "x-a"),
        (CachePolicy(), extra("allViewer"), "X-A, User-Agent", "X-A, User-Agent"),
        (CachePolicy(), extra("allExcept", "X-A"), "X-A, X-B", "X-B"),
        (CachePolicy(), extra("none", "X-A"), "X-A", None),
        (CachePolicy(), None, "User-Agent", None),
        (CachePolicy(headers=headers("CloudFront-Is-Mobile-Viewer")), None, "User-Agent",
         "User-Agent"),
        (CachePolicy(), None, "*", "*"),
        (CachePolicy(ttl_s_min=1), None, "*", None),
    ],
)  # fmt: skip
def test_vary_names_what_is_forwarded(
    policy: CachePolicy, request_policy: OriginRequestPolicy | None, sent: str, given: str | None
) -> None:
    got = vary_for_viewer(lines(f"vary: {sent}"), site_of(policy, request_policy))
    assert got == (() if given is None else lines(f"vary: {given}"))


def test_server_is_the_origins_or_ours() -> None:
    assert viewer_fields(lines("server: nginx"), asks(), site_of(), US) == lines("server: nginx")
    assert viewer_fields((), asks(), site_of(), US) == lines("server: CloudFront")
    plain = site_of(semantics="rfc9111")
    assert viewer_fields(lines("vary: X-A"), asks(), plain, US) == lines("vary: X-A")


def timed(percent: float | None, *remove: str) -> Any:
    policy = ResponseHeadersPolicy(server_timing_percent=percent, remove=remove)
    return site_of(response_headers_policy=policy)


FORCED = ("pragma: no-cache, Server-Timing",)


@pytest.mark.parametrize(
    ("percent", "fields", "chance", "wants", "repeats"),
    [
        (None, (), 0.0, False, True),
        (None, FORCED, 0.0, False, True),
        (0, (), 0.0, False, True),
        (0, FORCED, 0.9, True, False),
        (50, (), 0.49, True, False),
        (50, (), 0.5, False, False),
        (0.0001, (), 0.0000009, True, False),
        (100, (), 0.999999, True, False),
    ],
)
def test_sampling(
    percent: float | None, fields: tuple[str, ...], chance: float, wants: bool, repeats: bool
) -> None:
    request = asks("/a", *fields)
    assert wants_timing(request, timed(percent), chance) is wants
    assert repeatable(request, timed(percent)) is repeats


def test_no_policy_and_no_date() -> None:
    assert not wants_timing(asks("/a", *FORCED), site_of(), 0.0)
    assert repeatable(asks(), site_of())
    assert not repeatable(asks(), timed(None, "Date"))  # ours changes each second


@pytest.mark.parametrize(
    ("word", "layer", "before", "given"),
    [
        ("hit", "EDGE", ("server-timing: db;dur=1",),
         'cdn-cache-hit,cdn-pop;desc="P",cdn-rid;desc="id==",cdn-hit-layer;desc="EDGE",'
         "cdn-downstream-fbl;dur=12"),
        ("refresh", "REC", (),
         'cdn-cache-refresh,cdn-pop;desc="P",cdn-rid;desc="id==",cdn-hit-layer;desc="REC",'
         "cdn-downstream-fbl;dur=12"),
        ("miss", "REC", ("server-timing: db;dur=1", "server-timing: x"),
         'cdn-cache-miss,cdn-pop;desc="P",cdn-rid;desc="id==",cdn-upstream-layer;desc="REC",'
         "cdn-upstream-fbl;dur=12,cdn-downstream-fbl;dur=12,db;dur=1, x"),
    ],
)  # fmt: skip
def test_server_timing(word: str, layer: str, before: tuple[str, ...], given: str) -> None:
    timing = ServerTiming(word, layer, "P", b"id==", 0.0123)
    assert with_timing(lines(*before), timing) == ((b"server-timing", given.encode()),)


@pytest.mark.parametrize(
    ("version", "policy", "before", "after"),
    [
        ("http2", None, "", ""),
        ("http2", None, "h2=\":1\"", "h2=\":1\""),
        ("http3", None, "", 'h3=":443"; ma=86400'),
        ("http2and3", None, "h2=\":1\"", 'h3=":443"; ma=86400'),
        ("http3", ResponseHeadersPolicy(remove=("Alt-Svc",)), "", ""),
        ("http3", ResponseHeadersPolicy(custom=(sets("Alt-Svc", "clear"),)), "clear", "clear"),
    ],
)  # fmt: skip
def test_http3_is_told_of_where_it_is_allowed(
    version: str, policy: ResponseHeadersPolicy | None, before: str, after: str
) -> None:
    """RFC 7838 §3."""
    route = site_of(response_headers_policy=policy)
    site = structs.replace(route.distribution, http_version=version)
    route = structs.replace(route, distribution=site)
    fields = lines("a: b", *([f"alt-svc: {before}"] if before else []))
    told = [v.decode() for n, v in with_alternative(fields, route, 443) if n == b"alt-svc"]
    assert told == ([after] if after else [])
