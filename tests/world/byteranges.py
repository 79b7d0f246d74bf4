"""A multipart/byteranges body, read back as a strict client reads it (RFC 9110 §14.6)."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.world.viewer import Got

_TYPE = re.compile(r"multipart/byteranges; boundary=([0-9A-Za-z'()+_,\-./:=?]{1,70})")
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class Piece(NamedTuple):
    """One part: its place, of how many bytes, what it is, and its bytes."""

    first: int
    last: int
    total: int
    content_type: str | None
    data: str


def pieces_of(got: Got) -> list[Piece]:
    """Every part, in order; nothing before, between or after them."""
    named = _TYPE.fullmatch(got.field("content-type") or "")
    assert named is not None, got.field("content-type")
    assert got.field("content-range") is None  # §14.4: the parts have it
    text = got.body.decode().removeprefix("\r\n")  # a preamble of nothing (RFC 2046 §5.1.1)
    before, *parts, after = f"\r\n{text}".split(f"\r\n--{named[1]}")
    assert before == ""
    assert after == "--\r\n"
    return [_piece(part) for part in parts]


def _piece(part: str) -> Piece:
    assert part.startswith("\r\n")
    head, _, data = part[2:].partition("\r\n\r\n")
    fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n"))
    place = _RANGE.fullmatch(fields["content-range"])
    assert place is not None
    first, last, total = (int(number) for number in place.groups())
    assert len(data) == last - first + 1
    return Piece(first, last, total, fields.get("content-type"), data)
