"""Lines of responses' heads, read once, and the form of a head that they make.

Law: a line is what `head.parse_response_head` reads in it. Heads are of one form where they differ
in nothing but the values of NEUTRAL fields, on which no rule bears: what is concluded from one of a
form holds for the others, with their values in the places of its own.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from edgecache.http.head import parse_response_head
from edgecache.http.message import BadMessage, HeadLimits, Response

NEUTRAL = frozenset(
    {b"content-length", b"date", b"etag", b"last-modified", b"content-disposition"}
    | {b"x-request-id", b"x-amz-request-id", b"x-amz-id-2", b"x-amz-version-id", b"x-runtime"}
)
"""Dates and lengths are judged where they are used; of the others rules have nothing to say."""
_REMEMBERED = frozenset({b"content-length", b"date"})  # the others differ from object to object
LINES_MAX = 2_048  # origins choose them
LINE_BYTES_MAX = 512
_LINE_OVERHEAD_BYTES = 400  # of one with its parts and its place
_MEMBERS_MAX = 12  # of a list: more of them are bounded for a whole head
_LENGTH = re.compile(rb"[0-9]{1,18}")
_STATUS = b"HTTP/1.1 200 OK\r\n"
_LIMITS = HeadLimits()


class ResponseLine(NamedTuple):
    """A line: its field, what of it tells forms apart, and the number that Content-Length says."""

    field: tuple[bytes, bytes]
    form: bytes
    length: int = -1


class ResponseLines:
    """Lines met lately, by their bytes; when there are LINES_MAX all are forgotten."""

    __slots__ = ("_known", "size_bytes")

    def __init__(self) -> None:
        self._known: dict[bytes, ResponseLine] = {}
        self.size_bytes = 0

    def read(self, head: bytes) -> list[ResponseLine] | None:
        """The lines of a head without its last line end, the first of them its status line.

        None: it is no such head, or one that is to be read as a whole.
        """
        known = self._known.get
        read: list[ResponseLine] = []
        texts = head.split(b"\r\n")
        for text in texts:
            line = known(text)
            if line is None:
                line = self._read(text, first=not read)
                if line is None:
                    return None
            read.append(line)
        return read

    def _read(self, text: bytes, *, first: bool) -> ResponseLine | None:
        if len(text) > LINE_BYTES_MAX or text.count(b",") + text.count(b"\\") > _MEMBERS_MAX:
            return None
        head = b"%b\r\n\r\n" % text if first else b"%b%b\r\n\r\n" % (_STATUS, text)
        try:
            response, _ = parse_response_head(head, _LIMITS)
        except BadMessage:
            return None
        if first:
            return self._keep(text, ResponseLine((b"", text), text))
        if len(response.fields) != 1:
            return None
        (field,) = response.fields
        if field[0] not in NEUTRAL:
            return self._keep(text, ResponseLine(field, text))
        length = -1
        if field[0] == b"content-length":
            if _LENGTH.fullmatch(field[1]) is None:
                return None
            length = int(field[1])
        line = ResponseLine(field, b"\0" + field[0], length)
        return self._keep(text, line) if field[0] in _REMEMBERED else line

    def _keep(self, text: bytes, line: ResponseLine) -> ResponseLine:
        if len(self._known) >= LINES_MAX:
            self._known.clear()
            self.size_bytes = 0
        self._known[text] = line
        self.size_bytes += len(text) + _LINE_OVERHEAD_BYTES
        return line


def sample_of(lines: list[ResponseLine], limits: HeadLimits) -> tuple[Response, int] | None:
    """A response of the form of `lines`, with its minor version: values of neutral fields are NUL,
    their place in the head, NUL. None where one of those comes twice.
    """
    neutral = [line.field[0] for line in lines if line.form[:1] == b"\0"]
    if len(set(neutral)) != len(neutral):
        return None
    text = b"\r\n".join([lines[0].form, *[b"%b: %b" % line.field for line in lines[1:]]])
    try:
        response, minor = parse_response_head(text + b"\r\n\r\n", limits)
    except BadMessage:
        return None
    fields = [
        (field[0], b"\0%d\0" % place) if lines[place].form[:1] == b"\0" else field
        for place, field in enumerate(response.fields, 1)
    ]
    head = Response(response.status, response.reason, tuple(fields))
    return head, minor
