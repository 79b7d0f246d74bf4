"""A body in blocks, as one. Law: at most two blocks of it are held for a reader, however slow."""

from __future__ import annotations

import asyncio
from collections import deque

from edgecache.cache.outcome import CacheResult, Errand
from edgecache.cache.slices.fetch import FetchedSlice, ObjectChanged, SliceSource
from edgecache.http.ranges import Span
from edgecache.store.entry import Entry
from edgecache.upstream.interface import Body, Fault, UpstreamError


class SliceBody:
    """The bytes of a span (None: all) of `entry`, block after block, the next one fetched ahead."""

    def __init__(
        self, source: SliceSource, entry: Entry, errand: Errand, span: Span | None
    ) -> None:
        assert entry.blocks is not None
        whole = span or Span(0, entry.blocks.total - 1)
        self.length: int | None = whole.length
        self._source = source
        self._entry = entry
        self._errand = errand
        self._numbers = deque(entry.blocks.over(whole))
        self._skip = whole.first - entry.blocks.place(self._numbers[0]).first
        self._left = whole.length
        self._number = -1  # of the block being read
        self._read = 0  # bytes of it
        self._current: Body | None = None
        self._tried = False  # it broke off once
        self._goes_on = False  # into all that follows
        self._ahead: asyncio.Future[FetchedSlice] | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._stream = source.stream_of(entry)
        if self._stream is not None:
            self._stream.readers += 1

    async def begin(self) -> CacheResult:
        """Have the first block at hand; how it was come by. UpstreamError; ObjectChanged."""
        return await self._next_block()

    async def read(self) -> bytes:
        while self._left:
            if self._current is None:
                await self._next_block()
            assert self._current is not None
            try:
                data = await self._current.read()
            except UpstreamError as error:
                await self._again(error)
                continue
            if data := self._cut(data):
                return data
        return b""

    def read_nowait(self) -> bytes | None:
        if not self._left:
            return b""
        while self._current is not None:
            try:
                data = self._current.read_nowait()
            except UpstreamError:
                return None  # read() sees to it
            if data is None:
                return None
            if data := self._cut(data):
                return data
        return None

    def close(self) -> None:
        self._left = 0
        self._put_down()
        ahead, self._ahead = self._ahead, None
        if ahead is not None and _has_come(ahead):
            ahead.result().body.close()
        elif self._fetching is not None:
            self._fetching.cancel()
        if self._stream is not None:
            self._stream.leave()
            self._stream = None

    def _cut(self, data: bytes) -> bytes:
        """What of the next bytes of a block is asked for; none at its end."""
        if not data:
            self._put_down()
            return b""
        self._read += len(data)
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        data = data[skipped : skipped + self._left]
        self._left -= len(data)
        return data

    def _put_down(self) -> None:
        current, self._current = self._current, None
        if current is not None:
            current.close()

    async def _next_block(self) -> CacheResult:
        if not self._numbers:
            raise UpstreamError(Fault.TRUNCATED, "origin")
        self._number, self._read, self._tried = self._numbers.popleft(), 0, False
        taken = await self._arrived()
        self._current, self._goes_on = taken.body, taken.goes_on
        if self._goes_on:
            self._numbers.clear()
        elif self._numbers:
            self._fetch_ahead(self._numbers[0])
        return taken.result

    async def _block(self, number: int) -> FetchedSlice:
        return await self._source.block(self._entry, number, self._errand, self._stream)

    async def _arrived(self) -> FetchedSlice:
        if self._ahead is not None:
            try:
                taken = await self._ahead  # ours only then: who is canceled leaves it to `close`
            except UpstreamError as error:
                self._ahead, self._tried = None, True
                if isinstance(error, ObjectChanged):
                    raise
            else:
                self._ahead = None
                return taken
        return await self._block(self._number)

    async def _again(self, error: UpstreamError) -> None:
        """A block broke off: once more, and past what was read of it."""
        self._put_down()
        if self._tried or self._goes_on:
            raise error.again()
        self._tried = True
        self._skip, self._read = self._skip + self._read, 0
        taken = await self._block(self._number)
        self._current, self._goes_on = taken.body, taken.goes_on

    def _fetch_ahead(self, number: int) -> None:
        ahead: asyncio.Future[FetchedSlice] = asyncio.get_running_loop().create_future()
        self._ahead = ahead
        self._fetching = self._source.world.spawn(self._bring(number, ahead))

    async def _bring(self, number: int, ahead: asyncio.Future[FetchedSlice]) -> None:
        try:
            taken = await self._block(number)
        except UpstreamError as error:
            if not ahead.done():
                ahead.set_exception(error.again())
                ahead.exception()  # nobody may be left to whom it matters
            return
        if self._left == 0 or ahead.done():  # its reader has left
            taken.body.close()
        if not ahead.done():
            ahead.set_result(taken)


def _has_come(ahead: asyncio.Future[FetchedSlice]) -> bool:
    return ahead.done() and not ahead.cancelled() and ahead.exception() is None
