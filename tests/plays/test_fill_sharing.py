"""Sharing: who comes while a body arrives gets what who comes afterwards would, and nothing else.

RFC 9111 §3.5, §4, §4.1, §5.2.1, §5.2.2; CloudFront Developer Guide, "Simultaneous requests for the
same object (request collapsing)".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edgecache.config.model import CachePolicy, HeaderSelection, Selection
from tests.world.play import Play

Stage = Callable[..., Play]
AUTH = {"authorization": "Basic eDp5"}
WAITED, LATER = "who waited for the head", "who comes while the body arrives"


def of_min_ttl_0(**more: Any) -> CachePolicy:
    return CachePolicy(ttl_s_min=0, query_strings=Selection(behavior="all"), **more)


@pytest.fixture(params=[False, True], ids=["one-tier", "two-tiers"])
def shared(stage: Stage, request: pytest.FixtureRequest) -> Callable[[str], Play]:
    """Makes a play of these semantics, with one tier and with two."""

    def make(semantics: str) -> Play:
        policy = of_min_ttl_0(headers=HeaderSelection(behavior="whitelist", items=("A", "Host")))
        return stage(semantics=semantics, policy=policy, regional=request.param)

    return make


def is_alone(
    play: Play, when: str, asked: dict[str, str], told: dict[str, str], **more: str
) -> None:
    """Alice asks with `asked` and the origin says `told`; bob, who asks too, gets his own."""
    play.viewer("alice").asks("/a", **asked)
    play.origin.hears("/a")
    if when == WAITED:
        play.viewer("bob").asks("/a", **more)
        play.origin.hears_nothing()
    play.origin.answers(200, None, set_cookie="of=alice", **told)
    alices = play.origin.body
    assert alices is not None
    if when == LATER:
        play.viewer("bob").asks("/a", **more)
    play.origin.hears("/a")
    play.origin.answers(200, "bob's", set_cookie="of=bob", **told)
    got = play.viewer("bob").gets(200, "bob's", x_cache="Miss")
    assert "alice" not in (got.field("set-cookie") or "")
    alices.put(b"alice's")
    alices.put(b"")
    play.viewer("alice").gets(200, "alice's", x_cache="Miss")


@pytest.mark.parametrize("when", [WAITED, LATER])
@pytest.mark.parametrize("cache", [
    "no-cache, must-revalidate, max-age=0", "max-age=0", "s-maxage=0", "no-cache", "private",
    "no-store", "max-age=0, public",
])  # fmt: skip
@pytest.mark.parametrize("semantics", ["rfc9111", "cloudfront"])
def test_what_must_be_asked_for_each_time(
    shared: Callable[[str], Play], semantics: str, cache: str, when: str
) -> None:
    """RFC 9111 §5.2.2.4; CloudFront with MinTTL 0."""
    is_alone(shared(semantics), when, {}, {"cache": cache})


@pytest.mark.parametrize("when", [WAITED, LATER])
@pytest.mark.parametrize("cache", ["must-revalidate, max-age=0", "max-age=9", "public, no-cache"])
def test_what_credentials_opened(shared: Callable[[str], Play], cache: str, when: str) -> None:
    """RFC 9111 §3.5."""
    is_alone(shared("rfc9111"), when, AUTH, {"cache": cache})


@pytest.mark.parametrize("when", [WAITED, LATER])
@pytest.mark.parametrize("vary", ["Cookie", "Foo, Origin", "*"])
def test_what_was_chosen_by_another_request(
    shared: Callable[[str], Play], vary: str, when: str
) -> None:
    """RFC 9111 §4.1."""
    asked = {"cookie": "of=alice", "origin": "https://a.test"}
    is_alone(shared("rfc9111"), when, asked, {"cache": "max-age=9", "vary": vary}, cookie="of=bob")


@pytest.mark.parametrize("when", [WAITED, LATER])
@pytest.mark.parametrize("wish", ["no-cache", "max-age=4", "min-fresh=6"])
def test_what_the_request_does_not_want(
    shared: Callable[[str], Play], wish: str, when: str
) -> None:
    """RFC 9111 §5.2.1: here of an answer that is five seconds old as it comes."""
    told = {"cache": "max-age=10", "age": "5"}
    is_alone(shared("rfc9111"), when, {}, told, cache_control=wish)


@pytest.mark.parametrize("when", [WAITED, LATER])
@pytest.mark.parametrize("semantics", ["rfc9111", "cloudfront"])
def test_what_is_stale_as_it_comes(
    shared: Callable[[str], Play], semantics: str, when: str
) -> None:
    is_alone(shared(semantics), when, {}, {"cache": "max-age=10", "age": "10"})


@pytest.mark.parametrize("when", [WAITED, LATER])
@pytest.mark.parametrize("semantics", ["rfc9111", "cloudfront"])
def test_events_are_no_other_than_pages(
    shared: Callable[[str], Play], semantics: str, when: str
) -> None:
    told = {"cache": "no-cache", "content_type": "text/event-stream"}
    is_alone(shared(semantics), when, {}, told)


@pytest.mark.parametrize("semantics", ["rfc9111", "cloudfront"])
def test_what_is_fresh_is_asked_for_once(shared: Callable[[str], Play], semantics: str) -> None:
    play = shared(semantics)
    play.viewer("alice").asks("/a")
    play.origin.hears("/a")
    play.viewer("bob").asks("/a")
    play.origin.answers(200, None, cache="max-age=10")
    play.viewer("carol").asks("/a")
    play.advance(5)
    play.viewer("dave").asks("/a")
    play.origin.hears_nothing()
    play.origin.sends("one")
    play.origin.ends()
    for name in ("alice", "bob", "carol", "dave"):
        play.viewer(name).gets(200, "one", x_cache="Miss" if name == "alice" else "Hit")


@pytest.mark.parametrize("semantics", ["rfc9111", "cloudfront"])
def test_what_became_stale_as_it_arrived_is_asked_for_once_more(
    shared: Callable[[str], Play], semantics: str
) -> None:
    """Who comes then waits for one new answer, as if the old one had been stored."""
    play = shared(semantics)
    play.viewer("alice").asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, None, cache="max-age=10, stale-if-error=0")
    old = play.origin.body
    assert old is not None
    play.advance(10)
    for name in ("bob", "carol"):
        play.viewer(name).asks("/a")
    play.origin.hears("/a")
    play.origin.hears_nothing()
    play.origin.answers(200, "two", cache="max-age=10")
    for name, result in (("bob", "Miss"), ("carol", "Hit"), ("dave", "Hit")):
        if name == "dave":
            play.viewer(name).asks("/a")
        play.viewer(name).gets(200, "two", x_cache=result)
    old.put(b"one")
    old.put(b"")
    play.viewer("alice").gets(200, "one")


@pytest.mark.parametrize("semantics", ["rfc9111", "cloudfront"])
def test_what_may_be_given_stale_is_read_along(
    shared: Callable[[str], Play], semantics: str
) -> None:
    """RFC 5861 §3: while it arrives nothing newer can be had for less."""
    play = shared(semantics)
    play.viewer("alice").asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, None, cache="max-age=10, stale-while-revalidate=10")
    play.advance(15)
    play.viewer("bob").asks("/a")
    play.origin.hears_nothing()
    play.origin.sends("one")
    play.origin.ends()
    play.viewer("alice").gets(200, "one")
    play.viewer("bob").gets(200, "one", x_cache="Hit")


RANGE = {"range": "bytes=2-4"}


def answers_part(play: Play, body: str | None, tag: str) -> None:
    play.origin.answers(
        206, body, cache="max-age=9", etag=f'"{tag}"', content_range="bytes 2-4/10",
        content_length="3",
    )  # fmt: skip


@pytest.mark.parametrize("when", [WAITED, LATER])
@pytest.mark.parametrize("tag", ['"v1"', 'W/"v2"', "Tue, 05 Jan 2027 08:00:00 GMT"])
def test_if_range_is_of_who_asks(shared: Callable[[str], Play], tag: str, when: str) -> None:
    """RFC 9110 §13.1.5: bytes of another version are of no use to who has the first ones."""
    play = shared("rfc9111")
    play.viewer("alice").asks("/a", **RANGE)
    play.origin.hears("/a", **RANGE)
    if when == WAITED:
        play.viewer("bob").asks("/a", if_range=tag, **RANGE)
    answers_part(play, None, "v2")
    old = play.origin.body
    assert old is not None
    if when == LATER:
        play.viewer("bob").asks("/a", if_range=tag, **RANGE)
    play.origin.hears("/a", if_range=tag, **RANGE)
    play.origin.answers(200, "0123456789", cache="max-age=9", etag='"v2"')
    play.viewer("bob").gets(200, "0123456789", x_cache="Miss")
    old.put(b"234")
    old.put(b"")
    play.viewer("alice").gets(206, "234")


@pytest.mark.parametrize("when", [WAITED, LATER])
def test_a_part_is_shared_by_who_may_have_it(shared: Callable[[str], Play], when: str) -> None:
    play = shared("rfc9111")
    play.viewer("alice").asks("/a", **RANGE)
    play.origin.hears("/a", **RANGE)
    conditions = (("if_range", "v2"), ("if_none_match", "v1"), ("if_none_match", "v2"))
    asked: list[dict[str, str]] = [{}, *({name: f'"{tag}"'} for name, tag in conditions)]
    if when == LATER:
        answers_part(play, None, "v2")
    for number, more in enumerate(asked):
        play.viewer(str(number)).asks("/a", **RANGE, **more)
    if when == WAITED:
        answers_part(play, None, "v2")
    play.origin.hears_nothing()
    play.origin.sends("234")
    play.origin.ends()
    play.viewer("alice").gets(206, "234", x_cache="Miss")
    for name in "012":
        play.viewer(name).gets(206, "234", x_cache="Hit")
    play.viewer("3").gets(304, "", x_cache="Hit")


@pytest.mark.parametrize("cache", ["max-age=9", "private"])
@pytest.mark.parametrize("semantics", ["rfc9111", "cloudfront"])
@pytest.mark.parametrize("status", [200, 206])
def test_a_condition_counts_before_a_range(
    shared: Callable[[str], Play], semantics: str, status: int, cache: str
) -> None:
    """RFC 9110 §13.2.2: also where nothing was stored, and whatever the origin gave of it."""
    play = shared(semantics)
    play.viewer().asks("/a", if_none_match='"v"', **RANGE)
    play.origin.hears("/a", if_none_match=None)
    if status == 206:
        play.origin.answers(
            206, "234", cache=cache, etag='"v"', content_range="bytes 2-4/10", content_length="3"
        )
    else:
        play.origin.answers(200, "0123456789", cache=cache, etag='"v"')
    if semantics == "cloudfront" and status == 206:  # not the block that was asked for
        play.origin.hears("/a", if_none_match=None, range=None)
        play.origin.answers(200, "0123456789", cache=cache, etag='"v"')
    play.viewer().gets(304, "")
