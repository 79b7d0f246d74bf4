"""Ranges: cut from a whole entry, from one still arriving, from stored parts. RFC 9110 §14."""

from __future__ import annotations

import pytest

from tests.world.byteranges import Piece, pieces_of
from tests.world.play import Play

BODY = "0123456789"


def has_stored(play: Play, **fields: str) -> None:
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, BODY, cache="max-age=60", content_type="text/plain", **fields)
    play.viewer().gets(200, BODY)


# Range, status, body, Content-Range
SINGLE = [
    ("bytes=0-0", 206, "0", "bytes 0-0/10"),  # §14.1.2, int-range
    ("bytes=2-4", 206, "234", "bytes 2-4/10"),
    ("bytes=8-99", 206, "89", "bytes 8-9/10"),  # "the remainder of the representation"
    ("bytes=7-", 206, "789", "bytes 7-9/10"),
    ("bytes=0-", 206, BODY, "bytes 0-9/10"),
    ("bytes=-3", 206, "789", "bytes 7-9/10"),  # suffix-range
    ("bytes=-99", 206, BODY, "bytes 0-9/10"),
    ("BYTES=1-1", 206, "1", "bytes 1-1/10"),  # §14.1: range units are case-insensitive
    ("bytes=0-1,20-", 206, "01", "bytes 0-1/10"),  # §15.3.7.2: one that can be satisfied
    ("bytes=10-", 416, "", "bytes */10"),  # §15.5.17
    ("bytes=10-11,12-", 416, "", "bytes */10"),
    ("bytes=-0", 416, "", "bytes */10"),
    ("bytes=4-2", 200, BODY, None),  # §14.1.1: invalid, and so ignored
    ("bytes=a-b", 200, BODY, None),
    ("bytes", 200, BODY, None),
    ("items=0-1", 200, BODY, None),  # §14.2: an unknown unit is ignored
]


@pytest.mark.parametrize(("wanted", "status", "body", "place"), SINGLE)
def test_one_range_of_a_stored_object(
    rfc: Play, wanted: str, status: int, body: str, place: str | None
) -> None:
    has_stored(rfc, etag='"1"', vary="Foo")
    rfc.viewer().asks("/a", range=wanted)
    rfc.origin.hears_nothing()
    got = rfc.viewer().gets(status, body, cache_status="; hit")
    assert got.field("content-range") == place
    assert got.field("content-length") == str(len(body))
    assert got.field("content-type") == (None if status == 416 else "text/plain")
    if status == 206:  # §15.3.7: what a 200 would have carried
        for name in ("date", "cache-control", "etag", "vary"):
            assert got.field(name) is not None, name


@pytest.mark.parametrize(("wanted", "spans"), [
    ("bytes=0-1,4-5", [(0, 1), (4, 5)]),
    ("bytes=0-0, 2-2 ,-1", [(0, 0), (2, 2), (9, 9)]),
    ("bytes=1-2,8-", [(1, 2), (8, 9)]),
])  # fmt: skip
def test_several_ranges_come_as_multipart(
    rfc: Play, wanted: str, spans: list[tuple[int, int]]
) -> None:
    """§14.6: each part with its Content-Range and the type of the whole."""
    has_stored(rfc)
    got = rfc.viewer().asks("/a", range=wanted).gets(206, x_cache="Hit")
    expected = [
        Piece(first, last, 10, "text/plain", BODY[first : last + 1]) for first, last in spans
    ]
    assert pieces_of(got) == expected
    assert got.field("content-length") == str(len(got.body))


@pytest.mark.parametrize("wanted", [
    "bytes=0-5,3-8", "bytes=4-5,0-1", "bytes=0-1,4-5,20-", "bytes=" + ",".join(["0-0"] * 17),
])  # fmt: skip
def test_ranges_no_client_needs_get_the_whole(rfc: Play, wanted: str) -> None:
    """§14.2: overlapping, out of order, or many small ranges may be ignored."""
    has_stored(rfc)
    rfc.viewer().asks("/a", range=wanted).gets(200, BODY, x_cache="Hit")


MODIFIED = "Tue, 12 Jan 2027 00:00:00 GMT"


@pytest.mark.parametrize(("condition", "status"), [
    ('"1"', 206),
    ('"2"', 200),
    ('W/"1"', 200),  # §13.1.5: strong comparison only
    (MODIFIED, 206),
    ("Wed, 13 Jan 2027 00:00:00 GMT", 200),  # an exact match of the date, not "not later"
    ("x", 200),
])  # fmt: skip
def test_if_range_has_to_name_what_is_stored(rfc: Play, condition: str, status: int) -> None:
    has_stored(rfc, etag='"1"', last_modified=MODIFIED)
    rfc.viewer().asks("/a", range="bytes=0-1", if_range=condition).gets(status, x_cache="Hit")


def test_a_weak_tag_matches_no_if_range(rfc: Play) -> None:
    """§13.1.5, §8.8.3.2."""
    has_stored(rfc, etag='W/"1"')
    rfc.viewer().asks("/a", range="bytes=0-1", if_range='W/"1"').gets(200, BODY, x_cache="Hit")


def test_preconditions_come_before_the_range(rfc: Play) -> None:
    """§13.2.2, step 3 before step 5."""
    has_stored(rfc, etag='"1"')
    rfc.viewer().asks("/a", range="bytes=99-", if_none_match='"1"').gets(304, "")


def test_a_range_is_cut_from_what_is_still_arriving(rfc: Play) -> None:
    rfc.viewer("a").asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, None, cache="max-age=60", content_length="10")
    rfc.origin.sends("01234")
    rfc.viewer("b").asks("/a", range="bytes=2-6")
    rfc.viewer("c").asks("/a", range="bytes=1-2")
    rfc.origin.hears_nothing()
    rfc.viewer("c").gets(206, "12", x_cache="Hit", cache_status="collapsed")
    rfc.origin.sends("56789")
    rfc.origin.ends()
    got = rfc.viewer("b").gets(206, "23456", x_cache="Hit")
    assert got.field("content-range") == "bytes 2-6/10"
    rfc.viewer("a").gets(200, BODY)


def test_only_a_200_has_ranges(rfc: Play) -> None:
    """§14.2: a Range is evaluated when the response without it would be a 200."""
    rfc.viewer().asks("/a")
    rfc.origin.answers(404, "not here", cache="max-age=60")
    rfc.viewer().gets(404)
    rfc.viewer().asks("/a", range="bytes=0-1").gets(404, "not here", x_cache="Error")


def test_a_range_of_nothing_gets_nothing(rfc: Play) -> None:
    """§14.2 lets the owner of an empty representation ignore the Range."""
    rfc.viewer().asks("/a")
    rfc.origin.answers(200, "", cache="max-age=60")
    rfc.viewer().gets(200)
    rfc.viewer().asks("/a", range="bytes=0-").gets(200, "", x_cache="Hit")
