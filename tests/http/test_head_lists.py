"""Lists in heads: as many members as anybody means are read, more are refused unread."""

from __future__ import annotations

import pytest

from edgecache.http.head import LIST_MEMBERS_MAX, parse_request_head, parse_response_head
from edgecache.http.message import BadMessage, BadReason, HeadLimits

READ_HERE = [
    b"Accept-Encoding", b"Cache-Control", b"CDN-Loop", b"If-Match", b"If-None-Match", b"Pragma",
    b"Connection", b"Vary", b"CDN-Cache-Control",
]  # fmt: skip


def request(*lines: bytes) -> None:
    parse_request_head(
        b"\r\n".join([b"GET / HTTP/1.1", b"Host: a", *lines, b"", b""]), HeadLimits()
    )


def response(*lines: bytes) -> None:
    parse_response_head(b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"", b""]), HeadLimits())


@pytest.mark.parametrize("name", READ_HERE)
@pytest.mark.parametrize("member", [b"a,", b",", b'"a",', b'"\\""'])
def test_a_list_of_too_many_members_is_refused(name: bytes, member: bytes) -> None:
    """RFC 9110 §5.4: a 4xx for what is larger than a server wishes to process."""
    request(name + b": " + member * LIST_MEMBERS_MAX)
    for parse, status in ((request, 431), (response, 502)):
        with pytest.raises(BadMessage) as refused:
            parse(name + b": " + member * (LIST_MEMBERS_MAX + 1))
        assert (refused.value.why, refused.value.status) == (BadReason.FIELDS_TOO_MANY, status)


def test_all_lists_of_a_head_count_together() -> None:
    half = b"a," * (LIST_MEMBERS_MAX // 2 + 1)
    request(b"Cache-Control: " + half)
    with pytest.raises(BadMessage):
        request(b"Cache-Control: " + half, b"Accept-Encoding: " + half)
    with pytest.raises(BadMessage):
        request(*[b"Connection: " + half] * 2)


@pytest.mark.parametrize("name", [b"X-Any", b"Cookie", b"Cache-Tag", b"User-Agent"])
def test_what_is_not_taken_apart_may_be_long(name: bytes) -> None:
    request(name + b": " + b"a," * 10_000)
    response(name + b": " + b"a," * 10_000)
