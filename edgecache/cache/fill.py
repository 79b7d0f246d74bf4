"""Fill: a response body in arrival, read by several at once. Law: only a whole body is stored.

Readers get bytes as soon as they are here. Up to `keep_bytes_max` everything is kept, so a slow
reader holds up nobody; beyond it the body can no longer be stored, what all readers have taken is
dropped, and arrival waits for the slowest, who is let go when the others have waited long enough.
While the process is short of memory (store.memory_account) a body arrives no faster than its
foremost reader takes it, or is not kept at all.

There is one copy of it: its pieces until the end, and then the whole. What can no longer be stored
is let go with its last reader, by counting references: neither a task nor an error leads back to
it, since a cycle would wait for the collector.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from edgecache.http.message import Response
from edgecache.http.ranges import Span
from edgecache.rules.caching.reuse import PendingEntry
from edgecache.store.memory_account import BEHIND_BYTES, MemoryAccount, MemoryHolding
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Body

REST_BYTES_WORTH_FINISHING = 1024 * 1024  # what a fill fetches on with nobody reading
PIECE_BYTES = 262_144  # of a whole that is read on: `Limits.buffer_bytes_max`, uvloop's own reads
PATIENCE_S = 1.0  # that the slowest may hold up others who read a body that is not kept,
PATIENCE_SHARE = 0.1  # and of the time since: equals get ahead of one another by turns


class Fill:
    """One body in arrival.

    `on_end` is called once, as soon as it can no longer be joined: with the whole body, or with
    None when there will be none to store (it broke off, was abandoned, or outgrew what is kept).
    """

    def __init__(
        self,
        head: Response,
        body: Body,
        keep_bytes_max: int,
        on_end: Callable[[bytes | None], None],
        account: MemoryAccount,
    ) -> None:
        self.head = head
        self.pending: PendingEntry | None = None  # decides who may join; a slice has none
        self.mark = 0  # which invalidations it is newer than
        self.rest_worth_finishing = REST_BYTES_WORTH_FINISHING  # a slice is finished in any case
        self.length = body.length
        self.joinable = True
        self.error: UpstreamError | None = None
        self.ended = False
        self.whole: bytes | None = None  # once it has ended while it could be stored
        self._body = body
        self._keep_bytes_max = keep_bytes_max
        self._on_end = on_end
        self._account = account
        self._chunks: deque[bytes] = deque()
        self._dropped = 0  # chunks no longer kept
        self._arrived_bytes = 0
        self._held_bytes = 0  # in chunks
        self._foremost = 0  # how far any reader has come
        self._readers: set[FillBody] = set()
        self._waiting: list[asyncio.Future[None]] = []
        self._room: asyncio.Future[None] | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._unkept_at = 0.0  # of the loop's clock: since when the slowest may hold up others
        self._held_up_s = 0.0  # that it has
        self._task: asyncio.Task[None] | None = None
        self._begun = False  # whoever is to read from the start is there

    def take_ready(self) -> bool:
        """Take in what is here; True when nothing more is to come. UpstreamError: it broke off."""
        try:
            while not self.ended and not self._overfull():
                data = self._body.read_nowait()
                if data is None:
                    return False
                self._take(data)
        except UpstreamError:
            self._begun = True  # nobody is to read it
            self._abandon()
            raise
        return self.ended

    def start(self, spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]) -> None:
        """Go on in a task of its own, so that no reader's leaving stops the others.

        Who reads from the start is there: what can be stored no more and nobody reads is let go.
        """
        self._begun = True
        self._drop_taken()
        if not self.ended:
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
                    await self._read_on()
        except UpstreamError as error:
            self._fail(error)
            error.__traceback__ = None  # the body keeps it, and we the body
        except BaseException:  # should it be a fault of our own, nobody is to wait for it
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
        if self.whole is not None and not self._readers:
            self._account.lend(self.whole)
        self._readers.add(reader)
        return reader

    def _take(self, data: bytes) -> None:
        if data:
            self._arrived_bytes += len(data)
            self._hold(data)
            full = self._arrived_bytes > self._keep_bytes_max or not self._account.keeps
            if self.joinable and full:
                self._close(None)
                self._drop_taken()
        else:
            self.ended = True
            if self.joinable:
                self._complete()
        self._wake()

    def _hold(self, data: bytes) -> None:
        self._chunks.append(data)
        self._held_bytes += len(data)
        self._account.add(MemoryHolding.FILLS, len(data))

    def _complete(self) -> None:
        """All of it is here, and none was dropped."""
        chunks = self._chunks
        whole = self.whole = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._let_go(len(chunks))
        if self._readers:
            self._account.lend(whole)
        self.length = len(whole)  # known by now, if it was not said
        self._close(whole)

    def _let_go(self, count: int) -> None:
        """Drop so many of the oldest chunks."""
        size = 0
        for _ in range(count):
            size += len(self._chunks.popleft())
        self._dropped += count
        self._held_bytes -= size
        self._account.add(MemoryHolding.FILLS, -size)

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
        """Whether arrival waits for readers."""
        if self.ended or not self._readers:
            return False
        if not self.joinable:
            return self._held_bytes > self._account.ahead_bytes
        ahead_bytes = self._arrived_bytes - self._foremost
        return ahead_bytes > self._account.ahead_bytes and self._account.waits

    async def _read_on(self) -> None:
        """Wait until readers have taken enough."""
        loop = asyncio.get_running_loop()
        began, room = loop.time(), loop.create_future()
        self._room = room
        if not self.joinable and len(self._readers) > 1:
            self._unkept_at = self._unkept_at or began
            allowed_s = PATIENCE_S + PATIENCE_SHARE * (began - self._unkept_at)
            self._be_patient(max(0.0, allowed_s - self._held_up_s))
        self._account.add(MemoryHolding.ARRIVING, BEHIND_BYTES)
        try:
            await room
        finally:
            self._account.add(MemoryHolding.ARRIVING, -BEHIND_BYTES)
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None
            if self._others_wait():
                self._held_up_s += loop.time() - began

    def _be_patient(self, seconds: float) -> None:
        self._patience = asyncio.get_running_loop().call_later(seconds, self._lose_patience)

    def _lose_patience(self) -> None:
        """Let go who is far behind, if that keeps others waiting."""
        if not self._others_wait():
            self._be_patient(PATIENCE_S)
            return
        enough = self._arrived_bytes - self._account.ahead_bytes
        for reader in [one for one in self._readers if one.position < enough]:
            reader.too_slow = True
            self._readers.discard(reader)
        self._held_up_s = 0.0
        self._drop_taken()
        self._make_room()

    def _others_wait(self) -> bool:
        return any(not one.done() for one in self._waiting)

    def _make_room(self) -> None:
        if self._room is not None and not self._room.done() and not self._overfull():
            self._room.set_result(None)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _drop_taken(self) -> None:
        """Let go what nobody will read again. While it can be stored, all of it may be."""
        if self.joinable or self.whole is not None or not self._begun:
            return
        held = self._dropped + len(self._chunks)
        slowest = min((one.number for one in self._readers if not one.done), default=held)
        if slowest > self._dropped:
            self._let_go(slowest - self._dropped)

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

    def passed(self, reader: FillBody) -> None:
        """A reader has moved on."""
        self._foremost = max(self._foremost, reader.position)
        if reader.number == self._dropped + 1:  # else another is slower
            self._drop_taken()
        self._make_room()

    async def changed(self) -> None:
        """Wait until more has arrived, or the end."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def leave(self, reader: FillBody) -> None:
        """A reader will read no more; with the last one the fill stops unless nearly done."""
        if reader in self._readers:
            self._readers.discard(reader)
            if self.whole is not None and not self._readers:
                self._account.give_back(self.whole)
        self._drop_taken()
        self._make_room()
        task = self._task
        if self._readers or self.ended or task is None:
            return
        rest = None if self.length is None else self.length - self._arrived_bytes
        if not self.joinable or rest is None or rest > self.rest_worth_finishing:
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
        self.too_slow = False  # and so reads no further
        self._fill = fill
        self._first = 0 if span is None else span.first
        self._end = None if span is None else span.first + span.length

    async def read(self) -> bytes:
        while (data := self.read_nowait()) is None:
            await self._fill.changed()
        return data

    def read_nowait(self) -> bytes | None:
        fill = self._fill
        while not self.done:
            if self.too_slow:
                raise UpstreamError(Fault.TRUNCATED, "a reader too slow for the others")
            if fill.whole is not None:
                self.position = max(self.position, self._first)
            piece = fill.piece(self)
            if not piece:
                return piece
            data = self._cut(piece)
            self.number += 1
            self.position += len(piece)
            fill.passed(self)
            if data:
                return data
        return b""

    @property
    def done(self) -> bool:
        """All of its span was read."""
        return self._end is not None and self.position >= self._end

    def _cut(self, piece: bytes) -> bytes:
        """What of the piece that begins at `position` is asked for."""
        end = None if self._end is None else self._end - self.position
        return piece[max(0, self._first - self.position) : end]

    def close(self) -> None:
        self._fill.leave(self)
