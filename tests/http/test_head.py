"""Heads, row by row of the table of hostile inputs; `F`, `T`, `B`, `O` and `N` are its rows."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.http.head import keeps_alive, oversize, parse_request_head, parse_response_head
from edgecache.http.message import BadMessage, BadReason, HeadLimits, first_value

LIMITS = HeadLimits()
H = b"Host: a.test"


def post(*lines: bytes) -> bytes:
    return b"\r\n".join([b"POST /f HTTP/1.1", H, *lines, b"", b""])


def get(target: bytes, host: bytes = H) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + host + b"\r\n\r\n"


TE, CL = b"Transfer-Encoding: ", b"Content-Length: "
CHUNKED = TE + b"chunked"
CONTROLS = bytes([*range(1, 9), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F])

REFUSED = [
    ("F01", post(CL + b"6", CHUNKED), 400),
    ("F02", post(CL + b"4", CHUNKED), 400),
    ("F02-order", post(CHUNKED, CL + b"4"), 400),
    ("F03", post(CHUNKED, TE + b"identity"), 400),
    ("F04", post(CHUNKED, CHUNKED), 400),
    ("F06", post(CHUNKED + b","), 400),
    ("F07-x", post(TE + b"xchunked"), 501),
    ("F07-twice", post(TE + b"chunkedchunked"), 501),
    ("F07-pigeons", post(TE + b"pigeons"), 501),
    ("F10-space", post(b"Transfer-Encoding : chunked"), 400),
    ("F10-tab", post(b"Transfer-Encoding\t: chunked"), 400),
    ("F11-space", b"POST /f HTTP/1.1\r\n " + H + b"\r\n\r\n", 400),
    ("F11-tab", b"POST /f HTTP/1.1\r\n\t" + H + b"\r\n\r\n", 400),
    ("F12", post(b"X: y", b" " + CHUNKED), 400),
    ("F13", post(b"Transfer-Encoding:", b" chunked"), 400),
    ("F16", post(TE + b"identity"), 400),
    ("F17", post(TE + b"gzip, chunked"), 501),
    ("F18", post(TE + b"chunked, gzip"), 400),
    ("F20", b"POST / HTTP/1.0\r\n" + H + b"\r\n" + CHUNKED + b"\r\n\r\n", 400),
    ("F20-length", b"POST / HTTP/1.0\r\n" + CHUNKED + b"\r\n" + CL + b"5\r\n\r\n", 400),
    ("F21-once", post(b"Transfer-Encoding:", CL + b"5"), 400),
    ("F21-alone", post(b"Transfer-Encoding:"), 400),
    ("F21-thrice", post(*[b"Transfer-Encoding:"] * 3, CL + b"5"), 400),
    ("F22", post(CL + b"5", CL + b"6"), 400),
    ("F22-order", post(CL + b"6", CL + b"5"), 400),
    ("F23-two", post(CL + b"5", CL + b"5"), 400),
    ("F23-list", post(CL + b"5, 5"), 400),
    ("F23-tight", post(CL + b"5,5,5"), 400),
    *[
        (f"F24-{value!r}", post(CL + value), 400)
        for value in (
            *(b"+5", b"-1", b"-48", b"1_0", b"0x5", b"5;", b"5 5", b"5.0", b"1e1"),
            *(b"\xd9\xa5", b"\xc2\xb2", b"\xef\xbc\x95"),
        )
    ],
    ("F26-empty", post(b"Content-Length:"), 400),
    ("F26-then", post(b"Content-Length:", CL + b"43"), 400),
    ("F27-20", post(CL + b"99999999999999999999"), 400),
    ("F27-5000", post(CL + b"9" * 5000), 400),
    ("F29", post(b"Content-Length 10"), 400),
    ("F32-y", post(b"Expect: y 100-continue"), 417),
    ("F32-200", post(b"Expect: 200-ok"), 417),
    ("F32-twice", post(b"Expect: 100-continue", b"Expect: 100-continue"), 417),
    ("F38", b"GET / HTTP/1.1\n" + H + b"\n\n", 400),
    ("F38-mixed", b"GET / HTTP/1.1\n" + H + b"\r\n\r\n", 400),
    ("F39", post(b"X: a\nContent-Length: 5"), 400),
    ("F40", post(b"X: a\r" + CHUNKED), 400),
    ("F42", b"GET / HTTP/1.1\r" + H + b"\r\r", 400),
    ("F43-value", post(b"X: a\0b"), 400),
    ("F43-name", post(b"X\0: a"), 400),
    ("F44-name", post(b": v"), 400),
    ("F44-bare", post(b":"), 400),
    *[(f"F45-{c:02x}", post(b"X: a" + bytes([c]) + b"b"), 400) for c in CONTROLS],
    ("F46-name", post("Xé: a".encode("latin-1")), 400),
    ("F47", post(b"X: a", b"   ", b"Y: b"), 400),
    *[
        (f"B02-{name.decode()}", post(b"Connection: close, " + name), 400)
        for name in (
            *(b"Host", b"Content-Length", b"Transfer-Encoding", b"Cookie"),
            *(b"Authorization", b"cache-control"),
        )
    ],
    ("T01", get(b"http://evil.test/"), 400),
    ("T01-port", get(b"http://a.test:81/"), 400),
    ("T01-scheme", get(b"https://a.test/"), 400),
    ("T03-userinfo", get(b"http://u:p@a.test/"), 400),
    ("T03-empty", get(b"http:///"), 400),
    ("T18-path", get(b"/a\\..\\b"), 400),
    ("T18-plain", get(b"/\\a?b"), 400),
    ("T04", get(b"/x#frag"), 400),
    ("T05", get(b"*"), 400),
    ("T06", b"CONNECT a.test:443 HTTP/1.1\r\n" + H + b"\r\n\r\n", 501),
    *[
        (f"T07-{target.decode()}", get(target), 400)
        for target in (b"admin", b"a.test:80/x", b"@evil/", b"!", b"ftp://a.test/", b"?x")
    ],
    ("T08-two", b"GET  / HTTP/1.1\r\n" + H + b"\r\n\r\n", 400),
    ("T08-tab", b"GET\t/ HTTP/1.1\r\n" + H + b"\r\n\r\n", 400),
    ("T08-vt", b"GET\x0b/ HTTP/1.1\r\n" + H + b"\r\n\r\n", 400),
    ("T08-end", b"GET / HTTP/1.1 \r\n" + H + b"\r\n\r\n", 400),
    ("T08-start", b" GET / HTTP/1.1\r\n" + H + b"\r\n\r\n", 400),
    ("T08-lf", b"GET\n/ HTTP/1.1\r\n" + H + b"\r\n\r\n", 400),
    *[
        (f"T09-{version!r}", b"GET / " + version + b"\r\n" + H + b"\r\n\r\n", status)
        for version, status in (
            *((b"HTTP/1.32", 400), (b"HTTP/01.1", 400), (b"http/1.1", 400)),
            *((b"HTTP/9.9", 505), (b"HTTP/1", 400), (b"HTTP/4294967295.255", 400)),
            *((b"HTTP/2.0", 505), (b"HTTP/0.9", 505), (b"HTTP/1.\xb2", 400)),
        )
    ],
    ("T10", b"GET /\r\n\r\n", 400),
    ("T11", b"PRI * HTTP/2.0\r\n\r\n", 505),
    ("T12-long", b"A" * 100_000 + b" / HTTP/1.1\r\n" + H + b"\r\n\r\n", 400),
    ("T12-33", b"A" * 33 + b" / HTTP/1.1\r\n" + H + b"\r\n\r\n", 400),
    ("T12-marks", b'G=":<>(e),[T];?" / HTTP/1.1\r\n' + H + b"\r\n\r\n", 400),
    ("T12-lower", b"get / HTTP/1.1\r\n" + H + b"\r\n\r\n", 501),
    ("T12-nul", b"G\0T / HTTP/1.1\r\n" + H + b"\r\n\r\n", 400),
    ("T13-8193", get(b"/" + b"u" * 8_192), 414),
    ("T13-bad", get(b"/" + b"u" * 9_000 + b"\0"), 414),
    ("T13-65536", get(b"/" + b"u" * 65_535), 414),
    ("T13-1MiB", get(b"/" + b"u" * 1_048_575), 414),
    ("T14-32769", post(b"X: " + b"v" * (32_769 - len(post(b"X: ")))), 431),
    ("T14-101", post(*[b"X: v"] * 100), 431),
    ("T14-many", post(*[b"X: v"] * 10_000), 431),
    ("T15-control", get(b"/\x01"), 400),
    ("T15-space", get(b"/a b"), 400),
    ("T15-del", get(b"/\x7f"), 400),
    ("T15-high", get(b"/\xc3\xa9"), 400),
    ("T19-none", b"GET / HTTP/1.1\r\nX: y\r\n\r\n", 400),
    ("T19-same", get(b"/", H + b"\r\n" + H), 400),
    ("T19-other", get(b"/", H + b"\r\nHost: b.test"), 400),
    ("T19-list", get(b"/", b"Host: a, b"), 400),
    ("T19-empty", get(b"/", b"Host:"), 400),
    ("T19-dot", get(b"/", b"Host: ."), 400),
    ("T19-userinfo", get(b"/", b"Host: u@a.test"), 400),
    ("T19-path", get(b"/", b"Host: a.test/x"), 400),
    ("T29", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + get(b"/"), 400),
    ("empty", b"\r\n\r\n", 400),
]


@pytest.mark.parametrize(
    ("head", "status"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_hostile_request_head_is_refused(head: bytes, status: int) -> None:
    with pytest.raises(BadMessage) as refused:
        parse_request_head(head, LIMITS)
    assert refused.value.status == status
    assert isinstance(refused.value.why, BadReason)


ACCEPTED = [
    # id, head, host, path, query, length
    ("plain", get(b"/"), b"a.test", b"/", None, 0),
    ("query", get(b"/a?b?c"), b"a.test", b"/a", b"b?c", 0),
    ("query-empty", get(b"/a?"), b"a.test", b"/a", b"", 0),
    ("length", post(CL + b"5"), b"a.test", b"/f", None, 5),
    ("length-zeros", post(CL + b"005 \t"), b"a.test", b"/f", None, 5),
    ("chunked", post(CHUNKED), b"a.test", b"/f", None, None),
    ("chunked-case", post(b"transfer-encoding:CHUNKED"), b"a.test", b"/f", None, None),
    ("F15", post(b"Transfer_Encoding: chunked", CL + b"3"), b"a.test", b"/f", None, 3),
    ("F15-length", post(b"Content_Length: 0", CL + b"3"), b"a.test", b"/f", None, 3),
    ("expect", post(b"Expect: 100-Continue", CL + b"3"), b"a.test", b"/f", None, 3),
    ("T03", get(b"HTTP://A.TEST:80/"), b"a.test", b"/", None, 0),
    ("T03-bare", get(b"http://a.test"), b"a.test", b"/", None, 0),
    ("T03-query", get(b"http://a.test?q"), b"a.test", b"/", b"q", 0),
    ("T05", b"OPTIONS * HTTP/1.1\r\n" + H + b"\r\n\r\n", b"a.test", b"*", None, 0),
    ("T13-8192", get(b"/" + b"u" * 8_191), b"a.test", b"/" + b"u" * 8_191, None, 0),
    ("T14-100", post(*[b"X: v"] * 99), b"a.test", b"/f", None, 0),
    ("T16", get(b"/%00%0d%0aSet-Cookie:x"), b"a.test", b"/%00%0d%0aSet-Cookie:x", None, 0),
    ("T18", get(b"/a?b\\c"), b"a.test", b"/a", b"b\\c", 0),
    ("T21-case", get(b"/", b"Host: A.TEST"), b"a.test", b"/", None, 0),
    ("T21-dot", get(b"/", b"Host: a.test."), b"a.test", b"/", None, 0),
    ("T21-port", get(b"/", b"Host: a.test:80"), b"a.test", b"/", None, 0),
    ("T22-address", get(b"/", b"Host: 127.0.0.1:6379"), b"127.0.0.1", b"/", None, 0),
    ("T22-ipv6", get(b"/", b"Host: [::1]:80"), b"[::1]", b"/", None, 0),
    ("T25", get(b"/", H + b"\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c"), b"a.test",
     b"/", None, 0),
    ("1.0", b"GET / HTTP/1.0\r\n\r\n", b"", b"/", None, 0),
    ("1.0-expect", b"POST / HTTP/1.0\r\nExpect: x\r\nContent-Length: 1\r\n\r\n", b"", b"/", None,
     1),
    ("1.0-absolute", b"GET http://b.test/x HTTP/1.0\r\n\r\n", b"b.test", b"/x", None, 0),
    ("unknown-method", b"M-SEARCH / HTTP/1.1\r\n" + H + b"\r\n\r\n", b"a.test", b"/", None, 0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("head", "host", "path", "query", "length"),
    [row[1:] for row in ACCEPTED],
    ids=[row[0] for row in ACCEPTED],
)
def test_a_sound_request_head_is_read(
    head: bytes, host: bytes, path: bytes, query: bytes | None, length: int | None
) -> None:
    request = parse_request_head(head, LIMITS, b"http", ("192.0.2.1", 5))
    assert (request.host, request.path, request.query, request.length) == (
        host, path, query, length,
    )  # fmt: skip
    assert request.minor == (0 if b" HTTP/1.0\r\n" in head else 1)
    assert request.client == ("192.0.2.1", 5)


def test_fields_keep_their_order_lower_their_names_and_lose_their_blanks() -> None:
    head = get(b"/", H + b"\r\nX-B: \t two  words\t \r\nuser-agent:x\r\nX-B:\r\nE:\xe9")
    assert parse_request_head(head, LIMITS).fields == (
        (b"host", b"a.test"),
        (b"x-b", b"two  words"),
        (b"user-agent", b"x"),
        (b"x-b", b""),
        (b"e", b"\xe9"),
    )


def test_the_absolute_form_of_a_secure_connection() -> None:
    request = parse_request_head(get(b"https://a.test:443/x"), LIMITS, b"https")
    assert (request.scheme, request.host, request.path) == (b"https", b"a.test", b"/x")


@pytest.mark.parametrize(
    ("start", "status"),
    [
        (b"GET /" + b"u" * 40_000, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"v" * 40_000, 431),
        (b"A" * 40_000, 400),
        (b"{" * 40_000, 400),
    ],
    ids=["T13", "T14", "T12", "garbage"],
)
def test_a_head_without_end_is_judged_by_its_start(start: bytes, status: int) -> None:
    """A long target MUST get 414 (RFC 9112 §3), a long head 431 (RFC 6585 §5); see decision 022."""
    assert oversize(start, LIMITS).status == status


@pytest.mark.parametrize(("minor", "read"), [(b"0", 0), (b"1", 1), (b"2", 1), (b"9", 1)])
def test_a_later_minor_version_is_read_as_ours(minor: bytes, read: int) -> None:
    """RFC 9110 §2.5."""
    head = b"GET / HTTP/1." + minor + b"\r\n" + H + b"\r\n\r\n"
    assert parse_request_head(head, LIMITS).minor == read
    assert parse_response_head(b"HTTP/1." + minor + b" 200 OK\r\n\r\n", LIMITS)[1] == read


def response(first: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([first, *lines, b"", b""])


OK = b"HTTP/1.1 200 OK"
REFUSED_RESPONSES = [
    ("O09-099", response(b"HTTP/1.1 099 Low")),
    ("O09-1000", response(b"HTTP/1.1 1000 High")),
    ("O09-2OO", response(b"HTTP/1.1 2OO OK")),
    ("O09-3.7", response(b"HTTP/3.7 200 OK")),
    ("O09-empty", b"\r\n\r\n"),
    ("O09-reason", response(b"HTTP/1.1 200 a\x01b")),
    ("O09-64KiB", response(b"HTTP/1.1 200 " + b"\x01" * 65_536)),
    ("O09-glued", response(b"HTTP/1.1 200OK")),
    ("O10", response(OK, b"X: " + b"v" * 33_000)),
    ("T14-fields", response(OK, *[b"X: v"] * 101)),
    ("O23-ssh", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    ("O23-tls", b"\x15\x03\x01\x00\x02\x02\x28\r\n\r\n"),
    ("O23-0.9", b"<html>\r\n\r\n"),
    ("N11-lf", response(OK, b"Location: /a\nSet-Cookie: b")),
    ("N11-nul", response(OK, b"Location: /a\0")),
    ("N11-fold", response(OK, b"Set-Cookie: a", b" b")),
    ("N11-cr", response(OK, b"Location: /a\rX: b")),
    ("F10", response(OK, b"Content-Length : 5")),
    ("F38", b"HTTP/1.1 200 OK\nX: y\n\n"),
]


@pytest.mark.parametrize(
    "head", [row[1] for row in REFUSED_RESPONSES], ids=[row[0] for row in REFUSED_RESPONSES]
)
def test_a_hostile_response_head_is_refused(head: bytes) -> None:
    with pytest.raises(BadMessage) as refused:
        parse_response_head(head, LIMITS)
    assert refused.value.status == 502


@pytest.mark.parametrize(
    ("head", "status", "reason", "minor"),
    [
        (response(OK, b"X-Y: z"), 200, b"OK", 1),
        (response(b"HTTP/1.0 404 Not  Found "), 404, b"Not  Found ", 0),
        (response(b"HTTP/1.1 204 "), 204, b"", 1),
        (response(b"HTTP/1.1 304"), 304, b"", 1),
        (response(b"HTTP/1.1 599 \xe9"), 599, b"\xe9", 1),
    ],
)
def test_a_sound_response_head_is_read(head: bytes, status: int, reason: bytes, minor: int) -> None:
    read, read_minor = parse_response_head(head, LIMITS, 1.0, 2.0)
    assert (read.status, read.reason, read_minor) == (status, reason, minor)
    assert (read.requested_at, read.received_at) == (1.0, 2.0)
    if b"X-Y" in head:
        assert first_value(read.fields, b"x-y") == b"z"


@pytest.mark.parametrize(
    ("minor", "value", "kept"),
    [
        (1, None, True),
        (1, b"close", False),
        (1, b"x, CLOSE", False),
        (1, b"keep-alive", True),
        (1, b"keep-alive, close", False),
        (0, None, False),
        (0, b"Keep-Alive", True),
        (0, b"keep-alive, close", False),
    ],
)
def test_persistence(minor: int, value: bytes | None, kept: bool) -> None:
    fields = () if value is None else ((b"connection", value),)
    assert keeps_alive(minor, fields) is kept


@given(st.binary(max_size=200), st.integers(0, 60), st.integers(0, 60))
def test_any_bytes_are_read_or_refused(noise: bytes, start: int, end: int) -> None:
    sound = post(b"X: y", CL + b"5")
    for head in (noise, sound[:start] + noise + sound[start + end :]):
        with suppress(BadMessage):
            request = parse_request_head(head, LIMITS)
            assert head.endswith(b"\r\n\r\n")
            assert b"\0" not in head
            assert request.path.startswith(b"/") or request.path == b"*"


def test_a_refusal_is_raised_anew_each_time() -> None:
    """One raised again and again would hold the frames, so the connections, of all who got it."""
    refused = []
    for _ in range(2):
        with pytest.raises(BadMessage) as caught:
            parse_request_head(get(b"/")[:-2] + b"Bad header: x\r\n\r\n", LIMITS)
        refused.append(caught.value)
    assert refused[0] is not refused[1]
    assert refused[0].why is refused[1].why is BadReason.FIELD
