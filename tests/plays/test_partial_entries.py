"""Parts: a 206 is kept as what it is, and made whole only from its own representation.

RFC 9111 §3.3, §3.4; RFC 9110 §14.
"""

from __future__ import annotations

import pytest

from tests.world.play import Play

TAG = '"1"'


def asks_for(play: Play, wanted: str, body: str, place: str, **fields: str) -> None:
    """A viewer asks for a range that is not here; the origin answers with just that."""
    play.viewer().asks("/a", range=wanted)
    play.origin.hears("/a", range=wanted)
    fields = {"etag": TAG, **fields}
    play.origin.answers(206, body, cache="max-age=60", content_range=place, **fields)
    got = play.viewer().gets(206, body, x_cache="Miss")
    assert got.field("content-range") == place


def test_a_stored_part_answers_what_lies_within_it(rfc: Play) -> None:
    """RFC 9111 §4: a range within the stored one."""
    asks_for(rfc, "bytes=2-6", "23456", "bytes 2-6/10")
    for wanted, body in (("bytes=2-6", "23456"), ("bytes=3-4", "34"), ("bytes=2-2", "2")):
        got = rfc.viewer().asks("/a", range=wanted).gets(206, body, x_cache="Hit")
        assert got.field("content-length") == str(len(body))
    rfc.origin.hears_nothing()


@pytest.mark.parametrize("wanted", ["bytes=1-2", "bytes=6-7", "bytes=8-", "bytes=-2"])
def test_what_lies_outside_it_is_asked_for(rfc: Play, wanted: str) -> None:
    asks_for(rfc, "bytes=2-6", "23456", "bytes 2-6/10")
    rfc.viewer().asks("/a", range=wanted)
    rfc.origin.hears("/a", range=wanted)
    rfc.origin.answers(206, "x", content_range="bytes 9-9/10", etag=TAG)
    rfc.viewer().gets(206, cache_status="fwd=partial")


def test_a_part_never_answers_for_the_whole(rfc: Play) -> None:
    """§3.3: MUST NOT be used for requests without a range of it."""
    asks_for(rfc, "bytes=2-6", "23456", "bytes 2-6/10")
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a", range=None)
    rfc.origin.answers(200, "0123456789", cache="max-age=60", etag=TAG)
    rfc.viewer().gets(200, "0123456789", cache_status="fwd=partial; fwd-status=200")
    rfc.viewer().asks("/a", range="bytes=0-1").gets(206, "01", x_cache="Hit")


def test_a_beginning_is_completed_by_its_rest(rfc: Play) -> None:
    """§3.4: asked for with If-Range, so that a changed object comes whole."""
    asks_for(rfc, "bytes=0-3", "0123", "bytes 0-3/10")
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a", range="bytes=4-", if_range=TAG)
    rfc.origin.answers(206, "456789", cache="max-age=60", content_range="bytes 4-9/10", etag=TAG)
    got = rfc.viewer().gets(200, "0123456789")
    assert got.field("content-range") is None
    assert got.field("content-length") == "10"
    rfc.viewer().asks("/a").gets(200, "0123456789", x_cache="Hit")


def test_a_changed_object_replaces_the_part(rfc: Play) -> None:
    """§3.4: parts of different representations are never combined."""
    asks_for(rfc, "bytes=0-3", "0123", "bytes 0-3/10")
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a", range="bytes=4-", if_range=TAG)
    rfc.origin.answers(200, "abcdefghij", cache="max-age=60", etag='"2"')
    rfc.viewer().gets(200, "abcdefghij")
    rfc.viewer().asks("/a").gets(200, "abcdefghij", x_cache="Hit")


@pytest.mark.parametrize("told", [
    {"etag": '"2"', "content_range": "bytes 4-9/10"},
    {"etag": 'W/"1"', "content_range": "bytes 4-9/10"},
    {"content_range": "bytes 4-9/10"},
    {"etag": TAG, "content_range": "bytes 5-9/10"},
    {"etag": TAG, "content_range": "bytes 4-9/11"},
])  # fmt: skip
def test_an_origin_that_ignores_if_range_makes_no_mixture(rfc: Play, told: dict[str, str]) -> None:
    """§3.4: the viewer, who asked for the whole, gets one representation whole."""
    asks_for(rfc, "bytes=0-3", "0123", "bytes 0-3/10")
    rfc.viewer().asks("/a")
    body = "x" * (5 if told["content_range"].startswith("bytes 5") else 6)
    for _ in range(1 if rfc.regional is None else 2):  # each tier has a part to complete
        rfc.origin.hears("/a", range="bytes=4-", if_range=TAG)
        rfc.origin.answers(206, body, cache="max-age=60", **told)
    rfc.origin.hears("/a", range=None, if_range=None)
    rfc.origin.answers(200, "abcdefghij", cache="max-age=60", etag='"2"')
    rfc.viewer().gets(200, "abcdefghij")


def test_without_a_strong_validator_the_whole_is_asked_for(rfc: Play) -> None:
    """§3.4."""
    asks_for(rfc, "bytes=0-3", "0123", "bytes 0-3/10", etag='W/"1"')
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a", range=None, if_range=None)
    rfc.origin.answers(200, "0123456789", cache="max-age=60")
    rfc.viewer().gets(200, "0123456789")


def test_parts_that_meet_are_one(rfc: Play) -> None:
    """§3.4: a contiguous combination under one strong validator."""
    asks_for(rfc, "bytes=0-3", "0123", "bytes 0-3/10")
    asks_for(rfc, "bytes=4-6", "456", "bytes 4-6/10")
    rfc.viewer().asks("/a", range="bytes=2-5").gets(206, "2345", x_cache="Hit")
    asks_for(rfc, "bytes=7-9", "789", "bytes 7-9/10")
    rfc.viewer().asks("/a").gets(200, "0123456789", x_cache="Hit")


def test_parts_of_two_versions_stay_apart(rfc: Play) -> None:
    asks_for(rfc, "bytes=0-3", "0123", "bytes 0-3/10")
    asks_for(rfc, "bytes=4-6", "efg", "bytes 4-6/10", etag='"2"')
    rfc.viewer().asks("/a", range="bytes=2-5")
    rfc.origin.hears("/a", range="bytes=2-5")
    rfc.origin.answers(206, "cdef", cache="max-age=60", content_range="bytes 2-5/10", etag='"2"')
    rfc.viewer().gets(206, "cdef")


@pytest.mark.parametrize("place", ["bytes 0-4/10", "bytes 3-1/10", "items 0-3/10", "x"])
def test_a_206_that_contradicts_itself_is_passed_on_and_not_kept(rfc: Play, place: str) -> None:
    """RFC 9110 §14.4: a recipient of an invalid Content-Range must not recombine it."""
    asks_for(rfc, "bytes=0-3", "0123", place)
    rfc.viewer().asks("/a", range="bytes=0-1")
    rfc.origin.hears("/a", range="bytes=0-1")
    rfc.origin.answers(206, "01", content_range="bytes 0-1/10")
    rfc.viewer().gets(206, "01", x_cache="Miss")


def test_a_whole_that_comes_for_a_range_is_stored_and_cut(rfc: Play) -> None:
    """RFC 9110 §14.2: an origin may ignore Range."""
    rfc.viewer().asks("/a", range="bytes=2-4")
    rfc.origin.hears("/a", range="bytes=2-4")
    rfc.origin.answers(200, "0123456789", cache="max-age=60")
    got = rfc.viewer().gets(206, "234")
    assert got.field("content-range") == "bytes 2-4/10"
    rfc.viewer().asks("/a").gets(200, "0123456789", x_cache="Hit")


def test_if_range_goes_up_with_its_range(rfc: Play) -> None:
    """RFC 9110 §13.1.5: only the origin can say whether it holds."""
    rfc.viewer().asks("/a", range="bytes=2-4", if_range='"0"')
    rfc.origin.hears("/a", range="bytes=2-4", if_range='"0"')
    rfc.origin.answers(200, "0123456789", cache="max-age=60", etag=TAG)
    rfc.viewer().gets(200, "0123456789")


def test_a_416_of_the_origin_reaches_the_viewer(rfc: Play) -> None:
    """RFC 9110 §15.5.17."""
    rfc.viewer().asks("/a", range="bytes=99-")
    rfc.origin.hears("/a", range="bytes=99-")
    rfc.origin.answers(416, "no", content_range="bytes */10")
    got = rfc.viewer().gets(416, "no")
    assert got.field("content-range") == "bytes */10"
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "0123456789", cache="max-age=60")
    rfc.viewer().gets(200, "0123456789", x_cache="Miss")


def test_a_stale_part_is_asked_for_again(rfc: Play) -> None:
    asks_for(rfc, "bytes=0-3", "0123", "bytes 0-3/10")
    rfc.advance(60)
    asks_for(rfc, "bytes=0-3", "abcd", "bytes 0-3/10", etag='"2"')


def test_a_part_that_breaks_off_is_not_kept(rfc: Play) -> None:
    """§3.3: what came of it might be, but nobody said how to trust its end."""
    rfc.viewer().asks("/a", range="bytes=0-3")
    rfc.origin.hears("/a")
    rfc.origin.answers(
        206, None, cache="max-age=60", content_range="bytes 0-3/10", content_length="4", etag=TAG
    )
    rfc.origin.sends("01")
    rfc.origin.breaks()
    assert rfc.viewer().transport.aborted
    rfc.viewer("b").asks("/a", range="bytes=0-1")
    rfc.origin.hears("/a", range="bytes=0-1")
    rfc.origin.answers(206, "01", content_range="bytes 0-1/10", etag=TAG)
    rfc.viewer("b").gets(206, "01")
