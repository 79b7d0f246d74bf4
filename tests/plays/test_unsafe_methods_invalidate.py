"""Invalidation by writing: what an unsafe method may have changed is asked for anew.

RFC 9111 §4.4.
"""

from __future__ import annotations

import pytest

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
