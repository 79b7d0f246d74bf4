"""Errors are answered with the distribution's own pages, and kept for as long as it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edgecache.config.model import Behavior, CachePolicy, CustomErrorResponse
from edgecache.upstream.faults import Fault
from tests.world.play import Play

Stage = Callable[..., Play]


def error(code: int, path: str = "", status: int | None = None, ttl_s: int = 10) -> Any:
    return CustomErrorResponse(
        error_code=code,
        response_page_path=path,
        response_code=status,
        error_caching_ttl_s_min=ttl_s,
    )


def site(stage: Stage, *errors: Any, **scene: Any) -> Play:
    return stage(site={"custom_error_responses": errors}, **scene)


def test_the_page_comes_with_the_status_that_is_configured(stage: Stage) -> None:
    play = site(stage, error(404, "/index.html", 200, 30))
    play.viewer().asks("/a?b")
    play.origin.hears("/a?b")
    play.origin.answers(404, "no such thing")
    page = play.origin.hears("/index.html")
    assert page.request.method == b"GET"
    play.origin.answers(200, "<p>app</p>", cache="max-age=300", etag='"v"')
    got = play.viewer().gets(200, "<p>app</p>")
    assert got.field("x-cache") == "Error from cloudfront"
    assert play.counters.requests["Error"] == 1
    # Both the error and the page are stored now.
    play.viewer().asks("/a?b").gets(200, "<p>app</p>", x_cache="Error")
    play.viewer("c").asks("/index.html").gets(200, "<p>app</p>", x_cache="Hit")
    play.origin.hears_nothing()
    play.advance(31)
    play.viewer().asks("/a?b")
    play.origin.hears("/a?b")
    play.origin.answers(200, "here it is", cache="max-age=1")
    play.viewer().gets(200, "here it is", x_cache="Miss")


def test_an_error_of_unknown_length_is_kept_too(stage: Stage) -> None:
    play = site(stage, error(404, "/e", 404))
    play.viewer().asks("/a")
    play.origin.answers(404, None)
    body = play.origin.body
    play.origin.answers(200, "page", cache="max-age=60")
    play.viewer().gets(404, "page", x_cache="Error")
    assert body is not None
    play.origin.body = body
    play.origin.sends("gone")
    play.origin.ends()
    play.viewer().asks("/a").gets(404, "page")
    assert [call.request.path for call in play.origin.heard] == [b"/a", b"/e"]


def test_the_page_is_had_through_the_behavior_of_its_path(stage: Stage) -> None:
    pages = Behavior(path_pattern="/errors/*", origin="o", cache_policy=CachePolicy())
    play = stage(
        policy=CachePolicy(ttl_s_min=0, ttl_s_default=0, ttl_s_max=0),
        site={
            "custom_error_responses": (error(404, "/errors/404.html", 404),),
            "behaviors": (pages,),
        },
    )
    for name in ("/a", "/b"):
        play.viewer().asks(name)
        play.origin.hears(name)
        play.origin.answers(404)
        if name == "/a":
            play.origin.hears("/errors/404.html")
            play.origin.answers(200, "page")  # its own behavior keeps it for a day
        play.viewer().gets(404, "page", x_cache="Error")
    play.origin.hears_nothing()


def test_a_page_that_fails_itself_gives_its_own_status(stage: Stage) -> None:
    play = site(stage, error(404, "/e", 200))
    play.viewer().asks("/a")
    play.origin.answers(404)
    play.origin.hears("/a")
    play.origin.hears("/e")
    play.origin.answers(403, "forbidden")
    play.viewer().gets(403, "forbidden", x_cache="Error")
    play.viewer().asks("/b")
    play.origin.answers(404)
    play.origin.fails(Fault.RESPONSE_TIMEOUT)
    play.viewer().gets(504, x_cache="Error")


def test_a_page_that_is_missing_is_not_looked_for_forever(stage: Stage) -> None:
    play = site(stage, error(404, "/e", 200))
    play.viewer().asks("/a")
    play.origin.answers(404)
    play.origin.answers(404, "no page either")
    play.viewer().gets(404, "no page either", x_cache="Error")
    assert len(play.origin.heard) == 2


def test_a_dead_origin_has_a_page_too(stage: Stage) -> None:
    play = site(stage, error(502, "/e", 503))
    play.viewer().asks("/e")
    play.origin.answers(200, "back soon", cache="max-age=60")
    play.viewer().gets(200)
    play.viewer().asks("/a")
    play.origin.fails()
    play.viewer().gets(503, "back soon", x_cache="Error")


def test_trouble_of_our_own_has_no_page(stage: Stage) -> None:
    play = site(stage, error(503, "/e", 200))
    play.viewer().asks("/a")
    play.origin.fails(Fault.BUSY)
    play.viewer().gets(503, x_cache="Error")
    assert len(play.origin.heard) == 1


def test_head_and_ranges_get_the_whole_page(stage: Stage) -> None:
    play = site(stage, error(404, "/e", 200))
    play.viewer().asks("/a", "HEAD")
    play.origin.answers(404)
    play.origin.answers(200, "page", cache="max-age=60")
    got = play.viewer().gets(200, "")
    assert got.field("content-length") == "4"
    play.viewer().asks("/a", range="bytes=0-1", if_none_match="*")
    play.origin.answers(404)  # perhaps for the Range's sake: what it says of the whole counts
    play.origin.answers(404)
    play.viewer().gets(200, "page")


def test_a_stale_copy_comes_before_the_page(stage: Stage) -> None:
    play = site(stage, error(500, "/e", 200))
    play.viewer().asks("/a")
    play.origin.answers(200, "old", cache="max-age=10")
    play.viewer().gets(200)
    play.advance(20)
    play.viewer().asks("/a")
    play.origin.answers(500)
    play.viewer().gets(200, "old", x_cache="Hit")


@pytest.mark.parametrize("regional", [False, True])
@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.RESPONSE_TIMEOUT, Fault.MALFORMED])
def test_a_dead_origin_is_left_alone_for_a_while(
    stage: Stage, fault: Fault, regional: bool
) -> None:
    status = 504 if fault is Fault.RESPONSE_TIMEOUT else 502
    play = site(stage, error(status, ttl_s=20), regional=regional)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.fails(fault)
    play.viewer().gets(status)
    play.advance(19)
    play.viewer("b").asks("/a").gets(status, x_cache="Error")
    play.origin.hears_nothing()
    play.viewer().asks("/b")  # another object is another question
    play.origin.hears("/b")
    play.origin.answers(200, "b")
    play.viewer().gets(200, "b")
    play.advance(1)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "well again")
    play.viewer().gets(200, "well again")


def test_no_time_to_keep_is_no_memory(stage: Stage) -> None:
    play = site(stage, error(502, ttl_s=0))
    for _ in range(2):
        play.viewer().asks("/a")
        play.origin.hears("/a")
        play.origin.fails()
        play.viewer().gets(502)


@pytest.mark.parametrize("fails", [True, False])
def test_a_stale_copy_is_given_for_a_while_before_the_next_try(play: Play, fails: bool) -> None:
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "old", cache="max-age=10")
    play.viewer().gets(200)
    play.advance(20)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    if fails:
        play.origin.fails()
    else:
        play.origin.answers(500)
    play.viewer().gets(200, "old")
    play.advance(9)
    play.viewer().asks("/a").gets(200, "old", x_cache="Hit")
    play.origin.hears_nothing()
    play.advance(1)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "new", cache="max-age=10")
    play.viewer().gets(200, "new")


def test_what_may_not_be_stored_is_not_remembered_either(stage: Stage) -> None:
    play = stage(policy=CachePolicy(ttl_s_min=0, ttl_s_default=0, ttl_s_max=0))
    for _ in range(2):
        play.viewer().asks("/a")
        play.origin.hears("/a")
        play.origin.fails()
        play.viewer().gets(502)
