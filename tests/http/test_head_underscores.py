"""Names with `_`: gateways take it for `-`, so that they would be fields we never read (F15)."""

from __future__ import annotations

from edgecache.http.head import parse_request_head
from edgecache.http.message import HeadLimits

LIMITS = HeadLimits()
CL = b"Content-Length: "


def head_of(*lines: bytes) -> bytes:
    return b"\r\n".join([b"POST / HTTP/1.1", b"Host: a.test", *lines, b"", b""])


def test_f15_a_name_with_an_underscore_is_dropped() -> None:
    request = parse_request_head(head_of(b"Content_Length: 0", b"Cookie: a_b=1", CL + b"1"), LIMITS)
    assert [name for name, _ in request.fields] == [b"host", b"cookie", b"content-length"]


def test_f15_where_they_pass_none_is_taken_for_a_field_we_read() -> None:
    head = head_of(
        b"Content_Length: 0", b"Transfer_Encoding: chunked", b"X_Forwarded_For: 1", b"Api_Key: k",
        b"If_None_Match: *", b"Accept_Encoding: br", b"CDN_Loop: a",
        b"cookie_: a", b"CloudFront_Viewer_Country: X", b"Host_: b", b"Host_x: c", CL + b"1",
    )  # fmt: skip
    request = parse_request_head(head, HeadLimits(underscores=True))
    assert [name for name, _ in request.fields] == [
        b"host", b"api_key", b"cookie_", b"host_", b"host_x", b"content-length",
    ]  # fmt: skip
    assert [name for name, _ in parse_request_head(head, LIMITS).fields] == [
        b"host", b"content-length",
    ]  # fmt: skip
