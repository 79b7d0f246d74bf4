"""Rows of section 3, and those of 4 that are refused: request line, target, Host."""

from __future__ import annotations

from edgecache.config.model import SemanticsName
from tests.hostile.message import Message, refused
from tests.hostile.rows_framing import get, post
from tests.hostile.stage import HOST

OK = ((200,),)


def line(text: bytes, host: bytes = HOST) -> bytes:
    """A head with this request line."""
    return text + b"\r\n" + host + b"\r\n"


def hosted(*values: bytes) -> bytes:
    """A GET of the warm object with these Host fields."""
    lines = b"".join(b"Host: %b\r\n" % value for value in values)
    return b"GET /hit.css HTTP/1.1\r\n" + lines + b"\r\n"


_VERSIONS = (  # RFC 9112 §2.3
    b"HTTP/1.32", b"HTTP/01.1", b"http/1.1", b"HTTP/9.9", b"HTTP/1", b"HTTP/4294967295.255",
)  # fmt: skip
_HEAD_TOO_BIG: tuple[tuple[SemanticsName, int], ...] = (
    ("rfc9111", 431),  # RFC 6585 §5
    ("cloudfront", 494),  # CloudFront Developer Guide, "Quotas"
)
_NO_HOSTS = (
    b"site..test",
    b".site.test",
    b"site.test..",
    b"a" * 64 + b".test",
    b"site.test:99999",
    b"site.test:0",
    b"site.test:8o",
    b"site.test:-1",
    b"site.test:80:80",
    b":80",
    b"u@site.test",
    b"u:p@site.test",
    b"site%2etest",
    b"*.test",
    b"s\xc3\xaete.test",
    b"site.test\\",
    b"[::1",
    b"::1",
    b"[::1]x",
    b"[]",
    b"[::g]",
    b"[1.2.3.4]",
    b"[::1%25eth0]",
    b"[v1.a]",
)
_UNKNOWN_HOSTS = (b"other.test", b"192.0.2.7", b"[::1]", b"169.254.169.254", b"127.0.0.1:6379")
_NAMED = (b"Host", b"Content-Length", b"Transfer-Encoding", b"Cookie", b"Authorization")

TARGETS = [
    *refused("T01", line(b"GET http://evil.test/ HTTP/1.1")),
    *refused("T03", line(b"GET http://u:p@site.test/ HTTP/1.1")),
    Message("T03", line(b"GET HTTP://SITE.TEST:80/hit.css HTTP/1.1"), OK, closed=False),
    *refused("T04", line(b"GET /x#frag HTTP/1.1")),
    *refused("T05", line(b"GET * HTTP/1.1")),
    Message("T05", line(b"OPTIONS * HTTP/1.1"), ((200, 204),), closed=False,
            methods=(b"OPTIONS",)),
    *refused("T06", b"CONNECT site.test:443 HTTP/1.1\r\nHost: site.test:443\r\n\r\n",
             status=(405, 501)),
    *refused("T07", *(line(b"GET %b HTTP/1.1" % t)
                      for t in (b"admin", b"site.test:80/x", b"@evil/", b"!"))),
    *refused(
        "T08",
        line(b"GET  /x HTTP/1.1"), line(b"GET\t/x HTTP/1.1"), line(b"GET\x0b/x HTTP/1.1"),
        line(b"GET /x HTTP/1.1 "), line(b"GET\n/x HTTP/1.1"), line(b"GET /x  HTTP/1.1"),
    ),
    *refused("T09", *(line(b"GET /x " + v) for v in _VERSIONS), status=(400, 505)),
    *refused("T09", line(b"GET /x HTTP/2.0"), line(b"GET /x HTTP/0.9"), status=(505,)),
    *(Message("T09", line(b"GET /hit.css HTTP/1.%d" % minor), OK, closed=False)
      for minor in (2, 9)),  # RFC 9110 §2.5: as 1.1
    *refused("T10", b"GET /\r\n\r\n"),
    *refused("T11", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", status=(400, 505)),
    *refused(
        "T12",
        line(b'G=":<>(e),[T];?" / HTTP/1.1'),
        line(b"get / HTTP/1.1"), line(b"\0 / HTTP/1.1"), line(b"G\0T / HTTP/1.1"),
        status=(400, 501),
    ),
    *refused("T12", *(line(b"A" * n + b" / HTTP/1.1") for n in (33, 20_000, 102_400)),
             status=(400,)),  # decision 022
    *refused("T13", *(line(b"GET /%b HTTP/1.1" % (b"a" * n)) for n in (8_192, 65_536, 2**20)),
             status=(414,)),
    *refused("T14", get(b"A: b\r\n" * 101), status=(431,)),
    *(
        row
        for rules, status in _HEAD_TOO_BIG
        for row in refused(
            "T14", get(b"X: " + b"a" * 32_769 + b"\r\n"), get(b"A" * 40_000 + b": a\r\n"),
            get(b"A: b\r\n" * 10_000), status=(status,), only=rules,
        )
    ),
    *refused(
        "T15",
        *(line(b"GET /a%cb HTTP/1.1" % c) for c in (0x00, 0x07, 0x20, 0x7F, 0x80, 0xC3, 0xFF)),
    ),
    *(
        Message("T16", get(target=target), OK, closed=False,
                origin=((b"GET", target, b""),), never=b"\r\nSet-Cookie")
        for target in (b"/n%00x", b"/n%0d%0aSet-Cookie:x", b"/n%0D%0A%0d%0aGET%20/admin")
    ),
    # Browsers send `\` in a query as it is (WHATWG's URL Standard, query percent-encode set).
    *(
        Message("T18", get(target=target), OK, closed=False, origin=((b"GET", target, b""),))
        for target in (b"/a/%5c..%5cb", b"/a?b\\c")
    ),
    *refused("T18", *(get(target=target) for target in (b"/a\\..\\b", b"/\\a?b"))),
    *refused("T19", b"GET /x HTTP/1.1\r\n\r\n", hosted(b"site.test", b"site.test"),
             hosted(b"site.test", b"evil.test"), hosted(b"site.test, evil.test"), hosted(b"")),
    *refused("T19", b"GET http://site.test/ HTTP/1.1\r\n\r\n"),  # RFC 9112 §3.2: lacks Host
    *refused("T20", *(hosted(host) for host in _NO_HOSTS)),  # RFC 9112 §3.2, RFC 3986 §3.2
    *refused("T20", *(line(b"GET http://%b/ HTTP/1.1" % host, b"Host: %b\r\n" % host)
                      for host in _NO_HOSTS)),
    *(Message("T21", hosted(host), OK, closed=False)
      for host in (b"SITE.TEST", b"site.test.", b"site.test:80")),
    *(Message("T22", hosted(host), ((403, 421),), closed=None) for host in _UNKNOWN_HOSTS),
    Message("T24", b"TRACE /f HTTP/1.1\r\n%bCookie: secret\r\n\r\n" % HOST, ((405,),),
            closed=None, methods=(b"TRACE",)),
    Message(
        "T25",
        get(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
            b"/h2c"),
        OK, closed=False, origin=((b"GET", b"/h2c", b""),), never=b"pgrade",
    ),
    # RFC 9110 §7.6.2: with Max-Forwards an OPTIONS ends at 0 and is counted down before.
    *(
        Message(
            "T31", b"OPTIONS /o HTTP/1.1\r\n%bMax-Forwards: %b\r\n\r\n" % (HOST, steps),
            ((204,),) if steps.strip(b"0") == b"" else OK, closed=False,
            origin=((b"OPTIONS", b"/o", b""),) if steps.strip(b"0") else (),
            never=b"Max-Forwards: %b\r" % steps, methods=(b"OPTIONS",),
        )
        for steps in (b"0", b"000", b"1", b"10", b"-1", b"x", b"1, 2", b"9999999999")
    ),
    # Decision 022: what browsers send as it is goes on as it is.
    Message("T17", get(target=b"/a[b]^{c}|`d\"<e>?f=[g]^{h}|`i\"<j>'"), OK, closed=False,
            origin=((b"GET", b"/a[b]^{c}|`d\"<e>?f=[g]^{h}|`i\"<j>'", b""),)),
    *refused("T03", *(line(b"GET %b HTTP/1.1" % t) for t in (
        b"ftp://site.test/", b"http:///", b"http://site.test@evil.test/",
    ))),
    # RFC 9110 §8.6: digits are a length, however many; they go on as fewest say it.
    Message("F25", post(b"Content-Length: 0005\r\n", b"hello"), OK, closed=False,
            origin=((b"POST", b"/f", b"hello"),), never=b"0005", methods=(b"POST",)),
    # RFC 9112 §6.1, RFC 9110 §5.6.2: the names of codings are case-insensitive.
    Message("F05", post(b"Transfer-Encoding: cHuNkEd\r\n", b"5\r\nhello\r\n0\r\n\r\n"), OK,
            closed=False, origin=((b"POST", b"/f", b"hello"),), methods=(b"POST",)),
    *refused("F05", post(b"Transfer-Encoding: chunked;a=b\r\n", b"0\r\n\r\n"),
             post(b"Transfer-Encoding: , chunked\r\n", b"0\r\n\r\n")),
    *refused("F32", get(b"Expect: 100-continue, a\r\n"), status=(417,)),  # RFC 9110 §10.1.1
    Message("T28", b"\r\n" + get(target=b"/hit.css"), OK, closed=False),
    *refused("T28", b"\r\n" * 10_000),
    *refused("T29", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + get()),
    Message("T30", get(b"CDN-Loop: cloudfront, cloudfront\r\n"), ((403, 508),), closed=None),
    *refused(
        "B02",
        *(get(b"Connection: %b\r\n" % name) for name in (*_NAMED, b"Cache-Control")),
        post(b"Connection: Content-Length\r\nContent-Length: 5\r\n", b"hello"),
    ),
    *refused("P06", get(b"X-Meta: \x07\r\n")),
]  # fmt: skip
