"""Bytes to send. Law: no head leaves with more lines than it was given fields.

RFC 9112 §3, §4, §7.1. Values come from strict readers and from the configuration; a line end in any
of them is our own mistake, and stops here rather than at the next parser.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from edgecache.http.fields import title_case

LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode("ascii"))
    for status in HTTPStatus
}
"""Status to its line with the registered reason, CRLF included."""


def request_head(method: bytes, target: bytes, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A request's head, with its empty line. `target` is the raw request target."""
    return _head(b"%b %b HTTP/1.1\r\n" % (method, target), fields)


def response_head(status: int, reason: bytes, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A response's head, with its empty line; an empty `reason` gives the registered one."""
    if reason:
        return _head(b"HTTP/1.1 %d %b\r\n" % (status, reason), fields)
    return _head(STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status, fields)


def chunk(data: bytes) -> bytes:
    """`data`, which is not empty, as one chunk."""
    assert data, "an empty chunk ends the body"
    return b"%x\r\n%b\r\n" % (len(data), data)


def field_lines(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The lines of the fields of a head, each with its end."""
    return _head(b"", fields)[:-2]


def _head(first: bytes, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    lines = [b"%b: %b\r\n" % (title_case(name), value) for name, value in fields]
    head = b"".join([first, *lines, b"\r\n"])
    ends = len(lines) + (2 if first else 1)
    if head.count(b"\n") != ends or head.count(b"\r") != ends:
        raise ValueError("a line end inside a head")
    return head
