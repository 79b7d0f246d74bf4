"""What was asked for with a Range is stored as a 200 or as that part (RFC 9111 §3.3): an error may
be due to the Range alone. Under both sets of rules, with one tier and with two."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecache.config.model import SemanticsName
from edgecache.upstream.faults import Fault
from tests.world.play import Play

Stage = Callable[..., Play]
PUBLIC = "public, max-age=3600"
SCENES = pytest.mark.parametrize(
    ("semantics", "regional"),
    [("rfc9111", False), ("rfc9111", True), ("cloudfront", False), ("cloudfront", True)],
)
TIERS = pytest.mark.parametrize("regional", [False, True])


def bob_gets_the_whole(play: Play, body: str = "hello") -> None:
    """A plain GET is asked of the origin, whatever a Range got before."""
    play.viewer("bob").asks("/a")
    play.origin.hears("/a", range=None)
    play.origin.answers(200, body, cache=PUBLIC, etag='"1"')
    play.viewer("bob").gets(200, body, x_cache="Miss")


@SCENES
def test_a_range_behind_the_end(stage: Stage, semantics: SemanticsName, regional: bool) -> None:
    play = stage(semantics=semantics, regional=regional)
    play.viewer("alice").asks("/a", range="bytes=99999999-")
    play.origin.hears("/a")
    play.origin.answers(416, "none", cache=PUBLIC, content_range="bytes */5")
    got = play.viewer("alice").gets(416, "none")
    assert "stored" not in (got.field("cache-status") or "")
    bob_gets_the_whole(play)


@TIERS
@pytest.mark.parametrize("status", [301, 400, 403, 404, 410, 414, 500, 501, 503])
def test_an_error_to_a_viewers_range_is_that_viewers(
    stage: Stage, regional: bool, status: int
) -> None:
    """The origin was asked with the viewer's own Range: its answer is passed on, not kept."""
    play = stage(semantics="rfc9111", regional=regional)
    play.viewer("alice").asks("/a", range="bytes=2-3")
    play.origin.hears("/a", range="bytes=2-3")
    play.origin.answers(status, "error", cache=PUBLIC)
    play.viewer("alice").gets(status, "error")
    bob_gets_the_whole(play)


@TIERS
@pytest.mark.parametrize("status", [301, 400, 403, 404, 410, 414, 500, 501, 503])
def test_an_error_to_a_blocks_range_leaves_the_whole_to_be_asked_for(
    stage: Stage, regional: bool, status: int
) -> None:
    """The Range was ours: who asked gets what the origin says of the object."""
    play = stage(regional=regional)
    play.viewer("alice").asks("/a", range="bytes=2-3")
    assert play.origin.hears("/a").request.fields
    play.origin.answers(status, "error", cache=PUBLIC)
    play.origin.hears("/a", range=None)
    play.origin.answers(200, "hello", cache=PUBLIC, etag='"1"')
    play.viewer("alice").gets(206, "ll")
    play.viewer("bob").asks("/a").gets(200, "hello", x_cache="Hit")


@TIERS
def test_what_it_says_of_the_whole_is_kept(stage: Stage, regional: bool) -> None:
    """So that ranges of what is not there do not each reach the origin."""
    play = stage(regional=regional)
    play.viewer("alice").asks("/a", range="bytes=2-3")
    play.origin.answers(404, "error")
    play.origin.answers(404, "error")
    play.viewer("alice").gets(404, "error")
    play.viewer("bob").asks("/a", range="bytes=4-").gets(404, "error")
    play.origin.hears("/a")
    play.origin.hears("/a", range=None)
    play.origin.hears_nothing()


@TIERS
def test_a_block_behind_the_end_says_nothing_to_who_has_another_version(
    stage: Stage, regional: bool
) -> None:
    """RFC 9110 §13.1.5: with an If-Range that does not match, the whole is wanted."""
    play = stage(regional=regional)
    play.viewer("alice").asks("/a", range="bytes=99999999-", if_range='"0"')
    play.origin.hears("/a")
    play.origin.answers(416, "none", cache=PUBLIC, content_range="bytes */5")
    play.origin.hears("/a", range=None)
    play.origin.answers(200, "hello", cache=PUBLIC, etag='"1"')
    play.viewer("alice").gets(200, "hello")


@pytest.mark.parametrize("status", [301, 403, 404, 416, 500])
def test_an_error_to_the_rest_of_a_part(stage: Stage, status: int) -> None:
    """The viewer asked for the whole, and gets what the origin says of that."""
    play = stage(semantics="rfc9111")
    play.viewer("alice").asks("/a", range="bytes=0-1")
    play.origin.hears("/a", range="bytes=0-1")
    play.origin.answers(206, "he", cache=PUBLIC, etag='"1"', content_range="bytes 0-1/5")
    play.viewer("alice").gets(206, "he")
    play.viewer("bob").asks("/a")
    play.origin.hears("/a", range="bytes=2-")
    play.origin.answers(status, "error", cache=PUBLIC)
    play.origin.hears("/a", range=None)
    play.origin.answers(200, "hello", cache=PUBLIC, etag='"1"')
    play.viewer("bob").gets(200, "hello")
    play.viewer("carol").asks("/a").gets(200, "hello", x_cache="Hit")


@TIERS
@pytest.mark.parametrize("fault", [Fault.CLOSED, Fault.MALFORMED, Fault.RESPONSE_TIMEOUT])
def test_a_failure_to_a_range_is_not_remembered(stage: Stage, regional: bool, fault: Fault) -> None:
    play = stage(regional=regional)
    play.viewer("alice").asks("/a", range="bytes=2-3")
    play.origin.hears("/a")
    play.origin.fails(fault)
    assert play.viewer("alice").got() is not None
    bob_gets_the_whole(play)
