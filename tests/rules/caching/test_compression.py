"""Which responses are compressed, with what, and what they say then: CloudFront's conditions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.config.model import CachePolicy
from edgecache.http.message import Request, combined_value, first_value
from edgecache.rules.caching.compression import (
    BODY_BYTES_MAX,
    BODY_BYTES_MIN,
    TYPES,
    coding_for,
    compressed_fields,
    still_compressed,
    weakened,
)
from edgecache.rules.caching.key import cache_key
from tests.rules.pieces import answer, asks, lines, rfc_site, site_of

BOTH = CachePolicy(accept_encoding_gzip=True, accept_encoding_brotli=True)
GZIP = CachePolicy(accept_encoding_gzip=True)
BROTLI = CachePolicy(accept_encoding_brotli=True)
NEITHER = CachePolicy()
DISABLED = CachePolicy(
    ttl_s_min=0,
    ttl_s_default=0,
    ttl_s_max=0,
    accept_encoding_gzip=True,
    accept_encoding_brotli=True,
)
BROWSER = "Accept-Encoding: gzip, deflate, br, zstd"
PAGE = answer(200, "Content-Type: text/html; charset=utf-8")


def browser(**more: Any) -> Request:
    return asks("/a", BROWSER, **more)


@pytest.mark.parametrize(
    ("accept_encoding", "policy", "coding"),
    [
        ("gzip, deflate, br, zstd", BOTH, b"br"),  # Brotli if both
        ("br;q=0.1, gzip;q=1", BOTH, b"br"),  # also where the viewer would rather not
        ("gzip, br", GZIP, b"gzip"),
        ("gzip, br", BROTLI, b"br"),
        ("gzip, br", NEITHER, None),
        ("gzip, br", DISABLED, None),  # TTL 0
        ("gzip", BOTH, b"gzip"),
        ("gzip", BROTLI, None),
        ("x-gzip", BOTH, b"gzip"),
        ("GZIP", BOTH, b"gzip"),
        ("br;q=0, gzip", BOTH, b"gzip"),
        ("br;q=0, gzip;q=0", BOTH, None),
        ("*", BOTH, b"br"),
        ("*, br;q=0", BOTH, b"gzip"),
        ("identity;q=0, *;q=0", BOTH, None),  # hostile N03: identity, no 406
        ("identity", BOTH, None),
        ("deflate, zstd", BOTH, None),
        ("", BOTH, None),
        ("gzip;q=banana", BOTH, None),
        (None, BOTH, None),  # that any would do does not mean that it can be read
    ],
)
def test_the_viewer_accepts_what_the_policy_offers(
    accept_encoding: str | None, policy: CachePolicy, coding: bytes | None
) -> None:
    given = () if accept_encoding is None else (f"Accept-Encoding: {accept_encoding}",)
    request = asks("/a", *given)
    assert coding_for(request, PAGE, 5_000, site_of(policy, compress=True)) == coding


@pytest.mark.parametrize(
    ("length", "compressed"),
    [
        (None, False),  # chunked
        (0, False),
        (999, False),
        (1_000, True),
        (10_000_000, True),
        (10_000_001, False),
    ],
)
def test_only_lengths_that_are_known_and_within_bounds(
    length: int | None, compressed: bool
) -> None:
    assert (BODY_BYTES_MIN, BODY_BYTES_MAX) == (1_000, 10_000_000)
    found = coding_for(browser(), PAGE, length, site_of(BOTH, compress=True))
    assert (found is not None) is compressed


@pytest.mark.parametrize(
    ("status", "compressed"),
    [(200, True), (403, True), (404, True)]
    + [(status, False) for status in (201, 203, 204, 206, 301, 304, 400, 410, 416, 500, 503)],
)
def test_only_three_statuses(status: int, compressed: bool) -> None:
    head = answer(status, "Content-Type: text/html")
    found = coding_for(browser(), head, 5_000, site_of(BOTH, compress=True))
    assert (found is not None) is compressed


@pytest.mark.parametrize(
    ("content_type", "compressed"),
    [
        ("text/html", True),
        ("text/html;charset=utf-8", True),
        ("text/html ; charset=utf-8", True),
        ("Text/HTML", True),
        ("application/json", True),
        ("application/javascript", True),
        ("application/wasm", True),
        ("application/vnd.mapbox-vector-tile", True),
        ("image/svg+xml", True),
        ("font/ttf", True),
        ("vnd.apple.mpegurl", True),
        ("application/ld+json", False),
        ("application/manifest+json", False),
        ("text/markdown", False),
        ("text/event-stream", False),
        ("font/woff", False),
        ("font/woff2", False),
        ("image/png", False),
        ("text/htmlx", False),
        ("text/", False),
        ("", False),
        (None, False),
    ],
)
def test_only_the_types_of_the_list(content_type: str | None, compressed: bool) -> None:
    given = () if content_type is None else (f"Content-Type: {content_type}",)
    found = coding_for(browser(), answer(200, *given), 5_000, site_of(BOTH, compress=True))
    assert (found is not None) is compressed


def test_the_list_is_as_long_as_cloudfronts() -> None:
    by_kind = {kind: sum(name.startswith(kind) for name in TYPES) for kind in
               (b"application/", b"font/", b"image/", b"text/")}  # fmt: skip
    assert by_kind == {b"application/": 30, b"font/": 4, b"image/": 1, b"text/": 12}
    assert len(TYPES) == 48


@pytest.mark.parametrize(
    "encoding",
    ["gzip", "br", "identity", "", "bogus", "gzip, gzip, gzip"],  # hostile N02: opaque
)
def test_what_the_origin_encoded_is_not_encoded_again(encoding: str) -> None:
    head = answer(200, "Content-Type: text/html", f"Content-Encoding: {encoding}")
    assert coding_for(browser(), head, 5_000, site_of(BOTH, compress=True)) is None


def test_the_behavior_and_the_protocol_must_allow_it() -> None:
    assert coding_for(browser(), PAGE, 5_000, site_of(BOTH, compress=True)) == b"br"
    assert coding_for(browser(), PAGE, 5_000, site_of(BOTH, compress=False)) is None
    assert coding_for(browser(minor=0), PAGE, 5_000, site_of(BOTH, compress=True)) is None
    assert coding_for(browser(method="HEAD"), PAGE, 5_000, site_of(BOTH, compress=True)) == b"br"
    assert coding_for(browser(method="POST"), PAGE, 5_000, site_of(BOTH, compress=True)) is None
    assert coding_for(browser(), PAGE, 5_000, rfc_site()) is None


CODINGS = st.sampled_from(["br", "gzip", "*", "identity", "x-gzip", "zstd"])
MEMBERS = st.tuples(CODINGS, st.sampled_from(["", ";q=0", ";q=0.5", ";q=1", ";q=x"]))
POLICIES = st.sampled_from([BOTH, GZIP, BROTLI])


@given(st.lists(MEMBERS, max_size=4), st.lists(MEMBERS, max_size=4), POLICIES)
def test_one_key_has_one_form(
    one: list[tuple[str, str]], other: list[tuple[str, str]], policy: CachePolicy
) -> None:
    site = site_of(policy, compress=True)
    first, second = (
        asks("/a", "Accept-Encoding: " + ", ".join(name + q for name, q in members))
        for members in (one, other)
    )
    if cache_key(first, site) == cache_key(second, site):
        assert coding_for(first, PAGE, 5_000, site) == coding_for(second, PAGE, 5_000, site)


@pytest.mark.parametrize(
    ("etag", "expected"),
    [
        (b'"v1"', b'W/"v1"'),
        (b'""', b'W/""'),
        (b'W/"v1"', b'W/"v1"'),
        (b"v1", None),
        (b'w/"v1"', None),
        (b"'v1'", None),
        (b"", None),
    ],
)
def test_an_entity_tag_is_weakened_kept_or_removed(etag: bytes, expected: bytes | None) -> None:
    assert weakened(etag) == expected
    found = first_value(compressed_fields(((b"etag", etag),), b"br"), b"etag")
    assert found == expected


@pytest.mark.parametrize(
    ("vary", "expected"),
    [
        ((), b"Accept-Encoding"),
        (("Vary: Origin",), b"Origin, Accept-Encoding"),
        (("Vary: Origin", "Vary: Cookie"), b"Origin, Cookie, Accept-Encoding"),
        (("Vary: accept-encoding",), b"accept-encoding"),
        (("Vary: Origin, Accept-Encoding",), b"Origin, Accept-Encoding"),
        (("Vary: *",), b"*"),
        (("Vary:",), b"Accept-Encoding"),
        (("Vary: X-Accept-Encoding",), b"X-Accept-Encoding, Accept-Encoding"),
    ],
)
def test_vary_names_accept_encoding(vary: tuple[str, ...], expected: bytes) -> None:
    assert combined_value(compressed_fields(lines(*vary), b"gzip"), b"vary") == expected


def test_nothing_is_said_that_was_true_of_other_bytes() -> None:
    given = lines(
        "Content-Type: text/css",
        "Content-Length: 5000",
        "Accept-Ranges: bytes",
        "Content-MD5: x",
        "Digest: x",
        "Content-Digest: x",
        "Repr-Digest: x",
        "Cache-Control: max-age=60",
        "Last-Modified: x",
    )
    assert compressed_fields(given, b"br") == lines(
        "Content-Type: text/css",
        "Cache-Control: max-age=60",
        "Last-Modified: x",
        "Vary: Accept-Encoding",
        "Content-Encoding: br",
    )


@pytest.mark.parametrize(
    ("stored", "updated", "expected"),
    [
        # Not coded: what the 304 says holds.
        (["Vary: Origin"], ["Vary: Cookie", "Accept-Ranges: bytes"],
         ["Vary: Cookie", "Accept-Ranges: bytes"]),
        # The origin's form is chosen by Origin alone, ours also by Accept-Encoding.
        (["Content-Encoding: br", "Vary: Origin, Accept-Encoding"],
         ["Content-Encoding: br", "Vary: Origin"],
         ["Content-Encoding: br", "Vary: Origin, Accept-Encoding"]),
        (["Content-Encoding: br", "Vary: Accept-Encoding"],
         ["Content-Encoding: br", "Vary: Accept-Encoding", "Accept-Ranges: bytes", "Digest: x"],
         ["Content-Encoding: br", "Vary: Accept-Encoding"]),
        # The origin's own coding, which never named Accept-Encoding and takes ranges.
        (["Content-Encoding: br", "Accept-Ranges: bytes"],
         ["Content-Encoding: br", "Accept-Ranges: bytes", "Vary: Cookie"],
         ["Content-Encoding: br", "Accept-Ranges: bytes", "Vary: Cookie"]),
    ],
)  # fmt: skip
def test_a_304_says_nothing_of_our_coding(
    stored: list[str], updated: list[str], expected: list[str]
) -> None:
    assert still_compressed(lines(*stored), lines(*updated)) == lines(*expected)
