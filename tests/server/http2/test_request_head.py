"""A header list as the head of HTTP/1.1 that asks for the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.http.head import parse_request_head
from edgecache.http.message import BadMessage, HeadLimits
from edgecache.server.http2.request_head import MalformedRequest, request_head

BASE = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"h"), (b":path", b"/a?b=c")]

HEADS = [
    ([], True, b"host: h\r\n"),
    ([(b"accept", b"*/*"), (b"x", b"")], True, b"host: h\r\naccept: */*\r\nx: \r\n"),
    ([(b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2")], True,
     b"host: h\r\ncookie: a=1; b=2\r\nx: y\r\n"),
    ([(b"te", b"trailers")], True, b"host: h\r\n"),
    ([(b"content-length", b"0")], True, b"host: h\r\ncontent-length: 0\r\n"),
    ([(b"content-length", b"5")], False, b"host: h\r\ncontent-length: 5\r\n"),
    ([], False, b"host: h\r\ntransfer-encoding: chunked\r\n"),
    ([(b"host", b"H")], True, b"host: H\r\n"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "ends", "lines"), HEADS)
def test_heads(more: list[tuple[bytes, bytes]], ends: bool, lines: bytes) -> None:
    head = request_head([*BASE, *more], b"http", ends=ends, trusted=False)
    assert head == b"GET /a?b=c HTTP/1.1\r\n" + lines + b"\r\n"
    parse_request_head(head, HeadLimits())


def test_a_trusted_proxy_may_have_taken_off_tls() -> None:
    listed = [BASE[0], (b":scheme", b"https"), *BASE[2:]]
    assert request_head(listed, b"http", ends=True, trusted=True)
    with pytest.raises(BadMessage):
        request_head(listed, b"http", ends=True, trusted=False)


PART = st.binary(max_size=12)
LISTED = st.lists(
    st.tuples(
        st.sampled_from([b":method", b":path", b":scheme", b":authority", b"host", b"x", b"te",
                         b"cookie", b"content-length", b"transfer-encoding", b""]) | PART,
        st.sampled_from([b"GET", b"/", b"http", b"h", b"0", b"chunked", b"a\r\nb: c", b" x"])
        | PART,
    ),
    max_size=8,
)  # fmt: skip


@given(LISTED, st.booleans())
def test_nothing_becomes_two_fields_or_another_request(
    listed: list[tuple[bytes, bytes]], ends: bool
) -> None:
    """What passes both readers has as many lines as fields, and the body that END_STREAM says."""
    try:
        head = request_head([*BASE, *listed], b"http", ends=ends, trusted=False)
        request = parse_request_head(head, HeadLimits(underscores=True))
    except (MalformedRequest, BadMessage):
        return
    values = [value for name, value in listed if name not in (b"te", b"host")]
    assert (request.method, request.target, request.host) == (b"GET", b"/a?b=c", b"h")
    assert head.count(b"\r\n") - 3 <= len(values) + 1
    assert request.has_body <= (not ends)
    for name, value in request.fields:
        if name not in (b"cookie", b"host", b"transfer-encoding"):
            assert (name, value) in listed
