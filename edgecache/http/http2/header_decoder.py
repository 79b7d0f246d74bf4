"""Header decoder: HPACK of heads that came (RFC 7541), by whichever library is here.

Law: what a block makes is bounded before it is made, and that a block is whole is seen before a
library reads it. `jh2` decodes in 2.5 µs what `hpack` does in 8 to 17; its decoder is a private
module and pinned for that (decision 027), `hpack` stands in where it is missing or is not what it
was. On a block that ends too early `jh2` panics, with lines on standard error: `require_whole`,
1 µs for a browser's repeated head, lets it see none. Both are asked the same by the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from edgecache.http.http2.frames import (
    END_HEADERS,
    END_STREAM,
    HEADER_BYTES,
    ErrorCode,
    Frame,
    Http2ConnectionError,
    content_of,
)

CONTINUATIONS_MAX = 16  # of one block, whose bytes are bounded, too: four are full (CVE-2024-27316)
TABLE_DIGEST_BYTES = 32  # two that differ have the same with no chance worth a name
TABLE_BYTES_MAX = 4_096  # RFC 7541 §4.2, RFC 9113 §6.5.2: the default, which we never change

HeaderFields = Sequence[tuple[bytes, ...]]
"""Name and value of each field, as they came; what follows them in a tuple is the library's."""
HeaderDecoder = Callable[[bytes], HeaderFields]
"""Decode one block of a connection. Http2ConnectionError: none that follows can be read."""


def jh2_decoder(list_bytes_max: int) -> HeaderDecoder:
    """By `jh2`. ImportError, AttributeError or TypeError when it is not what it was."""
    from jh2 import _hazmat

    decoder = _hazmat.Decoder(list_bytes_max)
    decode: Any = decoder.decode
    too_much, faulty = _hazmat.OversizedHeaderListError, _hazmat.HPACKError

    def fields(block: bytes) -> HeaderFields:
        try:
            decoded: HeaderFields = decode(block, True)
        except too_much:
            raise _oversize() from None
        except faulty:
            raise _malformed() from None
        return decoded

    return fields


def hpack_decoder(list_bytes_max: int) -> HeaderDecoder:
    """By `hpack`, in Python alone."""
    from hpack import Decoder, HPACKError, OversizedHeaderListError

    decoder = Decoder(list_bytes_max)
    decoder.max_allowed_table_size = TABLE_BYTES_MAX

    def fields(block: bytes) -> HeaderFields:
        try:
            return [(bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True)]
        except OversizedHeaderListError:
            raise _oversize() from None
        except HPACKError:
            raise _malformed() from None

    return fields


def _chosen() -> Callable[[int], HeaderDecoder]:
    try:
        (field,) = jh2_decoder(4_096)(b"\x82")  # `:method: GET`
    except Exception:  # whatever a private module has become
        return hpack_decoder
    return jh2_decoder if field[:2] == (b":method", b"GET") else hpack_decoder


header_decoder = _chosen()
"""A decoder for one connection; of each list at most so many bytes, as SETTINGS counts them."""


def require_whole(block: bytes) -> bytes:
    """Http2ConnectionError for a block that ends within a field (RFC 7541 §6), or changes the
    table's size behind one (§4.2). Numbers have at most five bytes (§5.1 wants a bound).

    Gives the bytes of what changes the dynamic table: its size, and fields put there (§6.2.1).
    """
    at, end, size = 0, len(block), 0
    begun, changes = False, b""
    try:
        while at < end:
            byte = block[at]
            if byte >= 0x80:
                begun = True
                at, _ = (at + 1, 0) if byte != 0xFF else _number(block, at, 0x7F)
                continue
            field = at
            if byte & 0xE0 == 0x20:
                if begun:
                    raise _malformed()
                at, _ = _number(block, at, 0x1F)
            else:
                begun = True
                at, size = _number(block, at, 0x3F if byte >= 0x40 else 0x0F)
                if not size:
                    at, size = _number(block, at, 0x7F)
                    at += size
                at, size = _number(block, at, 0x7F)
                at += size
            if byte >= 0x20:
                changes += block[field:at]
    except IndexError:
        raise _malformed() from None
    if at != end:
        raise _malformed()
    return changes


def _number(block: bytes, at: int, most: int) -> tuple[int, int]:
    """Where the number at `at` ends, and what it is; its prefix has the bits of `most` (§5.1)."""
    value = block[at] & most
    at += 1
    if value < most:
        return at, value
    for shift in (0, 7, 14, 21):
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return at, value
    raise _malformed()


def _oversize() -> Http2ConnectionError:
    """The table would be out of step with the peer's from here on (RFC 7541 §2.2)."""
    return Http2ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "a header list above the largest")


def _malformed() -> Http2ConnectionError:
    return Http2ConnectionError(ErrorCode.COMPRESSION_ERROR, "a header block that is none")


class HeaderList(NamedTuple):
    """What came as one header block."""

    stream_id: int
    ends: bool  # the stream: nothing follows
    fields: HeaderFields
    size: int  # of its frames, in bytes
    block: bytes = b""  # as it came, if it came in one frame and left the table as it was
    table: bytes = b""  # on which it builds then: see `HeaderBlockReader`


class HeaderBlockReader:
    """Header blocks of one connection, out of HEADERS and CONTINUATION (RFC 9113 §4.3).

    Where a block is longer than `list_bytes_max` before it is decoded, or makes more, the
    connection ends: the rest of it would have to be decoded all the same.
    """

    __slots__ = (
        "_bytes_max", "_count", "_decode", "_ends", "_parts", "_size", "stream_id", "table",
    )  # fmt: skip

    def __init__(self, list_bytes_max: int) -> None:
        self.stream_id = 0  # whose block is not whole yet; 0: none
        self.table = b""  # a digest of all that has changed the dynamic table; empty: it is
        self._bytes_max = list_bytes_max
        self._decode: HeaderDecoder | None = None  # made when it is needed: many only connect
        self._parts: list[bytes] = []
        self._size = self._count = 0
        self._ends = False

    def begin(self, frame: Frame) -> HeaderList | None:
        """Take HEADERS; the list if that is all. Http2ConnectionError."""
        ends = frame.flags & END_STREAM != 0
        content, size = content_of(frame), HEADER_BYTES + frame.size
        if frame.flags & END_HEADERS:
            former = self.table
            fields = self._fields(content)
            block = content if self.table is former else b""
            return HeaderList(frame.stream_id, ends, fields, size, block, former)
        self.stream_id, self._ends = frame.stream_id, ends
        self._parts, self._size, self._count = [content], size, 0
        return None

    def add(self, frame: Frame) -> HeaderList | None:
        """Take CONTINUATION; the list if that was the last. Http2ConnectionError."""
        if frame.stream_id != self.stream_id:  # §6.10
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "CONTINUATION of no HEADERS")
        self._count += 1
        self._size += HEADER_BYTES + frame.size
        if self._count > CONTINUATIONS_MAX or self._size > self._bytes_max:
            raise Http2ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "a header block without end")
        self._parts.append(frame.payload)
        if not frame.flags & END_HEADERS:
            return None
        parts, self._parts, self.stream_id = self._parts, [], 0
        fields = self._fields(b"".join(parts))
        return HeaderList(frame.stream_id, self._ends, fields, self._size)

    def _fields(self, block: bytes) -> HeaderFields:
        changes = require_whole(block)
        if self._decode is None:
            self._decode = header_decoder(self._bytes_max)
        fields = self._decode(block)
        if changes:  # two tables that the same bytes have made are the same (RFC 7541 §2.2)
            self.table = blake2b(self.table + changes, digest_size=TABLE_DIGEST_BYTES).digest()
        return fields

    @property
    def held_bytes(self) -> int:
        """Bytes of a block that is not whole yet."""
        return self._size if self.stream_id else 0
