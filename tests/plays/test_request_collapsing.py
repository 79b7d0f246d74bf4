"""Collapsing: one origin request for many viewers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edgecache.config.model import Limits
from tests.world.large import BODY, CACHE, SIZE, gives, starts
from tests.world.play import Play


def test_second_viewer_waits_for_the_first(play: Play) -> None:
    play.viewer("a").asks("/v.mp4")
    play.origin.hears("/v.mp4")
    play.viewer("b").asks("/v.mp4")
    play.origin.hears_nothing()
    play.origin.answers(200, "body", cache="max-age=60")
    play.viewer("a").gets(200, "body", x_cache="Miss")
    play.viewer("b").gets(200, "body", x_cache="Hit")


def test_a_thousand_viewers_make_one_origin_request(play: Play) -> None:
    names = [f"v{n}" for n in range(1_000)]
    for name in names[:10]:
        play.viewer(name).asks("/hot")
    for name in names[10:]:
        viewer = play.viewer(name)
        viewer.connection.data_received(b"GET /hot HTTP/1.1\r\nHost: site.test\r\n\r\n")
    play.origin.hears("/hot")
    play.origin.hears_nothing()
    play.origin.answers(200, "x", cache="max-age=60")
    results = [play.viewer(name).gets(200, "x").field("x-cache") for name in names]
    assert results.count("Miss from cloudfront") == 1
    assert results.count("Hit from cloudfront") == 999


@pytest.mark.parametrize("regional", [False, True], ids=["one-tier", "two-tiers"])
@pytest.mark.parametrize("semantics", ["cloudfront", "rfc9111"])
def test_what_has_passed_us_before_waits_for_nobody(
    semantics: Any, regional: bool, stage: Callable[..., Play]
) -> None:
    """An origin behind which we are again: the request would wait for itself until it times out."""
    play = stage(semantics=semantics, regional=regional)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.viewer("ourselves").asks("/a", cdn_loop="cloudfront")
    play.origin.hears("/a", cdn_loop="cloudfront")
    play.viewer("another network").asks("/a", cdn_loop="other")
    play.origin.hears_nothing()
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one")
    play.viewer("another network").gets(200, "one", x_cache="Hit")
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer("ourselves").gets(200, "two", x_cache="Miss")


@pytest.mark.parametrize("semantics", ["cloudfront", "rfc9111"])
def test_what_has_passed_us_before_is_waited_for_and_stored(
    semantics: Any, stage: Callable[..., Play]
) -> None:
    """As all is that comes by way of another distribution of ours."""
    play = stage(semantics=semantics)
    play.viewer("by another").asks("/a", cdn_loop="cloudfront")
    play.origin.hears("/a")
    play.viewer().asks("/a")
    play.origin.hears_nothing()
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer("by another").gets(200, "one", x_cache="Miss")
    play.viewer().gets(200, "one", x_cache="Hit")
    play.viewer("by another").asks("/a", cdn_loop="cloudfront").gets(200, "one", x_cache="Hit")


def test_a_large_object_is_stored_for_what_has_passed_us_before(
    stage: Callable[..., Play],
) -> None:
    play = stage(limits=Limits(block_bytes=SIZE, object_bytes_max=30))

    def asks(part: str) -> None:
        play.viewer().asks("/v", range=part, cdn_loop="cloudfront")

    for part, missing in (("0-9", (0,)), ("10-29", (1, 2)), ("10-29", ())):
        asks(f"bytes={part}")
        gives(play, *missing)
        play.viewer().gets(206)
        play.origin.hears_nothing()


def test_what_has_passed_us_before_reads_the_whole_that_came_for_it(
    stage: Callable[..., Play],
) -> None:
    play = stage(limits=Limits(block_bytes=SIZE, object_bytes_max=30))
    play.viewer("by another").asks("/v", cdn_loop="cloudfront")
    play.origin.hears("/v", range=None)
    play.origin.answers(200, BODY, cache=CACHE, etag='"1"', accept_ranges="bytes")
    play.viewer("by another").gets(200, BODY)
    play.origin.hears_nothing()
    play.viewer().asks("/v").gets(200, BODY, x_cache="Hit")


def test_but_not_the_whole_that_may_wait_for_it(stage: Callable[..., Play]) -> None:
    """An origin that gives a whole out of parts it has from us."""
    play = stage(limits=Limits(block_bytes=SIZE, object_bytes_max=30))
    starts(play)
    play.viewer("ourselves").asks("/v", range="bytes=12-13", cdn_loop="cloudfront")
    gives(play, 1)
    play.viewer("ourselves").gets(206, BODY[12:14])
    play.viewer("ourselves").asks("/v", range="bytes=15-16", cdn_loop="cloudfront")
    play.viewer("ourselves").gets(206, BODY[15:17], x_cache="Hit")  # it was stored
    play.origin.hears_nothing()


def test_nor_does_it_wait_for_a_block_that_it_may_be_the_fetch_of(
    stage: Callable[..., Play],
) -> None:
    play = stage(limits=Limits(block_bytes=SIZE, object_bytes_max=30))
    starts(play)
    play.viewer("ourselves").asks("/v", range="bytes=12-13", cdn_loop="cloudfront")
    gives(play, 1)
    play.viewer("ourselves").gets(206, BODY[12:14])


@pytest.mark.parametrize(
    ("semantics", "status", "cache", "shared"),
    [
        ("rfc9111", 503, "no-store", False),
        ("rfc9111", 404, None, False),
        ("rfc9111", 500, None, False),
        ("rfc9111", 404, "max-age=1", True),
        ("rfc9111", 503, "max-age=1", True),
        ("cloudfront", 503, "no-store", False),
        ("cloudfront", 404, None, True),  # ErrorCachingMinTTL
        ("cloudfront", 503, None, True),
    ],
)
def test_an_error_that_may_not_be_shared_is_asked_for_by_each_who_waited(
    semantics: Any, status: int, cache: str | None, shared: bool, stage: Callable[..., Play]
) -> None:
    """Decision 017; RFC 9111 §4: "it will need to forward the requests"."""
    play = stage(semantics=semantics)
    names = [f"v{number}" for number in range(6)]
    for name in names:
        play.viewer(name).asks("/a")
    asked = 0
    play.loop.look()
    while play.origin.waits:
        play.origin.hears("/a")
        play.origin.answers(status, "error", cache=cache)
        asked += 1
        play.loop.look()
    for name in names:
        play.viewer(name).gets(status, "error")
    assert asked == (1 if shared else len(names))
