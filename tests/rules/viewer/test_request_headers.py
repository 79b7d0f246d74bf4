"""Request headers that a behavior removes and sets."""

from __future__ import annotations

from edgecache.config.model import CachePolicy, Config
from edgecache.config.viewer_rules import RequestHeaders
from edgecache.rules.caching.key import cache_key
from edgecache.rules.routing import compile_routes, locate
from edgecache.rules.viewer.request_headers import removed_names, set_fields, without_removed
from tests.rules.pieces import asks, headers, lines, site_of

RULES = RequestHeaders(set={"X-Team": "blue"}, remove=("Cookie", "X_Debug"))


def test_names_are_folded_and_what_is_set_is_removed_first() -> None:
    assert removed_names(RULES) == {b"cookie", b"x-debug", b"x-team"}
    assert set_fields(RULES) == ((b"x-team", b"blue"),)


def test_a_viewers_field_goes_whichever_way_it_is_spelled() -> None:
    request = asks("/a", "x-team: red", "x_team: red", "x-debug: 1", "cookie: a=b", "accept: */*")
    assert without_removed(request, removed_names(RULES)).fields == lines("accept: */*")


def test_without_rules_a_request_is_the_same_object() -> None:
    request = asks("/a", "accept: */*")
    assert without_removed(request, frozenset()) is request
    assert without_removed(request, removed_names(RULES)) is request


def test_no_key_has_what_a_rule_removes_or_sets() -> None:
    policy = CachePolicy(headers=headers("X-Team", "X-Debug"))
    route = site_of(policy, request_headers=RULES)
    table = compile_routes(Config(distributions=(route.distribution,)))
    keys = set()
    for value in ("1", "2"):
        request = asks("/a", f"x-debug: {value}", f"x-team: {value}", host=b"done.cloudfront.net")
        where = locate(request, table)
        assert where is not None
        keys.add(cache_key(where.request, where.route))
    assert len(keys) == 1
