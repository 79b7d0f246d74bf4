"""Heads of requests and responses: strict readers, and writers.

Law: one grammar for requests and responses; what it does not match is refused. RFC 9112 §2-§6. A
head is given whole, with the empty line that ends it. One expression accepts or refuses all of it,
in linear time: no byte can belong to two of its parts, so that going back finds nothing. (Not
possessive ones: CPython 3.11.0 to 3.11.4 misreads them.) Only what was refused is looked at again,
to say why. Nothing is repaired: a frontend and an origin that repair differently disagree on where
a message ends.

Law of writing: no head leaves with more lines than it was given fields (RFC 9112 §3, §4, §7.1).
Values come from strict readers and from the configuration; a line end in any of them is our own
mistake, and stops here rather than at the next parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus

from edgecache.http.framing import request_body_length
from edgecache.http.function_cache import BLOCK_BYTES, cached
from edgecache.http.message import (
    HOP_BY_HOP,
    PROTECTED,
    REMEMBERED_BYTES_MAX,
    REMEMBERED_FIELDS_MAX,
    BadMessage,
    BadReason,
    Fields,
    HeadLimits,
    Request,
    Response,
    title_case,
)
from edgecache.http.target import authority, target_parts

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_VALUE = rb"[\t\x20-\x7e\x80-\xff]"  # no control byte but TAB (RFC 9110 §5.5)
_LINES = rb"((?:" + _TOKEN + rb"+:" + _VALUE + rb"*\r\n)*)\r\n"
_REQUEST_HEAD = re.compile(rb"([A-Z][A-Z0-9_\-]{0,31}) ([\x21-\x7e]+) HTTP/1\.([0-9])\r\n" + _LINES)
_PLAIN_LINE = re.compile(
    rb"((?!CONNECT )[A-Z][A-Z0-9_\-]{0,31}) (/[\x21\x22\x24-\x7e]*) HTTP/1\.1\r\n"
)
_BLOCK = re.compile(_LINES)
_STATUS_HEAD = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: (" + _VALUE + rb"*))?\r\n" + _LINES)
_FIELD = re.compile(rb"([^:\r]+):[ \t]*([^\r]*)\r\n")
_REQUEST_LINE = re.compile(_TOKEN + rb"+ [\x21-\x7e]+ HTTP/([0-9])\.[0-9]\r\n")
_METHOD = re.compile(_TOKEN + rb"+")
_METHOD_BYTES_MAX = 32  # as `_REQUEST_HEAD` has it
_HOST_LINE = re.compile(rb"\r\nHost:[ \t]*([^\r\n]+)\r\n", re.IGNORECASE)
_COMMON_NAMES = (
    b"Accept Accept-Encoding Accept-Language Accept-Ranges Age Authorization Cache-Control "
    b"Connection Content-Encoding Content-Length Content-Type Cookie Date ETag Expect Expires Host "
    b"If-Match If-Modified-Since If-None-Match If-Range Last-Modified Location Origin Pragma Range "
    b"Referer Server Set-Cookie Transfer-Encoding Upgrade-Insecure-Requests User-Agent Vary Via "
    b"X-Cache X-Forwarded-For Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site Sec-Fetch-User"
).split()
_LOWER = {spelling: name.lower() for name in _COMMON_NAMES for spelling in (name, name.lower())}
_LOWER_GET = _LOWER.get
_LISTS = frozenset(
    {b"accept-encoding", b"cache-control", b"cdn-loop", b"connection", b"if-match"}
    | {b"if-none-match", b"pragma", b"vary"}
)  # which are taken apart here; for Range see http.ranges
LIST_MEMBERS_MAX = 500  # of all of these together: below a millisecond
_SPECIAL = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection", b"expect"})
_NOT_HOP_BY_HOP = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"content-encoding", b"content-type"}
    | {b"cookie", b"authorization", b"cache-control", b"range", b"expect", b"x-forwarded-for"}
)

# What a field with `_` for `-` is never taken for: what frames, routes, keys or vouches.
_OURS = PROTECTED | HOP_BY_HOP | {b"expect", b"origin", b"x-real-ip", b"x-http-method-override"}
_OURS |= {b"accept-encoding", b"cdn-loop", b"if-match", b"if-modified-since", b"if-none-match"}
_OURS |= {b"if-range", b"if-unmodified-since"}
_OUR_PREFIXES = (b"x-forwarded-", b"cloudfront-", b"edgecache-", b"x-edgecache-", b"x-amz-")

# A browser repeats its fields with every request, and many browsers repeat a site's URLs: lines and
# blocks of fields are read once each, so that their products need no reading. Both hold what
# strangers chose, hence the bounds: 4 MiB of lines and 8 MiB of blocks at worst.
_LINE_BYTES_KNOWN = 1_024

LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode("ascii"))
    for status in HTTPStatus
}
"""Status to its line with the registered reason, CRLF included."""


def parse_request_head(
    head: bytes, limits: HeadLimits, scheme: bytes = b"http", client: tuple[str, int] = ("", 0)
) -> Request:
    """The request whose whole head is `head`, through its empty line. BadMessage when refused.

    `scheme` and `client` are the connection's: what the target says of them must agree.
    """
    if len(head) > limits.head_bytes_max:
        raise oversize(head, limits)
    cut = head.find(b"\r\n") + 2
    if (
        cut <= _LINE_BYTES_KNOWN
        and len(head) <= REMEMBERED_BYTES_MAX
        and head.count(b"\r\n") <= REMEMBERED_FIELDS_MAX + 2
    ):
        line, block = (
            _plain_line(head[:cut]),
            _plain_block(head[cut:], limits.fields_max, limits.underscores),
        )
        if line is not None and block is not None and cut <= limits.url_bytes_max:
            return Request(*line, *block[:2], scheme, 1, block[2], client, port=block[3])
    match = _REQUEST_HEAD.fullmatch(head)
    if match is None:
        raise _refused_request(head, limits)
    method, target, minor, lines = match.groups()
    if len(target) > limits.url_bytes_max:
        raise BadMessage(BadReason.URL_TOO_LONG, 414)
    fields = _safe_fields(lines, limits)
    special = [field for field in fields if field[0] in _SPECIAL]
    old = minor == b"0"
    host, length = _host_and_length(special, old)
    path, query, host = target_parts(method, target, scheme, host)
    return Request(
        method, path, query, fields, host[0], scheme, 0 if old else 1, length, client, port=host[1]
    )


def oversize(start: bytes, limits: HeadLimits) -> BadMessage:
    """The refusal of a head that outgrows `head_bytes_max`, judged by what came so far.

    400 when the method alone is too long and 414 when the URL is (RFC 9112 §3), else 431.
    """
    method = _METHOD.match(start)
    if method is None:
        return BadMessage(BadReason.REQUEST_LINE)
    if method.end() > _METHOD_BYTES_MAX:
        return BadMessage(BadReason.METHOD)
    line = start[: limits.url_bytes_max + 64].split(b"\r\n", 1)[0]
    target = line.partition(b" ")[2].partition(b" ")[0]
    if len(target) > limits.url_bytes_max:
        return BadMessage(BadReason.URL_TOO_LONG, 414)
    host = _HOST_LINE.search(start)
    return BadMessage(BadReason.HEAD_TOO_BIG, 431, host[1] if host else b"")


def parse_response_head(
    head: bytes, limits: HeadLimits, requested_at: float = 0.0, received_at: float = 0.0
) -> tuple[Response, int]:
    """The response whose whole head is `head`, and its HTTP/1 minor version.

    BadMessage (status 502) when refused: folded lines and control bytes too (RFC 9112 §5.2 lets a
    proxy refuse them), since a raw LF in a Location would split the response for the next hop.
    """
    if len(head) > limits.head_bytes_max:
        raise BadMessage(BadReason.HEAD_TOO_BIG, 502)
    match = _STATUS_HEAD.fullmatch(head)
    if match is None:
        line = head.partition(b"\r\n")[0] + b"\r\n\r\n"
        bad_line = _STATUS_HEAD.fullmatch(line) is None
        raise BadMessage(BadReason.STATUS_LINE if bad_line else BadReason.FIELD, 502)
    minor, status, reason, lines = match.groups()
    try:
        fields = _fields(lines, limits)
    except BadMessage as error:
        raise BadMessage(error.why, 502) from None
    response = Response(int(status), reason or b"", fields, requested_at, received_at)
    return response, 0 if minor == b"0" else 1


def keeps_alive(minor: int, fields: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the connection may carry another message after this one (RFC 9112 §9.3)."""
    values = [value for name, value in fields if name == b"connection"]
    if not values:
        return minor == 1
    if values == [b"keep-alive"]:
        return True
    options = _options(values)
    return b"close" not in options and (minor == 1 or b"keep-alive" in options)


def request_head(method: bytes, target: bytes, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A request's head, with its empty line. `target` is the raw request target."""
    return _head(b"%b %b HTTP/1.1\r\n" % (method, target), fields)


def request_head_of(method: bytes, target: bytes, lines: list[bytes]) -> bytes:
    """A request's head of lines as they are, without their ends. ValueError: one has one inside."""
    head = b"\r\n".join([b"%b %b HTTP/1.1" % (method, target), *lines, b"", b""])
    ends = len(lines) + 2
    if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\0" in head:
        raise ValueError("a line end inside a head")
    return head


def response_head(status: int, reason: bytes, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A response's head, with its empty line; an empty `reason` gives the registered one."""
    if reason:
        return _head(b"HTTP/1.1 %d %b\r\n" % (status, reason), fields)
    return _head(STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status, fields)


def chunk(data: bytes) -> bytes:
    """`data`, which is not empty, as one chunk."""
    assert data, "an empty chunk ends the body"
    return b"%x\r\n%b\r\n" % (len(data), data)


def field_lines(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The lines of the fields of a head, each with its end."""
    return _head(b"", fields)[:-2]


@cached(1_024, 2_560)
def _plain_line(line: bytes) -> tuple[bytes, bytes, bytes | None] | None:
    """Method, path and query of a line in origin-form of HTTP/1.1; None for any other line."""
    match = _PLAIN_LINE.fullmatch(line)
    if match is None:
        return None
    path, mark, query = match[2].partition(b"?")
    if b"\\" in path:
        return None
    return match[1], path, query if mark else None


@cached(512, BLOCK_BYTES)
def _plain_block(
    block: bytes, fields_max: int, underscores: bool
) -> tuple[Fields, bytes, int | None, bytes] | None:
    """Fields, host, length and port of what follows the line; None: the head is to be refused."""
    match = _BLOCK.fullmatch(block)
    if match is None:
        return None
    try:
        limits = HeadLimits(fields_max=fields_max, underscores=underscores)
        fields = _safe_fields(match[1], limits)
        special = [field for field in fields if field[0] in _SPECIAL]
        host, length = _host_and_length(special, False)
    except BadMessage:
        return None
    return fields, host[0], length, host[1]


def _fields(lines: bytes, limits: HeadLimits) -> Fields:
    if lines.count(b"\n") > limits.fields_max:
        raise BadMessage(BadReason.FIELDS_TOO_MANY, 431)
    pairs = _FIELD.findall(lines)
    if b" \r" in lines or b"\t\r" in lines:
        pairs = [(name, value.rstrip(b" \t")) for name, value in pairs]
    fields = tuple([(_LOWER_GET(name) or name.lower(), value) for name, value in pairs])
    if len(lines) > LIST_MEMBERS_MAX:
        _bound_lists(fields)
    return fields


def _bound_lists(fields: Fields) -> None:
    """BadMessage (431) for lists so long that reading them would keep others waiting.

    Counted as bytes are, before any is read: members end with a comma, and in a quoted-string each
    backslash is a step. RFC 9110 §5.4: refused, since what is ignored others may read.
    """
    values = [v for n, v in fields if n in _LISTS or n.endswith(b"-cache-control")]
    if sum([value.count(b",") + value.count(b"\\") for value in values]) > LIST_MEMBERS_MAX:
        raise BadMessage(BadReason.FIELDS_TOO_MANY, 431)


def _safe_fields(lines: bytes, limits: HeadLimits) -> Fields:
    """A request's fields, less those with `_` in their names.

    Gateways fold it into `-`: Transfer_Encoding would become a field we never checked. Where the
    operator has it so, only those are left out that would become one that we read or write.
    """
    fields = _fields(lines, limits)
    if b"_" not in lines:
        return fields
    if not limits.underscores:
        return tuple([field for field in fields if b"_" not in field[0]])
    return tuple([field for field in fields if b"_" not in field[0] or _folds_freely(field[0])])


def _folds_freely(name: bytes) -> bool:
    folded = name.replace(b"_", b"-")
    return folded not in _OURS and not folded.startswith(_OUR_PREFIXES)


def _host_and_length(
    special: list[tuple[bytes, bytes]], old: bool
) -> tuple[tuple[bytes, bytes], int | None]:
    """The normalized (host, port) and the body's length, from the fields that decide them."""
    grouped: dict[bytes, list[bytes]] = {}
    for name, value in special:
        grouped.setdefault(name, []).append(value)
    hosts = grouped.get(b"host", [])
    if len(hosts) != 1 and (hosts or not old):  # RFC 9112 §3.2
        raise BadMessage(BadReason.HOST)
    host = authority(hosts[0], BadReason.HOST) if hosts else (b"", b"")
    if len(grouped) == 1 and hosts:
        return host, 0
    connection = grouped.get(b"connection", [])
    plain = not connection or connection == [b"keep-alive"]
    if not plain and not _NOT_HOP_BY_HOP.isdisjoint(_options(connection)):
        raise BadMessage(BadReason.CONNECTION)
    expectations = grouped.get(b"expect")
    if expectations and not old and [e.lower() for e in expectations] != [b"100-continue"]:
        raise BadMessage(BadReason.EXPECT, 417)  # RFC 9110 §10.1.1
    if b"content-length" not in grouped and b"transfer-encoding" not in grouped:
        return host, 0
    return host, request_body_length(grouped, old)


def _options(values: list[bytes]) -> set[bytes]:
    return {option.strip(b" \t").lower() for value in values for option in value.split(b",")}


def _refused_request(head: bytes, limits: HeadLimits) -> BadMessage:
    """Why a head that does not match is refused; the first reason in its own order."""
    if len(head.partition(b"\r\n")[0].partition(b" ")[2]) > limits.url_bytes_max + 9:
        return BadMessage(BadReason.URL_TOO_LONG, 414)
    line = _REQUEST_LINE.match(head)
    if line is None:
        return BadMessage(BadReason.REQUEST_LINE)
    if line[1] != b"1":  # a minor version above 1 is read as 1 (RFC 9110 §2.5)
        return BadMessage(BadReason.VERSION, 505)
    if _REQUEST_HEAD.fullmatch(head[: line.end()] + b"\r\n") is None:
        too_long = head.find(b" ") > _METHOD_BYTES_MAX
        return BadMessage(BadReason.METHOD, 400 if too_long else 501)
    return BadMessage(BadReason.FIELD)


def _head(first: bytes, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    lines = [b"%b: %b\r\n" % (title_case(name), value) for name, value in fields]
    head = b"".join([first, *lines, b"\r\n"])
    ends = len(lines) + (2 if first else 1)
    if head.count(b"\n") != ends or head.count(b"\r") != ends:
        raise ValueError("a line end inside a head")
    return head
