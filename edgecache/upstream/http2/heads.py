"""Heads by HTTP/2: a request's as a header block, a header list as a response's head, trailers.

Law: a request is written once, as HTTP/1.1 has it, and told again here (RFC 9113 §8.2, §8.3); a
response's list becomes the bytes that the one strict reader (`http/head.py`) takes, so that no rule
stands twice and none is laxer. What HTTP/2 alone forbids is refused here.
"""

from __future__ import annotations

import re

from msgspec.structs import replace

from edgecache.http.head import parse_response_head
from edgecache.http.http2.header_block import field_block, literal
from edgecache.http.http2.header_decoder import HeaderFields
from edgecache.http.message import BadMessage, BadReason, Fields, HeadLimits, Response, without
from edgecache.rules.viewer.access import UPGRADED
from edgecache.upstream.tunnel import websocket_accept

OF_ONE_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
"""Fields that have no meaning in HTTP/2 (RFC 9113 §8.2.2)."""
TE_TRAILERS = (b"te", b"trailers")
_STATUS = re.compile(rb"[1-9][0-9]{2}")
_BREAKS = re.compile(rb"[\0\r\n]")
_BLANKS = (b" ", b"\t")
_NOT_SENT = OF_ONE_CONNECTION | {b"host", b"te"}
_NOT_IN_TUNNELS = _NOT_SENT | {b"sec-websocket-key"}


def request_block(head: bytes, scheme: bytes, *, trailers: bool, tunnel: bool = False) -> bytes:
    """The header block that says what `head`, a whole one of HTTP/1.1 that we wrote, says.

    `trailers`: those of the response are wanted. `tunnel`: it opens a WebSocket, which is extended
    CONNECT here (RFC 8441 §4, §5). ValueError when a field cannot be written.
    """
    line, *lines = head[:-4].split(b"\r\n")
    method, target, _ = line.split(b" ")
    host, fields = b"", []
    unsent = _NOT_IN_TUNNELS if tunnel else _NOT_SENT
    for field_line in lines:
        name, _, value = field_line.partition(b": ")
        name = name.lower()
        if name == b"host":
            host = value
        elif name not in unsent:
            fields.append((name, value))
    if trailers:
        fields.append(TE_TRAILERS)
    opening: Fields = ((b":method", method),)
    if tunnel:
        opening = ((b":method", b"CONNECT"), (b":protocol", b"websocket"))
    pseudo = (*opening, (b":scheme", scheme), (b":authority", host), (b":path", target))
    return b"".join([literal(*field) for field in pseudo]) + field_block(tuple(fields))


def accepted_upgrade(response: Response, head: bytes) -> Response:
    """The 101 of HTTP/1.1 that says what a 2xx to the extended CONNECT of `head` does.

    Its origin has read no key, and has said by its answer what the proof of one says.
    """
    key = b""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b": ")
        if name.lower() == b"sec-websocket-key":
            key = value
    fields = without(response.fields, (b"content-length", b"sec-websocket-accept"))
    accept = (b"sec-websocket-accept", websocket_accept(key))
    return replace(response, status=101, fields=(*fields, *UPGRADED, accept))


def response_of(listed: HeaderFields, limits: HeadLimits, asked: float, now: float) -> Response:
    """The response that `listed` is the head of. BadMessage (502)."""
    if not listed or listed[0][0] != b":status" or not _STATUS.fullmatch(listed[0][1]):
        raise BadMessage(BadReason.STATUS_LINE, 502)
    lines = _lines(listed[1:])
    head = b"\r\n".join([b"HTTP/1.1 %b " % listed[0][1], *lines, b"", b""])
    return parse_response_head(head, limits, asked, now)[0]


def trailers_of(listed: HeaderFields, limits: HeadLimits) -> Fields:
    """The fields of a list behind a body. BadMessage (502): it is none (RFC 9113 §8.1)."""
    lines = _lines(listed)
    head = b"\r\n".join([b"HTTP/1.1 200 ", *lines, b"", b""])
    return parse_response_head(head, limits)[0].fields


def _lines(listed: HeaderFields) -> list[bytes]:
    """A line for each field, without its end; none that would be two."""
    lines = []
    for item in listed:
        name, value = item[0], item[1]
        unwritten = not name or b":" in name or name != name.lower() or name in OF_ONE_CONNECTION
        if unwritten or _BREAKS.search(name) or _BREAKS.search(value):
            raise BadMessage(BadReason.FIELD, 502)
        if value[:1] in _BLANKS or value[-1:] in _BLANKS:  # §8.2.1
            raise BadMessage(BadReason.FIELD, 502)
        lines.append(b"%b: %b" % (name, value))
    return lines
