"""Which fields of a request have a say in the stored answer it gets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.config.model import (
    Behavior,
    CachePolicy,
    Config,
    Distribution,
    HeaderSelection,
    Origin,
    Selection,
    SemanticsName,
)
from edgecache.http.message import Fields, Request
from edgecache.rules.caching.key import cache_key
from edgecache.rules.caching.reuse import judge
from edgecache.rules.response.status_and_ranges import plan_reply
from edgecache.rules.routing import RouteTable, compile_routes, route
from edgecache.server.http1.head_cache_fields import key_fields, key_names
from edgecache.store.entry import Entry
from tests.rules.pieces import NOW, answer, lines


def table_of(
    policy: CachePolicy, semantics: SemanticsName = "cloudfront", **more: Any
) -> RouteTable:
    behavior = Behavior(origin="o", cache_policy=policy, **more)
    origins = (Origin(id="o", domain_name="origin.test"),)
    site = Distribution(id="E", origins=origins, default_behavior=behavior, semantics=semantics)
    return compile_routes(Config(distributions=(site,)))


ALL_COOKIES = CachePolicy(cookies=Selection(behavior="all"))
BY_LANGUAGE = CachePolicy(headers=HeaderSelection(behavior="whitelist", items=("Accept-Language",)))
BY_DEVICE = CachePolicy(
    headers=HeaderSelection(behavior="whitelist", items=("CloudFront-Is-Mobile-Viewer",))
)
BROWSER = lines("host: a", "user-agent: u", "cookie: c=1", "accept-language: fr", "range: bytes=1-")


@pytest.mark.parametrize(
    ("table", "names"),
    [
        (table_of(CachePolicy()), {"host", "range"}),
        (table_of(CachePolicy(), "rfc9111"), {"host", "range"}),
        (table_of(ALL_COOKIES), {"host", "cookie", "range"}),
        (table_of(BY_LANGUAGE), {"host", "accept-language", "range"}),
        (table_of(CachePolicy(), trusted_native_keys=("k",)), {"host", "cookie", "range"}),
        (table_of(BY_DEVICE), {name.decode() for name, _ in BROWSER}),
    ],
    ids=["plain", "rfc9111", "cookies", "a header", "signed", "made of the agent"],
)
def test_what_bears_by_policy(table: RouteTable, names: set[str]) -> None:
    found = key_fields(BROWSER, key_names(next(table.routes())))
    assert {name.decode() for name, _ in found} == names
    assert [field for field in BROWSER if field in found] == list(found)


def test_what_tiers_tell_each_other_always_bears() -> None:
    told = lines("edgecache-peer: x", "sec-websocket-key: y")
    assert key_fields(told, key_names(next(table_of(CachePolicy()).routes()))) == told


FIELD = st.sampled_from(
    lines(
        "cookie: a=1; b=2", "cookie: b=3", "user-agent: u", "accept-language: fr", "accept: x",
        "range: bytes=0-1", "if-none-match: \"e\"", "if-modified-since: x", "if-range: \"e\"",
        "cache-control: no-cache", "cache-control: max-age=1", "pragma: no-cache",
        "accept-encoding: br", "accept-encoding: gzip", "connection: cookie", "x-other: 1",
        "authorization: b", "origin: o", "referer: r", "upgrade: websocket", "te: trailers",
    )
)  # fmt: skip
SEMANTICS: tuple[SemanticsName, ...] = ("cloudfront", "rfc9111")
POLICIES = st.sampled_from(
    [
        CachePolicy(),
        ALL_COOKIES,
        BY_LANGUAGE,
        CachePolicy(accept_encoding_gzip=True, accept_encoding_brotli=True),
    ]
)


@given(POLICIES, st.sampled_from(SEMANTICS), st.lists(FIELD, max_size=6))
def test_less_what_does_not_bear_a_request_gets_the_same(
    policy: CachePolicy, semantics: SemanticsName, fields: list[tuple[bytes, bytes]]
) -> None:
    """Law: key, verdict and reply are the same for the fields that bear alone."""
    table = table_of(policy, semantics)
    given_fields = (*lines("host: site.test"), *fields)
    kept = key_fields(given_fields, key_names(next(table.routes())))
    assert concluded(table, given_fields) == concluded(table, kept)


def concluded(table: RouteTable, fields: Fields) -> object:
    request = Request(b"GET", b"/a", None, fields, b"site.test")
    found = route(table.by_id["E"], b"/a")
    head = answer(200, 'etag: "e"', "cache-control: max-age=60", "date: x", took=0.5)
    entry = Entry(b"k", head, b"body")
    verdict = judge(request, head, entry.assessment(found), found.semantics, NOW + 1)
    return cache_key(request, found), verdict, plan_reply(request, head, 4, NOW + 1)
