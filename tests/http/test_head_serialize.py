"""Heads and chunks as they leave; read back by the strict readers."""

from __future__ import annotations

import pytest

from edgecache.http.framing import ChunkedReader
from edgecache.http.head import (
    LAST_CHUNK,
    STATUS_LINES,
    chunk,
    parse_request_head,
    parse_response_head,
    request_head,
    response_head,
)
from edgecache.http.message import Fields, HeadLimits

LIMITS = HeadLimits()
FIELDS: Fields = ((b"host", b"a.test"), (b"x-b", b"c d"), (b"x-b", b""))


def test_a_request_head_reads_back() -> None:
    head = request_head(b"GET", b"/a?b", FIELDS)
    assert head == b"GET /a?b HTTP/1.1\r\nHost: a.test\r\nX-B: c d\r\nX-B: \r\n\r\n"
    assert parse_request_head(head, LIMITS).fields == FIELDS


@pytest.mark.parametrize(
    ("status", "reason", "line"),
    [
        (200, b"", b"HTTP/1.1 200 OK\r\n"),
        (200, b"Fine", b"HTTP/1.1 200 Fine\r\n"),
        (599, b"", b"HTTP/1.1 599 \r\n"),
        (404, b"", STATUS_LINES[404]),
    ],
)
def test_a_response_head_reads_back(status: int, reason: bytes, line: bytes) -> None:
    head = response_head(status, reason, FIELDS)
    assert head.startswith(line)
    assert parse_response_head(head, LIMITS)[0].fields == FIELDS


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
def test_a_line_end_within_a_field_never_leaves(end: bytes) -> None:
    split = ((b"location", b"/a" + end + b"Set-Cookie: b"),)
    with pytest.raises(ValueError, match="line end"):
        response_head(302, b"", split)
    with pytest.raises(ValueError, match="line end"):
        request_head(b"GET", b"/" + end, ())


def test_chunks_read_back() -> None:
    reader = ChunkedReader(LIMITS)
    data = chunk(b"x" * 300) + chunk(b"y") + LAST_CHUNK
    assert b"".join(reader.feed(data)) == b"x" * 300 + b"y"
    assert reader.done
