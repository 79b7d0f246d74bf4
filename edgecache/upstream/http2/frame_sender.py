"""Frame sender: what goes to one origin, no more of it than its windows and the transport let.

Law: DATA waits with who has it until the windows of stream and connection are open (RFC 9113 §5.2);
frames that answer are bounded while the origin reads nothing.
"""

from __future__ import annotations

import asyncio

from edgecache.http.http2 import frames
from edgecache.http.http2.frames import END_STREAM, WINDOW_BYTES, PeerSettings
from edgecache.http.http2.header_block import EMPTY_TABLE

UNREAD_BYTES_MAX = 1024 * 1024  # that wait for an origin which reads nothing


class SendWindow:
    """How much of one request may be sent, and whether more of it is to be."""

    __slots__ = ("_waits", "ended", "id", "left", "over")

    def __init__(self, stream_id: int, left: int, *, ended: bool) -> None:
        self.id = stream_id
        self.left = left
        self.ended = ended  # END_STREAM was sent
        self.over = False  # nothing more of it is wanted
        self._waits: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Return when a window was opened, or it is over."""
        self._waits = asyncio.get_running_loop().create_future()
        await self._waits

    def wake(self) -> None:
        """Look again."""
        waits, self._waits = self._waits, None
        if waits is not None and not waits.done():
            waits.set_result(None)

    def stop(self) -> None:
        """Nothing more of it is sent."""
        self.over = True
        self.wake()


class FrameSender:
    """Frames on their way to one origin."""

    __slots__ = ("_drained", "_loop", "_transport", "data_frames", "settings", "window")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.settings = PeerSettings()
        self.window = WINDOW_BYTES  # of the connection
        self.data_frames = 0  # sent since somebody looked
        self._transport = transport
        self._loop = loop
        self._drained: asyncio.Future[None] | None = None

    def write(self, data: bytes) -> None:
        """Send frames that need no window; whoever has so many unread is let go."""
        if self._transport.is_closing():
            return
        self._transport.write(data)
        paused = self._drained is not None
        if paused and self._transport.get_write_buffer_size() > UNREAD_BYTES_MAX:
            self._transport.abort()

    def send_block(self, stream_id: int, block: bytes, *, ends: bool) -> None:
        """Send a header block."""
        if self.settings.shrinks_table:
            self.settings.shrinks_table = False
            block = EMPTY_TABLE + block  # RFC 7541 §4.2
        self.write(frames.header_frames(stream_id, block, ends=ends))

    async def send_data(self, window: SendWindow, data: bytes, *, ends: bool) -> None:
        """Send bytes of a body as windows and transport let; of what is over nothing is sent."""
        rest = memoryview(data)
        while rest or ends:
            await self._until_writable(window, needs_window=bool(rest))
            if window.over:
                return
            size = min(len(rest), window.left, self.window, self.settings.frame_bytes_max)
            size = max(size, 0)
            last = ends and size == len(rest)
            header = frames.frame_header(size, frames.DATA, END_STREAM if last else 0, window.id)
            self.write(header + rest[:size])
            window.left -= size
            self.window -= size
            self.data_frames += 1
            rest = rest[size:]
            if last:
                window.ended = True
                return

    def pause(self) -> None:
        """The transport has enough."""
        self._drained = self._loop.create_future()

    def resume(self) -> None:
        """The transport takes more, or is gone."""
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    async def _until_writable(self, window: SendWindow, *, needs_window: bool) -> None:
        """Return when the transport takes more and windows are open, or `window` is over."""
        while not window.over:
            if self._drained is not None:
                await asyncio.shield(self._drained)
            elif needs_window and (window.left <= 0 or self.window <= 0):
                await window.wait()
            else:
                return
