"""A request's head as a header block; a header list as the head of a response."""

from __future__ import annotations

import pytest

from edgecache.http.http2.header_decoder import hpack_decoder
from edgecache.http.message import BadMessage, BadReason, HeadLimits
from edgecache.upstream.http2.heads import request_block, response_of, trailers_of

HEAD = (
    b"POST /a%20b?c HTTP/1.1\r\nHost: example.com:81\r\nX-Amz-Cf-Id: 7\r\nTE: gzip\r\n"
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\nX-B: a: b\r\n\r\n"
)


@pytest.mark.parametrize("trailers", [False, True])
def test_a_head_is_told_without_what_is_of_one_connection(trailers: bool) -> None:
    block = request_block(HEAD, b"https", trailers=trailers)
    assert list(hpack_decoder(8_192)(block)) == [
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":authority", b"example.com:81"),
        (b":path", b"/a%20b?c"),
        (b"x-amz-cf-id", b"7"),
        (b"x-b", b"a: b"),
        *([(b"te", b"trailers")] if trailers else []),
    ]


def test_a_response_has_its_fields_in_order() -> None:
    listed = [(b":status", b"203"), (b"set-cookie", b"a"), (b"set-cookie", b"b"), (b"x", b"")]
    response = response_of(listed, HeadLimits(), 1.0, 2.0)
    assert (response.status, response.fields) == (203, tuple(listed[1:]))
    assert (response.requested_at, response.received_at) == (1.0, 2.0)


REFUSED = [
    ([], BadReason.STATUS_LINE),
    ([(b"x", b"a")], BadReason.STATUS_LINE),
    ([(b":status", b"20")], BadReason.STATUS_LINE),
    ([(b":status", b"200"), (b":path", b"/")], BadReason.FIELD),
    ([(b":status", b"200"), (b"", b"a")], BadReason.FIELD),
    ([(b":status", b"200"), (b"X", b"a")], BadReason.FIELD),
    ([(b":status", b"200"), (b"x y", b"a")], BadReason.FIELD),
    ([(b":status", b"200"), (b"x", b"a\nb: c")], BadReason.FIELD),
    ([(b":status", b"200"), (b"x\r\nb", b"c")], BadReason.FIELD),
    ([(b":status", b"200"), (b"x", b"a\0")], BadReason.FIELD),
    ([(b":status", b"200"), (b"x", b"a ")], BadReason.FIELD),
    ([(b":status", b"200"), (b"keep-alive", b"1")], BadReason.FIELD),
    ([(b":status", b"200"), (b"x", b"a" * 40_000)], BadReason.HEAD_TOO_BIG),
    ([(b":status", b"200"), *[(b"x", b"a")] * 101], BadReason.FIELDS_TOO_MANY),
]


@pytest.mark.parametrize(("listed", "why"), REFUSED)
def test_what_no_response_may_have(listed: list[tuple[bytes, bytes]], why: BadReason) -> None:
    with pytest.raises(BadMessage) as caught:
        response_of(listed, HeadLimits(), 0.0, 0.0)
    assert (caught.value.why, caught.value.status) == (why, 502)


def test_trailers_have_no_status() -> None:
    assert trailers_of([(b"grpc-status", b"0")], HeadLimits()) == ((b"grpc-status", b"0"),)
    with pytest.raises(BadMessage):
        trailers_of([(b":status", b"200")], HeadLimits())
