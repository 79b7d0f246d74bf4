"""Invalidation by writing: what an unsafe method may have changed is asked for anew.

RFC 9111 §4.4.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.world.origin import HeldBody
from tests.world.play import Play


def has_stored(play: Play, target: str) -> None:
    play.viewer().asks(target)
    play.origin.hears(target)
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one")


def writes(play: Play, method: str = "POST", status: int = 200, **fields: str) -> None:
    play.viewer("w").asks("/a", method, body="x")
    play.origin.hears("/a")
    play.origin.answers(status, "", **fields)
    play.viewer("w").gets(status, cache_status="fwd=method")


def is_gone(play: Play, target: str) -> None:
    play.viewer().asks(target)
    play.origin.hears(target)
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer().gets(200, "two", cache_status="fwd=uri-miss")


def is_kept(play: Play, target: str) -> None:
    play.viewer().asks(target).gets(200, "one", x_cache="Hit")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "UNHEARD"])
def test_the_target_of_a_write_is_gone(rfc: Play, method: str) -> None:
    """§4.4: MUST invalidate; also for methods whose safety is unknown."""
    has_stored(rfc, "/a")
    writes(rfc, method)
    is_gone(rfc, "/a")


@pytest.mark.parametrize(("status", "kept"), [
    (200, False), (204, False), (303, False), (400, True), (404, True), (500, True),
])  # fmt: skip
def test_only_a_write_that_went_well_counts(rfc: Play, status: int, kept: bool) -> None:
    """§4.4: a non-error response is one with a 2xx or 3xx status."""
    has_stored(rfc, "/a")
    writes(rfc, status=status)
    (is_kept if kept else is_gone)(rfc, "/a")


def test_safe_methods_leave_it_there(rfc: Play) -> None:
    """RFC 9110 §9.2.1."""
    has_stored(rfc, "/a")
    rfc.viewer("w").asks("/a", "OPTIONS")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "")
    rfc.viewer("w").gets(200)
    is_kept(rfc, "/a")


@pytest.mark.parametrize("name", ["location", "content_location"])
@pytest.mark.parametrize("reference", ["/b?c=1", "http://site.test/b?c=1", "b?c=1", "../b?c=1"])
def test_what_it_names_at_the_same_origin_is_gone_too(rfc: Play, name: str, reference: str) -> None:
    """§4.4: MAY invalidate the URIs of Location and Content-Location."""
    has_stored(rfc, "/b?c=1")
    has_stored(rfc, "/b")
    writes(rfc, "POST", 200, **{name: reference})
    is_gone(rfc, "/b?c=1")
    is_kept(rfc, "/b")


def test_the_same_origin_is_that_of_the_viewer_where_tls_ends_before_us(rfc: Play) -> None:
    """What is keyed by https is asked for at https, whatever the connection to us is."""
    tls = {"x_forwarded_proto": "https"}
    rfc.viewer().asks("/b", **tls)
    rfc.origin.answers(200, "one", cache="max-age=60")
    rfc.viewer().gets(200, "one")
    rfc.viewer("w").asks("/a", "POST", body="x", **tls)
    rfc.origin.hears("/b")
    rfc.origin.hears("/a")
    rfc.origin.answers(201, "", location="https://site.test/b")
    rfc.viewer("w").gets(201)
    rfc.viewer().asks("/b", **tls)
    rfc.origin.hears("/b")
    rfc.origin.answers(200, "two", cache="max-age=60")
    rfc.viewer().gets(200, "two", cache_status="fwd=uri-miss")


@pytest.mark.parametrize("reference", [
    "http://other.test/b", "https://site.test/b", "//other.test/b", "mailto:b", "http://[",
])  # fmt: skip
@pytest.mark.parametrize("name", ["location", "content_location"])
def test_what_it_names_elsewhere_is_not(rfc: Play, name: str, reference: str) -> None:
    """§4.4: MUST NOT, when the origin differs: that would let one site clear another."""
    has_stored(rfc, "/b")
    writes(rfc, "POST", 200, **{name: reference})
    is_kept(rfc, "/b")


def test_every_variant_is_gone(rfc: Play) -> None:
    """§4.4: invalidate removes all stored responses whose target URI matches."""
    for foo in "12":
        rfc.viewer().asks("/a", foo=foo)
        rfc.origin.hears("/a")
        rfc.origin.answers(200, foo, cache="max-age=60", vary="Foo")
        rfc.viewer().gets(200)
    writes(rfc)
    for foo in "12":
        rfc.viewer().asks("/a", foo=foo)
        rfc.origin.hears("/a", foo=foo)
        rfc.origin.answers(200, foo, cache="max-age=60", vary="Foo")
        rfc.viewer().gets(200)


@pytest.fixture(params=[False, True], ids=["one-tier", "two-tiers"])
def site(stage: Callable[..., Play], request: pytest.FixtureRequest) -> Play:
    return stage(semantics="rfc9111", regional=request.param)


OLD = ("the head", "the body")  # what is still to come of an answer as the write is answered
PART = {"range": "bytes=0-2"}


def begins(play: Play, awaited: str, **asked: str) -> HeldBody | None:
    """Alice asks; of the answer this is awaited."""
    play.viewer("alice").asks("/a", **asked)
    play.origin.hears("/a")
    return answers_old(play, asked) if awaited == "the body" else None


def answers_old(play: Play, asked: dict[str, str]) -> HeldBody:
    if asked:
        play.origin.answers(
            206, None, cache="max-age=60", etag='"1"', content_range="bytes 0-2/9",
            content_length="3",
        )  # fmt: skip
    else:
        play.origin.answers(200, None, cache="max-age=60", etag='"1"')
    assert play.origin.body is not None
    return play.origin.body


def written(play: Play, open_requests: int = 0) -> None:
    """A POST that goes well; the origin answers it before so many that came earlier."""
    play.viewer("w").asks("/a", "POST", body="x")
    play.origin.hears("/a")
    play.origin.delays(open_requests)
    play.origin.answers(200, "")
    play.viewer("w").gets(200)


@pytest.mark.parametrize("awaited", OLD)
@pytest.mark.parametrize("asked", [{}, PART], ids=["whole", "part"])
def test_what_was_under_way_is_neither_joined_nor_kept(
    site: Play, awaited: str, asked: dict[str, str]
) -> None:
    """§4.4: a later request must not be answered by what was asked before the write."""
    old = begins(site, awaited, **asked)
    written(site, 0 if old else 1)
    site.viewer("bob").asks("/a", **asked)
    site.origin.hears("/a")
    if old is None:
        old = answers_old(site, asked)
    old.put(b"one")
    old.put(b"")
    site.viewer("alice").gets(206 if asked else 200, "one")
    site.viewer("carol").asks("/a", **asked)  # waits for bob's, not for alice's
    site.origin.hears_nothing()
    site.origin.answers(200, "two", cache="max-age=60", etag='"2"')
    for name in ("bob", "carol", "dave"):
        if name == "dave":
            site.viewer(name).asks("/a", **asked)
        site.viewer(name).gets(206 if asked else 200, "two")
    site.origin.hears_nothing()


@pytest.mark.parametrize("awaited", OLD)
def test_who_waited_is_answered(site: Play, awaited: str) -> None:
    """Who asked before the write was answered may get what was asked before it."""
    old = begins(site, awaited)
    site.viewer("bob").asks("/a")
    written(site, 0 if old else 1)
    if old is None:
        old = answers_old(site, {})
    old.put(b"one")
    old.put(b"")
    for name in ("alice", "bob"):
        site.viewer(name).gets(200, "one")
    site.origin.hears_nothing()
    is_gone(site, "/a")


@pytest.mark.parametrize("status", [200, 304])
@pytest.mark.parametrize("cache", ["max-age=9", "max-age=9, stale-while-revalidate=99"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_validation_under_way_puts_nothing_back(
    site: Play, cache: str, status: int, method: str
) -> None:
    site.viewer("alice").asks("/a")
    site.origin.hears("/a")
    site.origin.answers(200, "one", cache=cache, etag='"1"')
    site.viewer("alice").gets(200, "one")
    site.advance(10)
    site.viewer("alice").asks("/a", method)
    site.origin.hears("/a", if_none_match='"1"')
    written(site, 1)
    site.origin.answers(status, "" if method == "HEAD" or status == 304 else "one", cache=cache,
                        etag='"1"')  # fmt: skip
    site.viewer("alice").gets(200)
    is_gone(site, "/a")


def test_a_write_on_its_way_takes_nothing_with_it(site: Play) -> None:
    """What is asked for once it is answered is new, whenever it began."""
    site.viewer("w").asks("/a", "POST", body="x")
    site.origin.hears("/a")
    site.origin.answers(200, "")
    has_stored(site, "/a")
    is_kept(site, "/a")


def test_what_a_look_on_disk_finds_is_gone_too(stage: Callable[..., Play], tmp_path: Path) -> None:
    play = stage(semantics="rfc9111", disk=tmp_path)
    has_stored(play, "/a")
    play.restart()
    disk = (play.regional or play.edge).disk
    assert disk is not None
    threads = disk._world.threads
    threads.holding = True  # type: ignore[attr-defined]
    play.viewer("alice").asks("/a")
    written(play)
    threads.let_go()  # type: ignore[attr-defined]
    play.origin.hears("/a")
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer("alice").gets(200, "two")
