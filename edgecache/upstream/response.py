"""Responses of upstreams as they arrive: heads out of bytes, bodies in a bounded buffer.

Law: at most a bounded number of a body's bytes wait here for their reader; what can become no head
is refused at once: a banner of another protocol, or lines that end in a bare LF, would else cost
the whole timeout.

Above the bound the connection is told to stop reading, and below half of it to go on.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import Protocol

from edgecache.http.message import BadMessage, BadReason, Fields, HeadLimits
from edgecache.upstream.faults import Fault, UpstreamError

BUFFER_BYTES_MAX = 262_144  # `Limits.buffer_bytes_max`: enough for 20 ms at 100 Mbit/s


class BodySource(Protocol):
    """Source of a response body: the connection."""

    def pause(self) -> None:
        """Take no more bytes from the network."""
        ...

    def resume(self) -> None:
        """Resume reading from the network."""
        ...

    def abandon(self) -> None:
        """Close: nobody reads the rest."""
        ...


class ResponseBody:
    """A `Body` whose bytes a connection pushes. What came before a fault is read before it."""

    __slots__ = ("_bytes", "_bytes_max", "_error", "_open", "_paused", "_pieces", "_source",
                 "_waiter", "length", "trailers")  # fmt: skip

    def __init__(
        self, length: int | None, source: BodySource, bytes_max: int = BUFFER_BYTES_MAX
    ) -> None:
        self.length = length
        self.trailers: Fields = ()  # what came behind the last bytes, where that is kept
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        self._bytes_max = bytes_max
        self._open = True  # more may be pushed
        self._paused = False
        self._error: UpstreamError | None = None
        self._source: BodySource | None = source
        self._waiter: asyncio.Future[None] | None = None

    # For the reader.

    async def read(self) -> bytes:
        while (piece := self.read_nowait()) is None:
            assert self._waiter is None, "a body has one reader"
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return piece

    def read_nowait(self) -> bytes | None:
        if self._pieces:
            piece = self._pieces.popleft()
            self._bytes -= len(piece)
            if self._paused and self._bytes < self._bytes_max // 2:
                self._paused = False
                if self._source is not None:
                    self._source.resume()
            return piece
        if self._open:
            return None
        if self._error is not None:
            raise self._error.again()
        return b""

    def close(self) -> None:
        if self._open or self._pieces:
            # Who reads on all the same must not take this for the whole end.
            self._error = UpstreamError(Fault.TRUNCATED, "closed by its reader")
        self._pieces.clear()
        self._open = False
        source, self._source = self._source, None
        if source is not None:
            source.abandon()
        self._wake()

    # For the connection.

    def push(self, pieces: list[bytes]) -> None:
        """Append bytes of the body."""
        if not pieces or not self._open:
            return
        piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces.append(piece)
        self._bytes += len(piece)
        if self._bytes > self._bytes_max and not self._paused and self._source is not None:
            self._paused = True
            self._source.pause()
        self._wake()

    def end(self, error: UpstreamError | None = None) -> None:
        """Nothing more comes: the whole is here, or `error` says why not. The first end counts."""
        if self._open:
            self._open = False
            self._error = error
            self._source = None
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


_BARE_LF = re.compile(rb"(?<!\r)\n")


class ResponseHeads:
    """Holds the start of a head until its empty line is there. Linear in the bytes, however cut."""

    __slots__ = ("_held", "_limits")

    def __init__(self, limits: HeadLimits) -> None:
        self._limits = limits
        self._held = bytearray()

    def feed(self, data: bytes) -> tuple[bytes, bytes] | None:
        """The whole head and what follows it, or None when more must come. BadMessage (502)."""
        held = self._held
        start = max(len(held) - 3, 0)
        if held:
            held += data
            end = held.find(b"\r\n\r\n", start)
            if end >= 0:
                data = bytes(held)
                held.clear()
        else:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                held += data
        if end >= 0:
            return data[: end + 4], data[end + 4 :]
        self._judge(start)
        return None

    def _judge(self, new: int) -> None:
        held = self._held
        if len(held) > self._limits.head_bytes_max:
            raise BadMessage(BadReason.HEAD_TOO_BIG, 502)
        if not b"HTTP/".startswith(held[:5]):
            raise BadMessage(BadReason.STATUS_LINE, 502)
        if _BARE_LF.search(held, new):
            raise BadMessage(BadReason.FIELD, 502)
