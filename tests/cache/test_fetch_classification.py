"""What a reply is to the errand that asked for it: RFC 9110 §14.2 and §15.3.7, RFC 9111 §3.3, §3.4.

No store, no clock: a reply is told apart by the request it answers and by its own head and length.
"""

from __future__ import annotations

import pytest

from edgecache.cache.fetch_request import (
    FetchRequest,
    InconclusiveReply,
    LooseSliceReply,
    PartReply,
    RestReply,
    SliceReply,
    WholeReply,
    brings_all,
    classify,
    upstream_request,
)
from edgecache.cache.outcome import FetchErrand
from edgecache.rules.caching.slices import range_of
from edgecache.rules.caching.stored_parts import StoredPart
from edgecache.rules.reasons import MissReason, StoreReason
from edgecache.store.entry import Entry
from edgecache.upstream.interface import Reply, WholeBody
from tests.rules.pieces import answer, asks, site_of

ROUTE = site_of()
SLICE = 10  # bytes
TAG, OTHER = 'ETag: "a"', 'ETag: "b"'
HELD = Entry(b"k", answer(200, TAG), b"0123", part=StoredPart(0, 4, 10))


def reply(status: int, length: int, *given: str) -> Reply:
    return Reply(answer(status, *given), WholeBody(b"x" * length), "Miss")


def whole(*given: str) -> tuple[FetchErrand, FetchRequest]:
    errand = FetchErrand(asks("/a", *given), ROUTE, b"k", MissReason.ABSENT)
    return errand, upstream_request(errand, ())


def part() -> tuple[FetchErrand, FetchRequest]:
    request = asks("/a", "Range: bytes=2-5")
    errand = FetchErrand(request, ROUTE, b"k", MissReason.ABSENT, part=b"bytes=2-5")
    return errand, upstream_request(errand, ())


def rest() -> tuple[FetchErrand, FetchRequest]:
    errand = FetchErrand(asks("/a"), ROUTE, b"k", MissReason.PARTIAL, HELD)
    return errand, upstream_request(errand, ())


def sliced(*given: str) -> tuple[FetchErrand, FetchRequest]:
    errand = FetchErrand(asks("/a", "Range: bytes=12-13", *given), ROUTE, b"k", MissReason.ABSENT)
    return errand, FetchRequest(errand.request, slice=range_of(1, SLICE))


IN_RANGE = "Content-Range: bytes 2-5/10"
THE_REST = "Content-Range: bytes 4-9/10"
A_SLICE = "Content-Range: bytes 10-19/25"


@pytest.mark.parametrize(
    ("asked", "came", "kind"),
    [
        pytest.param(whole(), reply(200, 10), WholeReply, id="whole: 200"),
        pytest.param(whole(), reply(404, 10), WholeReply, id="whole: an error"),
        pytest.param(whole(), reply(206, 4, IN_RANGE), WholeReply, id="whole: a 206 nobody asked"),
        pytest.param(part(), reply(206, 4, IN_RANGE), PartReply, id="part: 206"),
        pytest.param(part(), reply(206, 5, IN_RANGE), WholeReply, id="part: of another length"),
        pytest.param(part(), reply(206, 4), WholeReply, id="part: without Content-Range"),
        pytest.param(part(), reply(200, 10), WholeReply, id="part: the whole instead"),
        pytest.param(part(), reply(416, 0), WholeReply, id="part: 416"),
        pytest.param(rest(), reply(206, 6, THE_REST, TAG), RestReply, id="rest: 206"),
        pytest.param(rest(), reply(206, 6, THE_REST, OTHER), InconclusiveReply, id="rest: changed"),
        pytest.param(rest(), reply(206, 6, THE_REST), InconclusiveReply, id="rest: no tag"),
        pytest.param(
            rest(), reply(206, 4, "Content-Range: bytes 4-7/10", TAG), InconclusiveReply,
            id="rest: not all of it",
        ),
        pytest.param(
            rest(), reply(206, 6, "Content-Range: bytes 4-9/*", TAG), InconclusiveReply,
            id="rest: of what total",
        ),
        pytest.param(rest(), reply(416, 0), InconclusiveReply, id="rest: 416"),
        pytest.param(rest(), reply(500, 0), InconclusiveReply, id="rest: 500"),
        pytest.param(rest(), reply(200, 10, OTHER), WholeReply, id="rest: the whole instead"),
        pytest.param(sliced(), reply(206, 10, A_SLICE, TAG), SliceReply, id="slice: 206"),
        pytest.param(sliced(), reply(206, 10, A_SLICE), LooseSliceReply, id="slice: no tag"),
        pytest.param(
            sliced(), reply(206, 10, A_SLICE, 'ETag: W/"a"'), LooseSliceReply, id="slice: weak tag"
        ),
        pytest.param(
            sliced(), reply(206, 9, "Content-Range: bytes 10-18/25", TAG), LooseSliceReply,
            id="slice: shorter",
        ),
        pytest.param(sliced(), reply(206, 10, TAG), LooseSliceReply, id="slice: unplaced"),
        pytest.param(sliced(), reply(200, 25, TAG), WholeReply, id="slice: the whole instead"),
        pytest.param(sliced(), reply(416, 0), WholeReply, id="slice: behind the end"),
        pytest.param(
            sliced('If-Range: "a"'), reply(416, 0), InconclusiveReply, id="slice: 416, If-Range"
        ),
        pytest.param(sliced(), reply(404, 0), InconclusiveReply, id="slice: 404"),
        pytest.param(sliced(), reply(500, 0), InconclusiveReply, id="slice: 500"),
    ],
)  # fmt: skip
def test_a_reply_is_told_by_what_was_asked(
    asked: tuple[FetchErrand, FetchRequest], came: Reply, kind: type
) -> None:
    assert type(classify(*asked, came, SLICE)) is kind


def test_a_part_stands_where_the_reply_says() -> None:
    kind = classify(*part(), reply(206, 4, IN_RANGE), SLICE)
    assert isinstance(kind, PartReply)
    assert kind.part == StoredPart(2, 4, 10)


def test_the_rest_has_the_head_of_the_whole() -> None:
    kind = classify(*rest(), reply(206, 6, THE_REST, TAG), SLICE)
    assert isinstance(kind, RestReply)
    assert (kind.held, kind.head.status, kind.kept.head.status) == (HELD, 200, 200)


def test_a_slice_has_its_number_and_the_head_of_the_whole() -> None:
    kind = classify(*sliced(), reply(206, 10, A_SLICE, TAG), SLICE)
    assert isinstance(kind, SliceReply)
    assert (kind.head.status, kind.number) == (200, 1)
    assert (kind.layout.total, kind.layout.size) == (25, SLICE)


def test_what_is_not_stored_says_why() -> None:
    kind = classify(*part(), reply(416, 0), SLICE)
    assert isinstance(kind, WholeReply)
    assert kind.update.refused is StoreReason.RANGE


@pytest.mark.parametrize(
    ("stated", "length", "all_of_it"),
    [
        ("bytes 0-6/7", 7, True),
        ("bytes 0-9/25", 10, False),
        ("bytes 0-6/7", 6, False),
        ("bytes 0-6/*", 7, False),
    ],
)
def test_a_small_object_comes_whole_in_its_first_slice(
    stated: str, length: int, all_of_it: bool
) -> None:
    sent = FetchRequest(asks("/a"), slice=range_of(0, SLICE))
    came = reply(206, length, f"Content-Range: {stated}", TAG)
    assert brings_all(sent, came) is all_of_it
    assert not brings_all(FetchRequest(asks("/a")), came)
