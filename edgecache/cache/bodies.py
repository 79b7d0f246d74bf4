"""Bodies made of others: a span, a prefix and the rest, pieces read from disk, borrowed bytes."""

from __future__ import annotations

from edgecache.http.ranges import Span
from edgecache.store.disk.record import PIECE_BYTES
from edgecache.store.entry import DiskBody
from edgecache.store.memory_account import MemoryAccount
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Body, WholeBody


class SlicedBody:
    """A span of a body that only one reader has."""

    def __init__(self, body: Body, span: Span) -> None:
        self.length: int | None = span.length
        self._body = body
        self._skip = span.first
        self._left = span.length

    async def read(self) -> bytes:
        while self._left:
            data = self._cut(await self._body.read())
            if data is not None:
                return data
        return b""

    def read_nowait(self) -> bytes | None:
        while self._left:
            chunk = self._body.read_nowait()
            if chunk is None:
                return None
            data = self._cut(chunk)
            if data is not None:
                return data
        return b""

    def _cut(self, chunk: bytes) -> bytes | None:
        """The part of `chunk` within the span; None when that is nothing yet."""
        if not chunk:
            return b""
        skipped = min(self._skip, len(chunk))
        self._skip -= skipped
        data = chunk[skipped : skipped + self._left]
        self._left -= len(data)
        return data or None

    def close(self) -> None:
        self._body.close()


class BorrowedBody(WholeBody):
    """A body that is all here, and counts in `account` until it is read or given up: the store may
    let go of it before.
    """

    def __init__(self, data: bytes, account: MemoryAccount) -> None:
        super().__init__(data)
        self._account = account
        account.lend(data)

    def read_nowait(self) -> bytes:
        data = super().read_nowait()
        if data:
            self._account.give_back(data)
        return data

    def close(self) -> None:
        self.read_nowait()


class StoredBody:
    """A body on disk, or a span of it, read a piece at a time."""

    def __init__(self, stored: DiskBody, span: Span | None) -> None:
        self._stored = stored
        self._position = 0 if span is None else span.first
        self._left = stored.length if span is None else span.length
        self.length: int | None = self._left
        self._ready = b""

    async def begin(self) -> bool:
        """Read the first bytes; False when they cannot be read."""
        try:
            self._ready = await self._next()
        except UpstreamError:
            return False
        return True

    async def read(self) -> bytes:
        return self._take_ready() or await self._next()

    def read_nowait(self) -> bytes | None:
        return self._take_ready() or (None if self._left else b"")

    def _take_ready(self) -> bytes:
        data, self._ready = self._ready, b""
        return data

    async def _next(self) -> bytes:
        if not self._left:
            return b""
        number, skip = divmod(self._position, PIECE_BYTES)
        assert self._stored.read is not None
        piece = await self._stored.read(self._stored, number)
        if piece is None:
            raise UpstreamError(Fault.TRUNCATED, "disk")
        data = piece[skip : skip + self._left]
        self._position += len(data)
        self._left -= len(data)
        return data

    def close(self) -> None:
        self._left, self._ready = 0, b""


class PrefixedBody:
    """Bytes at hand, then a body that brings the rest."""

    def __init__(self, prefix: bytes, rest: Body) -> None:
        self.length = None if rest.length is None else len(prefix) + rest.length
        self._prefix = prefix
        self._rest = rest

    async def read(self) -> bytes:
        return self._take_prefix() or await self._rest.read()

    def read_nowait(self) -> bytes | None:
        return self._take_prefix() or self._rest.read_nowait()

    def _take_prefix(self) -> bytes:
        prefix, self._prefix = self._prefix, b""
        return prefix

    def close(self) -> None:
        self._rest.close()
