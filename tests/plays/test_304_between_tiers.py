"""Between tiers nothing is reduced: a 304 tells the outer tier every field that the inner one has.

In one process, and on the wire between two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from edgecache.config.model import HeaderSelection, Limits, OriginRequestPolicy, SemanticsName
from tests.world.peers import PeeredPlay
from tests.world.play import Play, Scene

Tiers = Callable[[SemanticsName], Play]
BEFORE = {
    "access_control_allow_origin": "https://old.test",
    "content_security_policy": "default-src 'none'",
    "content_type": "text/plain",
    "link": "</old>; rel=preload",
    "x_frame_options": "DENY",
    "cache_tag": "old",
    "x_gone": "1",
}
AFTER = {
    "access_control_allow_origin": "https://new.test",
    "content_security_policy": "default-src 'self'",
    "content_type": "text/html",
    "link": "</new>; rel=preload",
    "x_frame_options": "SAMEORIGIN",
    "cache_tag": "new",
    "x_new": "1",
}
SEMANTICS = pytest.mark.parametrize("semantics", ["rfc9111", "cloudfront"])


@pytest.fixture(params=[Play, PeeredPlay], ids=["in-process", "wire"])
def tiers(request: pytest.FixtureRequest) -> Iterator[Tiers]:
    plays: list[Play] = []

    def make(semantics: SemanticsName) -> Play:
        targets = ("Edgecache-Cache-Control",)
        site = {"cache_tag_header": "Cache-Tag", "cache_control_targets": targets}
        plays.append(request.param(Scene(semantics=semantics, regional=True, site=site)))
        return plays[-1]

    yield make
    for play in plays:
        play.close()


def warmed(tiers: Tiers, semantics: SemanticsName) -> Play:
    """An edge and its regional cache have the object, and it is stale."""
    play = tiers(semantics)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=10", etag='"1"', **BEFORE)
    play.viewer().gets(200, "one")
    play.advance(11)
    return play


def shows_after(play: Play, *, gone: bool) -> None:
    for x_cache in (None, "Hit"):
        got = play.viewer("b").gets(200, "one", x_cache=x_cache)
        for name, value in AFTER.items():
            assert got.field(name.replace("_", "-")) == value
        assert got.field("x-gone") == (None if gone else "1")
        play.viewer("b").asks("/a")
    play.viewer("b").gets(200, "one")
    play.origin.hears_nothing()
    play.operator.invalidates("#new")
    play.viewer("b").asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "two", cache="max-age=10")
    play.viewer("b").gets(200, "two")


@SEMANTICS
def test_what_a_304_of_the_origin_changes(tiers: Tiers, semantics: SemanticsName) -> None:
    play = warmed(tiers, semantics)
    play.viewer("b").asks("/a")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(304, "", cache="max-age=10", etag='"1"', **AFTER)
    shows_after(play, gone=False)


@SEMANTICS
def test_what_a_200_under_the_same_tag_changes(tiers: Tiers, semantics: SemanticsName) -> None:
    """For the edge it is a 304 of the regional cache, which leaves out what is gone."""
    play = warmed(tiers, semantics)
    play.viewer("b").asks("/a")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(200, "one", cache="max-age=10", etag='"1"', **AFTER)
    shows_after(play, gone=True)


@SEMANTICS
def test_how_long_it_lives_from_now_on(tiers: Tiers, semantics: SemanticsName) -> None:
    """Targeted cache control, which no browser's 304 has to carry, counts at the edge too."""
    play = warmed(tiers, semantics)
    play.viewer("b").asks("/a")
    play.origin.hears("/a")
    play.origin.answers(304, "", etag='"1"', edgecache_cache_control="max-age=100")
    play.viewer("b").gets(200, "one")
    play.advance(99)
    play.viewer("c").asks("/a").gets(200, "one", x_cache="Hit")
    play.advance(1)
    play.viewer("c").asks("/a")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(304, "", etag='"1"')
    play.viewer("c").gets(200, "one")


@SEMANTICS
def test_a_browser_is_told_what_it_needs(tiers: Tiers, semantics: SemanticsName) -> None:
    """RFC 9110 §15.4.5, as ever."""
    play = warmed(tiers, semantics)
    play.viewer("b").asks("/a", if_none_match='"1"')
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(304, "", cache="max-age=10", etag='"1"', **AFTER)
    got = play.viewer("b").gets(304, "")
    assert got.field("etag") == '"1"'
    assert got.field("content-type") is None


@SEMANTICS
def test_a_304_to_no_condition_is_no_answer(tiers: Tiers, semantics: SemanticsName) -> None:
    """It has no field that the outer tier could take for all there are."""
    play = tiers(semantics)
    play.viewer("b").asks("/a", if_none_match='"1"')
    play.origin.hears("/a", if_none_match=None)
    play.origin.answers(304, "", etag='"1"')
    play.viewer("b").gets(502)


def test_as_many_fields_as_a_viewer_may_send_pass_both_tiers() -> None:
    """A tier adds fields of its own to them."""
    every = OriginRequestPolicy(headers=HeaderSelection(behavior="allViewer"))
    play = PeeredPlay(Scene(regional=True, request_policy=every))
    sent = {f"x_{number}": "a" for number in range(Limits().fields_max - 1)}
    play.viewer().asks("/a", **sent)  # and Host
    play.origin.hears("/a", **sent)
    play.origin.answers(200, "one")
    play.viewer().gets(200, "one")
    play.close()
