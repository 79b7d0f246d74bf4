"""An object is as old at the edge as it was at the regional cache: two tiers do not keep it twice.

The edge subtracts the Age that the regional cache reports (Developer Guide, "Managing how long
content stays in the cache").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edgecache.config.model import CachePolicy
from tests.world.play import Play

Stage = Callable[..., Play]


def other_edge(play: Play) -> None:
    """From here on viewers meet an edge that has nothing yet."""
    for entry in list(play.edge.store):
        play.edge.store.remove(entry.key)


def until_asked_again(play: Play, lifetime_s: int, status: int, **answer: Any) -> None:
    """The object is fetched once, moves to another edge at half its life, and ends with its TTL."""
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(status, "one", **answer)
    play.viewer().gets(status, "one")
    half = lifetime_s // 2
    play.advance(half)
    other_edge(play)
    got = play.viewer().asks("/a").gets(status, "one")
    assert got.field("age") == str(half)
    play.advance(lifetime_s - half - 1)
    got = play.viewer().asks("/a").gets(status, "one")
    assert got.field("age") == str(lifetime_s - 1)
    play.origin.hears_nothing()
    play.advance(1)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(status, "two", **answer)
    play.viewer().gets(status, "two")


@pytest.mark.parametrize(
    ("policy", "status", "answer", "lifetime_s"),
    [  # §1.3 and §1.5
        (CachePolicy(), 200, {"cache": "max-age=60"}, 60),
        (CachePolicy(), 200, {"cache": "s-maxage=60, max-age=5"}, 60),
        (CachePolicy(ttl_s_default=50), 200, {}, 50),
        (CachePolicy(ttl_s_min=100), 200, {"cache": "max-age=60"}, 100),
        (CachePolicy(ttl_s_min=100), 200, {"cache": "no-store"}, 100),
        (CachePolicy(ttl_s_default=20, ttl_s_max=30), 200, {"cache": "max-age=60"}, 30),
        (CachePolicy(), 404, {}, 10),
        (CachePolicy(), 404, {"cache": "max-age=60"}, 60),
    ],
)
def test_one_lifetime_for_both(
    stage: Stage, policy: CachePolicy, status: int, answer: dict[str, str], lifetime_s: int
) -> None:
    until_asked_again(stage(regional=True, policy=policy), lifetime_s, status, **answer)


def test_an_age_the_origin_tells_counts_in_both(stage: Stage) -> None:
    play = stage(regional=True)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=60", age="50")
    play.viewer().gets(200, "one")
    play.advance(9)
    other_edge(play)
    assert play.viewer().asks("/a").gets(200, "one").field("age") == "59"
    play.advance(1)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer().gets(200, "two")


def test_what_one_edge_validated_is_young_for_the_next(stage: Stage) -> None:
    play = stage(regional=True)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=10", etag='"v1"')
    play.viewer().gets(200, "one")
    play.advance(11)
    play.viewer().asks("/a")
    play.origin.hears("/a", if_none_match='"v1"')
    play.origin.answers(304, cache="max-age=10", etag='"v1"')
    play.viewer().gets(200, "one")
    play.advance(4)
    other_edge(play)
    assert play.viewer().asks("/a").gets(200, "one").field("age") == "4"
    play.origin.hears_nothing()
