"""A release is a number in the key: cut, all misses at once; activated, all is there again."""

from __future__ import annotations

from msgspec.structs import replace

from edgecache.config.model import Release
from edgecache.rules.routing import compile_routes
from tests.plays.versions import has_stored, is_asked_anew
from tests.world.play import Play, config_of


def runs(play: Play, *releases: Release) -> None:
    """The configuration with these releases is the current one from here on."""
    config = config_of(play.scene)
    site = replace(config.distributions[0], releases=releases)
    play.listener.frontend.table = compile_routes(replace(config, distributions=(site,)))


def test_a_cut_misses_and_an_activation_brings_back(play: Play) -> None:
    has_stored(play)
    runs(play, Release(pattern="*", current=1, kept=(0, 1)))
    is_asked_anew(play)
    play.viewer("y").asks("/a").gets(200, "two", x_cache="Hit")
    runs(play, Release(pattern="*", current=0, kept=(0, 1)))
    play.viewer("y").asks("/a").gets(200, "one", x_cache="Hit")
    runs(play, Release(pattern="*", current=1, kept=(0, 1)))
    play.viewer("y").asks("/a").gets(200, "two", x_cache="Hit")


def test_a_pattern_alone(play: Play) -> None:
    has_stored(play, "/a")
    has_stored(play, "/b/c")
    runs(play, Release(pattern="/b/*", current=1, kept=(0, 1)))
    play.viewer().asks("/a").gets(200, "one", x_cache="Hit")
    is_asked_anew(play, "/b/c")


def test_an_invalidation_removes_from_every_release(play: Play) -> None:
    has_stored(play)
    runs(play, Release(pattern="*", current=1, kept=(0, 1)))
    is_asked_anew(play)
    play.operator.invalidates("/a")
    is_asked_anew(play, body="three")
    runs(play, Release(pattern="*", current=0, kept=(0, 1)))
    is_asked_anew(play, body="four")


def test_the_edge_says_which_release_it_asks_for(two_tiers: Play) -> None:
    """In a play both tiers share a route; over a wire the field says it: see upstream.peer."""
    has_stored(two_tiers)
    runs(two_tiers, Release(pattern="*", current=1, kept=(0, 1)))
    is_asked_anew(two_tiers)
