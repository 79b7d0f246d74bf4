"""What an origin answers instead of a stored response ends that, stored or not: the old body does
not come back as stale (RFC 5861 §3, §4). With one tier and with two."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecache.config.model import SemanticsName
from edgecache.upstream.faults import Fault
from tests.world.play import Play

Stage = Callable[..., Play]
PERMITTED = "max-age=10, stale-while-revalidate=600, stale-if-error=600"
SCENES = pytest.mark.parametrize(
    ("semantics", "regional"),
    [("rfc9111", False), ("rfc9111", True), ("cloudfront", False), ("cloudfront", True)],
)
WITHDRAWN = pytest.mark.parametrize(
    ("status", "cache"),
    [
        (200, "private, no-store"),
        (200, "no-store"),
        (302, "no-store"),
        (401, "no-store"),
        (403, "no-store"),
        (404, "no-store"),
        (410, "no-store"),
    ],
)


def stored(stage: Stage, semantics: SemanticsName, regional: bool, cache: str = PERMITTED) -> Play:
    play = stage(semantics=semantics, regional=regional)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "old", cache=cache, etag='"1"')
    play.viewer().gets(200, "old")
    return play


@SCENES
@WITHDRAWN
def test_a_refresh_that_is_answered_otherwise(
    stage: Stage, semantics: SemanticsName, regional: bool, status: int, cache: str
) -> None:
    """§3: served stale while it is revalidated, not once it has been."""
    play = stored(stage, semantics, regional)
    play.advance(11)
    play.viewer().asks("/a").gets(200, "old")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(status, "withdrawn", cache=cache)
    if regional:  # whose own refresh this was: the edge had its stale copy confirmed meanwhile
        play.viewer().asks("/a")
        play.viewer().gets(200, "old")
        play.origin.hears("/a")
        play.origin.answers(status, "withdrawn", cache=cache)
    play.viewer("bob").asks("/a")
    play.origin.hears("/a", if_none_match=None)
    play.origin.answers(status, "withdrawn", cache=cache)
    play.viewer("bob").gets(status, "withdrawn")


@SCENES
@WITHDRAWN
@pytest.mark.parametrize("fails", [True, False])
def test_what_a_viewer_was_told_counts_when_the_origin_then_fails(
    stage: Stage, semantics: SemanticsName, regional: bool, status: int, cache: str, fails: bool
) -> None:
    """§4 permits what was last known, and that is not the old body."""
    play = stored(stage, semantics, regional, "max-age=10, stale-if-error=600")
    play.advance(11)
    play.viewer("alice").asks("/a")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(status, "withdrawn", cache=cache)
    play.viewer("alice").gets(status, "withdrawn")
    play.viewer("bob").asks("/a")
    play.origin.hears("/a", if_none_match=None)
    if fails:
        play.origin.fails(Fault.CLOSED)
        play.viewer("bob").gets(502)
    else:
        play.origin.answers(503, "down", cache="no-store")
        play.viewer("bob").gets(503, "down")


@SCENES
@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_says_nothing_of_the_object_leaves_it(
    stage: Stage, semantics: SemanticsName, regional: bool, status: int
) -> None:
    """Too many requests, or an error of the origin: the stale copy is what there is."""
    play = stored(stage, semantics, regional)
    play.advance(11)
    play.viewer().asks("/a").gets(200, "old")
    play.origin.hears("/a")
    play.origin.answers(status, "busy", cache="no-store")
    play.advance(20)
    play.viewer().asks("/a").gets(200, "old", x_cache="Hit")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(304, etag='"1"', cache="max-age=10")


def test_what_is_refused_for_its_sender_is_no_word_to_others(rfc: Play) -> None:
    """RFC 9111 §3.5: what alice's credentials get is hers, and says nothing of the public copy."""
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "public", cache="max-age=10, stale-if-error=600", etag='"1"')
    rfc.viewer().gets(200)
    rfc.advance(11)
    rfc.viewer("alice").asks("/a", authorization="alice")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "hers", cache="max-age=10")
    rfc.viewer("alice").gets(200, "hers")
    rfc.viewer("bob").asks("/a")
    rfc.origin.hears("/a", if_none_match='"1"')
    rfc.origin.answers(503)
    rfc.viewer("bob").gets(200, "public")


def test_a_purge_finds_joined_parts_by_the_tags_of_each(stage: Stage) -> None:
    """RFC 9111 §3.4 makes one of them; each byte goes with the tags it came with."""
    for wanted in ("bytes=0-1", "bytes=0-"):
        play = stage(semantics="rfc9111", site={"cache_tag_header": "Cache-Tag"})
        fields = {"cache": "max-age=60", "etag": '"1"'}
        play.viewer().asks("/a", range="bytes=0-1")
        play.origin.answers(206, "he", content_range="bytes 0-1/5", cache_tag="one", **fields)
        play.viewer().gets(206)
        rest = "bytes=2-4" if wanted == "bytes=0-1" else None
        play.viewer().asks("/a", **({"range": rest} if rest else {}))
        play.origin.answers(206, "llo", content_range="bytes 2-4/5", cache_tag="two", **fields)
        play.viewer().gets(206 if rest else 200)
        play.origin.hears("/a")
        play.origin.hears("/a")
        play.viewer().asks("/a").gets(200, "hello", x_cache="Hit")
        play.operator.invalidates("#one")
        play.viewer().asks("/a")
        play.origin.hears("/a", range=None)
        play.origin.answers(200, "hello", **fields)
        play.viewer().gets(200)
