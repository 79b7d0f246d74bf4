"""A node that control cannot reach, or that starts: it asks before it trusts what it has.

The numbers go on from test_invalidation_races.py.
"""

from __future__ import annotations

from edgecache.store.entry import Entry
from tests.plays.versions import has_stored, is_asked_anew
from tests.world.play import Play


def test_8_what_was_kept_over_a_restart_is_checked_against_the_log_first(play: Play) -> None:
    has_stored(play, etag='"1"')
    kept = next(iter(play.edge.store))
    play.edge.store.remove(kept.key)
    play.operator.accepts("/a")
    play.operator.leases(0)  # started anew: nothing is known yet
    play.edge.store.put(Entry(kept.key, kept.head, kept.body, mark=kept.mark))
    play.viewer("a").asks("/a")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(200, "two", cache="no-store")
    play.viewer("a").gets(200, "two", cache_status="detail=unconfirmed")
    play.operator.applies()
    play.operator.leases(3)
    is_asked_anew(play)


def test_8b_what_is_older_than_the_log_remembers_is_not_served(play: Play) -> None:
    has_stored(play)
    play.operator.edge.begin(play.operator.edge.epoch, 7)
    is_asked_anew(play)


def test_9_beyond_its_lease_an_edge_asks_before_each_hit(play: Play) -> None:
    play.operator.leases(3)
    has_stored(play, etag='"1"')
    play.advance(2.9)
    play.viewer("a").asks("/a").gets(200, "one", x_cache="Hit")
    play.operator.accepts("/a")
    play.advance(0.1)  # stopped, and woken before it heard of anything
    for _ in range(2):
        play.viewer("a").asks("/a")
        play.origin.hears("/a", if_none_match='"1"')
        play.origin.answers(304, cache="max-age=60", etag='"1"')
        play.viewer("a").gets(200, "one", x_cache="RefreshHit")


def test_9b_nor_does_it_wait_with_others_or_serve_stale(play: Play) -> None:
    play.operator.leases(3)
    has_stored(play, etag='"1"')
    play.advance(3)
    play.viewer("a").asks("/a")
    play.origin.hears("/a")
    play.viewer("b").asks("/a")
    play.origin.hears("/a")
    play.origin.fails()
    play.viewer("a").gets(502)
    play.viewer("c").asks("/a")
    play.origin.hears("/a")  # not even the failure of a moment ago counts
    play.origin.fails()
    play.origin.fails()


def test_9c_a_part_is_asked_for_again_too(rfc: Play) -> None:
    rfc.operator.leases(3)
    rfc.viewer().asks("/a", range="bytes=0-1")
    rfc.origin.hears("/a", range="bytes=0-1")
    part = {"content_range": "bytes 0-1/3", "etag": '"1"', "cache": "max-age=60"}
    rfc.origin.answers(206, "on", **part)
    rfc.viewer().gets(206, "on")
    rfc.viewer().asks("/a", range="bytes=0-1").gets(206, "on", x_cache="Hit")
    rfc.advance(3)
    rfc.viewer().asks("/a", range="bytes=0-1")
    rfc.origin.hears("/a", range="bytes=0-1")
    rfc.origin.answers(206, "tw", **part)
    rfc.viewer().gets(206, "tw")


def test_10_healed_it_applies_what_it_missed_before_it_trusts_itself(play: Play) -> None:
    play.operator.leases(3)
    has_stored(play, etag='"1"')
    play.operator.accepts("/a")
    play.advance(5)  # cut off: Completed by the end of its lease
    play.viewer("a").asks("/a")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(200, "two", cache="max-age=60", etag='"2"')
    play.viewer("a").gets(200, "two")
    play.operator.applies()
    play.operator.leases(3)
    is_asked_anew(play, body="three")  # it cannot know that what it got was newer
