"""Frames of HTTP/3 out of a stream's bytes, and their forms (RFC 9114 §7, §8.1).

Law: nothing is kept of a frame but what is read whole: a head, a setting. DATA is given as it
comes, a kind that nobody knows is passed over without keeping a byte. What is longer than it may be
ends the connection before it is here.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

DATA, HEADERS, CANCEL_PUSH, SETTINGS, PUSH_PROMISE, GOAWAY = 0x0, 0x1, 0x3, 0x4, 0x5, 0x7
MAX_PUSH_ID = 0xD
PRIORITY_UPDATE, PRIORITY_UPDATE_PUSH = 0xF0700, 0xF0701  # RFC 9218 §7.2
OF_HTTP2 = frozenset({0x2, 0x6, 0x8, 0x9})  # §7.2.8: reserved, and an error
CONTROL_STREAM, PUSH_STREAM, ENCODER_STREAM, DECODER_STREAM = 0x0, 0x1, 0x2, 0x3
MAX_FIELD_SECTION_SIZE = 0x6  # a setting (§7.2.4.1)
ENABLE_CONNECT_PROTOCOL = 0x8  # a setting (RFC 9220 §3)
SETTINGS_OF_HTTP2 = frozenset({0x2, 0x3, 0x4, 0x5})
VARINT_MAX = (1 << 62) - 1
CONTROL_BYTES_MAX = 4_096  # of a frame on the control stream: a setting has at most 16
READ_WHOLE = frozenset({
    HEADERS, CANCEL_PUSH, SETTINGS, PUSH_PROMISE, GOAWAY, MAX_PUSH_ID, PRIORITY_UPDATE,
    PRIORITY_UPDATE_PUSH,
})  # fmt: skip


class Http3Error(IntEnum):
    """Error codes of HTTP/3 (§8.1) and of QPACK (RFC 9204 §6)."""

    NO_ERROR = 0x100
    GENERAL_PROTOCOL_ERROR = 0x101
    INTERNAL_ERROR = 0x102
    STREAM_CREATION_ERROR = 0x103
    CLOSED_CRITICAL_STREAM = 0x104
    FRAME_UNEXPECTED = 0x105
    FRAME_ERROR = 0x106
    EXCESSIVE_LOAD = 0x107
    ID_ERROR = 0x108
    SETTINGS_ERROR = 0x109
    MISSING_SETTINGS = 0x10A
    REQUEST_REJECTED = 0x10B
    REQUEST_CANCELLED = 0x10C
    REQUEST_INCOMPLETE = 0x10D
    MESSAGE_ERROR = 0x10E
    QPACK_DECOMPRESSION_FAILED = 0x200
    QPACK_ENCODER_STREAM_ERROR = 0x201
    QPACK_DECODER_STREAM_ERROR = 0x202


class Http3ConnectionError(Exception):
    """What ends a connection: `code`, and words for who debugs it."""

    def __init__(self, code: Http3Error, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


class Http3StreamError(Exception):
    """What ends one stream."""

    def __init__(self, code: Http3Error, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Http3Frame(NamedTuple):
    """A whole frame, or of DATA the next piece."""

    kind: int
    payload: bytes
    size: int  # of its bytes here, the frame's header included


def varint(value: int) -> bytes:
    """A number (RFC 9000 §16)."""
    if value < 0x40:
        return bytes((value,))
    if value < 0x4000:
        return (value | 0x4000).to_bytes(2, "big")
    if value < 0x4000_0000:
        return (value | 0x8000_0000).to_bytes(4, "big")
    return (value | 0xC000_0000_0000_0000).to_bytes(8, "big")


def read_varint(data: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """The number at `at` and where it ends; None: more bytes are to come."""
    if at >= len(data):
        return None
    size = 1 << (data[at] >> 6)
    end = at + size
    if end > len(data):
        return None
    return int.from_bytes(data[at:end], "big") & ((1 << (size * 8 - 2)) - 1), end


def frame(kind: int, payload: bytes) -> bytes:
    """One frame."""
    return b"%b%b%b" % (varint(kind), varint(len(payload)), payload)


def frame_header(kind: int, length: int) -> bytes:
    """What comes before `length` bytes of a frame."""
    return varint(kind) + varint(length)


def settings_frame(settings: dict[int, int]) -> bytes:
    """Our SETTINGS."""
    pairs = (varint(name) + varint(value) for name, value in settings.items())
    return frame(SETTINGS, b"".join(pairs))


def read_settings(payload: bytes) -> dict[int, int]:
    """A viewer's. Http3ConnectionError for what §7.2.4 forbids."""
    settings: dict[int, int] = {}
    at = 0
    while at < len(payload):
        name = read_varint(payload, at)
        value = None if name is None else read_varint(payload, name[1])
        if name is None or value is None:
            raise Http3ConnectionError(Http3Error.FRAME_ERROR, "SETTINGS that end too early")
        if name[0] in SETTINGS_OF_HTTP2 or name[0] in settings:
            raise Http3ConnectionError(Http3Error.SETTINGS_ERROR, "a setting that is none")
        settings[name[0]], at = value
    return settings


def only_varint(payload: bytes) -> int:
    """The number that is all of a frame. Http3ConnectionError."""
    read = read_varint(payload, 0)
    if read is None or read[1] != len(payload):
        raise Http3ConnectionError(Http3Error.FRAME_ERROR, "a frame of another length")
    return read[0]


class Http3FrameReader:
    """The frames of one stream; no frame that is read whole has more than `bytes_max`."""

    __slots__ = ("_buffer", "_bytes_max", "_header_bytes", "_kind", "_left")

    def __init__(self, bytes_max: int) -> None:
        self._buffer = bytearray()
        self._bytes_max = bytes_max
        self._kind = -1  # of the frame that has begun and is not read whole
        self._left = 0  # bytes of it that are to come
        self._header_bytes = 0  # of its header, until the first of it is given

    def __len__(self) -> int:
        return len(self._buffer)

    @property
    def is_between(self) -> bool:
        """Whether no frame has begun."""
        return not self._buffer and self._kind < 0

    def add(self, data: bytes) -> None:
        """Append bytes that came."""
        self._buffer += data

    def next(self) -> Http3Frame | None:
        """The next frame or piece of DATA; None: more is to come. Http3ConnectionError.

        Of a kind that is passed over a frame without payload.
        """
        buffer = self._buffer
        if self._kind >= 0:
            return self._piece()
        kind = read_varint(buffer, 0)
        length = None if kind is None else read_varint(buffer, kind[1])
        if kind is None or length is None:
            return None
        if kind[0] not in READ_WHOLE:
            self._kind, self._left = kind[0], length[0]
            del buffer[: length[1]]
            if not self._left:
                self._kind = -1
                return Http3Frame(kind[0], b"", length[1])
            self._header_bytes = length[1]
            return self._piece()
        if length[0] > self._bytes_max:
            raise Http3ConnectionError(Http3Error.EXCESSIVE_LOAD, "a frame above the longest")
        end = length[1] + length[0]
        if len(buffer) < end:
            return None
        payload = bytes(buffer[length[1] : end])
        del buffer[:end]
        return Http3Frame(kind[0], payload, end)

    def _piece(self) -> Http3Frame | None:
        """What has come of a frame that is given as it comes, or passed over."""
        size = min(self._left, len(self._buffer))
        if not size:
            return None
        kind = self._kind
        payload = bytes(self._buffer[:size]) if kind == DATA else b""
        del self._buffer[:size]
        self._left -= size
        if not self._left:
            self._kind = -1
        header_bytes, self._header_bytes = self._header_bytes, 0
        return Http3Frame(kind, payload, header_bytes + size)
