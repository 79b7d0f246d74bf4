"""Rows of sections 4 to 8: what reaches the origin, what is kept, and for whom."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_to_bytes

from edgecache.config.model import (
    CachePolicy,
    HeaderSelection,
    OriginRequestPolicy,
    Selection,
)
from tests.hostile.recorder import Responder, Script, response, told_of
from tests.hostile.stage import HostilePlay
from tests.hostile.story import Step, Story, asks
from tests.hostile.strict import Seen

KEPT = b"Cache-Control: max-age=60"
PLAIN: dict[str, Any] = {"semantics": "rfc9111"}
CLOUDFRONT: dict[str, Any] = {"semantics": "cloudfront"}  # of what only its policies do


def unkeyed(
    id: str, *lines: bytes, semantics: tuple[str, ...] = ("cloudfront", "rfc9111")
) -> list[Story]:
    """A field in no key: the origin never hears of it, and the next reader gets the honest body."""
    return [
        Story(
            id,
            f"{line.decode('latin-1')} ({rules})",
            (
                Step(asks(b"/p", line), reaches=1, never=(b"evil",)),
                Step(asks(b"/p"), reaches=0, has=b"GET /p", lacks=(b"evil",)),
            ),
            scene={"semantics": rules},
        )
        for line in lines
        for rules in semantics
    ]


def hop_by_hop(*semantics: str) -> list[Story]:
    """B01 and B05, under both sets of rules."""
    lines = (
        b"TE: evil", b"Keep-Alive: evil", b"Proxy-Connection: evil", b"Trailer: evil",
        b"Proxy-Authorization: evil", b"Upgrade: evil", b"Connection: x-a\r\nX-A: evil",
        b"Connection: close, X-Auth\r\nX-Auth: evil",
    )  # fmt: skip
    return [
        Story("B05" if line[:2] != b"Co" else "B01", f"{line.decode()} ({rules})",
              (Step(asks(b"/p", line), never=(b"evil",)),), scene={"semantics": rules})
        for line in lines for rules in semantics
    ]  # fmt: skip


def _hop_back(_seen: Seen) -> Script:
    return response(b"x", b"Connection: X-Auth", b"X-Auth: evil", b"Keep-Alive: evil", KEPT)


_POISONED = (
    b"X-Forwarded-Host: evil", b"X-Host: evil", b"Forwarded: host=evil",
    b"X-Forwarded-Server: evil",
)  # fmt: skip
_TRUSTED = (
    b"X-Cache: evil", b"Age: 77evil", b"X-Amz-Cf-Id: evil", b"X-Fill-Seq: evil",
    b"Edgecache-Token: evil", b"Edgecache-Route: evil",
)  # fmt: skip


def _limited(seen: Seen) -> Script:
    if sum(len(value) for _, value in seen.fields) > 8_000:
        return response(b"too much", status=b"431 Too Much")
    return response(told_of(seen), KEPT)


def _error(status: bytes) -> Script:
    return response(b"bad", b"Cache-Control: max-age=60", status=status)


def _range_error(seen: Seen) -> Script:
    if seen.values(b"range"):
        return _error(b"416 Range Not Satisfiable")
    return response(told_of(seen), KEPT)


def _allows(seen: Seen) -> Script:
    """An origin that lets whoever asks read it."""
    origin = seen.values(b"origin")
    allowed = (b"Access-Control-Allow-Origin: " + origin[0],) if origin else ()
    return response(b"GET /p", KEPT, *allowed)


def _always(script: Script) -> Responder:
    return lambda _seen: script


HOPS = [
    *hop_by_hop("cloudfront", "rfc9111"),
    Story("B01", "the origin's Connection: X-Auth",
          (Step(asks(b"/p"), lacks=(b"evil",)), Step(asks(b"/p"), lacks=(b"evil",), reaches=0)),
          _hop_back),
    *unkeyed("B05", b"Proxy: http://evil"),
    *unkeyed("B06", *_TRUSTED),
    # RFC 9110 §7.6.3 has every proxy pass it on.
    *unkeyed("B06", b"Via: 1.1 evil", semantics=("cloudfront",)),
    *unkeyed("B07", b"X-Accel-Redirect: evil", b"X-Sendfile: evil", b"Surrogate-Control: evil"),
]  # fmt: skip

_CLOAKED = (b"?u=1;cb=evil", b"?a=1?cb=evil", b"?cb=a&cb=evil", b"?%63b=evil")
_QUERY_U = CachePolicy(query_strings=Selection(behavior="whitelist", items=("u",)))

POISON = [
    *unkeyed("P01", *_POISONED),
    *unkeyed("P02", b"X-Forwarded-Proto: evil", b"X-Forwarded-Scheme: evil"),
    *unkeyed("P03", b"X-Original-URL: /evil", b"X-Rewrite-URL: /evil"),
    *unkeyed("P04", b"X-HTTP-Method-Override: evil", b"X-Method-Override: evil",
             b"X-HTTP-Method: evil"),
    Story("P05", "20 KiB of headers, origin limited to 8 KiB",
          (Step(asks(b"/p", b"X-Big: " + b"b" * 20_000), reaches=1),
           Step(asks(b"/p"), reaches=0, has=b"GET /p")), _limited, CLOUDFRONT),
    Story("P05", "the same where all headers go up",
          (Step(asks(b"/p", b"X-Big: " + b"b" * 20_000), (431,), reaches=1),
           Step(asks(b"/p"), reaches=1, has=b"GET /p")), _limited, PLAIN),
    *(Story("P05", f"{status.decode()} of the origin is not kept",
            (Step(asks(b"/p"), (int(status[:3]),), reaches=1),
             Step(asks(b"/p"), (int(status[:3]),), reaches=1)), _always(_error(status)))
      for status in (b"416 Range Not Satisfiable", b"431 Too Much", b"413 Too Large")),
    *(Story("P07", f"Range: bytes=cow ({rules})",
            (Step(asks(b"/p", b"Range: bytes=cow"), (200, 416)),
             Step(asks(b"/p"), has=b"GET /p")), _range_error, {"semantics": rules})
      for rules in ("cloudfront", "rfc9111")),
    *(Story("P09", "an unkeyed query",
            (Step(asks(b"/p?utm_content=evil" + extra), reaches=1, never=(b"evil",)),
             Step(asks(b"/p"), reaches=0, lacks=(b"evil",))),
            scene=CLOUDFRONT | {"policy": CachePolicy()})
      for extra in (b"", b'"><script>')),
    *(Story("P10", f"{query.decode()} (all keyed)",
            (Step(asks(b"/p" + query), has=b"GET /p" + query), Step(asks(b"/p"), lacks=(b"evil",))))
      for query in _CLOAKED),
    *(Story("P10", f"{query.decode()} (u keyed)",
            (Step(asks(b"/p" + query)),
             Step(asks(b"/p?u=1"), has=b"GET /p?u=1\n", lacks=(b"evil",)),
             Step(asks(b"/p"), has=b"GET /p\n", lacks=(b"evil",))), scene={"policy": _QUERY_U})
      for query in _CLOAKED),
    Story("P11", "a GET with a body",
          (Step(asks(b"/p", b"Content-Length: 7", body=b"cb=evil"), (403,), reaches=0),
           Step(asks(b"/p"), lacks=(b"evil",)))),
    *(Story("P12", f"Host: site.test:1337 ({rules})",
            (Step(asks(b"/p").replace(b"site.test", b"site.test:1337"), never=never),
             Step(asks(b"/p"), lacks=(b"1337",))), scene={"semantics": rules})
      for rules, never in (("cloudfront", (b"1337",)), ("rfc9111", ()))),  # there it is in the key
    *(Story("P13", f"{method.decode()} does not fill for GET",
            (Step(asks(b"/p", method=method), (200, 403)),
             Step(asks(b"/p"), has=b"GET /p\n", reaches=1)))
      for method in (b"POST", b"OPTIONS", b"PUT", b"DELETE", b"PATCH", b"PURGE")),
    Story("P13", "HEAD fills at most with what a GET gets",
          (Step(asks(b"/p", method=b"HEAD")), Step(asks(b"/p"), has=b"\r\n\r\nGET /p\n"))),
    *unkeyed("P14", b"Origin: https://evil", semantics=("cloudfront",)),
    *(Story("P14", f"an Origin that is let read ({rules})",
            (Step(asks(b"/p", b"Origin: https://evil")),
             Step(asks(b"/p", b"Origin: https://good"), lacks=(b"evil",)),
             Step(asks(b"/p"), lacks=(b"evil",))), _allows, {"semantics": rules})
      for rules in ("cloudfront", "rfc9111")),
    *(Story("P17", f"Authorization ({rules})",
            (Step(asks(b"/p", b"Authorization: evil")),
             Step(asks(b"/p"), lacks=(b"evil",))), scene={"semantics": rules})
      for rules in ("cloudfront", "rfc9111")),
    # By the letter an origin says in Vary or Cache-Control what a cookie has a say in.
    *unkeyed("P18", b"Cookie: a=evil", semantics=("cloudfront",)),
    *(Story("P19", f"Set-Cookie with public, max-age=60 ({rules})",
            (Step(asks(b"/p")), Step(asks(b"/p"), lacks=(b"evil",))),
            _always(response(b"x", b"Set-Cookie: id=evil",
                             b"Cache-Control: public, max-age=60")),
            {"semantics": rules}, wrong=wrong)
      for rules, wrong in (("cloudfront", ""),
                           ("rfc9111", "kept, as RFC 9111 has it: decision 015"))),
    Story("P19", "Set-Cookie, and nothing says that it may be kept (rfc9111)",
          (Step(asks(b"/p"), reaches=1), Step(asks(b"/p"), reaches=1)),
          _always(response(b"x", b"Set-Cookie: id=evil",
                           b"Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT")), PLAIN),
    *(Story("P21", line.decode(),
            (Step(asks(b"/p"), reaches=1), Step(asks(b"/p"), later_s=2)),
            _always(response(b"x", line)))
      for line in (b"Cache-Control: max-age=10, max-age=9999", b'Cache-Control: max-age="10"',
                   b"Cache-Control: max-age=-1", b"Cache-Control: max-age=1.5",
                   b"Cache-Control: max-age=99999999999999999999",
                   b"Cache-Control: public;max-age=9")),
    *(Story("P22", line.decode(),
            (Step(asks(b"/p"), reaches=1), Step(asks(b"/p"), later_s=2)),
            _always(response(b"x", line, KEPT)))
      for line in (b"Age: 99999999999", b"Age: -1", b"Age: x", b"Age: 1\r\nAge: 2",
                   b"Date: Fri, 31 Dec 9999 23:59:59 GMT", b"Date: rubbish", b"Expires: 0")),
    Story("O33", "Age: 10^9 with max-age=60 is not fresh",
          (Step(asks(b"/p"), reaches=1), Step(asks(b"/p"), reaches=1)),
          _always(response(b"x", b"Age: 1000000000", KEPT))),
    Story("P25", "a keyed header twice, in mixed case",
          (Step(asks(b"/p", b"X-K: a", b"x-k: evil"), has=b"evil"),
           Step(asks(b"/p", b"X-K: a"), reaches=1, lacks=(b"evil",)),
           Step(asks(b"/p", b"X-k: a"), reaches=0)),
          scene=CLOUDFRONT | {"policy": CachePolicy(
              headers=HeaderSelection(behavior="whitelist", items=("X-K",)))}),
    Story("P26", "HTTP/1.0 without Host",
          (Step(asks(b"/p")), Step(b"GET /p HTTP/1.0\r\n\r\n", (400, 403, 421), reaches=0))),
]  # fmt: skip

SECRET = b"the secret of the victim"


def _account(seen: Seen) -> Script:
    """Routes loosely: whatever decodes to something with `account` in it is the account."""
    if b"account" in unquote_to_bytes(seen.target).lower():
        cookie = b"".join(seen.values(b"cookie"))
        body = SECRET if b"victim" in cookie else b"nobody"
        return response(body, b"Cache-Control: private, max-age=60")
    return response(b"static", KEPT)


_PATHS = (
    b"/account/x.css", b"/account.css", b"/account/.js", b"/ACCOUNT/x.css", b"/account//x.css",
    b"/account;x.css", b"/account%3Bx.css", b"/account%00x.css", b"/account%0Ax.css",
    b"/account%20.css", b"/static/..%2Faccount", b"/static/%2e%2e/account", b"/static/../account",
    b"//static//..//account", b"/robots.txt/../account", b"/account/%2e%2e%2frobots.txt",
)  # fmt: skip
_D_IDS = (*range(1, 11), *range(21, 27))
_COOKIES_UP = OriginRequestPolicy(cookies=Selection(behavior="all"))

DECEPTION = [
    Story(f"D{number:02d}", path.decode(),
          (Step(asks(path, b"Cookie: u=victim"), (200, 400, 403, 404)),
           Step(asks(path), (200, 400, 403, 404), lacks=(SECRET,)),
           Step(asks(path, b"Cookie: u=other"), (200, 400, 403, 404), lacks=(SECRET,))),
          _account, {"request_policy": _COOKIES_UP})
    for number, path in zip(_D_IDS, _PATHS, strict=True)
]  # fmt: skip

_PAIRS = (
    (b"/a?b", b"/a%3Fb"), (b"/%61", b"/a"), (b"/a", b"/a/"), (b"/A", b"/a"), (b"/a//b", b"/a/b"),
    (b"/a?", b"/a"), (b"/q?x=1&y=2", b"/q?y=2&x=1"), (b"/q?a=", b"/q?a"), (b"/q?a+b", b"/q?a%20b"),
    (b"/" + b"k" * 8_180 + b"1", b"/" + b"k" * 8_180 + b"2"),
    (b"/e%CC%81", b"/%C3%A9"), (b"/%2F", b"/%C0%AF"),
)  # fmt: skip


def _varying(vary: bytes) -> Responder:
    return lambda seen: response(told_of(seen), KEPT, b"Vary: " + vary)


def _variants_bounded(play: HostilePlay) -> None:
    assert play.edge.store.size_bytes < 200_000


KEYS = [
    *(Story("K03" if len(first) < 100 and b"%C" not in first + second
            else "K06" if len(first) > 100 else "K07",
            f"{first[:20].decode()} is not {second[:20].decode()}",
            (Step(asks(first), has=b"GET %b\n" % first, reaches=1),
             Step(asks(second), has=b"GET %b\n" % second, reaches=1)), scene={"semantics": rules})
      for first, second in _PAIRS for rules in ("cloudfront", "rfc9111")),
    Story("K09", "Vary: *", (Step(asks(b"/p"), reaches=1), Step(asks(b"/p"), reaches=1)),
          _varying(b"*"), PLAIN),
    Story("K09", "Vary: ,,X-A, x-a",
          (Step(asks(b"/p", b"X-A: evil"), reaches=1), Step(asks(b"/p"), lacks=(b"evil",)),
           Step(asks(b"/p"), reaches=0)), _varying(b",,X-A, x-a"), PLAIN),
    Story("K09", "Vary with 200 names",
          (Step(asks(b"/p")), Step(asks(b"/p"))),
          _varying(b", ".join(b"x-%d" % n for n in range(200))), PLAIN),
    Story("K09", "Vary: X-A, which is not forwarded",
          (Step(asks(b"/p", b"X-A: evil"), lacks=(b"evil",)), Step(asks(b"/p"), lacks=(b"evil",))),
          _varying(b"X-A"), CLOUDFRONT),
    Story("K10", "500 values of a varied header",
          tuple(Step(asks(b"/p", b"X-A: %d" % n)) for n in range(500)),
          _varying(b"X-A"), PLAIN, _variants_bounded),
]  # fmt: skip
