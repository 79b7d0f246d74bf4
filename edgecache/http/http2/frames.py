"""HTTP/2 frames: a strict reader of arriving bytes, and what is sent (RFC 9113 §4, §6).

Law: what a frame may not be by its own header (length, stream, type) is refused before any of its
payload is waited for. Linear in the bytes, however they are cut. Which error a frame is stands in
one table (`FORMS`); what a frame means is the connection's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # §3.4
HEADER_BYTES = 9
FRAME_BYTES_MAX = 16_384  # §6.5.2: the least a peer must take, and the most we do
WINDOW_BYTES = 65_535  # §6.9.2: of connection and streams at first
WINDOW_BYTES_MAX = 2**31 - 1
STREAM_ID_MAX = 2**31 - 1

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY = range(8)
WINDOW_UPDATE, CONTINUATION = 8, 9
PRIORITY_UPDATE = 0x10  # RFC 9218 §7.1

END_STREAM = ACK = 0x1
END_HEADERS, PADDED, WITH_PRIORITY = 0x4, 0x8, 0x20

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = range(1, 5)
MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 5, 6
ENABLE_CONNECT_PROTOCOL = 8  # RFC 8441 §3
NO_RFC7540_PRIORITIES = 9  # RFC 9218 §2.1


class ErrorCode(IntEnum):
    """Why a stream or a connection ends (RFC 9113 §7)."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


class Http2ConnectionError(Exception):
    """What ends a connection (§5.4.1); `detail` goes to the peer, for who debugs it."""

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Http2StreamError(Exception):
    """What ends one stream (§5.4.2)."""

    def __init__(self, stream_id: int, code: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.stream_id = stream_id
        self.code = code


class Frame(NamedTuple):
    """A whole frame; `size` is that of its payload, padding included."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes

    @property
    def size(self) -> int:
        """What counts for flow control (§6.9.1)."""
        return len(self.payload)


class _Form(NamedTuple):
    """What a frame's header must be: `on_stream` None: either."""

    on_stream: bool | None
    least: int = 0
    most: int = FRAME_BYTES_MAX
    multiple: int = 1


FORMS = {
    DATA: _Form(True),
    HEADERS: _Form(True),
    PRIORITY: _Form(True),  # its length is a stream's error, and the connection's to see
    RST_STREAM: _Form(True, 4, 4),
    SETTINGS: _Form(False, multiple=6),
    PING: _Form(False, 8, 8),
    GOAWAY: _Form(False, 8),
    WINDOW_UPDATE: _Form(None, 4, 4),
    CONTINUATION: _Form(True),
    PRIORITY_UPDATE: _Form(False, 4),
}
"""By type, what §6 says of its length and its stream; what is not here is unknown (§5.5)."""


class FrameReader:
    """Bytes read and not yet taken as frames: whole ones, and the start of one."""

    __slots__ = ("at", "held")

    def __init__(self) -> None:
        self.held: bytes | bytearray = b""
        self.at = 0  # where in `held` the next frame begins

    def add(self, data: bytes) -> None:
        """Append bytes that came."""
        held = self.held
        if self.at == len(held):
            self.held, self.at = data, 0
            return
        rest, self.at = len(held) - self.at, 0
        if rest <= len(data):  # which pays for the copy
            self.held = bytes(held[-rest:]) + data
            return
        if isinstance(held, bytes):
            held = self.held = bytearray(held[-rest:])
        else:
            del held[:-rest]
        held += data

    def next(self) -> Frame | None:
        """The next whole frame; None when more must come. Http2ConnectionError."""
        held, at = self.held, self.at
        left = len(held) - at
        if left < HEADER_BYTES:
            return None
        length = held[at] << 16 | held[at + 1] << 8 | held[at + 2]
        kind, flags = held[at + 3], held[at + 4]
        stream_id = int.from_bytes(held[at + 5 : at + 9], "big") & STREAM_ID_MAX
        if left < HEADER_BYTES + length or length > FRAME_BYTES_MAX:
            _check_form(kind, length, stream_id)
            return None
        end = at + HEADER_BYTES + length
        payload = bytes(held[at + HEADER_BYTES : end])
        if end == len(held):
            self.held, self.at = b"", 0
        else:
            self.at = end
        _check_form(kind, length, stream_id)
        return Frame(kind, flags, stream_id, payload)

    def take(self, at: int) -> None:
        """All before `at` was taken."""
        if at == len(self.held):
            self.held, self.at = b"", 0
        else:
            self.at = at

    def data_stream(self) -> int:
        """The stream of the DATA frame that has begun to come, if it is one; else 0."""
        held, at = self.held, self.at
        if len(held) - at < HEADER_BYTES or held[at + 3] != DATA:
            return 0
        return int.from_bytes(held[at + 5 : at + 9], "big") & STREAM_ID_MAX

    def preface(self) -> bool:
        """Take the preface; False when more of it must come. Http2ConnectionError: it is none."""
        start = bytes(self.held[self.at : self.at + len(PREFACE)])
        if not PREFACE.startswith(start):
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "no connection preface")
        if len(start) < len(PREFACE):
            return False
        self.take(self.at + len(PREFACE))
        return True

    def clear(self) -> None:
        """Forget all that is here."""
        self.held, self.at = b"", 0

    def __len__(self) -> int:
        """Bytes held."""
        return len(self.held) - self.at


def _check_form(kind: int, length: int, stream_id: int) -> None:
    if length > FRAME_BYTES_MAX:  # §4.2
        raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "a frame above the largest size")
    form = FORMS.get(kind)
    if form is None:
        if kind == PUSH_PROMISE:  # §8.4: a client pushes nothing, and we let no server
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE, which nobody lets")
        return
    if form.on_stream is not None and form.on_stream is not (stream_id != 0):
        raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "a frame on a stream it is not for")
    if not form.least <= length <= form.most or length % form.multiple:
        raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "a frame of a length it never has")


def content_of(frame: Frame) -> bytes:
    """The payload of DATA or HEADERS without padding and priority (§6.1, §6.2)."""
    payload, flags = frame.payload, frame.flags
    if frame.kind == DATA:
        flags &= PADDED
    if not flags & (PADDED | WITH_PRIORITY):
        return payload
    start, end = 0, len(payload)
    if flags & PADDED:
        if not payload:
            raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "no length of the padding")
        start, end = 1, end - payload[0]
    if flags & WITH_PRIORITY:
        if len(payload) - start < 5:
            raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "no priority where it says so")
        start += 5
    if end < start:
        raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "more padding than payload")
    return payload[start:end]


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """A frame as it is sent."""
    return b"%b%b" % (frame_header(len(payload), kind, flags, stream_id), payload)


def frame_header(length: int, kind: int, flags: int, stream_id: int) -> bytes:
    """The nine bytes before a payload (§4.1)."""
    return (length << 48 | kind << 40 | flags << 32 | stream_id).to_bytes(HEADER_BYTES, "big")


def data_frames(
    pieces: Sequence[bytes | memoryview], stream_id: int, bytes_max: int, *, ends: bool
) -> list[bytes | memoryview]:
    """Bytes as frames of DATA with at most so many each, by reference (§6.1); there are some.

    `ends`: the last one ends the stream.
    """
    out: list[bytes | memoryview] = []
    left, room = sum(map(len, pieces)), 0  # not framed yet; of these, for the frame begun
    for piece in pieces:
        view, at = memoryview(piece), 0
        while at < len(piece):
            if not room:
                room = min(left, bytes_max)
                left -= room
                flags = 0 if left or not ends else END_STREAM
                out.append(frame_header(room, DATA, flags, stream_id))
            part = view[at : at + room]
            out.append(part)
            at += len(part)
            room -= len(part)
    return out


def header_frames(stream_id: int, block: bytes, *, ends: bool) -> bytes:
    """A header block as HEADERS, and CONTINUATION where it is longer than a frame (§6.10)."""
    flags = END_STREAM if ends else 0
    if len(block) <= FRAME_BYTES_MAX:
        return frame(HEADERS, flags | END_HEADERS, stream_id, block)
    parts = [block[at : at + FRAME_BYTES_MAX] for at in range(0, len(block), FRAME_BYTES_MAX)]
    frames = [frame(HEADERS, flags, stream_id, parts[0])]
    frames += [frame(CONTINUATION, 0, stream_id, part) for part in parts[1:-1]]
    frames.append(frame(CONTINUATION, END_HEADERS, stream_id, parts[-1]))
    return b"".join(frames)


def settings_frame(values: dict[int, int]) -> bytes:
    """SETTINGS that says these (§6.5.1)."""
    parts = [key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in values.items()]
    return frame(SETTINGS, 0, 0, b"".join(parts))


def goaway_frame(last_stream_id: int, code: ErrorCode, detail: str = "") -> bytes:
    """GOAWAY: nothing above `last_stream_id` was or will be done (§6.8)."""
    said = last_stream_id.to_bytes(4, "big") + code.to_bytes(4, "big") + detail.encode("ascii")
    return frame(GOAWAY, 0, 0, said)


def reset_frame(stream_id: int, code: ErrorCode) -> bytes:
    """RST_STREAM (§6.4)."""
    return frame(RST_STREAM, 0, stream_id, code.to_bytes(4, "big"))


def window_frame(stream_id: int, count: int) -> bytes:
    """WINDOW_UPDATE: `count` more bytes may come (§6.9)."""
    return frame(WINDOW_UPDATE, 0, stream_id, count.to_bytes(4, "big"))


SETTINGS_ACK = frame(SETTINGS, ACK, 0)


class PeerSettings:
    """What a peer has said of itself (§6.5.2), as far as it bears on what is sent."""

    __slots__ = ("frame_bytes_max", "shrinks_table", "streams_max", "tunnels", "window_bytes")

    def __init__(self) -> None:
        self.window_bytes = WINDOW_BYTES  # of a stream at first
        self.frame_bytes_max = FRAME_BYTES_MAX
        self.shrinks_table = False  # of HPACK, to less than we might use by default
        self.streams_max = STREAM_ID_MAX  # that we may have open at a time
        self.tunnels = False  # extended CONNECT may be asked (RFC 8441 §3)

    def take(self, payload: bytes) -> None:
        """Take over what a SETTINGS frame says. Http2ConnectionError."""
        for at in range(0, len(payload), 6):
            key = int.from_bytes(payload[at : at + 2], "big")
            value = int.from_bytes(payload[at + 2 : at + 6], "big")
            if key == ENABLE_PUSH and value > 1:
                raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1")
            if key == ENABLE_CONNECT_PROTOCOL:
                if value > 1 or value < self.tunnels:
                    code = ErrorCode.PROTOCOL_ERROR
                    raise Http2ConnectionError(code, "ENABLE_CONNECT_PROTOCOL is 0, then 1")
                self.tunnels = value == 1
            elif key == HEADER_TABLE_SIZE and value < 4_096:
                self.shrinks_table = True
            elif key == MAX_CONCURRENT_STREAMS:
                self.streams_max = value
            elif key == INITIAL_WINDOW_SIZE:
                if value > WINDOW_BYTES_MAX:
                    code = ErrorCode.FLOW_CONTROL_ERROR
                    raise Http2ConnectionError(code, "INITIAL_WINDOW_SIZE above the largest")
                self.window_bytes = value
            elif key == MAX_FRAME_SIZE and not FRAME_BYTES_MAX <= value < 2**24:
                raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "MAX_FRAME_SIZE out of bounds")


class ReceiveWindow:
    """How many bytes a peer may still send on a stream or a connection."""

    __slots__ = ("left",)

    def __init__(self, count: int = WINDOW_BYTES) -> None:
        self.left = count

    def take(self, count: int) -> bool:
        """So many have come; whether they were let."""
        self.left -= count
        return self.left >= 0

    def opening(self, bytes_max: int, untaken: int) -> int:
        """By how much to open it again, so that `bytes_max` may wait here; 0: not yet."""
        more = bytes_max - untaken - self.left
        if more * 2 < bytes_max:
            return 0
        self.left += more
        return more
