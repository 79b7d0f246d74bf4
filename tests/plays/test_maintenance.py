"""Maintenance: the origin is not asked; viewers get what is stored, else a page that says when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edgecache.config.model import CustomErrorResponse, Maintenance
from edgecache.rules.routing import compile_routes
from tests.world.play import Play, config_of

Stage = Callable[..., Play]
WORDS = "Back at six."
BOTH = pytest.mark.parametrize("semantics", ["cloudfront", "rfc9111"])
TIERS = pytest.mark.parametrize("regional", [False, True])


def switch(play: Play, *, on: bool) -> None:
    """As a reload does."""
    play.scene.behavior["maintenance"] = Maintenance(enabled=on, retry_after_s=90, message=WORDS)
    front = play.listener.frontend
    front.table = compile_routes(config_of(play.scene), former=front.table)


def stored(play: Play, cache: str = "max-age=10", **fields: str) -> None:
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache=cache, **fields)
    play.viewer().gets(200, "one")


@BOTH
@TIERS
def test_what_is_stored_is_served_also_when_it_is_stale(
    stage: Stage, semantics: str, regional: bool
) -> None:
    play = stage(semantics=semantics, regional=regional, behavior={})
    stored(play, etag='"1"')
    switch(play, on=True)
    for _ in range(3):
        play.viewer().asks("/a").gets(200, "one", x_cache="Hit")
    play.advance(60)
    for _ in range(3):
        got = play.viewer().asks("/a").gets(200, "one")
        assert got.field("retry-after") is None
        assert play.viewer().asks("/a", "HEAD").gets(200).body == b""
        assert play.viewer().asks("/a", range="bytes=0-1").gets(206).body == b"on"
    assert len(play.origin.heard) == 1


@BOTH
@TIERS
def test_where_nothing_is_stored_a_page_says_when(
    stage: Stage, semantics: str, regional: bool
) -> None:
    play = stage(semantics=semantics, regional=regional, behavior={})
    switch(play, on=True)
    for method in ("GET", "HEAD", "GET"):
        got = play.viewer().asks("/b", method).gets(503, x_cache="Error")
        assert got.fields("retry-after") == ["90"]
        assert got.field("cache-control") == "no-store"
        assert (WORDS in got.body.decode()) is (method == "GET")
    got = play.viewer("b").asks("/b", "POST", "body").gets(503)
    assert got.fields("retry-after") == ["90"]
    play.origin.hears_nothing()


@BOTH
def test_a_reload_switches_it_and_nothing_is_left_of_it(stage: Stage, semantics: str) -> None:
    play = stage(semantics=semantics, behavior={})
    switch(play, on=True)
    play.viewer().asks("/a").gets(503)
    switch(play, on=False)
    stored(play)
    switch(play, on=True)
    play.advance(60)
    play.viewer().asks("/a").gets(200, "one")
    switch(play, on=False)
    play.viewer().asks("/a")
    play.origin.answers(200, "two", cache="max-age=10")
    play.viewer().gets(200, "two")


def test_what_must_be_validated_is_not_served_stale(stage: Stage) -> None:
    play = stage(semantics="rfc9111", behavior={})
    stored(play, "max-age=10, must-revalidate")
    switch(play, on=True)
    play.viewer().asks("/a").gets(200, "one", x_cache="Hit")
    play.advance(60)
    play.viewer().asks("/a").gets(503)


def test_the_page_of_the_distribution_stands_for_ours(stage: Stage) -> None:
    page: dict[str, Any] = {
        "custom_error_responses": (
            CustomErrorResponse(error_code=503, response_page_path="/down", response_code=503),
        )
    }
    play = stage(behavior={}, site=page)
    play.viewer().asks("/down")
    play.origin.answers(200, "we are down", cache="max-age=1000")
    play.viewer().gets(200, "we are down")
    switch(play, on=True)
    for _ in range(2):
        got = play.viewer().asks("/b").gets(503, "we are down")
        assert got.fields("retry-after") == ["90"]
    play.origin.hears("/down")
    play.origin.hears_nothing()
