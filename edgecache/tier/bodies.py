"""Bodies made of bodies: a span of one, or one behind bytes that are already here."""

from __future__ import annotations

from edgecache.http.ranges import Span
from edgecache.upstream.base import Body


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


class PrefixedBody:
    """Bytes that are here, then a body that brings the rest."""

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
