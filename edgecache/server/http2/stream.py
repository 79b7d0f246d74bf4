"""HTTP/2 viewer stream: one request and the frames of its response (RFC 9113 §5.1, §8.1).

Law: END_STREAM says that a response is whole; one that breaks off is reset. What waits for a window
stays here, by reference and in the account; of a stream that was reset nothing is sent any more.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from edgecache.cache.frontend import ViewerErrand
from edgecache.cache.outcome import Hit
from edgecache.http.http2.frames import (
    DATA,
    END_STREAM,
    HEADER_BYTES,
    ErrorCode,
    ReceiveWindow,
    data_frames,
    frame_header,
    header_frames,
)
from edgecache.http.http2.header_block import EMPTY_TABLE, field_block, header_block
from edgecache.http.message import Fields, Request
from edgecache.rules.viewer.access_list import AccessListMatcher
from edgecache.rules.viewer.rate_limits import RateLimitRule
from edgecache.server.http2.frame_writer import FrameWriter
from edgecache.server.http2.priority import Priority
from edgecache.server.multiplexed_stream import MultiplexedStream, ViewerOfStreams
from edgecache.server.output_buffer import SMALL_BODY_BYTES
from edgecache.server.response_writer import ResponseWriter


class Http2Connection(ViewerOfStreams, Protocol):
    """A connection, as its parts see it."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    writer: FrameWriter
    address: bytes
    """The client's address as the log has it; so `port`."""
    port: bytes
    admitted: tuple[AccessListMatcher, ...]
    """Access lists that have let this client in."""
    buckets: dict[RateLimitRule, int]
    """Of rate limits: those of its viewer's address that are known."""
    streams: dict[int, Http2Stream]
    """Those for which anything is done or owed, by their ids."""

    def set_off(
        self,
        stream: Http2Stream,
        errand: Hit | ViewerErrand,
        request: Request,
        writer: ResponseWriter,
    ) -> None:
        """Run the errand of a stream, or send a hit that takes its time."""
        ...

    def settle(self, stream: Http2Stream) -> None:
        """Forget `stream` if nothing is done for it any more."""
        ...

    def response_sent(self, stream: Http2Stream) -> None:
        """END_STREAM of the response was framed."""
        ...

    def reset(self, stream: Http2Stream, code: ErrorCode) -> None:
        """End `stream` at once, both ways, and say so."""
        ...

    def let_go(self, stream: Http2Stream) -> None:
        """End `stream`, whose viewer has left it."""
        ...

    def taken(self, stream: Http2Stream, count: int) -> None:
        """So many bytes of its body were taken: more may come."""
        ...

    def drained(self) -> None:
        """The viewer has heard that nothing more is taken."""
        ...

    def finish(self) -> None:
        """Take nothing more, and close once all is answered."""
        ...


class Http2Stream(MultiplexedStream):
    """The ViewerStream of one request; `request` None: it could not be read."""

    __slots__ = (
        "_ended", "_head", "_owner", "_trailers", "fault", "framed_bytes", "receive",
        "seen_bytes", "seen_of_all", "window",
    )  # fmt: skip

    def __init__(
        self, owner: Http2Connection, stream_id: int, request: Request | None, began: float
    ) -> None:
        self._owner = owner
        super().__init__(owner, stream_id, request, began)
        self.window = owner.writer.settings.window_bytes
        self.fault = ErrorCode.NO_ERROR  # of what the viewer sent, told once it was answered
        self.receive: ReceiveWindow | None = None
        self.framed_bytes = 0  # of DATA
        self.seen_bytes = 0  # of these, when an overdue stream was looked at
        self.seen_of_all = 0  # of all streams, then
        self._head = b""  # frames that wait
        self._ended = False  # the last of these has END_STREAM
        self._trailers = b""  # frames, behind the last bytes

    # What a response writer calls: see ViewerStream.

    @property
    def paused(self) -> bool:
        """See ViewerStream."""
        return not self.gone and (self._unsent.size > SMALL_BODY_BYTES or self._owner.writer.paused)

    def send_interim(self, status: int, fields: Fields, *, reason: bytes = b"") -> None:
        """See ViewerStream; there is none after the final head."""
        if not self.gone and not self.sent_bytes:
            self._head += header_frames(self.id, self._block(status, fields), ends=False)
            self._owner.writer.ready(self)

    def send_head(
        self,
        status: int,
        fields: Fields,
        length: int | None,
        *,
        reason: bytes = b"",
        ends: bool = False,
    ) -> None:
        """Make the head; it goes out with what is sent next."""
        if self.gone:
            return
        if length is not None:
            fields = (*fields, (b"content-length", b"%d" % length))
        head = header_frames(self.id, self._block(status, fields), ends=ends)
        self._ended = self.whole = ends
        self._head += head
        self.sent_bytes += len(head)

    def send(self, data: bytes | memoryview) -> None:
        """See ViewerStream."""
        if self.gone:
            return
        size, writer = len(data), self._owner.writer
        self.sent_bytes += size + HEADER_BYTES * -(-size // writer.settings.frame_bytes_max)
        self._unsent.add(data)
        writer.ready(self)
        if self._unsent.size > SMALL_BODY_BYTES:
            writer.flush()

    def flush(self) -> None:
        """See ViewerStream."""
        if not self.gone:
            self._owner.writer.ready(self)

    def end(self, trailers: Fields = ()) -> None:
        """See ViewerStream."""
        if self.gone or self.local_closed:
            return
        if trailers and not self._ended:
            self._trailers = header_frames(self.id, field_block(trailers), ends=True)
            self.sent_bytes += len(self._trailers)
        elif not self._ended and not self._unsent.size:
            self.sent_bytes += HEADER_BYTES
        self.whole = True
        self._owner.writer.ready(self)

    def abort(self) -> None:
        """See ViewerStream."""
        if not self.gone:
            self._owner.reset(self, ErrorCode.INTERNAL_ERROR)

    # What the connection and its writer call.

    def prioritize(self, priority: Priority) -> None:
        """From the next frame on."""
        super().prioritize(priority)
        self._owner.writer.ranks = True

    @property
    def counts(self) -> bool:
        """Whether it is among the streams its viewer has open (RFC 9113 §5.1.2)."""
        return not (self.gone or (self.local_closed and self.remote_closed))

    @property
    def sendable(self) -> bool:
        """See SendingStream."""
        if self.gone or self.local_closed:
            return False
        return bool(self._head) or (self.window > 0 if self._unsent.size else self.whole)

    @property
    def needs_window(self) -> bool:
        """See SendingStream."""
        return bool(self._unsent.size) and not self._head

    @property
    def stalled(self) -> bool:
        """Whether DATA waits, for a window or for its turn."""
        return self._unsent.size > 0

    def frame_next(self, out: list[bytes | memoryview], bytes_max: int) -> int:
        """See SendingStream."""
        if self._head:
            out.append(self._head)
            self._head = b""
        size = max(0, min(self._unsent.size, self.window, bytes_max))
        ends = self.whole and size == self._unsent.size
        closes = ends and not self._trailers
        if size:
            pieces: list[bytes | memoryview] = []
            self._unsent.take(pieces, size)
            frame_bytes_max = self._owner.writer.settings.frame_bytes_max
            out += data_frames(pieces, self.id, frame_bytes_max, ends=closes)
            self.window -= size
            self.framed_bytes += size
        elif closes and not self._ended:
            out.append(frame_header(0, DATA, END_STREAM, self.id))
        if ends and self._trailers:
            out.append(self._trailers)
        if ends:
            self.local_closed = True
            self._owner.response_sent(self)
        self.wake()
        return size

    def drop(self) -> None:
        """See MultiplexedStream."""
        self._head = b""
        super().drop()

    def _block(self, status: int, fields: Fields) -> bytes:
        block = header_block(status, fields)
        settings = self._owner.writer.settings
        if settings.shrinks_table:
            settings.shrinks_table = False
            return EMPTY_TABLE + block  # RFC 7541 §4.2
        return block
