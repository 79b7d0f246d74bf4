"""Header blocks in HPACK, as literals without indexing (RFC 7541 §6.2.2).

Law: nothing is put into the peer's dynamic table, so that one block is good for every connection
and can be made before anybody asks. No field leaves with a line end or a NUL in it: values come
from strict readers and from the configuration, and what slipped through would split the response
at the next gateway (RFC 9113 §8.2.1).
"""

from __future__ import annotations

import re

from edgecache.http.message import Fields

EMPTY_TABLE = b"\x20"  # §6.3: the dynamic table has size 0 from here on
_BAD_VALUE = re.compile(rb"[\0\r\n]")
_GOOD_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_STATUS_INDEX = {200: 8, 204: 9, 206: 10, 304: 11, 400: 12, 404: 13, 500: 14}
_NAME_INDEX = {  # Appendix A
    b"accept-ranges": 18, b"access-control-allow-origin": 20, b"age": 21, b"allow": 22,
    b"cache-control": 24, b"content-disposition": 25, b"content-encoding": 26,
    b"content-language": 27, b"content-length": 28, b"content-location": 29, b"content-range": 30,
    b"content-type": 31, b"date": 33, b"etag": 34, b"expires": 36, b"last-modified": 44,
    b"link": 45, b"location": 46, b"proxy-authenticate": 48, b"refresh": 52, b"retry-after": 53,
    b"server": 54, b"set-cookie": 55, b"strict-transport-security": 56, b"vary": 59, b"via": 60,
    b"www-authenticate": 61,
}  # fmt: skip
_OFTEN = (
    b"x-cache", b"x-amz-cf-pop", b"x-amz-cf-id", b"cache-status", b"x-content-type-options",
    b"alt-svc", b"timing-allow-origin",
)  # fmt: skip


def integer(value: int, prefix_bits: int, first: int = 0) -> bytes:
    """A number behind the bits of `first` (§5.1)."""
    most = (1 << prefix_bits) - 1
    if value < most:
        return bytes((first | value,))
    out = bytearray((first | most,))
    value -= most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _name(name: bytes) -> bytes:
    index = _NAME_INDEX.get(name)
    if index is not None:
        return integer(index, 4)
    return b"\0" + integer(len(name), 7) + name


_NAMES = {name: _name(name) for name in (*_NAME_INDEX, *_OFTEN)}
_LENGTHS = [integer(length, 7) for length in range(512)]


def literal(name: bytes, value: bytes) -> bytes:
    """One field; no bytes of it are looked at."""
    length = len(value)
    size = _LENGTHS[length] if length < 512 else integer(length, 7)
    return b"%b%b%b" % (_NAMES.get(name) or _name(name), size, value)


def status_field(status: int) -> bytes:
    """The pseudo-field `:status` (RFC 9113 §8.3.2)."""
    index = _STATUS_INDEX.get(status)
    return bytes((0x80 | index,)) if index else b"\x08\x03%d" % status


def header_block(status: int, fields: Fields) -> bytes:
    """The block of a response's head. ValueError when a field cannot be written."""
    return status_field(status) + field_block(fields)


def check_fields(fields: Fields) -> None:
    """ValueError when a field cannot be written in any version of HTTP."""
    for name, value in fields:
        if _BAD_VALUE.search(value) or not (name in _NAMES or _GOOD_NAME.fullmatch(name)):
            raise ValueError("a line end inside a head")


def field_block(fields: Fields) -> bytes:
    """The fields alone; their names are lower case. ValueError when one cannot be written."""
    for name, value in fields:  # as `check_fields`, without a call for each hit
        if _BAD_VALUE.search(value) or not (name in _NAMES or _GOOD_NAME.fullmatch(name)):
            raise ValueError("a line end inside a head")
    return b"".join([literal(name, value) for name, value in fields])
