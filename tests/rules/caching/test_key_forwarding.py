"""Forwarding: CloudFront's cache and origin request policies; RFC 9110 §7.6, RFC 9111 §4.3.1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.config.model import CachePolicy, HeaderBehavior, HeaderSelection, OriginRequestPolicy
from edgecache.http.message import Request, combined_value, first_value
from edgecache.rules.caching.key import cache_key, conditional, forwarded
from edgecache.rules.routing import Route
from tests.rules.pieces import asks, chosen, headers, lines, rfc_site, site_of

BARE = site_of()
EVERY_HEADER = OriginRequestPolicy(headers=HeaderSelection(behavior="allViewer"))
BOTH = CachePolicy(accept_encoding_gzip=True, accept_encoding_brotli=True)
VERBATIM = CachePolicy(headers=headers("Accept-Encoding"))
CONDITIONAL = ('if-none-match: "x"', "if-modified-since: y", "range: bytes=0-1")


def sent(request: Request, route: Route, *, cacheable: bool = True) -> dict[str, str]:
    """Every field sent on, by name; a name sent twice would show in its value."""
    fields = forwarded(request, route, cacheable=cacheable).fields
    return {
        name.decode(): (combined_value(fields, name) or b"").decode("latin-1") for name, _ in fields
    }


def extra(behavior: HeaderBehavior, *names: str) -> OriginRequestPolicy:
    return OriginRequestPolicy(headers=HeaderSelection(behavior=behavior, items=names))


@pytest.mark.parametrize(
    "line",
    [
        "host: site.test", "user-agent: x", "accept: */*", "accept-language: en", "cookie: a=1",
        "referer: /", "origin: https://x", "authorization: Basic x", "cache-control: no-cache",
        "pragma: no-cache", "x-forwarded-proto: https", "x-real-ip: 1", "x-edge-location: 1",
        "x-amz-cf-id: 1", "via: 1.1 x", "te: trailers", "upgrade: h2c", "expect: 100-continue",
        "connection: x", "keep-alive: 5", "proxy-authorization: x", "content-type: text/plain",
        "edgecache-peer: x", "edgecache-client: 127.0.0.1", *CONDITIONAL,
    ],
)  # fmt: skip
def test_with_no_policy_nothing_of_a_viewer_reaches_the_origin(line: str) -> None:
    assert sent(asks("/a?b=1", line), BARE) == {}
    assert forwarded(asks("/a?b=1", line), BARE, cacheable=True).target == b"/a"


def test_x_forwarded_for_always_does() -> None:
    assert sent(asks("/a", "x-forwarded-for: 192.0.2.1"), BARE) == {"x-forwarded-for": "192.0.2.1"}


NOT_CODINGS = extra("allExcept", "Accept-Encoding")


@pytest.mark.parametrize(
    ("policy", "request_policy", "received", "value"),
    [  # "How origin request policies and cache policies work together"
        (BOTH, None, "gzip, br", "br,gzip"),
        (BOTH, None, "gzip", "gzip"),
        (BOTH, None, "br", "br"),
        (CachePolicy(accept_encoding_gzip=True), None, "gzip, br", "gzip"),
        (CachePolicy(accept_encoding_brotli=True), None, "gzip, br", "br"),
        (CachePolicy(accept_encoding_gzip=True), None, "br", "identity"),
        (CachePolicy(accept_encoding_gzip=True), None, "zstd", "identity"),
        (CachePolicy(accept_encoding_gzip=True), None, None, None),
        (CachePolicy(), None, None, None),
        (CachePolicy(), None, "gzip", "identity"),
        pytest.param(VERBATIM, None, "a;q=1, b", "a;q=1, b"),
        (CachePolicy(), EVERY_HEADER, "a;q=1, b", "a;q=1, b"),
        (CachePolicy(), extra("allExcept", "Host"), "gzip", "gzip"),
        pytest.param(CachePolicy(), NOT_CODINGS, "gzip", "identity"),
        (CachePolicy(accept_encoding_gzip=True), EVERY_HEADER, "gzip, br", "gzip"),
    ],
)  # fmt: skip
def test_accept_encoding(
    policy: CachePolicy,
    request_policy: OriginRequestPolicy | None,
    received: str | None,
    value: str | None,
) -> None:
    given_lines = () if received is None else (f"accept-encoding: {received}",)
    route = site_of(policy, request_policy)
    assert sent(asks("/a", *given_lines), route).get("accept-encoding") == value


def test_accept_encoding_of_an_http_1_0_viewer_is_dropped() -> None:
    request = asks("/a", "accept-encoding: gzip", minor=0)
    assert sent(request, site_of(CachePolicy(accept_encoding_gzip=True))) == {}


@pytest.mark.parametrize(
    ("request_policy", "given_lines", "names"),
    [
        (extra("whitelist", "Referer", "X-A"), ("REFERER: /", "x-a: 1", "x-b: 2"), "referer x-a"),
        (extra("allViewer"), ("host: h", "user-agent: u", "x-b: 2"), "host user-agent x-b"),
        (extra("allViewer"), ("authorization: Basic x",), "authorization"),
        (extra("allViewer"), ("te: trailers", "upgrade: h2c", "x-amz-cf-id: 1"), ""),
        (extra("allViewer"), ("connection: x-b", "x-b: 2", "x-c: 3"), "x-c"),
        (extra("allViewer"), ("edgecache-peer: 1", "expect: 100-continue"), ""),
        (extra("allViewer"), ("cookie: a=1",), ""),
        (extra("allExcept", "Host", "x-b"), ("host: h", "X-B: 2", "x-c: 3"), "x-c"),
        (extra("allViewer"), CONDITIONAL, ""),
    ],
)
def test_the_request_policy_adds_headers(
    request_policy: OriginRequestPolicy, given_lines: tuple[str, ...], names: str
) -> None:
    got = sent(asks("/a", *given_lines), site_of(None, request_policy))
    assert sorted(got) == names.split()


def test_what_the_cache_policy_names_is_sent_whatever_the_request_policy_excepts() -> None:
    policy = CachePolicy(
        headers=headers("Host", "X-B"),
        cookies=chosen("whitelist", "b"),
        query_strings=chosen("whitelist", "b"),
    )
    request_policy = OriginRequestPolicy(
        headers=HeaderSelection(behavior="allExcept", items=("Host", "X-B")),
        cookies=chosen("allExcept", "b", "c"),
        query_strings=chosen("allExcept", "b", "c"),
    )
    fields = ("host: h:81", "x-b: 2", "x-c: 3", "cookie: d=4; c=3; b=2")
    request = asks("/a?d=4&c=3&b=2", *fields, host=b"h")
    route = site_of(policy, request_policy)
    assert sent(request, route) == {"host": "h", "x-b": "2", "x-c": "3", "cookie": "b=2; d=4"}
    assert forwarded(request, route, cacheable=True).query == b"d=4&b=2"


@pytest.mark.parametrize(
    ("keyed", "added", "query", "forwarded_query"),
    [
        (chosen("none"), chosen("none"), "a=1", None),
        (chosen("all"), chosen("none"), "b&a=1&&a=%31", b"b&a=1&&a=%31"),
        (chosen("none"), chosen("all"), "b&a=1&", b"b&a=1&"),
        (chosen("whitelist", "a"), chosen("none"), "b&a=1&c&a", b"a=1&a"),
        (chosen("whitelist", "a"), chosen("whitelist", "c"), "c&b&a=1", b"c&a=1"),
        (chosen("allExcept", "a"), chosen("none"), "a=1&b", b"b"),
        (chosen("whitelist", "a"), chosen("none"), "b", None),
    ],
)
def test_query_strings(keyed: object, added: object, query: str, forwarded_query: bytes) -> None:
    policy = CachePolicy(query_strings=keyed)  # type: ignore[arg-type]
    more = OriginRequestPolicy(query_strings=added)  # type: ignore[arg-type]
    request = asks("/a?" + query)
    assert forwarded(request, site_of(policy, more), cacheable=True).query == forwarded_query


def test_cookies_are_sorted_by_name_and_those_with_a_dollar_dropped() -> None:
    policy = CachePolicy(cookies=chosen("whitelist", "c", "a", "$Path"))
    more = OriginRequestPolicy(cookies=chosen("whitelist", "b", "a"))
    request = asks("/a", "cookie: c=3; b=2; $Path=/; d=4", "cookie: a=1; a=0; c")
    assert sent(request, site_of(policy, more)) == {"cookie": "a=1; a=0; b=2; c=3; c"}


CACHED_OPTIONS = ("GET", "HEAD", "OPTIONS")


@pytest.mark.parametrize(
    ("method", "cached", "kept"),
    [
        ("GET", ("GET", "HEAD"), False),
        ("HEAD", ("GET", "HEAD"), False),
        ("OPTIONS", CACHED_OPTIONS, False),
        ("OPTIONS", ("GET", "HEAD"), True),
        ("POST", CACHED_OPTIONS, True),
        ("PUT", CACHED_OPTIONS, True),
        ("PATCH", CACHED_OPTIONS, True),
        ("DELETE", CACHED_OPTIONS, True),
    ],
)
def test_authorization(method: str, cached: tuple[str, ...], kept: bool) -> None:
    route = site_of(cached_methods=cached)
    request = asks("/a", "authorization: Basic x", method=method)
    assert ("authorization" in sent(request, route, cacheable=False)) is kept


def test_authorization_in_the_key_is_forwarded() -> None:
    route = site_of(CachePolicy(headers=headers("Authorization")))
    assert sent(asks("/a", "authorization: Basic x"), route) == {"authorization": "Basic x"}


def test_what_describes_a_body_goes_with_it() -> None:
    named = ("type", "encoding", "language", "disposition", "location", "md5", "range")
    request = asks("/a", *(f"content-{name}: x" for name in named), method="PUT", length=5)
    assert sent(request, BARE, cacheable=False) == {f"content-{name}": "x" for name in named}


@pytest.mark.parametrize(
    "route",
    [
        BARE,
        rfc_site(),
        site_of(None, EVERY_HEADER),
    ],
    ids=["no policy", "rfc9111", "all viewer"],
)
def test_conditions_and_range_pass_where_nothing_is_stored(route: Route) -> None:
    got = sent(asks("/a", *CONDITIONAL, method="POST"), route, cacheable=False)
    assert got == {"if-none-match": '"x"', "if-modified-since": "y", "range": "bytes=0-1"}


@pytest.mark.parametrize(
    ("line", "passes"),
    [  # RFC 9110 §7.6.1, §11.7; §10.1.1 is between us and the viewer
        ("host: site.test", True),
        ("authorization: Basic x", True),
        ("cookie: a=1", True),
        ("accept-encoding: gzip", True),
        ("cache-control: max-age=0", True),
        ("x-anything: 1", True),
        ("connection: close", False),
        ("te: trailers", False),
        ("trailer: x", False),
        ("transfer-encoding: chunked", False),
        ("upgrade: h2c", False),
        ("keep-alive: 5", False),
        ("proxy-authorization: x", False),
        ("proxy-connection: x", False),
        ("expect: 100-continue", False),
        ("content-length: 5", False),
        ("edgecache-peer: x", False),
        ("range: bytes=0-1", False),
        ('if-none-match: "x"', False),
        ("if-modified-since: x", False),
        ('if-match: "x"', False),
        ("if-unmodified-since: x", False),
        ('if-range: "x"', False),
    ],
)
def test_under_rfc9111_every_field_of_the_message_passes(line: str, passes: bool) -> None:
    assert bool(sent(asks("/a", line), rfc_site())) is passes


def test_under_rfc9111_fields_named_by_connection_do_not_pass() -> None:
    request = asks("/a", "connection: x-a, host", "x-a: 1", "x-b: 2", "host: site.test")
    assert sent(request, rfc_site()) == {"x-b": "2", "host": "site.test"}


@pytest.mark.parametrize(
    ("given_lines", "asked"),
    [  # RFC 9111 §4.3.1
        (('etag: "x"',), {"if-none-match": '"x"'}),
        (('etag: W/"x"',), {"if-none-match": 'W/"x"'}),
        (("last-modified: then",), {"if-modified-since": "then"}),
        (
            ('etag: "x"', "last-modified: then"),
            {"if-none-match": '"x"', "if-modified-since": "then"},
        ),
    ],
)
def test_conditional(given_lines: tuple[str, ...], asked: dict[str, str]) -> None:
    request = asks("/a", 'if-none-match: "viewer"', "range: bytes=0-1", 'if-match: "v"', "x: 1")
    fields = conditional(request, [lines(*given_lines)]).fields
    assert {name.decode(): value.decode() for name, value in fields} == {"x": "1", **asked}


KEYED = site_of(
    CachePolicy(
        headers=headers("X-One", "Host"),
        cookies=chosen("whitelist", "a", "b"),
        query_strings=chosen("whitelist", "a", "b"),
        accept_encoding_gzip=True,
    )
)
PAIRS = st.lists(st.sampled_from(["a", "b", "c", "a=", "a=1", "b=1", "c=1", ""]), max_size=3)
LINES = st.lists(
    st.sampled_from(
        [
            "x-one: 1", "x-one:", "x-two: 2", "user-agent: a", "user-agent: b", "referer: c",
            "accept-language: en", "cache-control: no-cache", "range: bytes=0-1",
            "authorization: d", "x-forwarded-host: e", "forwarded: for=f", "x-host: g",
        ]
    ),
    max_size=4,
)  # fmt: skip


@st.composite
def requests(draw: st.DrawFn) -> Request:
    cookies = [f"cookie: {'; '.join(draw(PAIRS))}"]
    coding = draw(st.sampled_from(["gzip", "br, gzip", "gzip, x"]))
    query = "&".join(draw(PAIRS))
    target = draw(st.sampled_from(["/a?", "/a?c&", "/b?"])) + query
    return asks(target, *draw(LINES), *cookies, f"accept-encoding: {coding}")


@given(requests(), requests(), st.sampled_from([KEYED, BARE]))
def test_what_is_not_in_the_key_is_not_forwarded(
    one: Request, other: Request, route: Route
) -> None:
    """Two requests of one key are one request to the origin."""
    if cache_key(one, route) != cache_key(other, route):
        return
    assert sent(one, route) == sent(other, route)
    left, right = (forwarded(each, route, cacheable=True) for each in (one, other))
    assert left.target == right.target


def test_two_spellings_of_host_under_one_key_are_one_host_to_the_origin() -> None:
    route = site_of(CachePolicy(headers=headers("Host")))
    one, other = asks("/a", "host: site.test"), asks("/a", "host: site.test:81")
    assert cache_key(one, route) != cache_key(other, route) or (
        first_value(forwarded(one, route, cacheable=True).fields, b"host")
        == first_value(forwarded(other, route, cacheable=True).fields, b"host")
    )


def test_under_rfc9111_the_whole_target_uri_is_the_key_whatever_the_policy() -> None:
    """RFC 9111 §2: at a minimum the method and the target URI; all of it is forwarded."""
    route = site_of(semantics="rfc9111")
    for other in (asks("/a?b=1"), asks("/a", host=b"other.test")):
        assert cache_key(asks("/a"), route) != cache_key(other, route)
