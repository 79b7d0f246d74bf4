"""Streams of one direction from a viewer: control, QPACK's two, and unknown ones (RFC 9114 §6.2).

Law: control and QPACK's streams last as long as the connection, and are there once each; SETTINGS
are the first that control says. Since no dynamic table is let, QPACK's streams have almost nothing
to say.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgecache.http.http2.abuse import Allowances
from edgecache.server.http2.priority import Priority, read_priority
from edgecache.server.http3 import frames
from edgecache.server.http3.frames import (
    Http3ConnectionError,
    Http3Error,
    Http3FrameReader,
    read_varint,
)
from edgecache.server.http3.stream import Http3Stream

PRIORITIES_MAX = 128  # of requests that have not begun: as many as may come
_NO_ROOM = 0x20  # Set Dynamic Table Capacity to 0 (RFC 9204 §4.3.1)
_UNKNOWN = -1


class UniStreams:
    """Those of one connection, whose requests are `streams`."""

    def __init__(self, streams: Mapping[int, Http3Stream], allowances: Allowances) -> None:
        self.priorities: dict[int, Priority] = {}  # told before their requests
        self._streams = streams
        self._allowances = allowances
        self._kinds: dict[int, int] = {}  # by stream
        self._starts: dict[int, bytes] = {}  # of streams whose kind is not whole
        self._totals: dict[int, int] = {}
        self._control = Http3FrameReader(frames.CONTROL_BYTES_MAX)
        self._settled = False  # SETTINGS have come
        self._push_id = -1
        self._in_number = False  # of a Stream Cancellation

    def total_bytes(self, stream_id: int) -> int:
        """How many bytes of a stream have come."""
        return self._totals.get(stream_id, 0)

    def take(self, stream_id: int, data: bytes, *, ended: bool, now: float) -> None:
        """Bytes of a stream, in order. Http3ConnectionError."""
        self._totals[stream_id] = self.total_bytes(stream_id) + len(data)
        kind = self._kinds.get(stream_id)
        if kind is None:
            data = self._starts.pop(stream_id, b"") + data
            read = read_varint(data, 0)
            if read is None:
                self._starts[stream_id] = data
                if ended:
                    self._forget(stream_id)
                return
            kind, data = self._begin(stream_id, read[0], now), data[read[1] :]
        if kind == frames.CONTROL_STREAM:
            self._control.add(data)
            while (frame := self._control.next()) is not None:
                self._take_frame(frame.kind, frame.payload, now)
        elif kind == frames.ENCODER_STREAM:
            self._take_encoder(data, now)
        elif kind == frames.DECODER_STREAM:
            self._take_decoder(data, now)
        elif data:
            self._allowances.idle_frames.use(now)
        if ended:
            self.require_uncritical(stream_id)
            self._forget(stream_id)

    def require_uncritical(self, stream_id: int) -> None:
        """Http3ConnectionError when a stream that has ended may not (§6.2.1)."""
        if self._kinds.get(stream_id, _UNKNOWN) != _UNKNOWN:
            code = Http3Error.CLOSED_CRITICAL_STREAM
            raise Http3ConnectionError(code, "a stream that lasts was ended")
        self._forget(stream_id)

    def _forget(self, stream_id: int) -> None:
        self._kinds.pop(stream_id, None)
        self._starts.pop(stream_id, None)
        self._totals.pop(stream_id, None)

    def _begin(self, stream_id: int, kind: int, now: float) -> int:
        if kind == frames.PUSH_STREAM:  # §6.2.2
            raise Http3ConnectionError(Http3Error.STREAM_CREATION_ERROR, "a push to a server")
        if kind not in (frames.CONTROL_STREAM, frames.ENCODER_STREAM, frames.DECODER_STREAM):
            self._allowances.idle_frames.use(now)
            kind = _UNKNOWN  # §9: what comes of it is passed over
        elif kind in self._kinds.values():
            raise Http3ConnectionError(Http3Error.STREAM_CREATION_ERROR, "a stream came twice")
        self._kinds[stream_id] = kind
        return kind

    def _take_frame(self, kind: int, payload: bytes, now: float) -> None:
        """A frame of the control stream (§7.2)."""
        if not self._settled:
            if kind != frames.SETTINGS:
                raise Http3ConnectionError(Http3Error.MISSING_SETTINGS, "SETTINGS come first")
            frames.read_settings(payload)
            self._settled = True
        elif kind == frames.MAX_PUSH_ID:
            push_id = frames.only_varint(payload)
            if push_id < self._push_id:
                raise Http3ConnectionError(Http3Error.ID_ERROR, "MAX_PUSH_ID that goes back")
            self._push_id = push_id
        elif kind == frames.GOAWAY:  # of pushes, which there are none of
            frames.only_varint(payload)
        elif kind == frames.PRIORITY_UPDATE:
            self._take_priority(payload)
        elif kind in (frames.CANCEL_PUSH, frames.PRIORITY_UPDATE_PUSH):
            raise Http3ConnectionError(Http3Error.ID_ERROR, "a push that was not promised")
        elif kind in (frames.DATA, frames.HEADERS, frames.SETTINGS, frames.PUSH_PROMISE):
            raise Http3ConnectionError(Http3Error.FRAME_UNEXPECTED, "a frame of another stream")
        elif kind in frames.OF_HTTP2:
            raise Http3ConnectionError(Http3Error.FRAME_UNEXPECTED, "a frame of HTTP/2")
        self._allowances.idle_frames.use(now)

    def _take_priority(self, payload: bytes) -> None:
        """RFC 9218 §7.2."""
        read = read_varint(payload, 0)
        if read is None or read[0] & 3:
            raise Http3ConnectionError(Http3Error.ID_ERROR, "the priority of no request")
        priority = read_priority(payload[read[1] :])
        stream = self._streams.get(read[0])
        if stream is not None:
            stream.priority = priority
        elif len(self.priorities) < PRIORITIES_MAX:
            self.priorities[read[0]] = priority

    def _take_encoder(self, data: bytes, now: float) -> None:
        if data.count(_NO_ROOM) != len(data):
            code = Http3Error.QPACK_ENCODER_STREAM_ERROR
            raise Http3ConnectionError(code, "a table that has no room")
        self._allowances.idle_frames.use(now, len(data))

    def _take_decoder(self, data: bytes, now: float) -> None:
        """Stream Cancellation alone (RFC 9204 §4.4.2); its number may have more bytes."""
        self._allowances.idle_frames.use(now, len(data))
        for byte in data:
            if self._in_number:
                self._in_number = byte >= 0x80
            elif byte & 0xC0 != 0x40:
                code = Http3Error.QPACK_DECODER_STREAM_ERROR
                raise Http3ConnectionError(code, "acknowledgement of nothing")
            else:
                self._in_number = byte == 0x7F
