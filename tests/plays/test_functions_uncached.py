"""Functions in front of what is not stored: each request is changed, and goes to the origin.

The purposes of `test_functions.py`, which has them in front of a cache.
"""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.cache.frontend import FrontendEnvironment
from edgecache.config.model import CachePolicy, HeaderSelection, OriginRequestPolicy, Selection
from edgecache.rules.viewer.geo import GeoPlace
from tests.plays.test_functions import (
    BY_COUNTRY,
    GROUP_COOKIE,
    GROUPS,
    NORMALIZED,
    REDIRECTS,
    SECURITY_HEADERS,
    SINGLE_PAGE,
    TIERS,
    TOKENS,
    Redirects,
    Stage,
    token,
)
from tests.world.functions import associated

NOTHING_STORED = CachePolicy(ttl_s_min=0, ttl_s_default=0, ttl_s_max=0)
ALL_FORWARDED = OriginRequestPolicy(
    headers=HeaderSelection(behavior="whitelist", items=("x-group", "CloudFront-Viewer-Country")),
    query_strings=Selection(behavior="all"),
)
SAME: tuple[dict[str, str], dict[str, str]] = ({}, {})  # the origin hears, and the viewer gets
PURPOSES: list[tuple[str, dict[str, Any], tuple[str, str], tuple[dict[str, str], dict[str, str]]]]
PURPOSES = [
    ("single-page", associated(SINGLE_PAGE), ("/shop", "/shop/index.html"), SAME),
    ("country", associated(BY_COUNTRY), ("/a", "/a"), SAME),
    ("headers", associated(response=SECURITY_HEADERS), ("/a", "/a"),
     ({}, {"x-frame-options": "DENY"})),
    ("token", associated(TOKENS), ("/a?jwt=@token@", "/a"), SAME),
    ("groups", associated(GROUPS, GROUP_COOKIE), ("/a", "/a"), ({"x_group": "b"}, {})),
    ("redirects", associated(REDIRECTS, key_value_stores=("redirects",)), ("/new", "/new"), SAME),
    ("query", associated(NORMALIZED), ("/a?b=2&a=1&utm_x=3", "/a?a=1&b=2"), SAME),
]  # fmt: skip


@TIERS
@pytest.mark.parametrize(
    ("scene", "targets", "fields"),
    [each[1:] for each in PURPOSES],
    ids=[one[0] for one in PURPOSES],
)
def test_each_request_is_changed_and_goes_to_the_origin(
    stage: Stage,
    regional: bool,
    scene: dict[str, Any],
    targets: tuple[str, str],
    fields: tuple[dict[str, str], dict[str, str]],
) -> None:
    places = FrontendEnvironment(place_of=lambda _: GeoPlace(country="FR"))
    stores = {"redirects": Redirects({"/old": "/new"})}.get
    play = stage(
        **scene, regional=regional, policy=NOTHING_STORED, request_policy=ALL_FORWARDED,
        world=places, stores=stores,
    )  # fmt: skip
    asked = targets[0].replace("@token@", token(play.clock.now + 60))
    for body in ("one", "two"):
        play.viewer().asks(asked, cookie="group=b")
        play.origin.hears(targets[1], **fields[0])
        play.origin.answers(200, body, cache="max-age=60")
        got = play.viewer().gets(200, body, x_cache="Miss")
        for name, value in fields[1].items():
            assert got.field(name) == value
    assert not list(play.edge.store)


@TIERS
def test_what_functions_answer_needs_no_cache(stage: Stage, regional: bool) -> None:
    stores = {"redirects": Redirects({"/old": "/new"})}.get
    scene = associated(REDIRECTS, key_value_stores=("redirects",), stores=stores)
    play = stage(**scene, regional=regional, policy=NOTHING_STORED)
    for _ in range(2):
        assert play.viewer().asks("/old").gets(301).field("location") == "/new"
    play.origin.hears_nothing()
