"""An invalidation races with what is under way: none of these gives what it removed.

Each play is one interleaving, with the origin held by hand. `tests/mutations` takes each guard away
and expects the play that is named for it to fail. The numbers are those of the list of races in
docs/invalidation.md; 8, 9 and 10 stand in test_invalidation_leases.py, those of control (12, 13,
19) in tests/control, that of the disk (18) in tests/store.
"""

from __future__ import annotations

import pytest

from edgecache.upstream.faults import Fault
from tests.plays.versions import has_stored, is_asked_anew
from tests.world.play import Play


def test_1_a_fill_that_began_before_is_not_stored(play: Play) -> None:
    play.viewer("a").asks("/a")
    play.origin.hears("/a")
    play.operator.invalidates("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer("a").gets(200, "one")  # who asked before it was accepted
    assert not len(play.edge.store)
    is_asked_anew(play)
    play.viewer("y").asks("/a").gets(200, "two", x_cache="Hit")


def test_2_a_fill_that_ends_between_acceptance_and_application_is_stored_and_falls(
    play: Play,
) -> None:
    play.viewer("a").asks("/a")
    play.origin.hears("/a")
    play.operator.accepts("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer("a").gets(200, "one")
    play.viewer("b").asks("/a").gets(200, "one", x_cache="Hit")  # not Completed
    play.operator.applies()
    is_asked_anew(play)


def test_3_the_head_came_before_and_the_body_after(play: Play) -> None:
    play.viewer("a").asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, None, cache="max-age=60", content_length="3")
    play.origin.sends("on")
    play.operator.invalidates("/a*")
    play.origin.sends("e")
    play.origin.ends()
    play.viewer("a").gets(200, "one")
    is_asked_anew(play)


@pytest.mark.parametrize("head_is_here", [False, True])
def test_4_nobody_who_comes_after_joins_a_flight_of_before(play: Play, head_is_here: bool) -> None:
    play.viewer("a").asks("/a")
    play.origin.hears("/a")
    if head_is_here:
        play.origin.answers(200, None, cache="max-age=60", content_length="3")
    play.operator.invalidates("/a")
    old = play.origin.body
    play.viewer("b").asks("/a")
    play.origin.hears("/a")
    if not head_is_here:
        play.origin.answers(200, "one", cache="max-age=60")
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer("b").gets(200, "two")
    if head_is_here and old is not None:
        old.put(b"one")
        old.put(b"")
    play.viewer("a").gets(200, "one")
    play.viewer("c").asks("/a").gets(200, "two", x_cache="Hit")


def test_4b_nor_waits_in_the_regional_cache(two_tiers: Play) -> None:
    play = two_tiers
    play.viewer("a").asks("/a")
    play.origin.hears("/a")
    play.operator.invalidates("/a")
    play.viewer("b").asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer("a").gets(200, "one")
    play.viewer("b").gets(200, "two")
    play.viewer("c").asks("/a").gets(200, "two", x_cache="Hit")


def test_5_a_304_that_was_asked_before_revives_nothing(play: Play) -> None:
    has_stored(play, etag='"1"')
    play.advance(61)
    play.viewer("a").asks("/a")
    play.origin.hears("/a", if_none_match='"1"')
    play.operator.invalidates("/a")
    play.origin.answers(304, cache="max-age=60", etag='"1"')
    play.viewer("a").gets(200, "one")
    is_asked_anew(play)


def test_5b_what_was_invalidated_is_not_offered_for_validation(play: Play) -> None:
    has_stored(play, etag='"1"')
    play.operator.invalidates("/a")
    play.viewer().asks("/a")
    play.origin.hears("/a", if_none_match=None)
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer().gets(200, "two")


def test_5c_nor_by_who_waited_meanwhile(play: Play) -> None:
    has_stored(play, etag='"1"')
    play.advance(61)
    play.viewer("a").asks("/a")
    play.viewer("b").asks("/a")
    play.origin.hears("/a", if_none_match='"1"')
    play.operator.invalidates("/a")
    play.viewer("a").leaves()  # b leads from here on
    play.origin.hears("/a", if_none_match=None)
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer("b").gets(200, "two")


def test_6_a_refresh_in_the_background_that_began_before_is_not_stored(rfc: Play) -> None:
    has_stored(rfc, cache="max-age=10, stale-while-revalidate=100")
    rfc.advance(11)
    rfc.viewer().asks("/a").gets(200, "one")
    rfc.origin.hears("/a")
    rfc.operator.invalidates("/a")
    rfc.origin.answers(200, "one", cache="max-age=60")
    is_asked_anew(rfc)


def test_6b_what_was_invalidated_is_not_served_stale_when_the_origin_fails(play: Play) -> None:
    has_stored(play)
    play.advance(61)
    play.viewer("a").asks("/a")
    play.origin.hears("/a")
    play.operator.invalidates("/a")
    play.origin.fails(Fault.REFUSED)
    play.viewer("a").gets(502)


def test_7_the_regional_cache_that_has_not_heard_yet_asks_for_who_has(two_tiers: Play) -> None:
    """The edge knows of it and the regional cache does not: it may not answer from its store."""
    play = two_tiers
    has_stored(play)
    play.operator.accepts("/a")
    play.operator.applies(play.operator.edge)
    play.viewer("a").asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer("a").gets(200, "two")
    play.operator.applies()
    play.viewer("b").asks("/a").gets(200, "two", x_cache="Hit")


def test_7b_the_edge_does_not_store_what_the_regional_cache_got_before(two_tiers: Play) -> None:
    """The regional cache's fill began before, the edge's joined it, and then it was accepted."""
    play = two_tiers
    play.viewer("a").asks("/a")
    play.origin.hears("/a")
    play.operator.accepts("/a")
    play.operator.applies(play.operator.edge)
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer("a").gets(200, "one")
    play.viewer("b").asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer("b").gets(200, "two")


def test_7c_an_edge_believes_an_inner_tier_that_says_its_answer_is_older(play: Play) -> None:
    play.operator.invalidates("/a")
    play.viewer("a").asks("/a")
    play.origin.hears("/a")
    play.origin.mark = 0
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer("a").gets(200, "one")
    play.origin.mark = None
    is_asked_anew(play)


def test_7d_who_has_not_heard_is_served_until_it_hears(two_tiers: Play) -> None:
    """The edge asks after it was accepted, not having heard; the regional entry is from before."""
    play = two_tiers
    has_stored(play)
    for entry in list(play.edge.store):
        play.edge.store.remove(entry.key)
    play.operator.accepts("/a")
    play.viewer("a").asks("/a").gets(200, "one")  # from the regional cache
    play.operator.applies()
    is_asked_anew(play)


def test_11_what_is_told_twice_or_late_counts_once(play: Play) -> None:
    has_stored(play, "/b")
    play.operator.accepts("/a")
    play.operator.accepts("/b")
    for _ in range(2):
        play.operator.applies()
    is_asked_anew(play, "/b")
    play.operator.applies()
    play.viewer("y").asks("/b").gets(200, "two", x_cache="Hit")


def test_14_of_two_wildcards_that_overlap_the_newer_counts(play: Play) -> None:
    play.viewer("a").asks("/img/a")
    play.origin.hears("/img/a")
    play.operator.invalidates("/*")
    play.viewer("b").asks("/img/a")
    play.origin.hears("/img/a")
    play.operator.invalidates("/img/*")
    play.origin.answers(200, "one", cache="max-age=60")
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer("a").gets(200, "one")
    play.viewer("b").gets(200, "two")
    is_asked_anew(play, "/img/a", "three")


def test_15_parts_of_before_and_after_are_never_joined(rfc: Play) -> None:
    whole = {"cache": "max-age=60", "etag": '"1"'}
    rfc.viewer().asks("/ab", range="bytes=0-1")
    rfc.origin.hears("/ab", range="bytes=0-1")
    rfc.origin.answers(206, "on", content_range="bytes 0-1/3", **whole)
    rfc.viewer().gets(206, "on")
    rfc.viewer().asks("/ab", range="bytes=2-2")
    rfc.origin.hears("/ab", range="bytes=2-2")
    rfc.operator.invalidates("/a*")
    rfc.origin.answers(206, "e", content_range="bytes 2-2/3", **whole)
    rfc.viewer().gets(206, "e")
    rfc.viewer().asks("/ab")
    rfc.origin.hears("/ab", range=None, if_range=None)
    rfc.origin.answers(200, "two", **whole)
    rfc.viewer().gets(200, "two")


def test_15b_a_part_is_completed_only_while_it_stands(rfc: Play) -> None:
    whole = {"cache": "max-age=60", "etag": '"1"'}
    rfc.viewer().asks("/ab", range="bytes=0-1")
    rfc.origin.hears("/ab")
    rfc.origin.answers(206, "on", content_range="bytes 0-1/3", **whole)
    rfc.viewer().gets(206, "on")
    rfc.viewer().asks("/ab")
    rfc.origin.hears("/ab", range="bytes=2-")
    rfc.operator.invalidates("/ab")
    rfc.origin.answers(206, "e", content_range="bytes 2-2/3", **whole)
    rfc.viewer().gets(200, "one")
    is_asked_anew(rfc, "/ab")


def test_16_an_error_that_was_kept_goes_as_well(play: Play) -> None:
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(404, "none")
    play.viewer().gets(404, "none")
    play.operator.invalidates("/a")
    is_asked_anew(play)


def test_16b_so_does_a_failure_that_is_remembered(play: Play) -> None:
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.fails()
    play.viewer().gets(502)
    play.viewer().asks("/a").gets(502)
    play.operator.invalidates("/a")
    is_asked_anew(play)


def test_17_a_variant_that_was_on_its_way_is_not_added(rfc: Play) -> None:
    answer = {"cache": "max-age=60", "vary": "accept-language"}
    for language in ("en", "de"):
        rfc.viewer(language).asks("/a", accept_language=language)
        rfc.origin.hears("/a")
        if language == "en":
            rfc.origin.answers(200, "one", **answer)
            rfc.viewer(language).gets(200, "one")
    rfc.operator.invalidates("/a")
    rfc.origin.answers(200, "eins", **answer)
    rfc.viewer("de").gets(200, "eins")
    for language in ("en", "de"):
        rfc.viewer(language).asks("/a", accept_language=language)
        rfc.origin.hears("/a")
        rfc.origin.answers(200, "two", **answer)
        rfc.viewer(language).gets(200, "two")


def test_17b_the_variants_that_stand_stay(rfc: Play) -> None:
    answer = {"cache": "max-age=60", "vary": "accept-language"}
    for language, tag in (("en", "x"), ("de", "y")):
        rfc.viewer().asks("/a", accept_language=language)
        rfc.origin.hears("/a")
        rfc.origin.answers(200, language, **answer, surrogate_key=tag)
        rfc.viewer().gets(200, language)
    for entry in rfc.edge.store:
        entry.tags = (b"x",) if entry.body == b"en" else (b"y",)
    rfc.operator.invalidates("#X")
    rfc.viewer().asks("/a", accept_language="de").gets(200, "de", x_cache="Hit")
    rfc.viewer().asks("/a", accept_language="en")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "two", **answer)
    rfc.viewer().gets(200, "two")


def test_20_a_clock_that_is_set_back_changes_nothing(play: Play) -> None:
    play.viewer("a").asks("/a")
    play.origin.hears("/a")
    play.clock.now -= 3600
    play.operator.invalidates("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer("a").gets(200, "one")
    is_asked_anew(play)
