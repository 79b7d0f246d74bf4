"""Slicing of a whole body as it arrives, into slices that everyone may read.

Law: it runs ahead of the foremost reader by a bounded number of slices, and ends with the last
reader.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec.structs import replace

from edgecache.cache.fill import Fill
from edgecache.http.message import Request
from edgecache.store.entry import Entry
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Body, Reply

if TYPE_CHECKING:
    from edgecache.cache.slices.fetch import SliceSource

AHEAD = 2  # slices: one being read, one to come


class SliceCut:
    """The next bytes of a body, as a body of their own; what comes after them stays there."""

    def __init__(self, cutter: SliceCutter, length: int) -> None:
        self.length: int | None = length
        self._cutter = cutter
        self._left = length

    async def read(self) -> bytes:
        if not self._left:
            return b""
        data = self._cutter.take(self._left) or await self._cutter.read(self._left)
        if not data:
            raise UpstreamError(Fault.TRUNCATED, "origin")
        self._left -= len(data)
        return data

    def read_nowait(self) -> bytes | None:
        data = self._cutter.take(self._left)
        self._left -= len(data)
        return data or (None if self._left else b"")

    def close(self) -> None:
        """The body goes on to the next cut."""


class SliceCutter:
    """A body that is read cut by cut."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._rest = b""

    def take(self, bytes_max: int) -> bytes:
        """Bytes that are here."""
        if not self._rest:
            self._rest = self._body.read_nowait() or b""
        return self._first(bytes_max)

    async def read(self, bytes_max: int) -> bytes:
        """The next bytes; none at the end."""
        self._rest = await self._body.read()
        return self._first(bytes_max)

    def _first(self, bytes_max: int) -> bytes:
        data, self._rest = self._rest[:bytes_max], self._rest[bytes_max:]
        return data

    def close(self) -> None:
        self._body.close()


class SliceWriter:
    """A 200 in arrival for `entry`, whose slices come in order."""

    def __init__(self, source: SliceSource, entry: Entry, reply: Reply, request: Request) -> None:
        self.entry = entry
        self.request = request  # it came for
        self.readers = 0
        self._source = source
        self._cutter = SliceCutter(reply.body)
        self._reply = reply
        self._begun = -1  # the slice in arrival
        self._wanted = 0  # the foremost slice that anybody reads or is about to
        self._ended = False
        self._recent: dict[int, Fill] = {}  # as many as AHEAD, for who comes a moment late
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        source.streams[entry.key] = self

    def start(self) -> None:
        """Let it arrive, for the readers that are there."""
        if self.readers == 0:
            self._end()
            return
        self._task = self._source.world.spawn(self._run())

    async def fill_of(self, number: int) -> Fill | None:
        """Wait for the fill of a slice; None when it does not arrive, or not soon."""
        if number > self._begun + AHEAD:
            return None
        self._wanted = max(self._wanted, number)
        self._tell()
        while not self._ended and self._begun < number:
            await self._changed.wait()
        fill = self._recent.get(number)
        return fill if fill is not None and fill.readable else None

    def leave(self) -> None:
        """A reader will read no more."""
        self.readers -= 1
        if self.readers == 0 and not self._ended:
            self._end()
            if self._task is not None:
                self._task.cancel()

    async def _run(self) -> None:
        blocks = self.entry.blocks
        assert blocks is not None
        try:
            for number in range(blocks.count):
                while number > self._wanted + 1:
                    await self._changed.wait()
                await self._pass(number, blocks.place(number).length)
        except UpstreamError:
            pass  # who reads a slice that broke off fetches it again
        finally:
            self._end()

    async def _pass(self, number: int, length: int) -> None:
        """One slice: into a fill, or read away when somebody else has fetched it."""
        cut = SliceCut(self._cutter, length)
        if self._source.has(self.entry, number):
            self._begin(number)
            while await cut.read():
                pass
            return
        part = replace(self._reply, body=cut)
        fill = self._source.begin_fill(self.entry, number, part, self.request)
        self._source.land(self.entry, number, fill)
        self._recent[number] = fill
        self._recent.pop(number - AHEAD, None)
        self._begin(number)
        await fill.pump()
        if fill.error is not None:
            raise fill.error.again()

    def _begin(self, number: int) -> None:
        self._begun = number
        self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _end(self) -> None:
        self._ended = True
        self._cutter.close()
        if self._source.streams.get(self.entry.key) is self:
            del self._source.streams[self.entry.key]
        self._tell()
