"""Stream receiver: what the bytes of each stream do to a connection and its requests (RFC 9114 §4).

Law: which error an unfitting frame is, of the stream or of the connection, is §7's and §8's to say.
A request begins once its head is whole, one that has no body by its method once that is sure: a
viewer may say the end of a stream after its head. What waits here to be whole counts as not taken.
"""

from __future__ import annotations

from edgecache.http.http2.abuse import Allowances
from edgecache.http.http2.frames import WINDOW_BYTES
from edgecache.http.http2.header_decoder import HeaderList
from edgecache.http.message import BadMessage, end_to_end
from edgecache.server.http2.frame_receiver import LIST_RATIO_MAX
from edgecache.server.http2.request_head import MalformedRequest, check_trailers
from edgecache.server.http2.tunnel import TunnelBody
from edgecache.server.http3 import frames
from edgecache.server.http3.field_section import read_section
from edgecache.server.http3.frames import (
    Http3ConnectionError,
    Http3Error,
    Http3Frame,
    Http3FrameReader,
    Http3StreamError,
)
from edgecache.server.http3.request_start import begin_request
from edgecache.server.http3.stream import Http3Connection, Http3Stream
from edgecache.server.http3.uni_streams import UniStreams
from edgecache.store.memory_account import MemoryHolding

_BODILESS = ((b":method", b"GET"), (b":method", b"HEAD"))
_HEAD, _BODY, _TRAILERS = range(3)  # what of a request has come


class ReceivingStream:
    """A request's stream, as far as it has come."""

    __slots__ = ("came", "ended", "id", "ignored", "listed", "reader", "since", "total_bytes")

    def __init__(self, stream_id: int, bytes_max: int, now: float) -> None:
        self.id = stream_id
        self.reader = Http3FrameReader(bytes_max)
        self.since = now
        self.total_bytes = 0
        self.came = _HEAD
        self.listed: HeaderList | None = None  # a head that waits for what comes after it
        self.ended = False
        self.ignored = False  # nothing more of it is wanted


class StreamReceiver:
    """What one connection has received."""

    def __init__(self, connection: Http3Connection) -> None:
        self.last_id = -4  # of the requests that were begun
        self.last_taken = frames.VARINT_MAX  # of GOAWAY: nothing above it is taken
        self.served = 0  # requests, in this turn
        self.allowances = Allowances()
        self._connection = connection
        self._list_bytes_max = connection.listener.head_limits.head_bytes_max * LIST_RATIO_MAX
        self._receiving: dict[int, ReceivingStream] = {}
        self._uni = UniStreams(connection.streams, self.allowances)
        self._body_bytes = 0  # of all bodies, that wait

    @property
    def held_bytes(self) -> int:
        """Bytes of what is not whole yet."""
        return sum([len(one.reader) for one in self._receiving.values()])

    @property
    def untaken_bytes(self) -> int:
        """Bytes of streams that came and are not taken."""
        return self.held_bytes + self._body_bytes

    def limit_of(self, stream_id: int) -> int:
        """How many bytes a stream may have brought until more of it is taken."""
        if stream_id & 2:
            return self._uni.total_bytes(stream_id) + WINDOW_BYTES
        one = self._receiving.get(stream_id)
        if one is None or one.ignored:
            return 0
        stream = self._connection.streams.get(stream_id)
        body = None if stream is None else stream.body
        if body is None:
            room = max(WINDOW_BYTES, self._list_bytes_max + WINDOW_BYTES)
            return one.total_bytes - len(one.reader) + room
        if body.broken:
            return 0
        room = WINDOW_BYTES
        if body.is_read and not isinstance(body, TunnelBody):
            room = max(room, self._connection.listener.limits.buffer_bytes_max)
            if self._connection.listener.account.is_short(MemoryHolding.UPLOADS):
                room = frames.CONTROL_BYTES_MAX
        return one.total_bytes - len(one.reader) - body.waiting_bytes + room

    def taken(self, count: int) -> None:
        """Of bodies so many bytes wait no more."""
        self._body_bytes -= count

    def ignore(self, stream_id: int) -> None:
        """Nothing more of a stream is wanted."""
        one = self._receiving.get(stream_id)
        if one is not None:
            one.ignored, one.listed = True, None
            one.reader = Http3FrameReader(0)

    def take(self, stream_id: int, data: bytes, *, ended: bool, now: float) -> None:
        """Bytes of a stream, in order. Http3ConnectionError."""
        if stream_id & 2:
            self._uni.take(stream_id, data, ended=ended, now=now)
            return
        one = self._receiving.get(stream_id)
        if one is None:
            one = ReceivingStream(stream_id, self._list_bytes_max, now)
            self._receiving[stream_id] = one
        one.total_bytes += len(data)
        if ended:
            one.ended = True
            del self._receiving[stream_id]
        if one.ignored:
            return
        one.reader.add(data)
        try:
            self._read(one, now)
        except Http3StreamError as error:
            self._end_stream(one, error, now)

    def take_reset(self, stream_id: int, now: float) -> None:
        """The viewer has given a stream up, or will read no more of it. Http3ConnectionError."""
        if stream_id & 2:
            self._uni.require_uncritical(stream_id)
            return
        one = self._receiving.pop(stream_id, None)
        stream = self._connection.streams.get(stream_id)
        if stream is not None and not stream.gone:
            self.allowances.resets.use(now)
            stream.remote_closed = True
            self._connection.let_go(stream)
        elif one is not None and not one.ignored:
            self.allowances.resets.use(now)
            self._connection.reject(stream_id, Http3Error.REQUEST_CANCELLED)
        else:
            self.allowances.idle_frames.use(now)

    def end_late(self, now: float, head_s_max: float) -> None:
        """End streams whose head takes too long."""
        for one in list(self._receiving.values()):
            late = one.came == _HEAD or one.listed is not None
            if late and not one.ignored and now - one.since >= head_s_max:
                self.ignore(one.id)
                self._connection.reject(one.id, Http3Error.REQUEST_INCOMPLETE)

    @property
    def has_heads(self) -> bool:
        """Whether a head has begun that is not whole."""
        return any(
            not one.ignored and (one.came == _HEAD or one.listed is not None)
            for one in self._receiving.values()
        )

    def _read(self, one: ReceivingStream, now: float) -> None:
        while not one.ignored and (frame := one.reader.next()) is not None:
            self._take_frame(one, frame, now)
        if not one.ended or one.ignored:
            return
        if not one.reader.is_between:  # §7.1
            raise Http3ConnectionError(Http3Error.FRAME_ERROR, "a frame that ends too early")
        if one.came == _HEAD:  # §4.1.1
            raise Http3StreamError(Http3Error.REQUEST_INCOMPLETE, "a stream without a request")
        if one.listed is not None:
            self._begin(one, one.listed, ends=True, now=now)
        else:
            self._end_body(one.id)

    def _take_frame(self, one: ReceivingStream, frame: Http3Frame, now: float) -> None:
        kind = frame.kind
        if kind == frames.DATA:
            if one.came != _BODY:  # §4.1
                raise Http3ConnectionError(Http3Error.FRAME_UNEXPECTED, "DATA without a head")
            if one.listed is not None:
                self._begin(one, one.listed, ends=False, now=now)
            if not frame.payload:
                self.allowances.idle_frames.use(now)
            elif not one.ignored:
                self._feed(one, frame.payload, now)
        elif kind == frames.HEADERS:
            self._take_section(one, frame, now)
        elif kind in frames.READ_WHOLE or kind in frames.OF_HTTP2:
            raise Http3ConnectionError(Http3Error.FRAME_UNEXPECTED, "a frame of another stream")
        else:  # §9
            self.allowances.idle_frames.use(now)

    def _take_section(self, one: ReceivingStream, frame: Http3Frame, now: float) -> None:
        """A head, or trailers."""
        if one.came == _TRAILERS:
            raise Http3ConnectionError(Http3Error.FRAME_UNEXPECTED, "HEADERS after trailers")
        fields = read_section(frame.payload, one.id, self._list_bytes_max)
        listed = HeaderList(one.id, False, fields, frame.size)
        if one.came == _BODY:
            one.came = _TRAILERS
            try:
                check_trailers(fields)
            except MalformedRequest as error:
                raise Http3StreamError(Http3Error.MESSAGE_ERROR, str(error)) from None
            if one.listed is not None:
                self._begin(one, one.listed, ends=True, now=now)
            stream = self._connection.streams.get(one.id)
            if stream is not None and stream.body is not None:
                stream.body.trailers = end_to_end(tuple([(f[0], f[1]) for f in fields]))
            return
        one.came = _BODY
        bodiless = any(tuple(item[:2]) in _BODILESS for item in fields[:4])
        names = {item[0] for item in fields}
        if bodiless and names.isdisjoint((b"content-length", b"expect")):
            one.listed = listed  # until its end, or a body, is there
        else:
            self._begin(one, listed, ends=one.ended and one.reader.is_between, now=now)

    def _begin(self, one: ReceivingStream, listed: HeaderList, *, ends: bool, now: float) -> None:
        """A request, where one more may be under way."""
        connection = self._connection
        one.listed = None
        streams_max = connection.listener.limits.concurrent_streams_max
        if one.id > self.last_taken or len(connection.streams) >= streams_max:  # §5.2, §4.1.1
            if one.id <= self.last_taken:
                self.allowances.resets.use(now)
            self.ignore(one.id)
            one.ignored = True
            connection.reject(one.id, Http3Error.REQUEST_REJECTED)
            return
        self.last_id = max(self.last_id, one.id)
        self.served += 1
        try:
            begin_request(connection, listed._replace(ends=ends), now)
        except MalformedRequest as error:
            raise Http3StreamError(Http3Error.MESSAGE_ERROR, str(error)) from None
        stream = connection.streams.get(one.id)
        if stream is not None and one.id in self._uni.priorities:
            stream.priority = self._uni.priorities.pop(one.id)

    def _feed(self, one: ReceivingStream, content: bytes, now: float) -> None:
        stream = self._connection.streams.get(one.id)
        body = None if stream is None else stream.body
        if stream is None or body is None:
            if stream is not None and stream.task is not None:  # its length was said to be 0
                raise Http3StreamError(Http3Error.MESSAGE_ERROR, "DATA of a request without a body")
            return  # it is answered already
        self._body_bytes += len(content)
        try:
            body.feed(content)
        except BadMessage:  # the errand is told by the body, and answers (§4.1.2)
            self._end_faulty(stream)
            return
        if isinstance(body, TunnelBody):
            self._connection.tunnel_passed(stream, body, len(content))
        elif not (body.done or body.open_ended):
            idle_s_max = self._connection.listener.limits.body_idle_s_max
            self._connection.due(stream, body.due(now, len(content), idle_s_max))

    def _end_body(self, stream_id: int) -> None:
        """The viewer has said all of a request."""
        stream = self._connection.streams.get(stream_id)
        if stream is None:
            return
        stream.remote_closed = True
        if stream.body is not None:
            try:
                stream.body.end()
            except BadMessage:
                stream.fault = Http3Error.MESSAGE_ERROR
            self._connection.forget_body(stream)
        self._connection.settle(stream)

    def _end_faulty(self, stream: Http3Stream) -> None:
        stream.fault = Http3Error.MESSAGE_ERROR
        self.ignore(stream.id)
        self._connection.forget_body(stream)

    def _end_stream(self, one: ReceivingStream, error: Http3StreamError, now: float) -> None:
        """Reset a stream for what its viewer did; as costly as if it had (CVE-2025-8671)."""
        self.allowances.resets.use(now)
        one.ignored = True
        self.ignore(one.id)
        stream = self._connection.streams.get(one.id)
        if stream is not None:
            self._connection.reset(stream, error.code)
        else:
            self._connection.reject(one.id, error.code)
