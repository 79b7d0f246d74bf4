"""Requests and responses as values, their fields, and the reasons to refuse a message.

Law: a message is never changed, only replaced. Names of fields are lower case; values carry no
white space around them; order is as received. A body is not part of these: it is read elsewhere,
once. The grammar fields share (commas, quotes, connection options) is read here only. BadMessage
says why a message is refused and with which status; HeadLimits are the bounds it must keep.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from msgspec import Struct

from edgecache.http.function_cache import cached
from edgecache.http.trace_context import TraceContext

Fields = tuple[tuple[bytes, bytes], ...]

REMEMBERED_BYTES_MAX = 4_096  # of what is concluded from fields: a browser's with its cookies
REMEMBERED_FIELDS_MAX = 32  # browsers send 15 to 20; each takes 130 bytes beside its own

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 §5.6.2
_QUOTED = rb'[^"\\]*(?:\\.[^"\\]*)*'
_MEMBER = re.compile(rb'(?!,)[^",]*(?:"' + _QUOTED + rb'(?:"|\\?\Z)[^",]*)*', re.DOTALL)
_QUOTED_STRING = re.compile(rb'"(' + _QUOTED + rb')"', re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""Fields of one connection (RFC 9110 §7.6.1 and §11.7), never stored nor forwarded."""
PROTECTED = frozenset(
    (
        b"age",
        b"authorization",
        b"cache-control",
        b"cdn-cache-control",
        b"content-encoding",
        b"content-length",
        b"content-range",
        b"content-type",
        b"cookie",
        b"date",
        b"etag",
        b"expires",
        b"forwarded",
        b"host",
        b"last-modified",
        b"max-forwards",
        b"pragma",
        b"range",
        b"vary",
        b"via",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
    )
)
"""Fields that say what a message is, for whom, and who may keep it: naming one in Connection is an
error of the sender (RFC 9110 §7.6.1) or an attempt to strip it, and does not remove it."""
_PLAIN = (b"keep-alive", b"close")  # options that are no fields of ours
_UNUSUAL_WORDS = {
    word.lower(): word
    for word in (
        b"ASN CDN CH CloudFront CT DAV DNT DPR ECT ETag GPC HTTP2 IM IOS JA3 JA4 MD5 MIME NEL P3P"
        b" RTT SmartTV SOAPAction SourceMap TE TLS UA WebSocket WWW XSS"
    ).split()
}

_NAME_BYTES_KNOWN = 64  # names are chosen by strangers
_LENGTH = re.compile(rb"[0-9]{1,18}")  # 18 digits fit a signed 64-bit count, as nginx's off_t
_CODING = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class OriginRecord(Struct, eq=False):
    """What came of asking an upstream for a request: written by who asks, read by who logs."""

    origin: str = ""  # id of the one that was asked last; `regional`: the cache before it
    status: int = 0  # 0: there was no answer
    asked_at: float = 0.0  # epoch seconds, as the others; 0: nobody was asked
    head_at: float = 0.0  # 0: there was none
    ended_at: float = 0.0  # 0: the body has not ended
    result: str = ""  # an inner tier's word for how it came by its answer

    def begin(self, origin: str, now: float) -> None:
        """An upstream is asked for this origin now: what came of an earlier asking is gone."""
        self.origin, self.asked_at = origin, now
        self.status, self.head_at, self.ended_at, self.result = 0, 0.0, 0.0, ""

    def answered(self, head: Response, result: str, *, whole: bool) -> None:
        """There is a head; `whole`: and all that follows it."""
        self.status, self.result = head.status, result
        self.head_at = max(self.asked_at, head.received_at)
        if whole:
            self.ended_at = self.head_at

    @property
    def first_byte_s(self) -> float | None:
        """CloudFront's origin-fbl."""
        return max(0.0, self.head_at - self.asked_at) if self.head_at else None

    @property
    def last_byte_s(self) -> float | None:
        """CloudFront's origin-lbl."""
        return max(0.0, self.ended_at - self.asked_at) if self.ended_at else None


class FunctionRecord(Struct, eq=False):
    """What functions did for a request: written by who runs them, read by who answers and logs."""

    id: bytes  # of the request, X-Amz-Cf-Id
    request_data: str = ""  # of logCustomData at viewer-request
    response_data: str = ""
    reason: bytes = b""  # statusDescription of a hit
    problem: str = ""  # what a function failed at


class Request(Struct, frozen=True):
    """A request's head as a viewer (or another tier) sent it.

    `path` and `query` are the raw bytes between method and version, split at the first `?`;
    `query` is None when there is no `?`, and empty when nothing follows it.
    """

    method: bytes
    path: bytes
    query: bytes | None
    fields: Fields
    host: bytes = b""  # lower case, without port and final dot; empty when HTTP/1.0 sent none
    scheme: bytes = b"http"
    minor: int = 1  # HTTP/1.minor; 1 in HTTP/2, of which everything holds that does in 1.1
    length: int | None = 0  # bytes of body that follow; None: chunked
    client: tuple[str, int] = ("", 0)  # the TCP peer, for logs and X-Forwarded-For
    tls: bytes = b""  # `version:cipher:handshake` of the viewer's connection; empty without TLS
    id: bytes = b""  # ours for it, X-Amz-Cf-Id; empty before it is given one
    mark: int = 0  # of the tier that asks: the newest invalidation it knew; see store.invalidation
    release: bytes | None = None  # the release it asks for; None: what our own table says
    of_tier: bool = False  # a tier of ours asks, to keep what it is told; no viewer
    port: bytes = b""  # that Host or the target names beside the host; empty when it names none
    record: OriginRecord | None = None  # where what its upstream did is written down
    peer: str = ""  # the process of ours whose credential the head bore; empty for anybody else
    trace: TraceContext | None = None  # taken out of `fields`; None: of none, or as any fields
    amzn_trace: bytes = b""  # X-Amzn-Trace-Id, taken out of `fields`; empty: none, or as any field
    major: int = 1
    functions: FunctionRecord | None = None  # where functions write down what they did; None: none
    behavior: bytes = b""  # the pattern it was routed by, where a function changed its path since
    origin_change: bytes = b""  # the origin a function asked for; see functions.origin_change

    @property
    def target(self) -> bytes:
        """Path and query as received (RFC 9112 §3.2.1, origin-form)."""
        return self.path if self.query is None else self.path + b"?" + self.query

    @property
    def version(self) -> bytes:
        """Of HTTP, as Via has it (RFC 9110 §7.6.3)."""
        return b"1.%d" % self.minor if self.major == 1 else b"%d.0" % self.major

    @property
    def authority(self) -> bytes:
        """Host and port as they were named."""
        return self.host + b":" + self.port if self.port else self.host

    @property
    def has_body(self) -> bool:
        return self.length != 0


class Response(Struct, frozen=True):
    """A final response's head, and when it was asked for and received (epoch seconds)."""

    status: int
    reason: bytes
    fields: Fields
    requested_at: float = 0.0
    received_at: float = 0.0


class BadReason(StrEnum):
    """Why a message is refused. The word goes to log, counter and test."""

    REQUEST_LINE = "request-line"
    METHOD = "method-unknown"  # a token, but no method we would ever forward
    VERSION = "version"
    TARGET = "target"
    URL_TOO_LONG = "url-too-long"
    STATUS_LINE = "status-line"
    HEAD_TOO_BIG = "head-too-big"
    FIELDS_TOO_MANY = "fields-too-many"
    FIELD = "field-line"  # no colon, a control byte, a folded line, a bare LF
    HOST = "host"
    CONNECTION = "connection-option"  # names a field that every hop needs
    LENGTH = "content-length"
    CODING = "transfer-encoding"
    CODING_UNKNOWN = "transfer-coding-unknown"
    EXPECT = "expectation"
    CHUNK = "chunk"
    CHUNK_OVERHEAD = "chunk-overhead"
    TRAILER = "trailer"
    TRUNCATED = "truncated"


class BadMessage(Exception):
    """A message that is refused: `why`, and the `status` a viewer who sent it should get.

    400, 414, 417, 431, 501, 505; for a response, 502. `host` is what Host says of a head that is
    too big, if that came: whose rules say what it is answered.
    """

    def __init__(self, why: BadReason, status: int = 400, host: bytes = b"") -> None:
        super().__init__(why)
        self.why = why
        self.status = status
        self.host = host


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """Bounds on a head, in bytes and fields."""

    head_bytes_max: int = 32_768  # CloudFront's quota for a request's headers and query
    url_bytes_max: int = 8_192  # CloudFront's quota for a URL
    fields_max: int = 100  # Apache httpd's LimitRequestFields
    underscores: bool = False  # whether names with `_` pass (nginx: underscores_in_headers)

    def between_tiers(self) -> HeadLimits:
        """The same for who is told by another tier of ours, which adds fields of its own."""
        more = (self.head_bytes_max + TIER_BYTES_MAX, self.fields_max + TIER_FIELDS_MAX)
        return replace(self, head_bytes_max=more[0], fields_max=more[1])


EARLY_HINTS = 103  # RFC 8297: of interim responses the one that goes on to viewers
TIER_FIELDS_MAX = 16  # `Edgecache-*`, Age, Cache-Status, Host: ten at most
TIER_BYTES_MAX = 4_096


def is_short(fields: Fields, bytes_max: int = REMEMBERED_BYTES_MAX) -> bool:
    """Whether what is concluded from these may be remembered: strangers choose them."""
    size = sum([len(name) + len(value) for name, value in fields])
    return size <= bytes_max and len(fields) <= REMEMBERED_FIELDS_MAX


def names_in(fields: Fields) -> frozenset[bytes]:
    """The names of the fields, for asking often what is not there.

    Made anew: to remember it only for fields that are short costs more than to make it.
    """
    return frozenset([name for name, _ in fields])


def field_values(fields: Fields, name: bytes) -> list[bytes]:
    """Every value of `name` (lower case), in order."""
    return [value for key, value in fields if key == name]


def first_value(fields: Fields, name: bytes) -> bytes | None:
    """The first value of `name` (lower case), or None."""
    for key, value in fields:
        if key == name:
            return value
    return None


def combined_value(fields: Fields, name: bytes) -> bytes | None:
    """All values of a list field joined by a comma (RFC 9110 §5.3), or None when absent."""
    values = field_values(fields, name)
    return b", ".join(values) if values else None


def without(fields: Fields, names: Iterable[bytes]) -> Fields:
    """The fields but those named (lower case)."""
    gone = names if isinstance(names, frozenset) else frozenset(names)
    return tuple([field for field in fields if field[0] not in gone])


def replaced(fields: Fields, name: bytes, value: bytes) -> Fields:
    """The fields with `name` set once, to `value`, at the end."""
    return (*without(fields, (name,)), (name, value))


def list_members(value: bytes) -> list[bytes]:
    """The members of a comma-separated list, without white space; empty ones are dropped.

    Commas in a quoted-string do not separate; a quote that is never closed runs to the end
    (RFC 9110 §5.6.1.2 and §5.6.4).
    """
    parts = _MEMBER.findall(value) if b'"' in value else value.split(b",")
    return [member for part in parts if (member := part.strip(b" \t"))]


def unquoted(value: bytes) -> bytes:
    """The content of a quoted-string; any other value unchanged (RFC 9110 §5.6.4)."""
    quoted = _QUOTED_STRING.fullmatch(value)
    if quoted is None:
        return value
    return _QUOTED_PAIR.sub(rb"\1", quoted[1])


def is_quoted_string(value: bytes) -> bool:
    """Whether `value` is one whole quoted-string (RFC 9110 §5.6.4)."""
    return _QUOTED_STRING.fullmatch(value) is not None


def is_token(value: bytes) -> bool:
    """Whether `value` is a token (RFC 9110 §5.6.2)."""
    return TOKEN.fullmatch(value) is not None


def connection_options(fields: Fields) -> frozenset[bytes]:
    """The options of Connection, lower case (RFC 9110 §7.6.1)."""
    values = field_values(fields, b"connection")
    return frozenset(option.lower() for value in values for option in list_members(value))


def end_to_end(fields: Fields) -> Fields:
    """The fields that may be stored and forwarded (RFC 9110 §7.6.1, RFC 9111 §3.1).

    Gone are the fields of one connection and those Connection names, PROTECTED ones excepted.
    """
    dropped = HOP_BY_HOP
    for name, value in fields:
        if name == b"connection" and value not in _PLAIN:
            dropped |= connection_options(fields) - PROTECTED
            break
    return tuple([field for field in fields if field[0] not in dropped])


def cookie_pairs(value: bytes) -> list[tuple[bytes, bytes | None]]:
    """Names and values of a Cookie field, in order (RFC 6265 §4.2.1); None without a `=`."""
    pairs = (part.strip(b" \t") for part in value.split(b";"))
    return [_pair(part) for part in pairs if part]


def query_pairs(query: bytes) -> list[tuple[bytes, bytes | None]]:
    """Names and values of a query, in order, not decoded; None without a `=`.

    Only `&` separates. Empty parameters stay, so that joining the pairs gives the query back.
    """
    return [_pair(part) for part in query.split(b"&")] if query else []


def title_case(name: bytes) -> bytes:
    """A field's name as it is usually written: `content-type` is `Content-Type`, `etag` `ETag`."""
    return _title_case(name) if len(name) <= _NAME_BYTES_KNOWN else _title_case.__wrapped__(name)


def _pair(part: bytes) -> tuple[bytes, bytes | None]:
    name, equals, value = part.partition(b"=")
    return name, value if equals else None


@cached(1_024, 400)
def _title_case(name: bytes) -> bytes:
    words = name.lower().split(b"-")
    return b"-".join(_UNUSUAL_WORDS.get(word) or word.capitalize() for word in words)


def content_length(values: list[bytes]) -> int:
    """The one Content-Length among `values`. BadMessage unless it is one decimal number.

    RFC 9112 §6.3 would let a list of equal numbers pass; we refuse it, as it lets us.
    """
    if len(values) != 1 or _LENGTH.fullmatch(values[0]) is None:
        raise BadMessage(BadReason.LENGTH)
    return int(values[0])


def require_chunked(values: list[bytes]) -> None:
    """Refuse any Transfer-Encoding but a single `chunked` (RFC 9112 §6.1).

    501 for well-formed codings we do not know before or instead of `chunked`, 400 for the rest.
    """
    if len(values) == 1 and values[0].lower() == b"chunked":
        return
    codings = [coding.strip(b" \t").lower() for coding in b",".join(values).split(b",")]
    well_formed = len(values) == 1 and all(map(_CODING.fullmatch, codings))
    if not well_formed or b"identity" in codings or b"chunked" in codings[:-1]:
        raise BadMessage(BadReason.CODING)
    raise BadMessage(BadReason.CODING_UNKNOWN, 501)
