"""Fronts: what a stranger asks is routed and admitted first; what is told is told whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecache.http.message import Response
from edgecache.upstream.base import Reply, WholeBody
from tests.rules.pieces import lines
from tests.world.play import Play


def test_an_unknown_host_is_refused_before_anybody_hears_of_it(play: Play) -> None:
    play.viewer().asks("/a", host="other.test").gets(403, x_cache="Error")
    play.origin.hears_nothing()


@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "X"])
def test_a_method_that_is_not_allowed_is_refused(stage: Callable[..., Play], method: str) -> None:
    play = stage(methods=("GET", "HEAD"))
    play.viewer().asks("/a", method).gets(403, x_cache="Error")
    play.origin.hears_nothing()


def test_a_get_with_a_body_is_refused(play: Play) -> None:
    play.viewer().asks("/a", body="x").gets(403, x_cache="Error")
    play.origin.hears_nothing()


@pytest.mark.xfail(strict=True, reason="only the first line of them is looked at")
@pytest.mark.parametrize("name", ["via", "cache-status"])
def test_every_line_of_those_before_us_is_told(rfc: Play, name: str) -> None:
    """RFC 9110 §7.6.3, RFC 9211 §2: lists, however many lines they came in."""
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a")
    fields = lines(f"{name}: 1.1 first", f"{name}: 1.1 second", "cache-control: no-store")
    reply = Reply(Response(200, b"", fields, rfc.clock.now, rfc.clock.now), WholeBody(b""))
    rfc.origin._next_open().set_result(reply)
    told = ", ".join(rfc.viewer().gets(200).fields(name))
    assert told.startswith("1.1 first, 1.1 second, ")


def first_answer(play: Play, **fields: str) -> None:
    """Something with a tag that is fresh for ten seconds, and now is stale."""
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", **{"etag": '"v"', "cache": "max-age=10", **fields})
    play.viewer().gets(200, "one")
    play.advance(11)


@pytest.mark.xfail(strict=True, reason="what a 304 changes is kept whatever it says of keeping")
@pytest.mark.parametrize("cache", ["private, max-age=60", "no-store, max-age=60"])
def test_what_a_304_makes_private_is_not_given_to_the_next(rfc: Play, cache: str) -> None:
    """RFC 9111 §3, §4.3.4: the updated response is one that must not be stored."""
    first_answer(rfc)
    rfc.viewer("a").asks("/a")
    rfc.origin.hears("/a", if_none_match='"v"')
    rfc.origin.answers(304, cache=cache, etag='"v"')
    rfc.viewer("a").gets(200, "one")
    rfc.viewer("b").asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "two")
    rfc.viewer("b").gets(200, "two")


@pytest.mark.xfail(strict=True, reason="what a 304 brings is kept without a look at its names")
def test_a_field_a_304_names_private_is_not_given_to_the_next(rfc: Play) -> None:
    """RFC 9111 §5.2.2.7."""
    first_answer(rfc)
    rfc.viewer("a").asks("/a")
    rfc.origin.answers(304, cache='private="x-name", max-age=60', etag='"v"', x_name="a")
    rfc.viewer("a").gets(200, "one")
    got = rfc.viewer("b").asks("/a").gets(200, "one", x_cache="Hit")
    assert got.field("x-name") is None


@pytest.mark.xfail(strict=True, reason="chosen by what the viewer sent, not by what was forwarded")
def test_a_field_that_connection_takes_out_chooses_no_variant(rfc: Play) -> None:
    """RFC 9111 §4.1: the stored values are those of the request that was forwarded."""
    rfc.viewer("a").asks("/a", x_color="red", connection="x-color")
    rfc.origin.hears("/a", x_color=None)
    rfc.origin.answers(200, "colorless", cache="max-age=60", vary="x-color")
    rfc.viewer("a").gets(200, "colorless")
    rfc.viewer("b").asks("/a", x_color="red")
    rfc.origin.hears("/a", x_color="red")
    rfc.origin.answers(200, "red", cache="max-age=60", vary="x-color")
    rfc.viewer("b").gets(200, "red")


@pytest.mark.xfail(strict=True, reason="UNCACHEABLE sends each who waited to the origin, at once")
def test_a_stale_copy_that_stands_in_for_a_5xx_is_for_everyone_who_waits(rfc: Play) -> None:
    """RFC 5861 §4; an origin in trouble is not asked once more by each."""
    first_answer(rfc, cache="max-age=10, stale-if-error=60")
    for name in "abc":
        rfc.viewer(name).asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(503, "")
    rfc.origin.hears_nothing()
    for name in "abc":
        rfc.viewer(name).gets(200, "one")
