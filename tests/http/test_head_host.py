"""Host of a request, row by row: what is an authority, and what is refused (RFC 9112 §3.2)."""

from __future__ import annotations

import pytest

from edgecache.http.head import parse_request_head
from edgecache.http.message import BadMessage, BadReason, HeadLimits

LIMITS = HeadLimits()
REFUSED = [
    *(b"a..test", b".a.test", b"a.test..", b"l" * 64 + b".test", b"l." * 127 + b"ab"),
    *(b"a.test:80x", b"a.test:99999", b"a.test:65536", b"a.test:0", b"a.test:000080"),
    *(b"a.test:-1", b"a.test:8 0", b"a.test:80:80", b":80", b"a%2etest", b"*.test"),
    *(b"\xc3\xa9.test", b"a test", b"a.test?x", b"a.test#x", b"[::1", b"::1", b"[::1]x"),
    *(b"[]", b"[::g]", b"[1.2.3.4]", b"[::1%25eth0]", b"[v1.a]", b"[1::2::3]", b"[::1]:x"),
    *(b"", b".", b"u@a.test", b"u:p@a.test", b"a.test/x", b"a, b", b"a.test, a.test"),
]


def head_of(target: bytes, host: bytes) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"


@pytest.mark.parametrize("target", [b"/", b"http://a.test/"])
@pytest.mark.parametrize("host", REFUSED, ids=repr)
def test_a_host_that_is_none_is_refused(target: bytes, host: bytes) -> None:
    """RFC 9112 §3.2: 400 to a Host whose value is invalid by RFC 3986 §3.2."""
    with pytest.raises(BadMessage) as refused:
        parse_request_head(head_of(target, host), LIMITS)
    assert (refused.value.status, refused.value.why) == (400, BadReason.HOST)


@pytest.mark.parametrize(
    ("value", "host", "port"),
    [
        (b"a.test", b"a.test", b""),
        (b"A.Test.:", b"a.test", b""),
        (b"a.test:080", b"a.test", b"80"),
        (b"a.test:65535", b"a.test", b"65535"),
        (b"my_app", b"my_app", b""),
        (b"192.0.2.7:1", b"192.0.2.7", b"1"),
        (b"[2001:DB8::1]:8080", b"[2001:db8::1]", b"8080"),
        (b"[::ffff:192.0.2.7]", b"[::ffff:192.0.2.7]", b""),
        (b"l" * 63 + b".test", b"l" * 63 + b".test", b""),
    ],
)
def test_host_and_port_of_a_request(value: bytes, host: bytes, port: bytes) -> None:
    """RFC 9110 §7.2, RFC 3986 §3.2; on both ways a head is read."""
    for target in (b"/", b"http://" + value + b"/"):
        request = parse_request_head(head_of(target, value), LIMITS)
        assert (request.host, request.port) == (host, port)
