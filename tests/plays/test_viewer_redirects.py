"""Redirects and request headers of a behavior, in front of a cache."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecache.config.model import (
    CustomErrorResponse,
    HeaderSelection,
    OriginRequestPolicy,
    Redirect,
    RequestHeaders,
)
from tests.world.play import Play

Stage = Callable[..., Play]
WWW = {"redirects": (Redirect(to_host="www.site.test"),)}


@pytest.mark.parametrize("semantics", ["cloudfront", "rfc9111"])
def test_a_redirect_comes_before_what_is_stored(stage: Stage, semantics: str) -> None:
    rule = (Redirect(path="/old/*", to="/a/$1"),)
    play = stage(semantics=semantics, behavior={"redirects": rule})
    for _ in range(2):
        got = play.viewer().asks("/old/x?q=1").gets(301)
        assert got.field("location") == "/a/x?q=1"
        assert got.field("x-cache") == "Redirect from cloudfront"
        assert play.viewer().asks("/old/x", "HEAD").gets(301).body == b""
        ranged = play.viewer().asks("/old/x", range="bytes=0-1").gets(301)
        assert ranged.field("content-range") is None
    play.origin.hears_nothing()
    play.viewer().asks("/a/x")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one")
    for _ in range(3):
        play.viewer().asks("/a/x").gets(200, "one", x_cache="Hit")
    play.viewer().asks("/old/x").gets(301)


def test_one_host_has_hits_while_the_other_is_redirected(stage: Stage) -> None:
    play = stage(behavior=WWW, site={"aliases": ("site.test", "www.site.test")})
    play.viewer().asks("/a", host="www.site.test")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one")
    for _ in range(3):
        play.viewer().asks("/a", host="www.site.test").gets(200, "one", x_cache="Hit")
        got = play.viewer().asks("/a", host="site.test").gets(301)
        assert got.field("location") == "http://www.site.test/a"


def test_https_comes_first_and_pages_of_errors_stay_away(stage: Stage) -> None:
    pages = (CustomErrorResponse(error_code=403, response_page_path="/p", response_code=200),)
    behavior = {**WWW, "viewer_protocol_policy": "redirect-to-https"}
    play = stage(behavior=behavior, site={"custom_error_responses": pages})
    got = play.viewer().asks("/a").gets(301)
    assert got.field("location") == "https://site.test/a"
    play.listener.scheme = b"https"
    got = play.viewer("b").asks("/a").gets(301)
    assert got.field("location") == "https://www.site.test/a"


def test_a_body_that_is_redirected_ends_the_connection(stage: Stage) -> None:
    play = stage(behavior=WWW)
    got = play.viewer().asks("/a", "POST", "body").gets(308)
    assert got.field("connection") == "close"


def test_a_removed_header_is_in_no_key_and_reaches_no_origin(stage: Stage) -> None:
    every = OriginRequestPolicy(headers=HeaderSelection(behavior="allViewer"))
    rules = RequestHeaders(set={"X-Team": "blue"}, remove=("X-Debug", "Cookie"))
    play = stage(request_policy=every, behavior={"request_headers": rules})
    play.viewer().asks("/a", x_debug="1", x_team="red", cookie="a=b", x_more="kept")
    play.origin.hears("/a", x_debug=None, cookie=None, x_team=None, x_more="kept")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one")
    for number in range(3):
        play.viewer().asks("/a", x_debug=str(number), cookie=f"a={number}")
        play.viewer().gets(200, "one", x_cache="Hit")


def test_what_is_removed_makes_no_variants(stage: Stage) -> None:
    rules = RequestHeaders(remove=("X-Debug", "Cache-Control", "Pragma"))
    play = stage(semantics="rfc9111", behavior={"request_headers": rules})
    play.viewer().asks("/a", x_debug="1", cache_control="no-store")
    play.origin.answers(200, "one", cache="max-age=60", vary="X-Debug")
    play.viewer().gets(200, "one")
    for number in range(3):
        play.viewer().asks("/a", x_debug=str(number), cache_control="no-cache")
        play.viewer().gets(200, "one", x_cache="Hit")
