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
    | {b"age", b"cache-status"}
    | {b"x-request-id", b"x-amz-request-id", b"x-amz-id-2", b"x-amz-version-id", b"x-runtime"}
)
"""Dates, ages, lengths are judged where they are used; of the others rules have nothing to say."""
SAMPLE_AGE = b"1234567890"  # a number, as others are no Age
LINES_MAX = 1_024  # origins choose them
LINE_BYTES_MAX = 512
_LINE_OVERHEAD_BYTES = 400  # of one with its parts and its place
_MEMBERS_MAX = 12  # of a list: more of them are bounded for a whole head
_LENGTH = re.compile(rb"[0-9]{1,18}")
_AGE = re.compile(rb"0|[1-9][0-9]{0,8}")
# As the reader of heads has it.
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_LIMITS = HeadLimits()


class ResponseLine(NamedTuple):
    """A line: its field, what of it tells forms apart, and the number that Content-Length says."""

    field: tuple[bytes, bytes]
    form: bytes
    length: int = -1


class ResponseLines:
    """Lines met lately, by their bytes; of LINES_MAX of a kind all are forgotten.

    What differs from object to object is kept apart from what most of them have.
    """

    __slots__ = ("_known", "_own", "size_bytes")

    def __init__(self) -> None:
        self._known: dict[bytes, ResponseLine] = {}
        self._own: dict[bytes, ResponseLine] = {}
        self.size_bytes = 0

    def read(self, head: bytes) -> list[ResponseLine] | None:
        """The lines of a head without its last line end, the first of them its status line.

        None: it is no such head, or one that is to be read as a whole.
        """
        known, own = self._known.get, self._own.get
        read: list[ResponseLine] = []
        for text in head.split(b"\r\n"):
            line = known(text) or own(text)
            if line is None:
                line = self._read(text) if read else self._read_status(text)
                if line is None:
                    return None
            read.append(line)
        return read

    def _read_status(self, text: bytes) -> ResponseLine | None:
        if len(text) > LINE_BYTES_MAX:
            return None
        try:
            parse_response_head(b"%b\r\n\r\n" % text, _LIMITS)
        except BadMessage:
            return None
        return self._keep(self._known, text, ResponseLine((b"", text), text))

    def _read(self, text: bytes) -> ResponseLine | None:
        if len(text) > LINE_BYTES_MAX or text.count(b",") + text.count(b"\\") > _MEMBERS_MAX:
            return None
        match = _FIELD.fullmatch(text)
        if match is None:
            return None
        name, value = match[1].lower(), match[2].rstrip(b" \t")
        if name not in NEUTRAL:
            return self._keep(self._known, text, ResponseLine((name, value), text))
        if name == b"age" and _AGE.fullmatch(value) is None:
            return self._keep(self._known, text, ResponseLine((name, value), text))
        length = -1
        if name == b"content-length":
            if _LENGTH.fullmatch(value) is None:
                return None
            length = int(value)
        return self._keep(self._own, text, ResponseLine((name, value), b"\0" + name, length))

    def _keep(
        self, lines: dict[bytes, ResponseLine], text: bytes, line: ResponseLine
    ) -> ResponseLine:
        if len(lines) >= LINES_MAX:
            self.size_bytes -= sum([len(one) + _LINE_OVERHEAD_BYTES for one in lines])
            lines.clear()
        lines[text] = line
        self.size_bytes += len(text) + _LINE_OVERHEAD_BYTES
        return line


def sample_of(lines: list[ResponseLine], limits: HeadLimits) -> tuple[Response, int] | None:
    """A response of the form of `lines`, with its minor version: values of neutral fields are NUL,
    their place in the head, NUL; but for SAMPLE_AGE. None where one of those comes twice.
    """
    names = [line.field[0] for line in lines]
    neutral = [line.field[0] for line in lines if line.form[:1] == b"\0"]
    if any(names.count(name) > 1 for name in neutral):
        return None
    text = b"\r\n".join([lines[0].form, *[b"%b: %b" % line.field for line in lines[1:]]])
    try:
        response, minor = parse_response_head(text + b"\r\n\r\n", limits)
    except BadMessage:
        return None
    fields = [
        (field[0], _sample_value(field[0], place)) if lines[place].form[:1] == b"\0" else field
        for place, field in enumerate(response.fields, 1)
    ]
    head = Response(response.status, response.reason, tuple(fields))
    return head, minor


def _sample_value(name: bytes, place: int) -> bytes:
    return SAMPLE_AGE if name == b"age" else b"\0%d\0" % place
