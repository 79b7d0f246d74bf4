"""Origin connection: an HTTP/2 client connection, frames in and out, streams, its end.

Law: nothing is asked before the origin has said SETTINGS (RFC 9113 §3.4): what does not speak
HTTP/2 has not heard a request then. A stream's window bounds what waits of it, the connection's is
opened at once: a response that nobody reads stops no other. What costs the origin nothing is
counted (`http/http2/abuse.py`); of a read full of frames a turn's worth is taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol, cast

from edgecache.http.http2 import frames
from edgecache.http.http2.abuse import WINDOW_FRAMES_PER_DATA, Allowances
from edgecache.http.http2.frames import (
    ACK,
    END_STREAM,
    PREFACE,
    WINDOW_BYTES_MAX,
    ErrorCode,
    Frame,
    FrameReader,
    Http2ConnectionError,
    Http2StreamError,
    ReceiveWindow,
    content_of,
)
from edgecache.http.http2.header_decoder import HeaderBlockReader
from edgecache.http.message import BadMessage, BadReason, HeadLimits
from edgecache.runtime.environment import LoopTurns
from edgecache.upstream.endpoint import Endpoint, WireRequest
from edgecache.upstream.exchange import Deadline
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.http2.frame_sender import FrameSender
from edgecache.upstream.http2.heads import request_block
from edgecache.upstream.http2.stream import STREAM_BYTES, OriginStream
from edgecache.upstream.interface import Reply

STREAMS_MAX = 100  # at once on one: what RFC 9113 §6.5.2 advises servers to allow
CONNECTION_BYTES = 4 * 1024 * 1024  # its window: so much of all streams is under way
LIST_RATIO_MAX = 2  # of `head_bytes_max`: a head above it is decoded, to be told from a bomb
FRAMES_A_TURN = 256
RESET_MAX = 1_000  # streams given up of which something may be under way


class MultiplexedOwner(Protocol):
    """Keeper of a connection: the pool, or a test."""

    turns: LoopTurns

    def released(self, connection: OriginConnection) -> None:
        """One more may be asked of it, or it is to be asked no more."""
        ...

    def gone(self, connection: OriginConnection) -> None:
        """It is closed."""
        ...


class OriginConnection(asyncio.Protocol):
    """An HTTP/2 client connection. `clock` gives epoch seconds."""

    def __init__(
        self,
        endpoint: Endpoint,
        owner: MultiplexedOwner,
        limits: HeadLimits,
        clock: Callable[[], float],
    ) -> None:
        self.endpoint = endpoint
        self.where = endpoint.where
        self.limits = limits
        self.clock = clock
        self.loop = asyncio.get_running_loop()
        self.streams: dict[int, OriginStream] = {}
        self.asked = 0
        self.closed = False
        self.draining = False  # nothing more is asked of it
        self.opened_at = 0.0  # epoch seconds, for the pool
        self.server_name = ""  # that it was asked for by TLS, the endpoint's own when empty
        self.settled: asyncio.Future[None] = self.loop.create_future()
        self._owner = owner
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.sender: FrameSender = cast(FrameSender, None)
        self._reader = FrameReader()
        self._blocks = HeaderBlockReader(limits.head_bytes_max * LIST_RATIO_MAX)
        self._allowances = Allowances()
        self._receive = ReceiveWindow()
        self._reset: dict[int, ReceiveWindow] = {}
        self._last_id = -1
        self._waits_turn = False
        self._rest = Deadline(self.loop, self.close)

    # For the pool.

    @property
    def has_room(self) -> bool:
        """Whether one more may be asked."""
        most = min(STREAMS_MAX, self.sender.settings.streams_max)
        return not (self.draining or self.closed) and len(self.streams) < most

    @property
    def connected(self) -> bool:
        """Whether it has, or had, a transport."""
        return self._transport is not None

    async def ask(self, outgoing: WireRequest) -> Reply:
        """The final response; its body may still be arriving. UpstreamError when there is none."""
        if not self.has_room or self._transport.is_closing():
            raise UpstreamError(Fault.CLOSED, self.where, sent=False)
        if outgoing.upgrade and not self.sender.settings.tunnels:  # RFC 8441 §3
            raise UpstreamError(Fault.NO_UPGRADE, self.where, sent=False)
        self._rest.drop()
        self.asked += 1
        self._last_id += 2
        stream = OriginStream(self, self._last_id, outgoing)
        self.streams[stream.id] = stream
        if self._last_id > frames.STREAM_ID_MAX - 2:
            self.draining = True
        try:
            self._send_head(stream)
        except BaseException:
            self.streams.pop(stream.id, None)
            stream.gone = True
            stream.abandon()
            raise
        return await stream.run()

    def _send_head(self, stream: OriginStream) -> None:
        scheme = b"http" if self.endpoint.tls is None else b"https"
        outgoing = stream.outgoing
        block = request_block(
            outgoing.sent_head(), scheme, trailers=outgoing.two_way, tunnel=outgoing.upgrade
        )
        self.sender.send_block(stream.id, block, ends=stream.upload is None)

    def drain(self) -> None:
        """Ask nothing more of it; close once what is asked has its answer."""
        self.draining = True
        if not self.streams:
            self.close()

    def rest(self, seconds: float) -> None:
        """Close it once it was at rest for so long."""
        self._rest.put(seconds)

    def close(self) -> None:
        """Close in order when at rest, else break off."""
        self.draining = True
        if self.streams:
            self._transport.abort()
        elif not self._transport.is_closing():
            self._transport.write(frames.goaway_frame(0, ErrorCode.NO_ERROR))
            self._transport.close()

    # For streams: see OriginLine.

    def open_window(self, stream: OriginStream, count: int) -> None:
        """See OriginLine."""
        self.sender.write(frames.window_frame(stream.id, count))

    def reset(self, stream: OriginStream, code: ErrorCode) -> None:
        """See OriginLine."""
        if self.streams.get(stream.id) is not stream:
            return
        self._reset[stream.id] = stream.receive
        if len(self._reset) > RESET_MAX:
            del self._reset[next(iter(self._reset))]
        self.sender.write(frames.reset_frame(stream.id, code))
        self.over(stream)

    def over(self, stream: OriginStream) -> None:
        """See OriginLine."""
        if self.streams.pop(stream.id, None) is None:
            return
        stream.gone = True
        stream.window.stop()
        if self.closed:
            return
        if self.draining and not self.streams:
            self.close()
        self._owner.released(self)

    def late(self) -> None:
        """See OriginLine: HTTP/1.1 would ask by another connection, too."""
        self.drain()

    # For the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.sender = FrameSender(self._transport, self.loop)
        secured = transport.get_extra_info("ssl_object")
        if secured is not None and secured.selected_alpn_protocol() != "h2":
            self._unsettled(Fault.NOT_HTTP2)
            return
        said = {
            frames.ENABLE_PUSH: 0,
            frames.INITIAL_WINDOW_SIZE: STREAM_BYTES,
            frames.MAX_HEADER_LIST_SIZE: self.limits.head_bytes_max,
        }
        opened = frames.window_frame(0, self._receive.opening(CONNECTION_BYTES, 0))
        self._transport.write(PREFACE + frames.settings_frame(said) + opened)

    def pause_writing(self) -> None:
        self.sender.pause()

    def resume_writing(self) -> None:
        self.sender.resume()

    def data_received(self, data: bytes) -> None:
        if self.closed or self._transport.is_closing():
            return
        self._reader.add(data)
        if not self._waits_turn:
            self._work()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = self.draining = True
        self._rest.drop()
        if self.sender is not None:
            self.sender.resume()
        self._unsettled(Fault.CLOSED)
        self._fail_streams(Fault.CLOSED)
        self._owner.gone(self)

    # Reading.

    def _work(self) -> None:
        now, reader = self.loop.time(), self._reader
        frame: Frame | None = None
        try:
            for _ in range(FRAMES_A_TURN):
                frame = None
                frame = reader.next()
                if frame is None or self._transport.is_closing():
                    break
                try:
                    self._take(frame, now)
                except Http2StreamError as error:
                    self._end_stream(error.stream_id, error.code, Fault.MALFORMED)
            else:
                self._wait_turn()
            self._open_window()
        except Http2ConnectionError as error:
            self._end(error, frame)

    def _wait_turn(self) -> None:
        """The rest of a read full of frames is taken when others have had their turn."""
        self._waits_turn = True
        self._transport.pause_reading()
        self._owner.turns.wait(self.loop, self._take_turn)

    def _take_turn(self) -> None:
        self._waits_turn = False
        if self.closed or self._transport.is_closing():
            return
        self._transport.resume_reading()
        self._work()

    def _take(self, frame: Frame, now: float) -> None:
        if self._blocks.stream_id and frame.kind != frames.CONTINUATION:  # §4.3
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "a header block was not ended")
        settled = self.settled.done()
        if not settled and (frame.kind != frames.SETTINGS or frame.flags & ACK):  # §3.4
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "SETTINGS come first")
        take = _TAKES.get(frame.kind)
        if take is None:  # §5.5
            self._allowances.idle_frames.use(now)
        else:
            take(self, frame, now)

    def _take_headers(self, frame: Frame, now: float) -> None:
        is_first = frame.kind == frames.HEADERS
        listed = self._blocks.begin(frame) if is_first else self._blocks.add(frame)
        if listed is None:
            return
        stream = self._known(listed.stream_id)
        if stream is None:
            self._allowances.idle_frames.use(now)
            return
        self._guarded(stream, partial(stream.take_list, listed))

    def _take_data(self, frame: Frame, now: float) -> None:
        size, ends = frame.size, bool(frame.flags & END_STREAM)
        if not self._receive.take(size):  # §6.9.1
            raise Http2ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "DATA beyond the window")
        content = content_of(frame)
        if not content and not ends:
            self._allowances.idle_frames.use(now)
        stream = self._known(frame.stream_id)
        if stream is None:
            window = self._reset.get(frame.stream_id)
            if window is None or not window.take(size):
                self._allowances.idle_frames.use(now)
            return
        self._guarded(stream, partial(stream.take_data, content, size, ends=ends))

    def _guarded(self, stream: OriginStream, take: Callable[[], None]) -> None:
        """Let a stream take what came for it; what is no HTTP ends it, and no other."""
        try:
            take()
        except BadMessage as bad:
            too_big = bad.why in (BadReason.HEAD_TOO_BIG, BadReason.FIELDS_TOO_MANY)
            fault = Fault.HEAD_TOO_BIG if too_big else Fault.MALFORMED
            self._end_stream(stream.id, ErrorCode.PROTOCOL_ERROR, fault)

    def _end_stream(self, stream_id: int, code: ErrorCode, fault: Fault) -> None:
        stream = self.streams.get(stream_id)
        if stream is not None:
            stream.fail(fault)
            self.reset(stream, code)

    def _take_reset(self, frame: Frame, now: float) -> None:
        stream = self._known(frame.stream_id)
        if stream is None:
            self._allowances.idle_frames.use(now)
            return
        self._allowances.resets.use(now)
        code = int.from_bytes(frame.payload, "big")
        if code == ErrorCode.REFUSED_STREAM:  # §8.7: it has done nothing
            stream.fail(Fault.CLOSED, sent=False)
        elif code == ErrorCode.HTTP_1_1_REQUIRED:
            stream.fail(Fault.NOT_HTTP2)
        else:
            stream.fail_whole(Fault.CLOSED)
        self.over(stream)

    def _take_window(self, frame: Frame, now: float) -> None:
        sender = self.sender
        self._allowances.window_frames.give_back(sender.data_frames * WINDOW_FRAMES_PER_DATA)
        sender.data_frames = 0
        self._allowances.window_frames.use(now)
        count = int.from_bytes(frame.payload, "big") & WINDOW_BYTES_MAX
        if not frame.stream_id:
            sender.window += count
            if not count or sender.window > WINDOW_BYTES_MAX:
                raise Http2ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "a window out of bounds")
            for stream in list(self.streams.values()):
                stream.window.wake()
            return
        known = self._known(frame.stream_id)
        if known is None:
            return
        known.window.left += count
        if not count or known.window.left > WINDOW_BYTES_MAX:
            raise Http2StreamError(known.id, ErrorCode.FLOW_CONTROL_ERROR, "out of bounds")
        known.window.wake()

    def _take_settings(self, frame: Frame, now: float) -> None:
        if frame.flags & ACK:
            if frame.payload:
                raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "ACK that says something")
            return
        self._allowances.idle_frames.use(now, 1 + frame.size // 6)
        before = self.sender.settings.window_bytes
        self.sender.settings.take(frame.payload)
        for stream in list(self.streams.values()):  # §6.9.2
            stream.window.left += self.sender.settings.window_bytes - before
            if stream.window.left > WINDOW_BYTES_MAX:
                raise Http2ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "a window too large")
            stream.window.wake()
        self.sender.write(frames.SETTINGS_ACK)
        if not self.settled.done():
            self.settled.set_result(None)
        else:
            self._owner.released(self)  # it may let more be asked

    def _take_ping(self, frame: Frame, now: float) -> None:
        self._allowances.idle_frames.use(now)
        if not frame.flags & ACK:
            self.sender.write(frames.frame(frames.PING, ACK, 0, frame.payload))

    def _take_priority(self, frame: Frame, now: float) -> None:
        """Read and ignored (§5.3.2)."""
        self._allowances.idle_frames.use(now)

    def _take_goaway(self, frame: Frame, now: float) -> None:
        """Nothing above the last stream it names was done, or will be (§6.8)."""
        self._allowances.idle_frames.use(now)
        self.draining = True
        last = int.from_bytes(frame.payload[:4], "big") & frames.STREAM_ID_MAX
        for stream in [one for one in self.streams.values() if one.id > last]:
            stream.fail(Fault.CLOSED, sent=False)
            self.over(stream)
        self._owner.released(self)
        if not self.streams:
            self.close()

    def _known(self, stream_id: int) -> OriginStream | None:
        """A stream that is open; None: it has ended. Http2ConnectionError: it never was (§5.1)."""
        if stream_id > self._last_id or not stream_id % 2:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "a frame of an idle stream")
        return self.streams.get(stream_id)

    def _open_window(self) -> None:
        more = self._receive.opening(CONNECTION_BYTES, 0)
        if more:
            self.sender.write(frames.window_frame(0, more))

    # The end.

    def _end(self, error: Http2ConnectionError, frame: Frame | None) -> None:
        """The origin broke a rule of the connection (§5.4.1): say so, and close."""
        self.draining = True
        self._unsettled(Fault.NOT_HTTP2)
        culprit = None
        if frame is not None and frame.kind in (frames.HEADERS, frames.CONTINUATION):
            culprit = self.streams.get(frame.stream_id)
        if culprit is not None:
            bomb = error.code is ErrorCode.ENHANCE_YOUR_CALM
            culprit.fail(Fault.HEAD_TOO_BIG if bomb else Fault.MALFORMED)
        self._fail_streams(Fault.MALFORMED)
        if not self._transport.is_closing():
            self._transport.write(frames.goaway_frame(0, error.code, error.detail))
            self._transport.close()

    def _unsettled(self, fault: Fault) -> None:
        """It will never be asked anything."""
        if not self.settled.done():
            self.settled.set_exception(UpstreamError(fault, self.where, sent=False))
            self.settled.exception()  # marks it seen: who opened it may have left
            self.draining = True
            self._transport.close()

    def _fail_streams(self, fault: Fault) -> None:
        streams, self.streams = self.streams, {}
        for stream in streams.values():
            stream.gone = True
            stream.fail_whole(fault)
            stream.window.stop()


_TAKES = {
    frames.DATA: OriginConnection._take_data,
    frames.HEADERS: OriginConnection._take_headers,
    frames.CONTINUATION: OriginConnection._take_headers,
    frames.PRIORITY: OriginConnection._take_priority,
    frames.RST_STREAM: OriginConnection._take_reset,
    frames.SETTINGS: OriginConnection._take_settings,
    frames.PING: OriginConnection._take_ping,
    frames.GOAWAY: OriginConnection._take_goaway,
    frames.WINDOW_UPDATE: OriginConnection._take_window,
}
