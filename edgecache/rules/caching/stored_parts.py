"""Parts of representations: 206 responses stored, served and combined.

Law: parts are combined only under one strong validator (RFC 9111 §3.4). A part is a run of bytes
with its place; what is not held is never made up.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgecache.http.conditional import parse_etag
from edgecache.http.message import Fields, Request, Response, first_value, replaced
from edgecache.http.ranges import (
    Interval,
    Span,
    Suffix,
    content_range,
    parse_content_range,
    parse_range,
    resolve,
)
from edgecache.rules.response.status_and_ranges import ResponsePlan, honors_range, plan_unchanged


@dataclass(frozen=True, slots=True)
class StoredPart:
    """Where `length` bytes stand in a representation of `total` (None: nobody said)."""

    first: int
    length: int
    total: int | None

    @property
    def after(self) -> int:
        """The position behind its last byte."""
        return self.first + self.length

    @property
    def whole(self) -> bool:
        return self.first == 0 and self.length == self.total


def received_part(wanted: bytes | None, fields: Fields, length: int | None) -> StoredPart | None:
    """The part a 206 with a body of `length` bytes carries; None when it cannot be trusted."""
    named = parse_content_range(first_value(fields, b"content-range") or b"")
    specs = parse_range(wanted or b"")
    if named is None or length is None or specs is None or len(specs) != 1:
        return None
    if named.length == length:
        return StoredPart(named.first, length, named.total)
    asked = specs[0]
    if isinstance(asked, Suffix) and asked.length == length:
        # The length asked for and the bytes that came agree; last byte and total do not. The end
        # is then where the bytes end, and how much there is in all stays unknown.
        return StoredPart(named.first, length, None)
    return None


def plan_from_part(
    request: Request, head: Response, part: StoredPart, now: float
) -> ResponsePlan | None:
    """How a part answers `request`: a 206 with a span of the part's bytes, a 304, or not at all."""
    wanted = first_value(request.fields, b"range")
    if wanted is None or request.method != b"GET" or not honors_range(request, head):
        return None
    specs = parse_range(wanted)
    if specs is None or len(specs) != 1:
        return None
    total = part.after if part.total is None else part.total
    spans = resolve(specs, total)
    if not spans or spans[0].first < part.first or spans[0].last >= part.after:
        return None
    unchanged = plan_unchanged(request, head, now)
    if unchanged is not None:
        return unchanged  # RFC 9110 §13.2.2: before a Range counts
    span = spans[0]
    stated = content_range(span, total)
    if part.total is None:
        stated = stated.rpartition(b"/")[0] + b"/*"
    fields = replaced(head.fields, b"content-range", stated)
    return ResponsePlan(206, fields, Span(span.first - part.first, span.last - part.first))


def range_of_rest(head: Response, part: StoredPart) -> bytes | None:
    """The Range that would complete a part from the start; None when it could not be combined."""
    etag = parse_etag(first_value(head.fields, b"etag") or b"")
    if etag is None or etag.weak or part.first != 0 or part.total is None:
        return None
    return b"bytes=%d-" % part.after


def continues(old: Response, held: StoredPart, new: Response, came: StoredPart) -> bool:
    """Whether `came` starts where `held` ends, in the same representation."""
    one = parse_etag(first_value(old.fields, b"etag") or b"")
    other = parse_etag(first_value(new.fields, b"etag") or b"")
    same = one is not None and one == other and not one.weak
    return same and held.after == came.first and held.total == came.total


def single_range(value: bytes | None) -> bytes | None:
    """A Range worth forwarding: one range, not the whole from the first byte on."""
    specs = parse_range(value or b"")
    if specs is None or len(specs) != 1:
        return None
    spec = specs[0]
    return None if isinstance(spec, Interval) and spec == Interval(0, None) else value


def answers_range(asked: bytes, fields: Fields, length: int | None) -> bool:
    """Whether a 206 answers the Range `asked` (RFC 9110 §15.3.7); its body has `length` bytes.

    It says which bytes it holds, as many as it has, and begins where it was asked to; it may end
    elsewhere. Several parts are the viewer's to read.
    """
    specs = parse_range(asked)
    if specs is None:
        return True  # of another unit: between the viewer and the origin
    if len(specs) > 1:
        kind = first_value(fields, b"content-type") or b""
        if kind.lower().startswith(b"multipart/byteranges"):
            return True
    named = parse_content_range(first_value(fields, b"content-range") or b"")
    if named is None:
        return False
    if length is not None and length != named.length:
        return received_part(asked, fields, length) is not None
    starts = {spec.first for spec in specs if isinstance(spec, Interval)}
    return len(specs) > 1 or not starts or named.first in starts
