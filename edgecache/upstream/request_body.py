"""Request bodies towards upstreams: their start awaited, then sent piece by piece.

Law: a body is read no faster than the upstream takes it, and no connection is taken for what has
hardly begun. A sender may take as long as its deadlines allow, and a connection to an origin is one
of few: the first bytes of a body, or the whole of a small one, are awaited before there is one
(nginx's `proxy_request_buffering` waits for all of it).

RFC 9112 §7: as many bytes as Content-Length said, or in chunks of our own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, runtime_checkable

from edgecache.http.head import LAST_CHUNK, chunk
from edgecache.upstream.interface import Body


class RequestSink(Protocol):
    """Sink of a request body: the connection."""

    def write(self, data: bytes) -> None:
        """Send these bytes."""
        ...

    async def writable(self) -> None:
        """Return when the connection takes more."""
        ...

    def expect_upload(self, waiting: bool) -> None:
        """Whether it is our side that is waited for; the response's time stands still then."""
        ...


class WrongLengthError(Exception):
    """The body did not have the length it had announced; the request cannot be completed."""


async def send_until_answered(
    sending: Coroutine[Any, Any, None], answered: asyncio.Future[Any]
) -> None:
    """Send a body until it ends or the response is there (RFC 9112 §9.5). What sending raises."""
    task = asyncio.get_running_loop().create_task(sending)
    try:
        either: set[asyncio.Future[Any]] = {task, answered}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})  # the body has one reader: let it go before we return
        failed = None if task.cancelled() else task.exception()  # seen, if we are cancelled too
    if failed is not None and not answered.done():
        raise failed


async def upload(body: Body, sink: RequestSink) -> None:
    """Send all of `body`. WrongLength, or whatever reading `body` raises."""
    left = body.length
    while True:
        piece = body.read_nowait()
        if piece is None:
            sink.expect_upload(True)
            piece = await body.read()
            sink.expect_upload(False)
        if not piece:
            break
        if left is None:
            sink.write(chunk(piece))
        else:
            left -= len(piece)
            if left < 0:
                raise WrongLengthError
            sink.write(piece)
        await sink.writable()
    if left:
        raise WrongLengthError
    if left is None:
        sink.write(LAST_CHUNK)


START_BYTES = 65_536  # most forms and API calls are smaller; asyncio's mark for writing


@runtime_checkable
class HeldBody(Protocol):
    """A body that counts what of it is kept before it goes out."""

    def hold(self, size: int) -> None:
        """So many bytes more; fewer when negative."""
        ...


def _hold(body: Body, size: int) -> None:
    if isinstance(body, HeldBody):
        body.hold(size)


class BegunBody:
    """A `Body` whose first bytes are here; `whole` when those are all."""

    __slots__ = ("_data", "_rest", "length", "whole")

    def __init__(self, rest: Body, data: bytes, *, whole: bool) -> None:
        self.length = rest.length
        self.whole = whole
        self._data = data
        self._rest = rest

    @property
    def beginning(self) -> bytes:
        """What of it is here and was not read."""
        return self._data

    async def read(self) -> bytes:
        data = self.read_nowait()
        return await self._rest.read() if data is None else data

    def read_nowait(self) -> bytes | None:
        if self._data:
            data, self._data = self._data, b""
            _hold(self._rest, -len(data))
            return data
        return b"" if self.whole else self._rest.read_nowait()

    def close(self) -> None:
        self._rest.close()

    async def begin(self, bytes_max: int) -> None:
        """Have `bytes_max` of it here, or all. Whatever reading it raises."""
        data = bytearray(self._data)
        while len(data) < bytes_max and not self.whole:
            piece = b"" if len(data) == self.length else await self._rest.read()
            if piece:
                data += piece
                self._data = bytes(data)
                _hold(self._rest, len(piece))
            self.whole = not piece or len(data) == self.length


async def read_start(body: Body, bytes_max: int = START_BYTES) -> BegunBody:
    """`body` once `bytes_max` of it are here, or all. Whatever reading it raises."""
    if isinstance(body, BegunBody):
        if bytes_max > START_BYTES:
            await body.begin(bytes_max)
        return body
    begun = BegunBody(body, b"", whole=False)
    await begun.begin(bytes_max)
    return begun


class WatchedBody:
    """A `Body` that tells once when its end was read, or it is given up."""

    __slots__ = ("_body", "_over", "length")

    def __init__(self, body: Body, over: Callable[[], None]) -> None:
        self.length = body.length
        self._body = body
        self._over: Callable[[], None] | None = over

    async def read(self) -> bytes:
        data = self.read_nowait()
        if data is None:
            data = await self._body.read()
            if not data:
                self.over()
        return data

    def read_nowait(self) -> bytes | None:
        data = self._body.read_nowait()
        if data == b"":
            self.over()
        return data

    def close(self) -> None:
        self._body.close()
        self.over()

    def over(self) -> None:
        """It goes out no more."""
        over, self._over = self._over, None
        if over is not None:
            over()


def is_under_way(body: Body) -> bool:
    """Whether more of a body is to come, and its way out is not watched yet."""
    return not (isinstance(body, WatchedBody) or (isinstance(body, BegunBody) and body.whole))
