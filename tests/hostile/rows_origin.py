"""Rows of sections 8 to 10: ranges, content, and an origin that misbehaves."""

from __future__ import annotations

from tests.hostile.recorder import End, Responder, Script, response, told_of
from tests.hostile.stage import HostilePlay
from tests.hostile.story import Step, Story, asks
from tests.hostile.strict import Seen

KEPT = b"Cache-Control: max-age=60"
PLAIN = {"semantics": "rfc9111"}
OBJECT = bytes(range(256)) * 4
ALL = b"content-length: 1024"


def _object(_seen: Seen) -> Script:
    return response(OBJECT, KEPT, b'ETag: "v1"', b"Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT")


def _weak(_seen: Seen) -> Script:
    return response(OBJECT, KEPT, b'ETag: W/"v1"')


def _part(content_range: bytes) -> Responder:
    """A 206 of ten bytes that says this of itself, to whoever asks for a part."""

    def answer(seen: Seen) -> Script:
        if not seen.values(b"range"):
            return response(told_of(seen), KEPT)
        lines = (KEPT, b'ETag: "v1"', *([content_range] if content_range else []))
        return response(b"0123456789", *lines, status=b"206 Partial Content")

    return answer


def _small(play: HostilePlay) -> None:
    written = [len(viewer.transport.written) for viewer in play.viewers.values()]
    assert max(written) <= len(OBJECT) + 2 * 1024, max(written)


def _range(id: str, lines: bytes, *, status: tuple[int, ...] = (200,), origin: Responder = _object,
           warm: bool = True, method: bytes = b"GET") -> Story:  # fmt: skip
    steps = (Step(asks(b"/o")),) * warm
    return Story(
        id, lines.decode()[:60] + ("" if warm else " (on a miss)"),
        (*steps, Step(asks(b"/o", lines, method=method), status), Step(asks(b"/o"), has=OBJECT)),
        origin, finally_=_small,
    )  # fmt: skip


_FUTURE = b"If-Range: Fri, 01 Jan 2100 00:00:00 GMT"
_BAD_PARTS = (
    b"Content-Range: bytes 0-99/50", b"Content-Range: */*", b"Content-Range: items 0-1/2", b"",
    b"Content-Range: bytes 5-14/1024", b"Content-Range: bytes 0-8/1024",
)  # fmt: skip

RANGES = [
    *(_range("R01", b"Range: bytes=" + b",".join([b"0-"] * 1_000), status=(200, 416), warm=warm)
      for warm in (True, False)),
    _range("R03", b"Range: bytes=" + b",".join(b"%d-%d" % (n, n) for n in range(0, 1024, 2)),
           status=(200, 416)),
    _range("R03", b"Range: bytes=" + b",".join(b"%d-%d" % (n, n) for n in range(0, 5_000, 2)),
           status=(200, 416)),
    _range("R04", b"Range: bytes=300-400,100-200"),
    _range("R06", b"Range: bytes=0-0", method=b"HEAD"),
    _range("R06", b"Range: bytes=0-0\r\nContent-Length: 0", method=b"POST"),
    _range("R07", b'Range: bytes=0-0\r\nIf-Range: "other"'),
    _range("R07", b'Range: bytes=0-0\r\nIf-Range: W/"v1"', origin=_weak),
    _range("R07", b'Range: bytes=0-0\r\nIf-Range: "v1", "v2"'),
    _range("R07", b"Range: bytes=0-0\r\nIf-Range: Sun, 31 Dec 2023 00:00:00 GMT"),
    _range("R07", b"Range: bytes=0-0\r\n" + _FUTURE),
    _range("R08", b'Range: bytes=0-0\r\nIf-Range: "v1"\r\nIf-None-Match: "v1"', status=(304,)),
    *(Story("R12", line.decode() or "no Content-Range",
            (Step(asks(b"/o", b"Range: bytes=0-9"), (502,)),
             Step(asks(b"/o"), has=b"GET /o\n", reaches=1)), _part(line), PLAIN)
      for line in _BAD_PARTS),
    Story("R13", "the origin ignores Range",
          (Step(asks(b"/o", b"Range: bytes=0-9"), (206,), has=OBJECT[:10]),
           Step(asks(b"/o"), has=OBJECT, reaches=0)), _object),
]  # fmt: skip


def _labeled(coding: bytes) -> Responder:
    return lambda seen: response(b"plain bytes", KEPT, b"Content-Encoding: " + coding)


def _log_is_whole(play: HostilePlay) -> None:
    play.access_log.flush()
    lines = [one for one in bytes(play.log).split(b"\n") if one and not one.startswith(b"#")]
    assert len(lines) == 1, lines
    assert len(lines[0].split(b"\t")) == 35, lines[0]
    assert not any((byte < 0x20 and byte != 9) or byte >= 0x7F for byte in lines[0]), lines[0]


def _raw(*pieces: bytes, end: End = "keep") -> Responder:
    return lambda seen: Script(pieces, end)


CONTENT = [
    *(Story("N02", f"Content-Encoding: {coding.decode()}",
            (Step(asks(b"/p", b"Accept-Encoding: gzip, br"), has=b"plain bytes"),
             Step(asks(b"/p"), has=b"plain bytes")), _labeled(coding), {"compress": True})
      for coding in (b"gzip, gzip, gzip", b"bogus", b"gzip")),
    Story("N03", "Accept-Encoding: identity;q=0, *;q=0",
          (Step(asks(b"/p", b"Accept-Encoding: identity;q=0, *;q=0"), (200, 406)),
           Step(asks(b"/p"), has=b"GET /p")), scene={"compress": True}),
    *(Story("N05", f"redirect of {target.decode()}",
            (Step(asks(target, b"X-Forwarded-Host: evil.test"), (301, 302, 400),
                  lacks=(b"Location: //", b"https://evil", b"Location: /"), reaches=0),),
            scene={"behavior": {"viewer_protocol_policy": "redirect-to-https"}, "memory_bytes": 1},
            finally_=lambda play: None)
      for target in (b"//evil.test/%2f..", b"/\\evil.test", b"/p")),
    Story("N06", "a page of ours never echoes the path",
          (Step(asks(b"/<script>alert(1)</script>", method=b"TRACE"), (405,),
                lacks=(b"<script>",)),)),
    *(Story("N07", repr(line)[2:40],
            (Step(asks(b"/p?%0a${jndi:x}", line)),), scene={"memory_bytes": 1_000_000},
            finally_=_log_is_whole)
      for line in (b'User-Agent: a"b\tc\xff', b"User-Agent: ${jndi:ldap://x}",
                   b"User-Agent: " + b"u" * 20_000, b"Referer: a\tb\xe9%0a", b"Cookie: a=\t\xff")),
    *(Story("N11", repr(line)[2:60],
            tuple(Step(asks(b"/p"), (502,), lacks=(b"evil",)) for _ in range(2)),
            _raw(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + line + b"\r\n\r\n"),
            {"behavior": {}})
      for line in (b"Location: /a\nSet-Cookie: evil", b"Location: /a\0evil",
                   b"Set-Cookie: a=b\r\n evil", b"Location: /\revil")),
]  # fmt: skip

_OK = b"HTTP/1.1 200 OK\r\n" + KEPT + b"\r\n"
_SHORT = _OK + b"Content-Length: 100\r\n\r\n" + b"x" * 50
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
_TWICE_CUT = (Step(asks(b"/p"), (0, 502)), Step(asks(b"/p"), (0, 502)))
_STRANGE = (
    b"HTTP/1.1 099 X", b"HTTP/1.1 1000 X", b"HTTP/1.1 2OO OK", b"HTTP/3.7 200 OK", b"",
    b"HTTP/1.1 200 " + b"\x07" * 65_536,
)  # fmt: skip


def _tail(seen: Seen) -> Script:
    """Every answer has bytes behind it, which would be the next request's answer."""
    lines = b"HTTP/1.1 204 No Content\r\n" + KEPT + b"\r\n\r\n"
    return Script((lines + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",))


def _head_with_body(seen: Seen) -> Script:
    if seen.method == b"HEAD":
        return Script((_OK + b"Content-Length: 4\r\n\r\nevil",))
    return response(told_of(seen), KEPT)


def _unasked_304(seen: Seen) -> Script:
    return Script((b"HTTP/1.1 304 Not Modified\r\n" + KEPT + b"\r\n\r\n",))


def _fails_twice(id: str, what: str, origin: Responder, status: int = 502) -> Story:
    """Nothing is kept of it: the second viewer asks again."""
    steps = tuple(Step(asks(b"/p"), (status,), lacks=(b"evil",)) for _ in range(2))
    return Story(id, what, steps, origin)


MISBEHAVING = [
    Story("O01", "Content-Length 100, 50 bytes, FIN", _TWICE_CUT, _raw(_SHORT, end="fin")),
    *(Story("O02", f"the same with a reset after {cut} of {len(_SHORT)} bytes",
            tuple(Step(asks(b"/p"), (0, 502) if b"\r\n\r\n" in _SHORT[:cut] else (502,))
                  for _ in range(2)),
            _raw(_SHORT[:cut], end="rst"))
      for cut in range(0, len(_SHORT) + 1, 3)),
    Story("O04", "chunked without the last chunk", _TWICE_CUT,
          _raw(_CHUNKED + b"5\r\nhello\r\n", end="fin")),
    Story("O05", "a bad size in the middle", _TWICE_CUT,
          _raw(_CHUNKED + b"5\r\nhello\r\n", b"zz\r\nevil\r\n0\r\n\r\n")),
    Story("O04", "in chunks, whole in one segment: it gets a length",
          (Step(asks(b"/p"), has=b"Content-Length: 5\r\n"), Step(asks(b"/p"), has=b"hello",
                                                                 reaches=0)),
          _raw(_CHUNKED + b"5\r\nhello\r\n0\r\n\r\n")),
    Story("O06", "neither length nor chunked, FIN",
          (Step(asks(b"/p"), has=b"hello"), Step(asks(b"/p"), has=b"hello")),
          _raw(_OK + b"\r\nhello", end="fin")),
    Story("O06", "the same with a reset", _TWICE_CUT, _raw(_OK + b"\r\nhello", end="rst")),
    Story("O07", "length and chunked together",
          (Step(asks(b"/p"), (200, 502), lacks=(b"Content-Length: 3",)),),
          _raw(_OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
               b"0\r\n\r\n")),
    *(_fails_twice("O09", repr(line[:40])[2:-1],
                   _raw(line + b"\r\nContent-Length: 0\r\n\r\n", end="fin")) for line in _STRANGE),
    _fails_twice("O10", "a head of 1 MiB", _raw(*(b"HTTP/1.1 200 OK\r\n",
                                                  *(b"X: " + b"x" * 1_000 + b"\r\n",) * 1_000))),
    _fails_twice("O16", "101 nobody asked for",
                 _raw(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nevil")),
    Story("O15", "103 with Link, then 200",
          (Step(asks(b"/p"), has=b"hello"), Step(asks(b"/p"), has=b"hello", reaches=0,
                                                 lacks=(b"Link",))),
          _raw(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
               _OK + b"Content-Length: 5\r\n\r\nhello")),
    Story("O17", "204 and more behind it", (Step(asks(b"/p"), (204,), lacks=(b"evil",)),), _tail),
    Story("O17", "an answer to HEAD with a body",
          (Step(asks(b"/p", method=b"HEAD"), lacks=(b"evil",)), Step(asks(b"/p"), has=b"GET /p")),
          _head_with_body),
    _fails_twice("O18", "304 to an unconditional request", _unasked_304),
    *(_fails_twice("O23", repr(banner)[2:30], _raw(banner, end="fin"))
      for banner in (b"SSH-2.0-OpenSSH_9.2\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"<html>x</html>",
                     b"evil\r\n\r\n")),
    _fails_twice("O24", "HTTP/1.0 in chunks",
                 _raw(b"HTTP/1.0 200 OK\r\n" + KEPT + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
                      b"4\r\nevil\r\n0\r\n\r\n")),
]  # fmt: skip
