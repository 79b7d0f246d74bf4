"""Request head: a header list of HTTP/2 as the head of HTTP/1.1 that asks for the same.

Law: the bytes made here are read by the one strict reader (`http/head.py`), so that no rule stands
twice and none is laxer; nothing that was two fields becomes one or the other way round, and no part
of a field becomes a line of its own. What HTTP/2 alone forbids (RFC 9113 §8.2, §8.3) is refused
here, the rest there. `Host` is what `:authority` says; a body without a length is told as chunked.
Extended CONNECT for a WebSocket is the GET that opens one, with a key of ours (RFC 8441 §4, §5).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from edgecache.http.head import request_head_of
from edgecache.http.http2.header_decoder import HeaderFields
from edgecache.http.message import BadMessage, BadReason
from edgecache.server.websocket import websocket_key

PSEUDO = frozenset({b":method", b":scheme", b":authority", b":path", b":protocol"})
CONNECTION_SPECIFIC = frozenset(
    {b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"}
)
"""Fields that have no meaning in HTTP/2 and would have one to the next hop (§8.2.2)."""
_BLANKS = (b" ", b"\t")
_BREAKS = re.compile(rb"[\0\r\n]")
_ZEROS = frozenset({b"0"})


class MalformedRequest(Exception):
    """A header list that HTTP/2 forbids (§8.1.1): its stream ends with PROTOCOL_ERROR."""


def request_head(
    listed: HeaderFields,
    scheme: bytes,
    *,
    ends: bool,
    trusted: bool,
    new_id: Callable[[], bytes] | None = None,
) -> bytes:
    """The head of `listed`, through its empty line. MalformedRequest; BadMessage.

    `ends`: no body follows. `scheme` is the connection's, and what `:scheme` must say unless a
    `trusted` proxy has taken off TLS. `new_id` gives what keys of WebSockets are made of; None:
    extended CONNECT was not announced.
    """
    pseudo, fields = _parted(listed)
    opening: tuple[bytes, ...] = ()
    if b":protocol" in pseudo or pseudo.get(b":method") == b"CONNECT":
        opening, fields = _websocket(pseudo, fields, new_id, ends=ends)
        pseudo[b":method"], ends = b"GET", True
    method, path = pseudo.get(b":method"), pseudo.get(b":path")
    if not method or not path or b":scheme" not in pseudo:
        raise MalformedRequest("a pseudo-field is missing")  # §8.3.1
    said = pseudo[b":scheme"]
    if said != scheme and not (trusted and said in (b"http", b"https")):
        raise BadMessage(BadReason.TARGET)
    if path[0] != 0x2F and not (path == b"*" and method == b"OPTIONS"):
        raise MalformedRequest("a path is absolute")
    if b" " in path or b" " in method:
        raise MalformedRequest("a blank in method or path")
    lines = _fields(fields, pseudo.get(b":authority"), ends=ends)
    lines += opening
    try:
        return request_head_of(method, path, lines)
    except ValueError:  # §8.2.1
        raise MalformedRequest("a line end in a field") from None


def _websocket(
    pseudo: dict[bytes, bytes],
    fields: list[tuple[bytes, bytes]],
    new_id: Callable[[], bytes] | None,
    *,
    ends: bool,
) -> tuple[tuple[bytes, ...], list[tuple[bytes, bytes]]]:
    """The lines that open a WebSocket, and the other fields of an extended CONNECT."""
    protocol = pseudo.get(b":protocol")
    if protocol is not None and (new_id is None or pseudo.get(b":method") != b"CONNECT"):
        raise MalformedRequest("a protocol without CONNECT")
    if protocol is None or new_id is None or protocol.lower() != b"websocket":
        raise BadMessage(BadReason.METHOD, 501)
    if ends:
        raise MalformedRequest("a tunnel that has ended")
    if not any(name == b"sec-websocket-version" for name, _ in fields):
        raise BadMessage(BadReason.CONNECTION)  # RFC 8441 §5: it is still said
    rest = [field for field in fields if field[0] != b"sec-websocket-key"]
    key = b"sec-websocket-key: %b" % websocket_key(new_id())
    return (b"connection: Upgrade", b"upgrade: websocket", key), rest


def check_trailers(listed: HeaderFields) -> None:
    """Trailers are read and dropped; MalformedRequest where they are none (§8.1)."""
    names = b"".join([item[0] for item in listed])
    if b":" in names or names != names.lower():
        raise MalformedRequest("a trailer's name")
    if any(_BREAKS.search(item[1]) for item in listed):
        raise MalformedRequest("a line end in a trailer")


def _parted(listed: HeaderFields) -> tuple[dict[bytes, bytes], list[tuple[bytes, bytes]]]:
    """The pseudo-fields, which come first and once each, and the others."""
    pseudo: dict[bytes, bytes] = {}
    for item in listed:
        name = item[0]
        if name[:1] != b":":
            break
        if name in pseudo or name not in PSEUDO:
            raise MalformedRequest("a pseudo-field that is unknown, or came before")
        pseudo[name] = item[1]
    fields = [(item[0], item[1]) for item in listed[len(pseudo) :]]
    names = b"".join([name for name, _ in fields])
    if b":" in names:
        raise MalformedRequest("a colon in a name")
    if names != names.lower():
        raise MalformedRequest("a name in upper case")
    return pseudo, fields


def _fields(
    fields: list[tuple[bytes, bytes]], authority: bytes | None, *, ends: bool
) -> list[bytes]:
    """The lines of the fields, Host first."""
    host, named = authority, False
    lines: list[bytes] = []
    cookies: list[bytes] = []
    lengths: list[bytes] = []
    place = -1  # of the cookies among the lines
    for name, value in fields:
        if value[:1] in _BLANKS or value[-1:] in _BLANKS:
            raise MalformedRequest("a blank around a value")
        if not name or name in CONNECTION_SPECIFIC:
            raise MalformedRequest("a field of one connection")
        if name == b"te":
            if value != b"trailers":
                raise MalformedRequest("TE says more than trailers")
        elif name == b"host":
            if named or (host is not None and host.lower() != value.lower()):  # §8.3.1
                raise MalformedRequest("Host is not :authority, or came before")
            host, named = value, True
        elif name == b"cookie":  # §8.2.3: crumbs are one field
            if not cookies:
                place = len(lines)
                lines.append(b"")
            cookies.append(value)
        else:
            if name == b"content-length":
                lengths.append(value)
            lines.append(b"%b: %b" % (name, value))
    if cookies:
        lines[place] = b"cookie: %b" % b"; ".join(cookies)
    if ends and lengths and not _ZEROS.issuperset(lengths):
        raise MalformedRequest("a length, and no body")  # §8.1.1
    if not ends and not lengths:
        lines.append(b"transfer-encoding: chunked")
    if host is not None:
        lines.insert(0, b"host: %b" % host)
    return lines
