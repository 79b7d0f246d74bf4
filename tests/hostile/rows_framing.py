"""Rows of section 1 and 2: where a message ends."""

from __future__ import annotations

from tests.hostile.message import Message, refused
from tests.hostile.stage import HOST

CHUNKED = b"Transfer-Encoding: chunked\r\n"
OK = ((200,),)


def post(lines: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    """`POST /f` with these field lines."""
    return b"POST /f HTTP/%b\r\n%b%b\r\n%b" % (version, HOST, lines, body)


def get(lines: bytes = b"", target: bytes = b"/f") -> bytes:
    """A GET with these field lines after Host."""
    return b"GET %b HTTP/1.1\r\n%b%b\r\n" % (target, HOST, lines)


_SMUGGLED = b"GET /admin HTTP/1.1\r\n" + HOST + b"\r\n"
_ZERO = b"0\r\n\r\n"
_BAD_LENGTHS = (
    b"+5", b"-1", b"-48", b"1_0", b"0x5", b"5;", b"5 5", b"5.0", b"1e1", b"\xd9\xa5",
)  # fmt: skip
_CONTROLS = (*range(1, 9), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F)

FRAMING = [
    *refused("F01", post(b"Content-Length: 6\r\n" + CHUNKED, b"0\r\n\r\nG")),
    *refused("F02", post(b"Content-Length: 4\r\n" + CHUNKED, b"5c\r\nGPOST / HTTP/1.1\r\n\r\n0")),
    *refused("F03", post(CHUNKED + b"Transfer-Encoding: identity\r\n", _ZERO + _SMUGGLED)),
    *refused("F04", post(CHUNKED * 2, _ZERO)),
    *refused("F06", post(b"Transfer-Encoding: chunked,\r\n", _ZERO)),
    *refused(
        "F07",
        *(
            post(b"Transfer-Encoding: %b\r\n" % coding, _ZERO + _SMUGGLED)
            for coding in (b"xchunked", b"chunkedchunked", b"pigeons")
        ),
        status=(501,),
    ),
    *refused(
        "F10",
        post(b"Transfer-Encoding : chunked\r\n", _ZERO),
        post(b"Transfer-Encoding\t: chunked\r\n", _ZERO),
    ),
    *refused(
        "F11",
        b"POST /f HTTP/1.1\r\n " + HOST + b"Content-Length: 0\r\n\r\n",
        b"POST /f HTTP/1.1\r\n\t" + HOST + b"Content-Length: 0\r\n\r\n",
    ),
    *refused("F12", post(b"X: y\r\n Transfer-Encoding: chunked\r\n", _ZERO)),
    *refused("F13", post(b"Transfer-Encoding:\r\n chunked\r\n", _ZERO)),
    Message(
        "F15",
        post(b"Transfer_Encoding: chunked\r\nContent-Length: 5\r\n", b"hello"),
        OK,
        closed=False,
        origin=((b"POST", b"/f", b"hello"),),
        never=b"_",
    ),
    Message(
        "F15",
        post(b"Content_Length: 0\r\nContent-Length: 5\r\n", b"hello"),
        OK,
        closed=False,
        origin=((b"POST", b"/f", b"hello"),),
        never=b"_",
    ),
    *refused("F16", post(b"Transfer-Encoding: identity\r\n", _SMUGGLED)),
    *refused("F17", post(b"Transfer-Encoding: gzip, chunked\r\n", _ZERO), status=(501,)),
    *refused("F18", post(b"Transfer-Encoding: chunked, gzip\r\n", _ZERO)),
    *refused(
        "F20",
        post(CHUNKED, _ZERO, b"1.0"),
        post(CHUNKED + b"Content-Length: 5\r\n", _ZERO, b"1.0"),
    ),
    *refused(
        "F21",
        post(b"Transfer-Encoding:\r\nContent-Length: 5\r\n", b"hello"),
        post(b"Transfer-Encoding:\r\n" * 3 + b"Content-Length: 5\r\n", b"hello"),
    ),
    *refused(
        "F22",
        post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"helloX"),
        post(b"Content-Length: 6\r\nContent-Length: 5\r\n", b"helloX"),
    ),
    *refused(
        "F23",
        post(b"Content-Length: 5\r\n" * 2, b"hello"),
        post(b"Content-Length: 5, 5\r\n", b"hello"),
        post(b"Content-Length: 5,5,5\r\n", b"hello"),
    ),
    *refused("F24", *(post(b"Content-Length: %b\r\n" % n, b"hello") for n in _BAD_LENGTHS)),
    *refused(
        "F26",
        post(b"Content-Length:\r\n", _SMUGGLED),
        post(b"Content-Length:\r\nContent-Length: 43\r\n", _SMUGGLED),
    ),
    *refused("F27", post(b"Content-Length: %b\r\n" % (b"9" * 20)), status=(400, 413)),
    *refused("F27", post(b"Content-Length: %b\r\n" % (b"9" * 5_000)), status=(400, 413)),
    *refused("F29", post(b"Content-Length 10\r\n", b"0123456789")),
    *refused("F32", post(b"Expect: y 100-continue\r\nContent-Length: 2\r\n", b"ab"), status=(417,)),
    *refused("F32", post(b"Expect: 200-ok\r\nContent-Length: 2\r\n", b"ab"), status=(417,)),
    *refused("F38", b"GET / HTTP/1.1\nHost: site.test\n\n"),
    *refused("F39", post(b"X: a\nContent-Length: 5\r\n", b"hello")),
    *refused("F40", post(b"X: a\rTransfer-Encoding: chunked\r\n", _ZERO)),
    *refused("F42", b"GET / HTTP/1.1\rHost: site.test\r\rX"),
    *refused("F43", get(b"X: a\0b\r\n"), get(b"X\0: a\r\n")),
    *refused("F44", get(b": v\r\n"), get(b":\r\n")),
    *refused("F45", *(get(b"X: a%cb\r\n" % code) for code in _CONTROLS)),
    *refused("F47", get(b" \r\nX: a\r\n"), get(b"\t \r\nX: a\r\n")),
]

PIPELINED = [
    *(
        Message(
            "F30",
            b"POST /hit.css HTTP/1.1\r\n%b%b\r\n%b" % (HOST, lines, sent),
            OK, closed=None, origin=((b"POST", b"/hit.css", inner),), methods=(b"POST",),
        )
        for inner in [b"GET /admin HTTP/1.1\r\nX: "]
        for lines, sent in [
            (b"Content-Length: %d\r\n" % len(inner), inner),
            (CHUNKED, b"%x\r\n%b\r\n0\r\n\r\n" % (len(inner), inner)),
        ]
    ),
    *(
        # RFC 9110 §7.6.2: an OPTIONS whose Max-Forwards is 0 ends here.
        Message(
            "F33", b"%b /f HTTP/1.1\r\n%b%b\r\n%b" % (method, HOST, lines, sent),
            ((204,),) if (ends := method == b"OPTIONS" and b"Max" in lines) else status,
            closed=None, origin=((method, b"/f", inner),) if status == OK and not ends else (),
            methods=(method,),
        )
        for inner in [b"GET /admin HTTP/1.1\r\n\r\n"]
        for method, status in [
            (b"OPTIONS", OK), (b"DELETE", OK), (b"TRACE", ((403, 405),)),
        ]
        for lines, sent in [
            (b"Content-Length: 23\r\n", inner),
            (b"Max-Forwards: 0\r\nContent-Length: 23\r\n", inner),
            (CHUNKED, b"17\r\n%b\r\n0\r\n\r\n" % inner),
        ]
    ),
    *(
        Message(
            "F34", b"%b %b HTTP/1.1\r\n%b%b\r\n%b" % (method, target, HOST, lines, sent),
            ((403,),), closed=None, methods=(method,),
        )
        for method in (b"GET", b"HEAD")
        for target in (b"/f", b"/hit.css")
        for lines, sent in [
            (b"Content-Length: %d\r\n" % len(_SMUGGLED), _SMUGGLED),
            (CHUNKED, b"%x\r\n%b\r\n0\r\n\r\n" % (len(_SMUGGLED), _SMUGGLED)),
        ]
    ),
    Message(
        "F35", b"".join(get(target=b"/hit.css") for _ in range(10)), OK * 10, closed=False,
    ),
    *(
        Message(
            "F35", post(lines, sent) + get(target=b"/hit.css"), OK * 2, closed=False,
            origin=((b"POST", b"/f", b"hello"),), methods=(b"POST", b"GET"),
        )
        for lines, sent in [
            (b"Content-Length: 5\r\n", b"hello"), (CHUNKED, b"5\r\nhello\r\n0\r\n\r\n"),
        ]
    ),
    *(
        Message("F36", get(target=b"/hit.css") + bad, ((200,), (400,)))
        for bad in (b"Invalid\r\n\r\n", b"\0\r\n\r\n", b"get / HTTP/1.1\r\n\n")
    ),
    Message("F37", get(b"Connection: close\r\n", b"/hit.css") + _SMUGGLED, OK),
    Message("F37", b"GET /hit.css HTTP/1.0\r\n" + HOST + b"\r\n" + _SMUGGLED, OK),
]  # fmt: skip


def chunks(body: bytes) -> bytes:
    """A chunked POST with this, as it stands, for its body."""
    return post(CHUNKED, body)


_SIZES = (b"0x5", b"+5", b"-1", b"5_0", b" 5", b"5 ", b"5\t")
_SPILLS = (b"\n", b"\r", b"", b"XX", b"\rX", b"\r\r")
_TRAILERS = b"Host: evil\r\nContent-Length: 5\r\nAuthorization: x\r\nX-Forwarded-For: 1.2.3.4\r\n"

CHUNKS = [
    *refused("C01", *(chunks(s + b"\r\nhello\r\n0\r\n\r\n") for s in _SIZES), begun=True),
    *refused(
        "C02",
        *(chunks(s + b"\r\nhello\r\n0\r\n\r\n")
          for s in (b"FFFFFFFFFFFFFFFF", b"10000000000000005")),
        begun=True,
    ),
    *refused(
        "C03",
        *(chunks(s + b"\r\nhello\r\n0\r\n\r\n") for s in (b"5these-bytes", b"Z", b"")),
        begun=True,
    ),
    *refused("C06", *(chunks(b"5\r\nhello%b0\r\n\r\n" % s) for s in _SPILLS), begun=True),
    *refused("C08", chunks(b"2;\r\nAA\r\n0\r\n\r\n"), begun=True),
    *refused(
        "C11",
        chunks(b"5;a=" + b"x" * 65_536 + b"\r\nhello\r\n0\r\n\r\n"),
        chunks((b"1;a=" + b"x" * 1_024 + b"\r\nA\r\n") * 64 + b"0\r\n\r\n"),
        status=(400, 413), begun=True,
    ),
    *refused("C13", *(chunks(b"5\r\nhello\r\n0" + s) for s in (b"\n\n", b"\r\n\n", b"\r\nX:\n")),
             begun=True),
    *refused("C14", chunks(b"\n5\r\nhello\r\n0\r\n\r\n"), chunks(b"\r\n5\r\nhello\r\n0\r\n\r\n"),
             begun=True),
    Message(
        "C15", chunks(b"5\r\nhello\r\n0\r\n" + _TRAILERS + b"\r\n"), OK, closed=False,
        origin=((b"POST", b"/f", b"hello"),), never=b"evil",
    ),
    *refused(
        "C16",
        *(chunks(b"5\r\nhello\r\n0\r\n" + t)
          for t in (b"A: b\nC: d\r\n\r\n", b"A: b\r\n c\r\n\r\n", b"Ab\r\n\r\n")),
        begun=True,
    ),
    *refused("C17", chunks(b"5\r\nhello\r\n0\r\n" + b"a: b\r\n" * 1_000), status=(431,),
             begun=True),
    Message(
        "C18", chunks(b"2;a=b\r\nhe\r\n003;c=\"d;e\"\r\nllo\r\n0\r\n\r\n"), OK, closed=False,
        origin=((b"POST", b"/f", b"hello"),), never=b";",
    ),
]  # fmt: skip
