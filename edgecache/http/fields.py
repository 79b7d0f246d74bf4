"""The grammar fields share. Law: commas, quotes and connection options are read here only."""

from __future__ import annotations

import re

from edgecache.http.function_cache import remembers
from edgecache.http.message import Fields, field_values

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
        b"location",
        b"max-forwards",
        b"pragma",
        b"range",
        b"set-cookie",
        b"vary",
        b"via",
        b"www-authenticate",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
    )
)
"""Fields meant for every recipient: naming one in Connection is an error of the sender
(RFC 9110 §7.6.1) or an attempt to strip it, and does not remove it."""

_PLAIN = (b"keep-alive", b"close")  # options that are no fields of ours
_UNUSUAL_WORDS = {
    word.lower(): word
    for word in (
        b"ASN CDN CH CloudFront CT DAV DNT DPR ECT ETag GPC HTTP2 IM IOS JA3 JA4 MD5 MIME NEL P3P"
        b" RTT SmartTV SOAPAction SourceMap TE TLS UA WebSocket WWW XSS"
    ).split()
}


def list_members(value: bytes) -> list[bytes]:
    """The members of a comma-separated list, without white space; empty ones are dropped.

    Commas in a quoted-string do not separate; a quote that is never closed runs to the end
    (RFC 9110 §5.6.1.2 and §5.6.4).
    """
    parts = _MEMBER.findall(value) if b'"' in value else value.split(b",")
    return [member for part in parts if (member := part.strip(b" \t"))]


def unquoted(value: bytes) -> bytes:
    """What a quoted-string says; anything else is given back unchanged (RFC 9110 §5.6.4)."""
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


def _pair(part: bytes) -> tuple[bytes, bytes | None]:
    name, equals, value = part.partition(b"=")
    return name, value if equals else None


_NAME_BYTES_KNOWN = 64  # names are chosen by strangers


def title_case(name: bytes) -> bytes:
    """A field's name as it is usually written: `content-type` is `Content-Type`, `etag` `ETag`."""
    return _title_case(name) if len(name) <= _NAME_BYTES_KNOWN else _title_case.__wrapped__(name)


@remembers(1_024, 400)
def _title_case(name: bytes) -> bytes:
    words = name.lower().split(b"-")
    return b"-".join(_UNUSUAL_WORDS.get(word) or word.capitalize() for word in words)
