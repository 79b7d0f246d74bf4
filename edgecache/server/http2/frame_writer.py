"""Frame writer: what goes to one viewer, by windows and priorities, in few writes.

Law: no more DATA is framed than the windows of stream and connection let (RFC 9113 §5.2), nor than
the transport takes: what waits stays with its stream, by reference. All that comes of one read goes
out in one write. Frames that answer (SETTINGS, PING, RST_STREAM, WINDOW_UPDATE) go before all else,
and are bounded while the viewer takes nothing.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from edgecache.http.http2.frames import (
    DATA,
    END_STREAM,
    HEADER_BYTES,
    WINDOW_BYTES,
    WINDOW_BYTES_MAX,
    PeerSettings,
    frame_header,
)
from edgecache.server.http2.priority import Priority
from edgecache.server.output_buffer import SMALL_BODY_BYTES, STEP_BYTES, untaken_bytes
from edgecache.store.memory_account import MemoryAccount, MemoryHolding

ANSWERS_MAX = 1_000  # that wait for a viewer which takes nothing: nghttp2's bound


class SendingStream(Protocol):
    """A stream with something to send."""

    id: int
    priority: Priority

    @property
    def sendable(self) -> bool:
        """Whether there is something to send that its own window lets."""
        ...

    @property
    def needs_window(self) -> bool:
        """Whether that is DATA, for which the connection's window must be open, too."""
        ...

    def frame_next(self, out: list[bytes | memoryview], bytes_max: int) -> int:
        """Append the frames of its head, and of DATA with at most so many bytes; how many."""
        ...


class RenderedFrames(Protocol):
    """A response as it is sent: what goes between them are the stream's id, and the request's."""

    start: bytes
    """Of its HEADERS, through the flags."""
    block: bytes
    """Its header block, but for the request id at the end."""
    data: bytes
    """As `start`, of its DATA; empty without a body."""
    sent_bytes: int


class FrameWriter:
    """Frames on their way to one viewer."""

    __slots__ = (
        "_account", "_answers", "_encrypts", "_loop", "_out", "_out_bytes", "_ready", "_scheduled",
        "_transport", "_unsent", "data_frames", "framed_bytes", "held", "paused", "ranks",
        "settings", "window",
    )  # fmt: skip

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        account: MemoryAccount,
        *,
        encrypts: bool,
    ) -> None:
        self.window = WINDOW_BYTES  # of the connection
        self.settings = PeerSettings()
        self.paused = False  # the transport has as much as it takes
        self.held = False  # a read is worked off: at its end all goes out
        self.framed_bytes = 0  # of DATA
        self.data_frames = 0  # framed since somebody looked
        self.ranks = False  # some response has a priority of its own
        self._transport, self._loop, self._account = transport, loop, account
        self._encrypts = encrypts
        self._out: list[bytes | memoryview] = []
        self._out_bytes = 0
        self._answers = 0  # that wait
        self._ready: dict[SendingStream, None] = {}  # have something to send that a window lets
        self._scheduled = False
        self._unsent = 0  # bytes that the account has been told of
        if encrypts:
            transport.set_write_buffer_limits(STEP_BYTES)

    def answer(self, frame: bytes) -> None:
        """Send a frame of the connection."""
        if self.paused:
            self._answers += 1
        self._out.append(frame)
        self._out_bytes += len(frame)
        self._schedule()

    def fits(self, size: int) -> bool:
        """Whether a new stream could send all of a small body now."""
        return (
            size <= min(self.window, self.settings.window_bytes, SMALL_BODY_BYTES)
            and not self.paused
            and not self._ready
        )

    def send_whole(self, stream_id: int, head: bytes, body: bytes | memoryview) -> None:
        """Send a response that `fits`: the frames of its head, and a body in one frame."""
        size = len(body)
        self._out.append(head)
        if size:
            self._out += (frame_header(size, DATA, END_STREAM, stream_id), body)
            self.window -= size
            self.data_frames += 1
        self._out_bytes += size + len(head)
        if self._out_bytes >= STEP_BYTES:
            self._write()
        self._schedule()

    def whole_bytes_max(self) -> int:
        """The largest body that `fits`; -1: not even none."""
        if self.paused or self._ready:
            return -1
        return max(-1, min(self.window, self.settings.window_bytes, SMALL_BODY_BYTES))

    def send_rendered(
        self, wire: RenderedFrames, id_bytes: bytes, request_id: bytes, body: bytes | memoryview
    ) -> None:
        """The same of a response that is rendered, on the stream of these four bytes."""
        self._out += (wire.start, id_bytes, wire.block, request_id)
        if body:
            self._out += (wire.data, id_bytes, body)
            self.window -= len(body)
            self.data_frames += 1
        self._out_bytes += wire.sent_bytes
        if self._out_bytes >= STEP_BYTES:
            self._write()
        if not self.held:
            self._schedule()

    def ready(self, stream: SendingStream) -> None:
        """`stream` may have something to send that its window lets."""
        if stream.sendable:
            self._ready[stream] = None
        self._schedule()

    def forget(self, stream: SendingStream) -> None:
        """It has nothing to send any more."""
        self._ready.pop(stream, None)

    def open_window(self, count: int) -> bool:
        """The connection's viewer takes more; whether such a window may be (§6.9.1)."""
        self.window += count
        self._schedule()
        return self.window <= WINDOW_BYTES_MAX

    def flush(self) -> None:
        """Frame what windows let, and write it, until the transport has enough."""
        self._scheduled = False
        while self._ready and not self.paused:
            stream = self._next()
            if stream is None:
                break
            self._frame(stream)
            if self._out_bytes >= STEP_BYTES:
                self._write()
        if self._out and not self.paused:
            self._write()

    def pause(self) -> int:
        """The transport has enough. Gives `untaken_bytes` of it."""
        self.paused = True
        waiting = self._transport.get_write_buffer_size()
        self._account.add(MemoryHolding.UNSENT, waiting - self._unsent)
        self._unsent = waiting
        return untaken_bytes(self._transport)

    def resume(self) -> None:
        """The transport takes more."""
        self.paused = False
        self._answers = 0
        self._settle()
        self.flush()

    def lost(self) -> None:
        """The connection is gone."""
        self._out, self._out_bytes = [], 0
        self._ready.clear()
        self._settle()

    @property
    def overrun(self) -> bool:
        """Whether more answers wait than may, for a viewer which takes nothing."""
        return self._answers > ANSWERS_MAX

    @property
    def waits(self) -> bool:
        """Whether anything waits to be written."""
        return bool(self._out or self._ready or self.paused)

    def _settle(self) -> None:
        if self._unsent:
            self._account.add(MemoryHolding.UNSENT, -self._unsent)
            self._unsent = 0

    def _schedule(self) -> None:
        if not (self.held or self._scheduled or self.paused):
            self._scheduled = True
            self._loop.call_soon(self.flush)

    def _next(self) -> SendingStream | None:
        """Whose frame is next; None: nobody can send before the connection's window opens."""
        ready = self._ready
        if self.window <= 0:
            return next((stream for stream in ready if not stream.needs_window), None)
        if not self.ranks or len(ready) == 1:
            return next(iter(ready))
        return min(ready, key=_rank)  # the first of equals

    def _frame(self, stream: SendingStream) -> None:
        """Frame the next of what `stream` has to send; who takes turns goes to the end.

        Who takes turns sends one frame, who does not what fills a step.
        """
        out, before, most = self._out, len(self._out), self.settings.frame_bytes_max
        frame_bytes = most
        if not stream.priority.incremental or len(self._ready) == 1:
            room = STEP_BYTES - self._out_bytes
            most = max(most, room - HEADER_BYTES * -(-room // frame_bytes))  # whole records of TLS
        size = stream.frame_next(out, max(0, min(self.window, most)))
        self._out_bytes += sum([len(part) for part in out[before:]])
        self.window -= size
        self.framed_bytes += size
        self.data_frames += max(1, -(-size // frame_bytes))
        if stream.priority.incremental or not stream.sendable:
            self._ready.pop(stream, None)
            if stream.sendable:
                self._ready[stream] = None

    def _write(self) -> None:
        out, size = self._out, self._out_bytes
        self._out, self._out_bytes = [], 0
        if self._encrypts or size <= SMALL_BODY_BYTES:
            self._transport.write(b"".join(out))
        else:
            self._transport.writelines(out)  # uvloop's is one writev, without a copy


def _rank(stream: SendingStream) -> tuple[int, bool, int]:
    urgency, incremental = stream.priority
    return urgency, incremental, 0 if incremental else stream.id
