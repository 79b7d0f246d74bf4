"""What reaches an origin beside the key has no say in what others get."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.config.model import (
    Behavior,
    CachePolicy,
    Config,
    CustomErrorResponse,
    Distribution,
    HeaderSelection,
    Origin,
    OriginRequestPolicy,
    Selection,
)
from edgecache.rules.caching.storability import failure_is_of_object
from edgecache.rules.routing import Route, compile_routes, route
from tests.rules.pieces import asks

EXTRA = OriginRequestPolicy(
    headers=HeaderSelection(behavior="whitelist", items=("X-Own", "Host", "CloudFront-Is-Mobile")),
    cookies=Selection(behavior="whitelist", items=("c",)),
    query_strings=Selection(behavior="all"),
)
ALL = OriginRequestPolicy(headers=HeaderSelection(behavior="allViewer"))


def on(extra: OriginRequestPolicy | None = None, **more: Any) -> Route:
    keyed = CachePolicy(headers=HeaderSelection(behavior="whitelist", items=("X-Keyed",)))
    behavior = Behavior(origin="o", cache_policy=keyed, origin_request_policy=extra)
    origins = (Origin(id="o", domain_name="origin.test"),)
    site = Distribution(id="E", origins=origins, default_behavior=behavior, **more)
    return route(compile_routes(Config(distributions=(site,))).by_id["E"], b"/")


@pytest.mark.parametrize(
    ("field", "status", "extra", "shared"),
    [
        ("accept: a", 502, None, True),
        ("x-forwarded-for: 192.0.2.1", 502, None, False),
        ("x-forwarded-for: 192.0.2.1", 404, None, False),
        ("x-forwarded-for: x", 502, None, False),
        ("cdn-loop: a", 504, None, False),
        ("x-own: a", 502, EXTRA, False),
        ("x-own: a", 400, EXTRA, False),
        ("x-own: a", 404, EXTRA, True),
        ("x-own: a", 502, None, True),
        ("x-keyed: a", 502, ALL, True),
        ("host: site.test", 502, EXTRA, True),
        ("cloudfront-is-mobile: true", 502, EXTRA, True),
        ("user-agent: a", 502, ALL, False),
        ("user-agent: a", 502, EXTRA, True),
        ("cookie: c=1", 502, EXTRA, False),
        ("cookie: c=1", 502, ALL, True),
    ],
)
def test_a_failure_is_the_objects_where_nothing_else_can_have_caused_it(
    field: str, status: int, extra: OriginRequestPolicy | None, shared: bool
) -> None:
    assert failure_is_of_object(asks("/a", field), on(extra), status) is shared


def test_a_query_that_is_not_in_the_key_counts_too() -> None:
    assert not failure_is_of_object(asks("/a?b"), on(EXTRA), 502)
    assert failure_is_of_object(asks("/a"), on(EXTRA), 502)
    assert failure_is_of_object(asks("/a?b"), on(), 502)


def test_the_operators_own_word_counts_before_what_a_policy_names() -> None:
    found = on(ALL, custom_error_responses=(CustomErrorResponse(error_code=502),))
    assert failure_is_of_object(asks("/a", "user-agent: a"), found, 502)
    assert not failure_is_of_object(asks("/a", "user-agent: a"), found, 503)
    assert not failure_is_of_object(asks("/a", "x-forwarded-for: 192.0.2.1"), found, 502)
