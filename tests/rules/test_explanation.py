"""What the rules say of a request: where it goes, why, and what its key is made of."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.config.model import (
    Behavior,
    CachePolicy,
    Config,
    Distribution,
    LimitRate,
    Origin,
    RateLimit,
    ResponseHeadersPolicy,
)
from edgecache.http.message import Request
from edgecache.rules.caching.freshness import TtlStep, assess, ttl_steps
from edgecache.rules.caching.key import cache_key
from edgecache.rules.caching.stored_parts import StoredPart
from edgecache.rules.explanation import (
    AccessExplanation,
    BehaviorMatch,
    EntryFacts,
    Explanation,
    KeyPart,
    explain,
    locate_unsigned,
    stored,
)
from edgecache.rules.routing import RouteTable, compile_routes
from edgecache.rules.viewer.access import EntryPoint
from tests.rules.pieces import NOW, answer, asks, chosen, headers, site_of

PLAIN = CachePolicy()


def table(policy: CachePolicy = PLAIN, *aliases: str, **more: Any) -> RouteTable:
    """One distribution with `/img/*`, `/api/?` and a default behavior."""
    origin = Origin(id="o", domain_name="origin.test")
    default = Behavior(origin="o", cache_policy=policy, **more)
    site = Distribution(
        id="EONE",
        domain_name="done.cloudfront.net",
        aliases=aliases or ("site.test",),
        origins=(origin,),
        default_root_object="index.html",
        default_behavior=default,
        behaviors=(
            Behavior(path_pattern="/img/*", origin="o"),
            Behavior(path_pattern="/api/?", origin="o", viewer_protocol_policy="redirect-to-https"),
        ),
    )
    return compile_routes(Config(distributions=(site,)))


def told(request: Request, routes: RouteTable) -> Explanation:
    return explain(request, routes, EntryPoint(), NOW)


def choice(request: Request, routes: RouteTable) -> BehaviorMatch:
    found = told(request, routes).choice
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("target", "place", "pattern", "passed_over", "path", "matched_as"),
    [
        ("/img/a.png", 0, "/img/*", (), "/img/a.png", "/img/a.png"),
        ("/x/../img/a", 0, "/img/*", (), "/x/../img/a", "/img/a"),
        ("/api/1", 1, "/api/?", ("/img/*",), "/api/1", "/api/1"),
        ("/api/12", 2, "*", ("/img/*", "/api/?"), "/api/12", "/api/12"),
        ("/", 2, "*", ("/img/*", "/api/?"), "/index.html", "/index.html"),
    ],
)
def test_which_behavior_and_why(
    target: str, place: int, pattern: str, passed_over: tuple[str, ...], path: str, matched_as: str
) -> None:
    found = choice(asks(target), table())
    assert (found.behavior, found.pattern, found.passed_over) == (place, pattern, passed_over)
    assert (found.path, found.matched_as) == (path, matched_as)


@pytest.mark.parametrize(
    ("aliases", "host", "name"),
    [
        (("site.test",), "site.test", "site.test"),
        (("site.test",), "done.cloudfront.net", "done.cloudfront.net"),
        (("*.site.test",), "a.site.test", "*.site.test"),
        (("*",), "elsewhere.test", "*"),
    ],
)
def test_which_name_matched(aliases: tuple[str, ...], host: str, name: str) -> None:
    assert choice(asks(host=host.encode()), table(PLAIN, *aliases)).name == name


def test_a_host_nobody_answers_to() -> None:
    found = told(asks(host=b"elsewhere.test"), table())
    assert (found.choice, found.key, found.invalidated_by) == (None, "", ())
    assert locate_unsigned(asks(host=b"elsewhere.test"), table()) is None


@pytest.mark.parametrize(
    ("target", "method", "admission"),
    [
        ("/a", "GET", AccessExplanation()),
        ("/a", "PUT", AccessExplanation(403, "method")),
        ("/api/1", "GET", AccessExplanation(301, "redirect-to-https", "https://site.test/api/1")),
    ],
)
def test_admission(target: str, method: str, admission: AccessExplanation) -> None:
    assert told(asks(target, method=method), table()).admission == admission


def test_private_content_says_what_is_missing() -> None:
    routes = table(PLAIN, trusted_key_groups=("g",))
    found = told(asks(), routes).admission
    assert found.status == 403
    assert found.why.startswith("MissingKey: ")


LIMITS: list[tuple[str, tuple[str, ...], str]] = [
    ("address", (), "by the viewer's address"),
    ("header:X-Key", ("X-Key: k",), "by header:X-Key"),
    ("header:X-Key", (), "by the viewer's address, as it has no header X-Key"),
    ("path:1", (), "by path /a"),
]


@pytest.mark.parametrize(("key", "fields", "by"), LIMITS)
def test_which_limits_bear_on_it(key: str, fields: tuple[str, ...], by: str) -> None:
    limit = RateLimit(name="n", key=key, requests_per_s=0.5, burst=20)
    rate = LimitRate(bytes_per_s=524_288, after_bytes=1_048_576)
    routes = table(rate_limits=(limit,), limit_rate=rate)
    assert told(asks("/a/b", *fields), routes).viewer_rules == (
        f"rate_limits: n: 0.5 requests a second, 20 at once, {by}",
        "limit_rate: 512 KiB a second after 1 MiB",
    )


def test_the_key_and_how_it_was_made() -> None:
    policy = CachePolicy(
        query_strings=chosen("whitelist", "q"),
        headers=headers("X-Kind"),
        cookies=chosen("whitelist", "id"),
        accept_encoding_gzip=True,
    )
    request = asks("/a?q=1&z=2", "cookie: id=7; b=1", "accept-encoding: br, gzip")
    found = told(request, table(policy))
    assert found.key_parts == (
        KeyPart("distribution", ("EONE",)),
        KeyPart("path", ("/a",)),
        KeyPart("query", ("q", "1")),
        KeyPart("header", ("x-kind", None)),
        KeyPart("cookies", ("id", "7")),
        KeyPart("accept-encoding", ("gzip",)),
    )
    where = locate_unsigned(request, table(policy))
    assert where is not None
    assert found.key.encode("latin-1") == cache_key(where.request, where.route)


@pytest.mark.parametrize(
    ("policy", "method", "bypass"),
    [
        (PLAIN, "GET", ""),
        (PLAIN, "POST", "method"),
        (CachePolicy(ttl_s_default=0, ttl_s_max=0), "GET", "disabled"),
    ],
)
def test_without_a_key_nothing_is_stored(policy: CachePolicy, method: str, bypass: str) -> None:
    found = told(asks(method=method), table(policy))
    assert found.bypass == bypass
    assert bool(found.key) is (not bypass)
    assert bool(found.invalidated_by) is (not bypass)


@pytest.mark.parametrize(
    ("cookies", "method", "collapses"),
    [("none", "GET", True), ("none", "HEAD", False), ("all", "GET", False)],
)
def test_what_collapses(cookies: Any, method: str, collapses: bool) -> None:
    policy = CachePolicy(cookies=chosen(cookies))
    assert told(asks(method=method), table(policy)).collapses is collapses


@pytest.mark.parametrize(
    ("compress", "accepted", "coding"),
    [
        (True, "gzip, br", "br"),
        (True, "gzip", "gzip"),
        (True, "identity", ""),
        (False, "gzip, br", ""),
    ],
)
def test_what_compresses(compress: bool, accepted: str, coding: str) -> None:
    policy = CachePolicy(accept_encoding_gzip=True, accept_encoding_brotli=True)
    routes = table(policy, compress=compress)
    assert told(asks("/a", f"accept-encoding: {accepted}"), routes).compresses == coding


@pytest.mark.parametrize(
    ("target", "keyed", "paths"),
    [  # Developer Guide, "Specify the files to invalidate"
        ("/a", "none", ("/a", "/a*", "/*")),
        ("/a?x=1", "none", ("/a", "/a*", "/*")),
        ("/a?x=1", "all", ("/a?x=1", "/a*", "/*")),
        ("/i/b/c.png", "none", ("/i/b/c.png", "/i/b/c.png*", "/i/b/*", "/i/*", "/*")),
        ("/", "none", ("/index.html", "/index.html*", "/*")),
        ("/i/", "none", ("/i/", "/i/*", "/*")),
    ],
)
def test_what_invalidates_it(target: str, keyed: Any, paths: tuple[str, ...]) -> None:
    policy = CachePolicy(query_strings=chosen(keyed))
    assert told(asks(target), table(policy)).invalidated_by == paths


@pytest.mark.parametrize(
    ("status", "cache", "ttls", "rules"),
    [  # min, default and max TTL; rule and seconds of each step
        (200, "", (0, 600, 3600), [("default", 600)]),
        (200, "", (900, 600, 3600), [("default", 600), ("min-ttl", 900)]),
        (200, "max-age=60", (0, 600, 3600), [("max-age", 60)]),
        (200, "max-age=60", (100, 600, 3600), [("max-age", 60), ("min-ttl", 100)]),
        (200, "s-maxage=9000", (0, 600, 3600), [("s-maxage", 9000), ("max-ttl", 3600)]),
        (200, "no-store", (5, 600, 3600), [("min-ttl", 5)]),
        (404, "", (0, 600, 3600), [("error-caching", 10)]),
        (404, "max-age=5", (0, 600, 3600), [("error-caching", 10)]),
        (404, "max-age=60", (0, 600, 3600), [("error-caching", 10), ("max-age", 60)]),
    ],
)
def test_the_steps_of_a_ttl(
    status: int, cache: str, ttls: tuple[int, int, int], rules: list[tuple[str, float]]
) -> None:
    least, usual, most = ttls
    route = site_of(CachePolicy(ttl_s_min=least, ttl_s_default=usual, ttl_s_max=most))
    head = answer(status, *([f"cache-control: {cache}"] if cache else []))
    steps = ttl_steps(head, route)
    assert [(step.rule, step.ttl_s) for step in steps] == rules
    assert all(step.because for step in steps)
    assert (assess(head, route).lifetime_s, assess(head, route).rule) == rules[-1][::-1]


def test_the_step_of_the_rfc() -> None:
    route = site_of(semantics="rfc9111")
    (step,) = ttl_steps(answer(200, "cache-control: max-age=60"), route)
    assert step == TtlStep("max-age", 60, "RFC 9111 §4.2.1, in its order")


def test_what_is_told_of_an_entry() -> None:
    route = site_of(response_headers_policy=ResponseHeadersPolicy())
    head = answer(200, "cache-control: max-age=60", "age: 5", 'etag: "e"', "content-encoding: gzip")
    held = EntryFacts(head, 40, 900, ((b"x-kind", None),), StoredPart(0, 40, 100))
    found = stored(held, route, assess(head, route), NOW + 10, answers=True)
    assert (found.status, found.body_bytes, found.size_bytes) == (200, 40, 900)
    assert (found.age_s, found.ttl_s, found.ttl_left_s) == (15, 60, 45)
    assert (found.etag, found.last_modified, found.content_encoding) == ('"e"', "", "gzip")
    assert (found.variant, found.part) == ((("x-kind", None),), "bytes 0-39/100")
