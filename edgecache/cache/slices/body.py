"""Body out of slices, the next fetched ahead. Law: a reader, however slow, holds at most two."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice

from edgecache.cache.outcome import CacheResult, Errand
from edgecache.cache.slices.fetch import FetchedSlice, ObjectChanged, SliceSource
from edgecache.http.ranges import Span
from edgecache.store.entry import Entry
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Body

LOOKED_AT_MAX = 1_000  # slices in memory, from the first on: a millisecond or two
CONFIRMED_BY_MAX = 16  # slices fetched before the first byte goes out


class SliceBody:
    """The bytes of a span (None: all) of `entry`, slice after slice."""

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
        self._number = -1  # of the slice being read
        self._read = 0  # bytes of it
        self._current: Body | None = None
        self._tried = False  # it broke off once
        self._goes_on = False  # into all that follows
        self._ahead: asyncio.Future[FetchedSlice] | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._stream = source.stream_of(entry, errand.request)
        if self._stream is not None:
            self._stream.readers += 1

    async def begin(self) -> CacheResult:
        """Fetch the first slice: hit or miss. UpstreamError; ObjectChanged.

        When this returns upstream has given something of this version just now, or all that is
        looked at is here: a download of which a part was stored does not break off behind it.
        """
        result = await self._next_slice()
        if result is CacheResult.HIT and self._stream is None:
            await self._confirm()
        return result

    async def _confirm(self) -> None:
        """Fetch slices that are not in memory until upstream has one of this version.

        All of them are to be sent in any case. ObjectChanged; another failure may be over by the
        time the slice is sent.
        """
        looked_at = list(islice(self._numbers, LOOKED_AT_MAX))
        asked = 0
        for number in looked_at:
            if asked == CONFIRMED_BY_MAX or self._source.held(self._entry, number) is not None:
                continue
            asked += 1
            try:
                if await self._result_of(number) is not CacheResult.HIT:
                    return
            except ObjectChanged:
                raise
            except UpstreamError:
                return

    async def _result_of(self, number: int) -> CacheResult:
        """Whether a slice that is to be sent is a hit, without taking it: it is stored by then, or
        on its way.
        """
        ahead = self._ahead
        if ahead is not None and number == self._numbers[0]:
            await asyncio.wait((ahead,))  # who is canceled leaves it to `close`
            return ahead.result().result
        fetched = await self._fetch(number)
        fetched.body.close()
        return fetched.result

    async def read(self) -> bytes:
        while self._left:
            if self._current is None:
                await self._next_slice()
            assert self._current is not None
            try:
                data = await self._current.read()
            except UpstreamError as error:
                await self._retry(error)
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
        self._close_current()
        ahead, self._ahead = self._ahead, None
        if ahead is not None and _has_come(ahead):
            ahead.result().body.close()
        elif self._fetching is not None:
            self._fetching.cancel()
        self._leave_stream()

    def _leave_stream(self) -> None:
        """Nothing more of it is wanted: at the end of the span, or before."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.leave()

    def _cut(self, data: bytes) -> bytes:
        """The bytes of a slice within the span; none at its end."""
        if not data:
            self._close_current()
            return b""
        self._read += len(data)
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        data = data[skipped : skipped + self._left]
        self._left -= len(data)
        if not self._left:  # who reads it may take long to send it on, or to close it
            self._leave_stream()
        return data

    def _close_current(self) -> None:
        current, self._current = self._current, None
        if current is not None:
            current.close()

    async def _next_slice(self) -> CacheResult:
        if not self._numbers:
            raise UpstreamError(Fault.TRUNCATED, "origin")
        self._number, self._read, self._tried = self._numbers.popleft(), 0, False
        fetched = await self._fetched()
        self._current, self._goes_on = fetched.body, fetched.goes_on
        if self._goes_on:
            self._numbers.clear()
        elif self._numbers:
            self._fetch_ahead(self._numbers[0])
        return fetched.result

    async def _fetch(self, number: int) -> FetchedSlice:
        return await self._source.fetch(self._entry, number, self._errand, self._stream)

    async def _fetched(self) -> FetchedSlice:
        if self._ahead is not None:
            try:
                fetched = await self._ahead  # ours only then: who is canceled leaves it to `close`
            except UpstreamError as error:
                self._ahead, self._tried = None, True
                if isinstance(error, ObjectChanged):
                    raise
            else:
                self._ahead = None
                return fetched
        return await self._fetch(self._number)

    async def _retry(self, error: UpstreamError) -> None:
        """Fetch a slice that broke off once more, and skip what was read of it."""
        self._close_current()
        if self._tried or self._goes_on:
            raise error.again()
        self._tried = True
        self._skip, self._read = self._skip + self._read, 0
        fetched = await self._fetch(self._number)
        self._current, self._goes_on = fetched.body, fetched.goes_on

    def _fetch_ahead(self, number: int) -> None:
        ahead: asyncio.Future[FetchedSlice] = asyncio.get_running_loop().create_future()
        self._ahead = ahead
        self._fetching = self._source.world.spawn(self._fetch_into(number, ahead))

    async def _fetch_into(self, number: int, ahead: asyncio.Future[FetchedSlice]) -> None:
        try:
            fetched = await self._fetch(number)
        except UpstreamError as error:
            if not ahead.done():
                ahead.set_exception(error.again())
                ahead.exception()  # nobody may be left to whom it matters
            return
        if self._left == 0 or ahead.done():  # its reader has left
            fetched.body.close()
        if not ahead.done():
            ahead.set_result(fetched)


def _has_come(ahead: asyncio.Future[FetchedSlice]) -> bool:
    return ahead.done() and not ahead.cancelled() and ahead.exception() is None
