"""Blocks: where they stand, which are asked for, and what is one. RFC 9110 §14, §15.3.7.3."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.config.model import CachePolicy, Selection
from edgecache.http.message import first_value
from edgecache.http.ranges import Span
from edgecache.rules.caching.key import cache_key, slice_key
from edgecache.rules.caching.slices import (
    SliceLayout,
    first_slice,
    head_of_whole,
    is_slice,
    range_of,
    received_slice,
    slice_layout,
)
from edgecache.rules.caching.stored_parts import StoredPart
from edgecache.rules.invalidation.items import subject_of
from tests.rules.pieces import answer, asks, rfc_site, site_of

SITE = site_of()
COOKIES = site_of(CachePolicy(cookies=Selection(behavior="all")))
COMPRESSED = site_of(CachePolicy(accept_encoding_gzip=True), compress=True)


@given(st.integers(1, 10_000), st.integers(1, 300))
def test_blocks_cover_every_byte_once(total: int, size: int) -> None:
    blocks = SliceLayout(total, size)
    places = [blocks.place(number) for number in range(blocks.count)]
    assert places[0].first == 0
    assert places[-1].after == total
    assert all(one.after == other.first for one, other in itertools.pairwise(places))
    assert all(0 < place.length <= size for place in places)


@pytest.mark.parametrize(
    ("first", "last", "numbers"), [(0, 9, [0]), (9, 10, [0, 1]), (10, 10, [1]), (25, 44, [2, 3, 4])]
)
def test_the_blocks_over_a_span(first: int, last: int, numbers: list[int]) -> None:
    assert list(SliceLayout(45, 10).over(Span(first, last))) == numbers


# Range of the viewer, number of the block asked for
ASKED = [
    ("bytes=0-0", 0),
    ("bytes=9-30", 0),
    ("bytes=10-", 1),
    ("bytes=23-25", 2),
    ("bytes=-5", 0),  # the first tells how many there are
    ("bytes=0-", None),  # all of it
    ("bytes=1-2,4-5", None),
    ("items=0-1", None),
    ("bytes=x", None),
]


@pytest.mark.parametrize(("wanted", "number"), ASKED)
def test_which_block_is_asked_for_first(wanted: str, number: int | None) -> None:
    assert first_slice(asks("/a", f"Range: {wanted}"), SITE, 10) == number


@pytest.mark.parametrize(
    "request_and_route",
    [
        (asks("/a"), SITE),
        (asks("/a", "Range: bytes=0-0", method="HEAD"), SITE),
        (asks("/a", "Range: bytes=0-0"), rfc_site()),
        (asks("/a", "Range: bytes=0-0"), COOKIES),
        (asks("/a", "Range: bytes=0-0", "Accept-Encoding: gzip"), COMPRESSED),
    ],
    ids=["no range", "HEAD", "RFC 9111", "cookies", "may be compressed"],
)
def test_when_the_whole_is_asked_for(request_and_route: tuple[object, object]) -> None:
    request, route = request_and_route
    assert first_slice(request, route, 10) is None  # type: ignore[arg-type]


TAG, RANGES = 'ETag: "1"', "Accept-Ranges: bytes"


@pytest.mark.parametrize(
    ("status", "lines", "length", "told"),
    [
        (200, (TAG, RANGES), 11, SliceLayout(11, 10)),
        (200, (TAG, "Accept-Ranges: seconds, Bytes"), 45, SliceLayout(45, 10)),
        (200, (TAG, RANGES), 10, None),  # one block is the whole
        (200, (TAG, RANGES), None, None),
        (200, (TAG,), 45, None),
        (200, (TAG, "Accept-Ranges: none"), 45, None),
        (200, ('ETag: W/"1"', RANGES), 45, None),
        (200, (RANGES,), 45, None),
        (404, (TAG, RANGES), 45, None),
    ],
)
def test_what_comes_in_blocks(
    status: int, lines: tuple[str, ...], length: int | None, told: SliceLayout | None
) -> None:
    assert slice_layout(answer(status, *lines), length, 10) == told


@pytest.mark.parametrize(
    ("place", "length", "tag", "came"),
    [
        ("20-29/45", 10, TAG, (2, SliceLayout(45, 10))),
        ("40-44/45", 5, TAG, (4, SliceLayout(45, 10))),
        ("0-6/7", 7, TAG, (0, SliceLayout(7, 10))),
        ("20-28/45", 9, TAG, None),  # not all of it
        ("21-30/45", 10, TAG, None),
        ("20-29/*", 10, TAG, None),
        ("20-29/45", 9, TAG, None),  # fewer bytes than it says
        ("20-29/45", None, TAG, None),
        ("20-29/45", 10, 'ETag: W/"1"', None),
        ("20-29/45", 10, "X: y", None),
    ],
)
def test_which_block_a_206_brings(
    place: str, length: int | None, tag: str, came: tuple[int, SliceLayout] | None
) -> None:
    head = answer(206, tag, f"Content-Range: bytes {place}")
    assert received_slice(head, b"bytes=20-29", length, 10) == came


@pytest.mark.parametrize(
    ("status", "tag", "place", "same"),
    [
        (206, '"1"', "20-29/45", True),
        (206, '"2"', "20-29/45", False),
        (206, 'W/"1"', "20-29/45", False),
        (206, '"1"', "20-29/46", False),
        (206, '"1"', "10-19/45", False),
        (200, '"1"', "20-29/45", False),
    ],
)
def test_only_a_block_of_the_same_version_is_one(
    status: int, tag: str, place: str, same: bool
) -> None:
    head = answer(status, f"ETag: {tag}", f"Content-Range: bytes {place}")
    assert is_slice(head, 10, 2, answer(200, TAG), SliceLayout(45, 10)) == same


def test_the_head_of_the_whole() -> None:
    part = answer(206, TAG, "Content-Range: bytes 0-9/45", "Content-Length: 10")
    whole = head_of_whole(part)
    assert whole.status == 200
    assert first_value(whole.fields, b"content-range") is None
    assert first_value(whole.fields, b"content-length") is None
    assert first_value(whole.fields, b"accept-ranges") == b"bytes"


def test_a_range_of_a_block() -> None:
    assert range_of(2, 10) == b"bytes=20-29"
    assert SliceLayout(45, 10).place(4) == StoredPart(40, 5, 45)


def test_the_keys_of_blocks_are_named_like_their_object() -> None:
    key = cache_key(asks("/a"), SITE)
    keys = {key, *(slice_key(key, number) for number in range(20))}
    assert len(keys) == 21
    assert {subject_of(each, ()) for each in keys} == {subject_of(key, ())}
