"""Invalidations by tag, by glob, by host, by prefix; and soft ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecache.config.model import CachePolicy
from edgecache.rules.invalidation.items import Item, ItemKind
from tests.plays.versions import has_stored, is_asked_anew
from tests.world.play import Play

Stage = Callable[..., Play]


def test_a_flight_that_may_carry_the_tag_is_not_joined(stage: Stage) -> None:
    """What is on its way may turn out to carry it."""
    play = stage(site={"cache_tag_header": "Cache-Tag"})
    play.viewer("a").asks("/a")
    play.origin.hears("/a")
    play.operator.invalidates("#t1")
    play.viewer("b").asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=60", cache_tag="t0, T1")
    play.origin.answers(200, "two", cache="max-age=60", cache_tag="t1")
    play.viewer("a").gets(200, "one")
    play.viewer("b").gets(200, "two")
    play.viewer("c").asks("/a").gets(200, "two", x_cache="Hit")


def test_a_304_that_names_other_tags_changes_them(stage: Stage) -> None:
    play = stage(site={"cache_tag_header": "Cache-Tag"}, policy=CachePolicy())
    has_stored(play, etag='"1"', cache_tag="old")
    play.advance(61)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(304, cache="max-age=60", etag='"1"', cache_tag="new")
    play.viewer().gets(200, "one")
    play.operator.invalidates("#old")
    play.viewer().asks("/a").gets(200, "one", x_cache="Hit")
    play.operator.invalidates("#new")
    is_asked_anew(play)


def test_a_soft_one_makes_stale_and_no_more(play: Play) -> None:
    has_stored(play, etag='"1"')
    play.advance(5)
    play.operator.invalidates("/a", soft=True)
    play.viewer().asks("/a")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.fails()
    play.viewer().gets(200, "one", cache_status="stale-cut-off")
    play.advance(11)  # the failure is forgotten
    play.viewer().asks("/a")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(304, cache="max-age=60", etag='"1"')
    play.viewer().gets(200, "one", x_cache="RefreshHit")
    play.viewer().asks("/a").gets(200, "one", x_cache="Hit")


def test_a_soft_one_is_served_while_it_is_revalidated(rfc: Play) -> None:
    has_stored(rfc, cache="max-age=60, stale-while-revalidate=30")
    rfc.operator.invalidates("/a", soft=True)
    rfc.viewer().asks("/a").gets(200, "one")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "two", cache="max-age=60")
    rfc.advance(0)
    rfc.viewer().asks("/a").gets(200, "two", x_cache="Hit")


def test_after_a_soft_one_nobody_joins_a_flight_of_before(play: Play) -> None:
    play.viewer("a").asks("/a")
    play.origin.hears("/a")
    play.operator.invalidates("/a", soft=True)
    play.viewer("b").asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer("a").gets(200, "one")
    play.viewer("b").gets(200, "two")
    play.viewer("c").asks("/a").gets(200, "two", x_cache="Hit")


def test_what_a_soft_one_made_stale_is_not_repeated_from_memory(play: Play) -> None:
    """The sweep, or a request in other words, may have checked the entry since."""
    has_stored(play, etag='"1"')
    play.viewer("b").asks("/a").gets(200, "one", x_cache="Hit")
    play.operator.invalidates("/a", soft=True)
    for entry in list(play.edge.store):
        play.edge.filtered.sift(entry.key)
    play.viewer("b").asks("/a")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer("b").gets(200, "two")


def test_what_the_regional_cache_serves_stale_is_stale_at_the_edge(two_tiers: Play) -> None:
    play = two_tiers
    has_stored(play, etag='"1"')
    play.operator.invalidates("/a", soft=True)
    play.viewer().asks("/a")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.fails()
    play.viewer().gets(200, "one")
    play.advance(11)  # the failure is forgotten
    play.viewer().asks("/a")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer().gets(200, "two")


@pytest.mark.parametrize(
    ("item", "goes"),
    [
        ((ItemKind.GLOB, "/*/b?.jpg"), True),
        ((ItemKind.GLOB, "/*/b.jpg"), False),
        ((ItemKind.PREFIX, "/img/b"), True),
        ((ItemKind.PREFIX, "/img/*"), False),
        ((ItemKind.HOST, "site.test"), True),
        ((ItemKind.HOST, "other.test"), False),
    ],
)
def test_items_beyond_cloudfront(rfc: Play, item: Item, goes: bool) -> None:
    """Under RFC 9111 the host is in the key."""
    has_stored(rfc, "/img/b1.jpg")
    rfc.operator.invalidates(items=(item,))
    if goes:
        is_asked_anew(rfc, "/img/b1.jpg")
    else:
        rfc.viewer().asks("/img/b1.jpg").gets(200, "one", x_cache="Hit")


def test_a_node_without_control_needs_no_lease(play: Play) -> None:
    has_stored(play)
    play.advance(30)
    play.viewer().asks("/a").gets(200, "one", x_cache="Hit")
