"""Frame receiver: what each frame of a viewer does to its connection and streams (RFC 9113 §5, §6).

Law: which error an unfitting frame is, of the stream or of the connection, is §5.1's and §6's to
say; a header block is decoded whatever becomes of its stream, since the next one builds on it
(§4.3). Windows are opened again as what came is taken, and what was given up at once.
"""

from __future__ import annotations

from typing import cast

from edgecache.http.http2 import frames
from edgecache.http.http2.abuse import WINDOW_FRAMES_PER_DATA, Allowances
from edgecache.http.http2.frames import (
    ACK,
    END_STREAM,
    STREAM_ID_MAX,
    WINDOW_BYTES,
    WINDOW_BYTES_MAX,
    ErrorCode,
    Frame,
    FrameReader,
    Http2ConnectionError,
    Http2StreamError,
    ReceiveWindow,
    content_of,
)
from edgecache.http.http2.header_decoder import HeaderBlockReader, HeaderList
from edgecache.http.message import BadMessage, end_to_end
from edgecache.runtime.environment import REQUESTS_MAX, TURN_S
from edgecache.server.http2.head_cache import REPEATED_MAX, Http2HeadCache
from edgecache.server.http2.priority import Priority, read_priority
from edgecache.server.http2.request_body import CONNECTION_BYTES, StreamBody
from edgecache.server.http2.request_head import MalformedRequest, check_trailers
from edgecache.server.http2.request_start import begin_request
from edgecache.server.http2.stream import Http2Connection, Http2Stream
from edgecache.server.http2.tunnel import TunnelBody
from edgecache.store.memory_account import MemoryHolding

RESET_MAX = 256  # streams that we have reset, of which something may be under way
LOOK_FRAMES = 64  # after so many the clock is looked at
LIST_RATIO_MAX = 2  # of `head_bytes_max`: a head above it is decoded, to be told 431
DRAIN_PING = b"draining"


class FrameReceiver:
    """What one connection has received."""

    __slots__ = (
        "_allowances", "_begun", "_early_priorities", "_head_cache", "_receive", "_reset_ids",
        "_served", "_untaken_bytes", "blocks", "connection", "last_id", "last_taken", "prefix",
        "reader", "settled", "since",
    )  # fmt: skip

    def __init__(self, connection: Http2Connection, now: float) -> None:
        self.last_id = 0  # of the streams that were begun
        self.last_taken = STREAM_ID_MAX  # of GOAWAY: nothing above it is taken
        self.since = now  # when the last whole frame came
        self.connection = connection
        self.reader = FrameReader()
        self.prefix = b""  # see ReceivedFrames
        self._head_cache = cast("Http2HeadCache | None", connection.listener.http2_head_cache)
        limits = connection.listener.head_limits
        self.blocks = HeaderBlockReader(limits.head_bytes_max * LIST_RATIO_MAX)
        self._allowances = Allowances()
        self._receive = ReceiveWindow()
        self._untaken_bytes = 0  # of all bodies
        self._begun = False  # the preface has come
        self.settled = False  # so have the viewer's settings
        self._reset_ids: dict[int, None] = {}
        self._early_priorities: dict[int, Priority] = {}  # of streams that are to come
        self._served = 0  # requests, in this turn

    def add(self, data: bytes, now: float) -> None:
        """Append bytes that came."""
        reader = self.reader
        if not (reader.held or self.blocks.stream_id):
            self.since = now
        reader.add(data)
        streams = self.connection.streams
        stream = streams.get(self.partial_stream) if streams else None
        if stream is not None and stream.body is not None and not stream.body.done:
            self._due(stream, stream.body, len(data), now)

    @property
    def held_bytes(self) -> int:
        """Bytes of what is not whole yet, or waits for a turn."""
        reader, blocks = self.reader, self.blocks
        begun = blocks.held_bytes if blocks.stream_id else 0
        return len(reader.held) - reader.at + begun

    @property
    def partial_stream(self) -> int:
        """The stream of the DATA that has begun to come; 0: there is none."""
        return self.reader.data_stream()

    def clear(self) -> None:
        """Forget what came: the connection is gone."""
        self.reader.clear()

    def ignore(self, stream_id: int) -> None:
        """We have reset it: what is still under way for it is dropped."""
        self._reset_ids[stream_id] = None
        if len(self._reset_ids) > RESET_MAX:
            del self._reset_ids[next(iter(self._reset_ids))]

    def work(self, now: float) -> bool:
        """Take frames until a turn's worth is done; whether more may be. Http2ConnectionError."""
        reader, clock = self.reader, self.connection.listener.clock
        self._served = 0
        if not self._begun:
            if not reader.preface():
                return False
            self._begun = True
        count = repeated = 0
        while True:
            repeated += self._repeat(now)
            if repeated >= REPEATED_MAX:
                return True
            frame = reader.next()
            if frame is None:
                break
            self.since = now
            try:
                self._take(frame, now)
            except Http2StreamError as error:
                self._end_stream(error, now)
            count += 1
            if self._served >= REQUESTS_MAX:
                return True
            if count % LOOK_FRAMES == 0 and clock() - now > TURN_S:
                return True
        if self._untaken_bytes or self._receive.left < WINDOW_BYTES:
            self.open()
        return False

    def _repeat(self, now: float) -> int:
        """Have the head cache answer what it knows of what comes next; how many requests."""
        head_cache, connection = self._head_cache, self.connection
        if (
            head_cache is None
            or not self.settled
            or self.blocks.stream_id
            or len(connection.streams) >= connection.listener.limits.concurrent_streams_max
            or connection.transport.is_closing()
        ):
            return 0
        return head_cache.repeat(self, now)

    def _take(self, frame: Frame, now: float) -> None:
        if self.blocks.stream_id and frame.kind != frames.CONTINUATION:  # §4.3
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "a header block was not ended")
        if not self.settled:  # §3.4
            if frame.kind != frames.SETTINGS or frame.flags & ACK:
                raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "SETTINGS come first")
            self.settled = True
        take = _TAKES.get(frame.kind)
        if take is None:  # §5.5
            self._allowances.idle_frames.use(now)
        else:
            take(self, frame, now)

    def _take_headers(self, frame: Frame, now: float) -> None:
        listed = self.blocks.begin(frame)
        if listed is not None:
            self._take_list(listed, now)

    def _take_continuation(self, frame: Frame, now: float) -> None:
        listed = self.blocks.add(frame)
        if listed is not None:
            self._take_list(listed, now)

    def _take_list(self, listed: HeaderList, now: float) -> None:
        """A header list: a request, or trailers."""
        stream_id = listed.stream_id
        if stream_id > self.last_id:
            if not stream_id % 2:  # §5.1.1
                raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "a stream of ours")
            if stream_id > self.last_taken or self.connection.transport.is_closing():
                return  # §6.8: its viewer asks again elsewhere
            self.last_id = stream_id
            self._served += 1
            self._begin(listed, now)
            return
        stream = self.connection.streams.get(stream_id)
        if stream is None or stream.remote_closed:
            if stream_id not in self._reset_ids:  # §5.1
                raise Http2ConnectionError(ErrorCode.STREAM_CLOSED, "HEADERS after the end")
            return
        try:
            check_trailers(listed.fields)
        except MalformedRequest as error:
            raise Http2StreamError(stream_id, ErrorCode.PROTOCOL_ERROR, str(error)) from None
        if not listed.ends:  # §8.1
            raise Http2StreamError(stream_id, ErrorCode.PROTOCOL_ERROR, "trailers go on")
        if stream.body is not None:
            stream.body.trailers = end_to_end(tuple([(f[0], f[1]) for f in listed.fields]))
        self._end_body(stream)

    def _take_data(self, frame: Frame, now: float) -> None:
        size, stream_id = frame.size, frame.stream_id
        if not self._receive.take(size):  # §6.9.1
            raise Http2ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "DATA beyond the window")
        content, ends = content_of(frame), bool(frame.flags & END_STREAM)
        if not content and not ends:
            self._allowances.idle_frames.use(now)
        stream = self.connection.streams.get(stream_id)
        if stream is None or stream.remote_closed:
            self._known(stream_id)
            if stream_id in self._reset_ids or stream_id > self.last_taken:
                return
            raise Http2StreamError(stream_id, ErrorCode.STREAM_CLOSED, "DATA after the end")
        if stream.receive is None:
            stream.receive = ReceiveWindow()
        if not stream.receive.take(size):
            raise Http2StreamError(stream_id, ErrorCode.FLOW_CONTROL_ERROR, "DATA beyond it")
        if content:
            self._feed(stream, content, now)
        if size > len(content):
            self._open_stream(stream)  # padding is taken at once
        if ends and self.connection.streams.get(stream_id) is stream:
            self._end_body(stream)

    def _feed(self, stream: Http2Stream, content: bytes, now: float) -> None:
        body = stream.body
        if body is None:
            if stream.task is not None:  # its length was said to be 0 (§8.1.1)
                code = ErrorCode.PROTOCOL_ERROR
                raise Http2StreamError(stream.id, code, "DATA of a request without a body")
            return  # it is answered already
        self._untaken_bytes += len(content)
        try:
            body.feed(content)
        except BadMessage:  # the errand is told by the body, and answers (§8.1.1)
            stream.fault = ErrorCode.PROTOCOL_ERROR
            self.connection.forget_body(stream)
            return
        if not body.done:
            self._due(stream, body, len(content), now)

    def _due(self, stream: Http2Stream, body: StreamBody, count: int, now: float) -> None:
        if isinstance(body, TunnelBody):
            self.connection.tunnel_passed(stream, body, count)
            return
        idle_s_max = self.connection.listener.limits.body_idle_s_max
        if not body.open_ended:
            self.connection.due(stream, body.due(now, count, idle_s_max))

    def _end_body(self, stream: Http2Stream) -> None:
        """The viewer has said all of a request."""
        stream.remote_closed = True
        body = stream.body
        if body is not None:
            try:
                body.end()
            except BadMessage:
                stream.fault = ErrorCode.PROTOCOL_ERROR
            self.connection.forget_body(stream)
        self.connection.settle(stream)

    def _take_reset(self, frame: Frame, now: float) -> None:
        stream = self._known(frame.stream_id)
        if stream is None:
            self._allowances.idle_frames.use(now)
            return
        self._allowances.resets.use(now)
        stream.remote_closed = True
        self.connection.let_go(stream)

    def _take_window(self, frame: Frame, now: float) -> None:
        allowance, writer = self._allowances.window_frames, self.connection.writer
        allowance.give_back(writer.data_frames * WINDOW_FRAMES_PER_DATA)
        writer.data_frames = 0
        allowance.use(now)
        count = int.from_bytes(frame.payload, "big") & WINDOW_BYTES_MAX
        if not frame.stream_id:
            if not count:
                raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "a window opened by 0")
            if not writer.open_window(count):
                raise Http2ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "a window too large")
            return
        stream = self._known(frame.stream_id)
        if stream is None:
            return
        if not count:
            raise Http2StreamError(stream.id, ErrorCode.PROTOCOL_ERROR, "a window opened by 0")
        stream.window += count
        if stream.window > WINDOW_BYTES_MAX:
            raise Http2StreamError(stream.id, ErrorCode.FLOW_CONTROL_ERROR, "a window too large")
        writer.ready(stream)

    def _take_settings(self, frame: Frame, now: float) -> None:
        if frame.flags & ACK:
            if frame.payload:
                raise Http2ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "ACK that says something")
            return
        self._allowances.idle_frames.use(now, 1 + frame.size // 6)
        settings = self.connection.writer.settings
        before = settings.window_bytes
        settings.take(frame.payload)
        more = settings.window_bytes - before
        for stream in self.connection.streams.values() if more else ():  # §6.9.2
            stream.window += more
            if stream.window > WINDOW_BYTES_MAX:
                raise Http2ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "a window too large")
            self.connection.writer.ready(stream)
        self.connection.writer.answer(frames.SETTINGS_ACK)

    def _take_ping(self, frame: Frame, now: float) -> None:
        if not frame.flags & ACK:
            self._allowances.idle_frames.use(now)
            self.connection.writer.answer(frames.frame(frames.PING, ACK, 0, frame.payload))
        elif frame.payload == DRAIN_PING:
            self.connection.drained()

    def _take_priority(self, frame: Frame, now: float) -> None:
        """Read and ignored (§5.3.2)."""
        self._allowances.idle_frames.use(now)
        if frame.size != 5:
            code = ErrorCode.FRAME_SIZE_ERROR
            raise Http2StreamError(frame.stream_id, code, "PRIORITY of another length")

    def _take_priority_update(self, frame: Frame, now: float) -> None:
        self._allowances.idle_frames.use(now)
        stream_id = int.from_bytes(frame.payload[:4], "big") & STREAM_ID_MAX
        if not stream_id % 2:  # RFC 9218 §7.1
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "the priority of no request")
        stream = self.connection.streams.get(stream_id)
        if stream is not None:
            stream.prioritize(read_priority(frame.payload[4:]))
        elif self.last_id < stream_id <= self.last_taken:
            self._early_priorities[stream_id] = read_priority(frame.payload[4:])
            self._require_streams_for_priorities()

    def _require_streams_for_priorities(self) -> None:
        """Http2ConnectionError where more streams have a priority than may be (RFC 9218 §7.1)."""
        streams, limits = self.connection.streams, self.connection.listener.limits
        if len(self._early_priorities) + len(streams) <= limits.concurrent_streams_max:
            return
        self._drop_early_priorities()
        count = len(self._early_priorities) + sum(one.counts for one in streams.values())
        if count > limits.concurrent_streams_max:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "more priorities than streams")

    def _drop_early_priorities(self) -> None:
        """Streams that were passed over, or had their answer at once, never open."""
        early = self._early_priorities
        self._early_priorities = {one: early[one] for one in early if one > self.last_id}

    def _apply_early_priority(self, stream_id: int) -> None:
        """What came before its stream counts above its field."""
        early, stream = self._early_priorities, self.connection.streams.get(stream_id)
        if stream is not None and stream_id in early:
            stream.prioritize(early[stream_id])
        self._drop_early_priorities()

    def _take_goaway(self, _frame: Frame, now: float) -> None:
        """The viewer asks nothing more; what it has asked is answered."""
        self._allowances.idle_frames.use(now)
        self.connection.finish()

    def _begin(self, listed: HeaderList, now: float) -> None:
        """A request, where one more may be under way."""
        connection = self.connection
        if len(connection.streams) >= connection.listener.limits.concurrent_streams_max:  # §5.1.2
            self._allowances.resets.use(now)
            connection.writer.answer(frames.reset_frame(listed.stream_id, ErrorCode.REFUSED_STREAM))
            self.ignore(listed.stream_id)
            return
        try:
            begin_request(connection, listed, self._head_cache, now)
            if self._early_priorities:
                self._apply_early_priority(listed.stream_id)
        except MalformedRequest as error:
            code = ErrorCode.PROTOCOL_ERROR
            raise Http2StreamError(listed.stream_id, code, str(error)) from None

    def _end_stream(self, error: Http2StreamError, now: float) -> None:
        """Reset a stream for what its viewer did; as costly to us as if it had (CVE-2025-8671)."""
        self._allowances.resets.use(now)
        stream = self.connection.streams.get(error.stream_id)
        if stream is not None:
            self.connection.reset(stream, error.code)
            return
        self.connection.writer.answer(frames.reset_frame(error.stream_id, error.code))
        self.ignore(error.stream_id)

    # Windows.

    def taken(self, stream: Http2Stream, count: int) -> None:
        """Of what came on `stream` so many bytes wait no more."""
        self._untaken_bytes -= count
        self._open_stream(stream)
        self.open()

    def open(self) -> None:
        """Open the connection's window again, if it is time to."""
        bytes_max = CONNECTION_BYTES if self._untaken_bytes else WINDOW_BYTES
        more = self._receive.opening(bytes_max, self._untaken_bytes)
        if more and not self.connection.transport.is_closing():
            self.connection.writer.answer(frames.window_frame(0, more))

    def _open_stream(self, stream: Http2Stream) -> None:
        """Open the window of a stream again, as far as may wait for it here."""
        body, window = stream.body, stream.receive
        if body is None or window is None or body.broken or stream.remote_closed:
            return
        bytes_max = WINDOW_BYTES
        if body.is_read and not isinstance(body, TunnelBody):
            bytes_max = max(bytes_max, self.connection.listener.limits.buffer_bytes_max)
            if self.connection.listener.account.is_short(MemoryHolding.UPLOADS):
                bytes_max = frames.FRAME_BYTES_MAX
        more = window.opening(bytes_max, body.waiting_bytes)
        if more:
            self.connection.writer.answer(frames.window_frame(stream.id, more))

    def _known(self, stream_id: int) -> Http2Stream | None:
        """A stream that is open; None: it has ended. Http2ConnectionError: it never was (§5.1)."""
        idle = stream_id > self.last_id or not stream_id % 2
        if idle and stream_id <= self.last_taken:
            raise Http2ConnectionError(ErrorCode.PROTOCOL_ERROR, "a frame of an idle stream")
        return self.connection.streams.get(stream_id)


_TAKES = {
    frames.DATA: FrameReceiver._take_data,
    frames.HEADERS: FrameReceiver._take_headers,
    frames.PRIORITY: FrameReceiver._take_priority,
    frames.RST_STREAM: FrameReceiver._take_reset,
    frames.SETTINGS: FrameReceiver._take_settings,
    frames.PING: FrameReceiver._take_ping,
    frames.GOAWAY: FrameReceiver._take_goaway,
    frames.WINDOW_UPDATE: FrameReceiver._take_window,
    frames.CONTINUATION: FrameReceiver._take_continuation,
    frames.PRIORITY_UPDATE: FrameReceiver._take_priority_update,
}
