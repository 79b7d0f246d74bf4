"""Slices: large objects fetched and stored in aligned ranges of one size.

Law: they make one representation only under one strong validator (RFC 9110 §15.3.7.3). What is
larger than a slice is fetched and stored in slices, where its origin gives ranges of it and an
entity tag that says of each whether it is still of the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from edgecache.http.conditional import strong_tag
from edgecache.http.message import (
    Request,
    Response,
    field_values,
    first_value,
    list_members,
    without,
)
from edgecache.http.ranges import Span, Suffix, parse_range
from edgecache.rules.caching.compression import may_compress
from edgecache.rules.caching.reuse import cookies_are_personal
from edgecache.rules.caching.stored_parts import StoredPart, received_part, single_range
from edgecache.rules.routing import Route


@dataclass(frozen=True, slots=True)
class SliceLayout:
    """A representation of `total` bytes in blocks of `size`, the last one shorter."""

    total: int
    size: int

    @property
    def count(self) -> int:
        return -(-self.total // self.size)

    def place(self, number: int) -> StoredPart:
        """Where a block stands."""
        first = number * self.size
        return StoredPart(first, min(self.size, self.total - first), self.total)

    def over(self, span: Span) -> range:
        """The numbers of the blocks that hold these bytes."""
        return range(span.first // self.size, span.last // self.size + 1)


def range_of(number: int, size: int) -> bytes:
    """The Range that asks for a block."""
    return b"bytes=%d-%d" % (number * size, (number + 1) * size - 1)


def first_slice(request: Request, route: Route, size: int) -> int | None:
    """Which block to ask for while nothing is known of an object; None: ask for all of it.

    The one where the viewer's range begins; for the last bytes the first block, which tells how
    many there are. CloudFront, too, may ask for more than it was asked for (Developer Guide, "How
    CloudFront processes partial requests for an object").
    """
    wanted = first_value(request.fields, b"range")
    if wanted is None or request.method != b"GET" or route.semantics.forwards_ranges:
        return None
    if cookies_are_personal(route) or may_compress(request, route):
        return None
    specs = parse_range(single_range(wanted) or b"")
    if not specs:
        return None
    return 0 if isinstance(specs[0], Suffix) else specs[0].first // size


def slice_layout(head: Response, length: int | None, size: int) -> SliceLayout | None:
    """How a 200 with a body of `length` bytes is stored in blocks; None when it is not."""
    if head.status != 200 or length is None or length <= size or strong_tag(head.fields) is None:
        return None
    units = [
        unit.lower()
        for value in field_values(head.fields, b"accept-ranges")
        for unit in list_members(value)
    ]
    return SliceLayout(length, size) if b"bytes" in units else None


def received_slice(
    head: Response, asked: bytes, length: int | None, size: int
) -> tuple[int, SliceLayout] | None:
    """Which block of what a 206 to the Range `asked` brings; None when it is not a block."""
    part = received_part(asked, head.fields, length)
    if part is None or part.total is None or strong_tag(head.fields) is None:
        return None
    number, blocks = part.first // size, SliceLayout(part.total, size)
    return (number, blocks) if part == blocks.place(number) else None


def is_slice(
    head: Response, length: int | None, number: int, of: Response, blocks: SliceLayout
) -> bool:
    """Whether a 206 brings that block of the representation whose head is `of`."""
    if head.status != 206 or strong_tag(head.fields) != strong_tag(of.fields):
        return False
    came = received_slice(head, range_of(number, blocks.size), length, blocks.size)
    return came == (number, blocks)


def head_of_whole(head: Response) -> Response:
    """The head of the whole that a 206 is a part of, as a 200 would have it."""
    fields = without(head.fields, (b"content-range", b"content-length"))
    if first_value(fields, b"accept-ranges") is None:
        fields = (*fields, (b"accept-ranges", b"bytes"))
    return replace(head, status=200, reason=b"", fields=fields)
