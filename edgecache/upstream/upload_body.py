"""A request's body before it goes out. Law: no connection is taken for what has hardly begun.

A sender may take as long as its deadlines allow, and a connection to an origin is one of few: the
first bytes of a body, or the whole of a small one, are awaited before there is one (nginx's
`proxy_request_buffering` waits for all of it).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from edgecache.upstream.interface import Body

BEGUN_BYTES = 65_536  # most forms and API calls are smaller; asyncio's mark for writing


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


async def begun(body: Body) -> BegunBody:
    """`body` once BEGUN_BYTES of it are here, or all. Whatever reading it raises."""
    if isinstance(body, BegunBody):
        return body
    data = bytearray()
    while len(data) < BEGUN_BYTES and len(data) != body.length:
        piece = await body.read()
        if not piece:
            return BegunBody(body, bytes(data), whole=True)
        data += piece
        _hold(body, len(piece))
    return BegunBody(body, bytes(data), whole=len(data) == body.length)


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
