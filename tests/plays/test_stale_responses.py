"""Staleness: who may get it, for how long, what is done meanwhile. RFC 9111 §4.2.4, RFC 5861."""

from __future__ import annotations

import gc

import pytest

from edgecache.upstream.faults import Fault
from tests.world.play import Play

DAY = 86_400


def has_stored(play: Play, cache: str) -> None:
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache=cache, etag='"1"')
    play.viewer().gets(200, "one")


def test_stale_while_revalidate_answers_all_and_asks_once(rfc: Play) -> None:
    """RFC 5861 §3."""
    has_stored(rfc, "max-age=10, stale-while-revalidate=30")
    rfc.advance(39)
    for name in "bcd":
        got = rfc.viewer(name).asks("/a").gets(200, "one", cache_status="; hit; ttl=-29")
        assert got.field("age") == "39"
    rfc.origin.hears("/a", if_none_match='"1"')
    rfc.origin.hears_nothing()
    rfc.origin.answers(304, cache="max-age=60", etag='"1"')
    if rfc.regional is not None:  # had given what was stale to the edge's refresh, too
        rfc.viewer().asks("/a").gets(200, "one")
    got = rfc.viewer().asks("/a").gets(200, "one", cache_status="; hit; ttl=60")
    assert got.field("age") == "0"


def test_a_refresh_that_fails_leaves_the_stale_one(rfc: Play) -> None:
    """RFC 5861 §3."""
    has_stored(rfc, "max-age=10, stale-while-revalidate=300")
    rfc.advance(39)
    rfc.viewer().asks("/a").gets(200, "one")
    rfc.origin.hears("/a")
    rfc.origin.fails()
    rfc.viewer().asks("/a").gets(200, "one")
    rfc.origin.hears("/a")
    rfc.origin.fails()


def test_a_refresh_that_breaks_off_leaves_the_stale_one(rfc: Play) -> None:
    """RFC 9112 §8: a response that breaks off is incomplete; nobody waits for it, nobody fails."""
    failed: list[object] = []
    rfc.loop.set_exception_handler(lambda _loop, context: failed.append(context))
    has_stored(rfc, "max-age=10, stale-while-revalidate=300")
    rfc.advance(39)
    rfc.viewer().asks("/a").gets(200, "one")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, None, cache="max-age=60", content_length="6")
    rfc.origin.sends("two")
    rfc.origin.breaks()
    rfc.viewer().asks("/a").gets(200, "one")
    rfc.origin.hears("/a")
    rfc.origin.fails()
    rfc.loop.settle()
    gc.collect()
    assert not failed


def test_beyond_its_window_the_viewer_waits(rfc: Play) -> None:
    """RFC 5861 §3: not for longer than the indicated seconds."""
    has_stored(rfc, "max-age=10, stale-while-revalidate=30")
    rfc.advance(40)
    rfc.viewer().asks("/a").gets_nothing()
    rfc.origin.hears("/a", if_none_match='"1"')
    rfc.origin.answers(200, "two", cache="max-age=60")
    rfc.viewer().gets(200, "two", x_cache="Miss")


@pytest.mark.parametrize(("cache", "age", "status", "served"), [
    # RFC 5861 §4: 500, 502, 503 and 504 are errors
    ("max-age=10, stale-if-error=30", 39, 503, True),
    ("max-age=10, stale-if-error=30", 39, 500, True),
    ("max-age=10, stale-if-error=30", 39, 502, True),
    ("max-age=10, stale-if-error=30", 39, 504, True),
    ("max-age=10, stale-if-error=30", 40, 503, False),
    ("max-age=10, stale-if-error=30", 39, 404, False),
    ("max-age=10", 11, 503, False),  # RFC 9111 §4.2.4: permitted, but nothing asked for it
    ("max-age=10, stale-if-error=30, must-revalidate", 39, 503, False),  # §5.2.2.2
    ("max-age=10, stale-if-error=30, proxy-revalidate", 39, 503, False),  # §5.2.2.8
    ("s-maxage=10, stale-if-error=30", 39, 503, False),  # §5.2.2.10
    ("max-age=10, stale-if-error=30, no-cache", 39, 503, False),  # §5.2.2.4
])  # fmt: skip
def test_an_error_of_the_origin(rfc: Play, cache: str, age: int, status: int, served: bool) -> None:
    has_stored(rfc, cache)
    rfc.advance(age)
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a", if_none_match='"1"')
    rfc.origin.answers(status, "error")
    if served:
        rfc.viewer().gets(200, "one", cache_status=rfc.nearest("detail=stale-if-error"))
    else:
        rfc.viewer().gets(status, "error")


@pytest.mark.parametrize(("cache", "stale_s", "served"), [
    ("max-age=10", DAY - 1, True),  # §4.2.4: disconnected
    ("max-age=10", DAY, False),
    ("max-age=10, stale-if-error=99999", DAY, True),
    ("max-age=10, stale-if-error=5", DAY - 1, True),
    ("max-age=10, must-revalidate", 1, False),
    ("max-age=10, proxy-revalidate", 1, False),
    ("s-maxage=10", 1, False),
    ("max-age=10, no-cache", 1, False),
])  # fmt: skip
@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.RESPONSE_TIMEOUT, Fault.CLOSED])
def test_an_origin_that_is_cut_off(
    rfc: Play, cache: str, stale_s: int, served: bool, fault: Fault
) -> None:
    has_stored(rfc, cache)
    rfc.advance(10 + stale_s)
    rfc.viewer("late").asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.fails(fault)
    if served:
        got = rfc.viewer("late").gets(200, "one", cache_status=rfc.nearest("detail=stale-cut-off"))
        assert got.field("age") == str(10 + stale_s)
    else:
        # §5.2.2.2: "MUST generate an error response [...] SHOULD generate a 504"
        rfc.viewer("late").gets(504 if fault is Fault.RESPONSE_TIMEOUT else 502, x_cache="Error")


def test_a_viewer_who_asked_for_newer_gets_the_error(rfc: Play) -> None:
    """§5.2.1.4: no-cache forbids the stored response without validation."""
    has_stored(rfc, "max-age=10, stale-if-error=60")
    rfc.viewer().asks("/a", cache_control="no-cache")
    rfc.origin.hears("/a", if_none_match='"1"')
    rfc.origin.fails()
    rfc.viewer().gets(502)


def test_immutable_is_validated_when_stale_like_any_other(rfc: Play) -> None:
    """RFC 8246 §2: it speaks of the time it is fresh only."""
    has_stored(rfc, "max-age=10, immutable")
    rfc.advance(9)
    rfc.viewer().asks("/a").gets(200, "one", x_cache="Hit")
    rfc.advance(1)
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a", if_none_match='"1"')
    rfc.origin.answers(304, cache="max-age=10, immutable", etag='"1"')
    rfc.viewer().gets(200, "one", x_cache="RefreshHit")


def test_an_error_is_heard_by_all_who_wait(rfc: Play) -> None:
    """Who may have the stale response gets it; who wants nothing stale asks for itself.

    What regional serves stale is stale to the edge, too, whose viewers ask it once more.
    """
    has_stored(rfc, "max-age=10, stale-if-error=30")
    rfc.advance(20)
    names = [f"v{number}" for number in range(20)]
    for name in names:
        rfc.viewer(name).asks("/a")
    rfc.viewer("strict").asks("/a", cache_control="no-cache")
    asked = 0
    while rfc.viewer("strict").got() is None or rfc.viewer(names[-1]).got() is None:
        rfc.origin.hears("/a")
        rfc.origin.answers(503, "error", cache="no-store")
        asked += 1
    for name in names:
        rfc.viewer(name).gets(200, "one")
    rfc.viewer("strict").gets(503, "error")
    rfc.origin.hears_nothing()
    assert asked <= (2 if rfc.regional is None else 3)
