"""Byte ranges: Range and Content-Range, parsed, resolved and written (RFC 9110 §14).

Law: a Range that cannot be read is a Range that was not sent. Positions count bytes from 0, both
ends included. Other range units are not known here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import Struct

SPANS_MAX = 16  # more is an attack: CVE-2011-3192 needed hundreds, players ask for one or two
SEVERAL_BYTES_MAX = 1_048_576  # of a copy made at once for who asks: below two milliseconds
MEMBERS_MAX = 1_024  # counted before they are read, empty ones too: half a millisecond
POSITION_MAX = 10**18  # what a greater number is taken for; beyond every length a file can have

_RANGES_SPECIFIER = re.compile(rb"bytes=(.*)", re.IGNORECASE | re.DOTALL)
_INT_RANGE = re.compile(rb"([0-9]+)-([0-9]*)")
_SUFFIX_RANGE = re.compile(rb"-([0-9]+)")
_CONTENT_RANGE = re.compile(rb"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Interval:
    """`first-last`, or `first-` when `last` is None (RFC 9110 §14.1.2, int-range)."""

    first: int
    last: int | None


@dataclass(frozen=True, slots=True)
class Suffix:
    """`-length`: the last `length` bytes (RFC 9110 §14.1.2, suffix-range)."""

    length: int


RangeSpec = Interval | Suffix


class Span(Struct, frozen=True):
    """The first and the last byte of a range in a representation of known length."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class ContentRange:
    """Which bytes a 206 carries, and of how many (None: the sender does not know)."""

    first: int
    last: int
    total: int | None

    @property
    def length(self) -> int:
        return self.last - self.first + 1


def parse_range(value: bytes) -> tuple[RangeSpec, ...] | None:
    """The ranges a Range field asks for, in its order (RFC 9110 §14.2).

    None when the field is to be ignored: another unit, one invalid range-spec (§14.1.1, §14.2), or
    more members than anybody means.
    """
    specifier = _RANGES_SPECIFIER.fullmatch(value)
    if specifier is None:
        return None
    if specifier[1].count(b",") >= MEMBERS_MAX:
        return None
    specs: list[RangeSpec] = []
    for part in specifier[1].split(b","):
        member = part.strip(b" \t")
        if not member:
            continue  # RFC 9110 §5.6.1.2: empty members of a list do not count
        spec = _range_spec(member)
        if spec is None:
            return None
        specs.append(spec)
    return tuple(specs) or None


def _range_spec(member: bytes) -> RangeSpec | None:
    if suffix := _SUFFIX_RANGE.fullmatch(member):
        return Suffix(_position(suffix[1]))
    interval = _INT_RANGE.fullmatch(member)
    if interval is None:
        return None
    first = _position(interval[1])
    last = _position(interval[2]) if interval[2] else None
    if last is not None and last < first:
        return None  # RFC 9110 §14.1.1: an int-range whose last-pos is less is invalid
    return Interval(first, last)


def _position(digits: bytes) -> int:
    significant = digits.lstrip(b"0")
    return POSITION_MAX if len(significant) > 18 else int(significant or b"0")


def resolve(specs: Sequence[RangeSpec], total: int) -> tuple[Span, ...]:
    """The satisfiable ranges of a representation of `total` bytes, clipped, in their order.

    Empty when none is satisfiable: 416 (RFC 9110 §14.1.2, §15.5.17). An empty representation has
    no span at all; §14.2 lets its owner ignore the Range and answer with the whole of it.
    """
    spans = (_resolved(spec, total) for spec in specs)
    return tuple(span for span in spans if span is not None)


def _resolved(spec: RangeSpec, total: int) -> Span | None:
    if isinstance(spec, Suffix):
        first, last = max(0, total - spec.length), total - 1
    else:
        first, last = spec.first, total - 1 if spec.last is None else min(spec.last, total - 1)
    return Span(first, last) if first <= last else None


def acceptable(spans: Sequence[Span]) -> bool:
    """Whether to answer with these: ascending, not overlapping, at most SPANS_MAX, and few bytes.

    RFC 9110 §14.2 lets a server ignore other requests for ranges; CloudFront does.
    """
    if len(spans) > SPANS_MAX or sum([span.length for span in spans]) > SEVERAL_BYTES_MAX:
        return False
    return all(spans[i].last < spans[i + 1].first for i in range(len(spans) - 1))


def content_range(span: Span, total: int) -> bytes:
    """The Content-Range of a 206 (RFC 9110 §14.4)."""
    return b"bytes %d-%d/%d" % (span.first, span.last, total)


def unsatisfied(total: int) -> bytes:
    """The Content-Range of a 416 (RFC 9110 §14.4)."""
    return b"bytes */%d" % total


def parse_content_range(value: bytes) -> ContentRange | None:
    """The Content-Range of a 206, or None when it is invalid (RFC 9110 §14.4).

    None too for another unit, and for `*/total`, which only a 416 may carry.
    """
    found = _CONTENT_RANGE.fullmatch(value)
    if found is None:
        return None
    first, last = int(found[1]), int(found[2])
    total = None if found[3] == b"*" else int(found[3])
    if last < first or (total is not None and total <= last):
        return None
    return ContentRange(first, last, total)
