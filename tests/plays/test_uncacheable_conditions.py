"""What is never stored is asked for with the viewer's own conditions: no body comes in vain.

RFC 9110 §13.1.2, §13.1.3; RFC 9111 §4.3.2 has a cache that stores nothing of it forward them.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecache.config.model import SemanticsName
from tests.world.play import Play

Stage = Callable[..., Play]
NEVER = "private, no-store"
BOTH: list[SemanticsName] = ["rfc9111", "cloudfront"]


def asked_first(play: Play, cache: str = NEVER, **fields: str) -> None:
    """Somebody asks for /a: from then on it is known to be for one alone."""
    play.viewer("first").asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache=cache, etag='"1"', **fields)
    play.viewer("first").gets(200, "one")


@pytest.mark.parametrize("semantics", BOTH)
@pytest.mark.parametrize("regional", [False, True])
@pytest.mark.parametrize(
    ("name", "value"),
    [("if_none_match", '"1"'), ("if_modified_since", "Mon, 11 Jan 2027 00:00:00 GMT")],
)
def test_the_viewers_condition_reaches_the_origin(
    stage: Stage, semantics: SemanticsName, regional: bool, name: str, value: str
) -> None:
    play = stage(semantics=semantics, regional=regional)
    asked_first(play)
    play.viewer().asks("/a", **{name: value})
    play.origin.hears("/a", **{name: value})
    play.origin.answers(304, "", cache=NEVER, etag='"1"', x_a="1")
    got = play.viewer().gets(304, "", x_cache="Miss")
    assert (got.field("etag"), got.field("x-a")) == ('"1"', "1")


@pytest.mark.parametrize("semantics", BOTH)
def test_who_asks_without_gets_the_whole_and_hears_nothing_of_it(
    stage: Stage, semantics: SemanticsName
) -> None:
    play = stage(semantics=semantics)
    asked_first(play)
    play.viewer("a").asks("/a", if_none_match='"1"')
    play.viewer("b").asks("/a")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(304, "", cache=NEVER, etag='"1"')
    play.viewer("a").gets(304)
    play.origin.hears("/a", if_none_match=None)
    play.origin.answers(200, "one", cache=NEVER, etag='"1"')
    play.viewer("b").gets(200, "one")


def test_what_may_be_stored_by_then_is_stored(rfc: Play) -> None:
    asked_first(rfc)
    rfc.viewer().asks("/a", if_none_match='"1"')
    rfc.origin.hears("/a", if_none_match='"1"')
    rfc.origin.answers(200, "two", cache="max-age=60", etag='"2"')
    rfc.viewer().gets(200, "two")
    rfc.viewer("b").asks("/a").gets(200, "two", x_cache="Hit")
    rfc.viewer("c").asks("/a", if_none_match='"2"').gets(304, x_cache="Hit")


def test_what_may_be_stored_is_asked_for_whole(rfc: Play) -> None:
    """A 304 would leave nothing to store; so it is again after a while."""
    rfc.viewer().asks("/a", if_none_match='"1"')
    rfc.origin.hears("/a", if_none_match=None)
    rfc.origin.answers(200, "one", cache=NEVER, etag='"1"')
    rfc.viewer().gets(304)
    rfc.advance(121)
    rfc.viewer("later").asks("/a", if_none_match='"1"')
    rfc.origin.hears("/a", if_none_match=None)
    rfc.origin.answers(200, "one", cache="max-age=60", etag='"1"')
    rfc.viewer("later").gets(304)


@pytest.mark.parametrize("name", ["if_match", "if_unmodified_since", "range"])
def test_a_condition_that_may_fail_for_this_viewer_alone_stays_here(rfc: Play, name: str) -> None:
    """A 412 would be stored for all where an origin says that it may be."""
    asked_first(rfc)
    values = {"if_match": '"0"', "range": "bytes=0-0"}
    value = values.get(name, "Mon, 11 Jan 2027 00:00:00 GMT")
    rfc.viewer().asks("/a", if_none_match='"9"', **{name: value})
    heard = {"range": value} if name == "range" else {name: None}
    rfc.origin.hears("/a", **heard)
    rfc.origin.answers(200, "one", cache=NEVER, etag='"1"')
    assert rfc.viewer().got() is not None


def test_a_304_that_nobody_asked_for_is_still_none(rfc: Play) -> None:
    asked_first(rfc)
    rfc.viewer().asks("/a")
    rfc.origin.answers(304, "", etag='"1"')
    rfc.viewer().gets(502)
