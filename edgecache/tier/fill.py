"""Fills: a response body as it arrives, read by several at once. Law: only a whole body is stored.

Readers get bytes as soon as they are here. Up to `keep_bytes_max` everything is kept, so a slow
reader holds up nobody; beyond it the body can no longer be stored, what all readers have taken is
dropped, and arrival waits for the slowest. There is one copy of it: its pieces until the end, and
then the whole. What can no longer be stored is let go with its last reader, by counting references:
neither a task nor an error leads back to it, since a cycle would wait for the collector.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from edgecache.http.message import Response
from edgecache.http.ranges import Span
from edgecache.rules.sharing import PendingEntry
from edgecache.upstream.base import Body, Fault, UpstreamError

REST_BYTES_WORTH_FINISHING = 1024 * 1024  # a block: what a fill fetches on with nobody reading
PIECE_BYTES = 262_144  # of a whole that is read on: `Limits.buffer_bytes_max`, uvloop's own reads


class Fill:
    """One body arriving.

    `on_end` is called once, as soon as it can no longer be joined: with the whole body, or with
    None when there will be none to store (it broke off, was abandoned, or outgrew what is kept).
    """

    def __init__(
        self,
        head: Response,
        body: Body,
        keep_bytes_max: int,
        on_end: Callable[[bytes | None], None],
    ) -> None:
        self.head = head
        self.pending: PendingEntry | None = None  # what is asked who may join; a block has none
        self.mark = 0  # which invalidations it is newer than
        self.length = body.length
        self.joinable = True
        self.error: UpstreamError | None = None
        self.ended = False
        self.whole: bytes | None = None  # once it has ended while it could be stored
        self._body = body
        self._keep_bytes_max = keep_bytes_max
        self._on_end = on_end
        self._chunks: deque[bytes] = deque()
        self._dropped = 0  # chunks no longer kept
        self._arrived_bytes = 0
        self._readers: set[FillBody] = set()
        self._waiting: list[asyncio.Future[None]] = []
        self._room: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._begun = False  # whoever is to read from the start is there

    def take_ready(self) -> bool:
        """Take in what is here already; True when that was the whole body."""
        while not self.ended and not self._overfull():
            data = self._body.read_nowait()
            if data is None:
                return False
            self._take(data)
        return self.ended

    def start(self, spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]) -> None:
        """Go on in a task of its own, so that no reader's leaving stops the others."""
        self._begun = True
        self._task = spawn(self.pump())

    async def pump(self) -> None:
        """Read to the end."""
        self._begun = True
        try:
            while not self.ended:
                self._take(await self._body.read())
                if not self.joinable and not self._readers and not self.ended:
                    self._abandon()  # nothing to store, and nobody reads
                while self._overfull():
                    self._room = asyncio.get_running_loop().create_future()
                    await self._room
        except UpstreamError as error:
            self._fail(error)
            error.__traceback__ = None  # the body keeps it, and we the body
        except asyncio.CancelledError:
            self._abandon()
            raise
        finally:
            self._task = None
            self._body.close()

    @property
    def readable(self) -> bool:
        """Whether all of it can be read from the start: it is arriving, or is here."""
        return self.joinable or self.whole is not None

    def reader(self, span: Span | None) -> FillBody:
        """A new reader of the whole body, or of a span of it."""
        assert self.readable or not (self._readers or self._dropped)
        self._begun = True
        reader = FillBody(self, span)
        self._readers.add(reader)
        return reader

    def _take(self, data: bytes) -> None:
        if data:
            self._arrived_bytes += len(data)
            self._chunks.append(data)
            if self.joinable and self._arrived_bytes > self._keep_bytes_max:
                self._close(None)
                self._drop_taken()
        else:
            self.ended = True
            if self.joinable:
                chunks = self._chunks
                self.whole = chunks[0] if len(chunks) == 1 else b"".join(chunks)
                chunks.clear()
                self.length = len(self.whole)  # known by now, if it was not said
                self._close(self.whole)
        self._wake()

    def _close(self, whole: bytes | None) -> None:
        if self.joinable:
            self.joinable = False
            # It leads back here by way of a flight: a body must not wait for the collector.
            on_end, self._on_end = self._on_end, _nothing
            on_end(whole)

    def _fail(self, error: UpstreamError) -> None:
        self.error = error.again()
        self.ended = True
        self._close(None)
        self._drop_taken()
        self._wake()

    def _abandon(self) -> None:
        if not self.ended:
            self._fail(UpstreamError(Fault.TRUNCATED, "fill abandoned"))
        self._body.close()

    def _overfull(self) -> bool:
        return not self.joinable and not self.ended and bool(self._chunks) and bool(self._readers)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _drop_taken(self) -> None:
        """Let go what nobody will read again. While it can be stored, all of it may be."""
        if self.joinable or self.whole is not None or not self._begun:
            return
        if self._readers:
            slowest = min(reader.number for reader in self._readers)
        else:
            slowest = self._dropped + len(self._chunks)
        while self._dropped < slowest and self._chunks:
            self._chunks.popleft()
            self._dropped += 1
        if self._room is not None and not self._room.done() and not self._overfull():
            self._room.set_result(None)

    def piece(self, reader: FillBody) -> bytes | None:
        """What comes next for `reader`: none at the end, None when it has not arrived."""
        if self.whole is not None:
            return self.whole[reader.position : reader.position + PIECE_BYTES]
        index = reader.number - self._dropped
        if index < len(self._chunks):
            return self._chunks[index]
        if self.error is not None:
            raise self.error.again()
        return b"" if self.ended else None

    def passed(self) -> None:
        """A reader has moved on."""
        if not self.joinable:
            self._drop_taken()

    async def changed(self) -> None:
        """Wait until more has arrived, or the end."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def leave(self, reader: FillBody) -> None:
        """A reader will read no more; with the last one the fill stops unless nearly done."""
        self._readers.discard(reader)
        self._drop_taken()
        task = self._task
        if self._readers or self.ended or task is None:
            return
        rest = None if self.length is None else self.length - self._arrived_bytes
        if not self.joinable or rest is None or rest > REST_BYTES_WORTH_FINISHING:
            self._abandon()  # here, since a task cancelled before it began runs nothing
            self._task = None
            task.cancel()


def _nothing(_whole: bytes | None) -> None: ...


class FillBody:
    """One reader's view of a fill: the Body that reaches a viewer or an outer tier."""

    def __init__(self, fill: Fill, span: Span | None) -> None:
        self.length = fill.length if span is None else span.length
        self.number = 0  # of the chunk to read next, while there are chunks
        self.position = 0  # of the byte to read next
        self._fill = fill
        self._first = 0 if span is None else span.first
        self._end = None if span is None else span.first + span.length

    async def read(self) -> bytes:
        while (data := self.read_nowait()) is None:
            await self._fill.changed()
        return data

    def read_nowait(self) -> bytes | None:
        fill = self._fill
        while self._end is None or self.position < self._end:
            if fill.whole is not None:
                self.position = max(self.position, self._first)
            piece = fill.piece(self)
            if not piece:
                return piece
            data = self._cut(piece)
            self.number += 1
            self.position += len(piece)
            fill.passed()
            if data:
                return data
        return b""

    def _cut(self, piece: bytes) -> bytes:
        """What of the piece that begins at `position` is asked for."""
        skipped = max(0, self._first - self.position)
        end = None if self._end is None else self._end - self.position
        return piece[skipped:end]

    def close(self) -> None:
        self._fill.leave(self)
