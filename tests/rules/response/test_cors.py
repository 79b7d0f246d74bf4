"""CORS of a response headers policy: patterns, grants, preflights, and who wins."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.config.model import CorsHeaders
from edgecache.rules.response.cors import ALL_METHODS, allowed_headers, matches_any, with_cors
from tests.rules.pieces import asks, lines

ORIGIN = "https://app.example.org"


@pytest.mark.parametrize(
    ("pattern", "origin", "matches"),
    [
        ("*", "https://a.test", True),
        ("*", "null", True),
        ("https://a.test", "https://a.test", True),
        ("https://a.test", "http://a.test", False),  # with a scheme: only that one
        ("a.test", "http://a.test", True),
        ("a.test", "https://a.test", True),
        ("a.test", "ftp://a.test", False),
        ("a.test", "https://a.test:8443", False),  # without a port: only without
        ("a.test:8443", "https://a.test:8443", True),
        ("a.test:8443", "https://a.test", False),
        ("a.test", "https://b.a.test", False),
        ("a.test", "https://a.test.evil.test", False),
        ("*.example.org", "https://a.example.org", True),
        ("*.example.org", "https://a.b.example.org", True),
        ("*.example.org", "https://.example.org", True),  # also no label at all
        ("*.example.org", "https://example.org", False),
        ("*.example.org", "https://evilexample.org", False),
        ("*.example.org", "https://evil.test/.example.org", False),
        ("https://*.example.org", "http://a.example.org", False),
        ("a.test:*", "https://a.test", True),
        ("a.test:*", "https://a.test:1", True),
        ("a.test:1*3", "https://a.test:13", True),
        ("a.test:1*3", "https://a.test:123", True),
        ("a.test:1*3", "https://a.test:1893", True),
        ("a.test:1*3", "https://a.test:14", False),
        ("a.test:1*3", "https://a.test", False),
        ("axtest", "https://a.test", False),
        ("A.Test", "https://a.test", True),
        ("[::1]:8080", "http://[::1]:8080", True),
        ("[::1]", "http://[::1]", True),
    ],
)
def test_origins(pattern: str, origin: str, matches: bool) -> None:
    assert matches_any((pattern,), origin.encode()) is matches


def cors(**more: Any) -> CorsHeaders:
    return CorsHeaders(**{"allow_origins": ("*",), **more})


@pytest.mark.parametrize(
    ("policy", "asked", "added"),
    [
        (cors(), (), ()),
        (cors(), (f"origin: {ORIGIN}",), ("access-control-allow-origin: *",)),
        (
            cors(allow_credentials=True),
            (f"origin: {ORIGIN}",),
            (f"access-control-allow-origin: {ORIGIN}", "access-control-allow-credentials: true"),
        ),
        (cors(allow_origins=("other.test",)), (f"origin: {ORIGIN}",), ("vary: Origin",)),
        (cors(allow_origins=("*.example.org",)), (), ("vary: Origin",)),
        (
            cors(allow_origins=("other.test", "*.example.org"), expose_headers=("A", "B")),
            (f"origin: {ORIGIN}",),
            (
                "vary: Origin",
                f"access-control-allow-origin: {ORIGIN}",
                "access-control-expose-headers: A, B",
            ),
        ),
        (
            cors(allow_methods=("GET",), allow_headers=("X-A",), max_age_s=600),
            (f"origin: {ORIGIN}",),  # no preflight: nothing of a preflight
            ("access-control-allow-origin: *",),
        ),
    ],
)
def test_what_is_added(policy: CorsHeaders, asked: tuple[str, ...], added: tuple[str, ...]) -> None:
    assert with_cors((), asks("/a", *asked), policy) == lines(*added)


def test_a_preflight_is_told_more() -> None:
    policy = cors(allow_methods=("ALL",), allow_headers=("X-A",), max_age_s=600)
    request = asks(
        "/a", f"origin: {ORIGIN}", "access-control-request-method: PUT", method="OPTIONS"
    )
    assert with_cors((), request, policy) == lines(
        "access-control-allow-origin: *",
        "access-control-allow-headers: X-A",
        f"access-control-allow-methods: {', '.join(ALL_METHODS)}",
        "access-control-max-age: 600",
    )
    plain = asks("/a", f"origin: {ORIGIN}", method="OPTIONS")  # asks no leave for a method
    assert with_cors((), plain, policy) == lines("access-control-allow-origin: *")


@pytest.mark.parametrize(
    ("allowed", "asked", "credentials", "given"),
    [
        (("X-A", "X-B"), "x-c", False, "X-A, X-B"),
        (("*",), "x-c, authorization", False, "*"),
        (("*", "Authorization"), "x-c", False, "*, Authorization"),
        (("*",), "x-c, authorization", True, "x-c"),
        (("x-amz-*",), "x-amz-, x-amz, x-amz-date", False, "x-amz-, x-amz-date"),
        (("x-*-amz",), "x--amz, x-a-amz, x-amz", False, "x--amz, x-a-amz"),
        (("X-A", "x-*"), "x-a, X-B", False, "X-A, x-b"),
        (("x-*",), "", False, ""),
    ],
)
def test_allowed_headers(
    allowed: tuple[str, ...], asked: str, credentials: bool, given: str
) -> None:
    request = asks("/a", f"access-control-request-headers: {asked}", method="OPTIONS")
    policy = cors(allow_headers=allowed, allow_credentials=credentials)
    assert allowed_headers(request, policy) == given.encode()


@pytest.mark.parametrize(
    ("override", "sent", "given"),
    [
        (False, ("access-control-max-age: 1",), ("access-control-max-age: 1",)),
        (
            True,
            ("access-control-max-age: 1", "access-control-allow-origin: https://old.test"),
            ("access-control-max-age: 1", "access-control-allow-origin: *"),
        ),
        (False, ("x-a: 1",), ("x-a: 1", "access-control-allow-origin: *")),
    ],
)
def test_origin_override(override: bool, sent: tuple[str, ...], given: tuple[str, ...]) -> None:
    request = asks("/a", f"origin: {ORIGIN}")
    assert with_cors(lines(*sent), request, cors(origin_override=override)) == lines(*given)


def test_vary_names_origin_once() -> None:
    policy = cors(allow_origins=("a.test",))
    assert with_cors(lines("vary: Origin"), asks(), policy) == lines("vary: Origin")
    both = lines("vary: Accept-Encoding", "vary: Origin")
    assert with_cors(lines("vary: Accept-Encoding"), asks(), policy) == both
