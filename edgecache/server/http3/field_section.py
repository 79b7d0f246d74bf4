"""Field sections in QPACK without a dynamic table (RFC 9204 §3.1, §4.5).

Law: our SETTINGS say that the table has no room, so that a section means the same on each stream
and in any order, none waits for another (§2.1.2), and nothing can be put in once and asked for a
thousand times. How many fields a long section makes is counted before a library makes them.
Responses are literals, with the static table's index where a name has one; as for HPACK no field
leaves with a line end in it.
"""

from __future__ import annotations

from pylsqpack import Decoder, DecompressionFailed, StreamBlocked

from edgecache.http.http2.header_block import check_fields, integer
from edgecache.http.http2.header_decoder import HeaderFields
from edgecache.http.message import Fields
from edgecache.server.http3.frames import Http3ConnectionError, Http3Error

COUNTED_BYTES = 2_048  # of a section, above which its fields are counted first
FIELD_OVERHEAD = 32  # RFC 9114 §4.2.2
_PREFIX = b"\0\0"  # §4.5.1: nothing of a dynamic table
_STATUS_INDEX = {  # Appendix A
    103: 24, 200: 25, 304: 26, 404: 27, 503: 28, 100: 63, 204: 64, 206: 65, 302: 66, 400: 67,
    403: 68, 421: 69, 425: 70, 500: 71,
}  # fmt: skip
_NAME_INDEX = {
    b"age": 2, b"content-disposition": 3, b"content-length": 4, b"date": 6, b"etag": 7,
    b"last-modified": 10, b"link": 11, b"location": 12, b"set-cookie": 14, b"accept-ranges": 32,
    b"access-control-allow-origin": 35, b"cache-control": 36, b"content-encoding": 42,
    b"content-type": 44, b"strict-transport-security": 56, b"vary": 59,
    b"x-content-type-options": 61, b"x-xss-protection": 62, b"alt-svc": 83,
    b"content-security-policy": 85, b"expect-ct": 87, b"server": 92,
    b"timing-allow-origin": 93, b"x-frame-options": 97,
}  # fmt: skip
_NAMES = {name: integer(index, 4, 0x50) for name, index in _NAME_INDEX.items()}  # §4.5.4, static


def field_section(status: int, fields: Fields) -> bytes:
    """The section of a response's head. ValueError when a field cannot be written."""
    index = _STATUS_INDEX.get(status)
    said = integer(index, 6, 0xC0) if index else integer(24, 4, 0x50) + b"\x03%d" % status
    return _PREFIX + said + _literals(fields)


def trailer_section(fields: Fields) -> bytes:
    """The section of trailers. ValueError when a field cannot be written."""
    return _PREFIX + _literals(fields)


def _literals(fields: Fields) -> bytes:
    check_fields(fields)
    return b"".join([_literal(name, value) for name, value in fields])


def _literal(name: bytes, value: bytes) -> bytes:
    named = _NAMES.get(name)
    if named is None:
        named = integer(len(name), 3, 0x20) + name  # §4.5.6
    return b"%b%b%b" % (named, integer(len(value), 7), value)


def read_section(section: bytes, stream_id: int, bytes_max: int) -> HeaderFields:
    """The fields of a section, at most `bytes_max` as SETTINGS count them. Http3ConnectionError."""
    if section == _PREFIX:  # trailers without a field, which the library takes for none
        return []
    if len(section) > COUNTED_BYTES:
        _require_few(section, bytes_max // FIELD_OVERHEAD)
    try:
        _, fields = Decoder(0, 0).feed_header(stream_id, section)
    except (DecompressionFailed, StreamBlocked):
        code = Http3Error.QPACK_DECOMPRESSION_FAILED
        raise Http3ConnectionError(code, "a field section that is none") from None
    size = sum([len(name) + len(value) + FIELD_OVERHEAD for name, value in fields])
    if size > bytes_max:
        raise Http3ConnectionError(Http3Error.EXCESSIVE_LOAD, "a field section above the largest")
    return fields


def _require_few(section: bytes, count_max: int) -> None:
    """Http3ConnectionError for a section of more fields, or one that ends within a field."""
    at, end, count = 2, len(section), 0
    try:
        while at < end:
            byte = section[at]
            count += 1
            if byte & 0x80:
                at, _ = _number(section, at, 0x3F)
            elif byte & 0x40:
                at, _ = _number(section, at, 0x0F)
                at = _behind_string(section, at, 0x7F)
            elif byte & 0x20:
                at = _behind_string(section, at, 0x07)
                at = _behind_string(section, at, 0x7F)
            else:  # of a dynamic table
                at = end + 1
    except IndexError:
        at = end + 1
    if at != end:
        code = Http3Error.QPACK_DECOMPRESSION_FAILED
        raise Http3ConnectionError(code, "a field section that is none")
    if count > count_max:
        raise Http3ConnectionError(Http3Error.EXCESSIVE_LOAD, "more fields than a head may have")


def _behind_string(section: bytes, at: int, most: int) -> int:
    at, size = _number(section, at, most)
    return at + size


def _number(section: bytes, at: int, most: int) -> tuple[int, int]:
    """Where the number at `at` ends, and what it is (RFC 7541 §5.1)."""
    value = section[at] & most
    at += 1
    if value < most:
        return at, value
    for shift in (0, 7, 14, 21):
        byte = section[at]
        at += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return at, value
    raise IndexError
