"""Tunnels: connections after a 101. Law: bytes both ways, each end when it ends.

RFC 9110 §7.8. A connection that has been a tunnel is never used for another request.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections import deque
from hashlib import sha1
from typing import Protocol

from edgecache.rules.viewer.access import asks_for_websocket, is_grpc_call
from edgecache.upstream.interface import (
    Body,
    Call,
    PlanningUpstream,
    Reply,
    Upstream,
    UpstreamPlan,
)
from edgecache.upstream.response import ResponseBody

TUNNEL_BYTES_MAX = 65_536  # waiting each way, as asyncio's own high-water mark for writing
_ACCEPT_OF = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
TUNNELS_MAX = 1_024  # open to one origin from one process: Envoy's max_connections of a cluster


class Tunnel(Body, Protocol):
    """The far side of an upgraded connection: bytes to read, as of a body, and a way to write."""

    def write(self, data: bytes) -> None:
        """Send these bytes."""
        ...

    async def writable(self) -> None:
        """Return when more can be taken."""
        ...

    def end_writing(self) -> None:
        """No more will be written; what was is still sent."""
        ...

    def hang_up(self) -> None:
        """Close, once what was written is sent. `close` breaks off."""
        ...


class TunnelSide(Protocol):
    """The connection under a tunnel."""

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def abandon(self) -> None: ...
    def write(self, data: bytes) -> None: ...
    async def writable(self) -> None: ...
    def end_writing(self) -> None: ...
    def hang_up(self) -> None: ...


class OpenTunnel(ResponseBody):
    """A Tunnel over a connection."""

    __slots__ = ("_hung_up", "_line")

    def __init__(self, line: TunnelSide) -> None:
        super().__init__(None, line, TUNNEL_BYTES_MAX)
        self._line = line
        self._hung_up = False

    def write(self, data: bytes) -> None:
        self._line.write(data)

    async def writable(self) -> None:
        await self._line.writable()

    def end_writing(self) -> None:
        self._line.end_writing()

    def hang_up(self) -> None:
        self._hung_up = True
        self._line.hang_up()

    def close(self) -> None:
        if not self._hung_up:
            super().close()
            self._line.abandon()


class TunnelUpload:
    """Bytes on their way into a tunnel that is a stream, as the body of its request."""

    length: int | None = None

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None  # who reads
        self._room: asyncio.Future[None] | None = None  # who writes

    def write(self, data: bytes) -> None:
        """Append bytes; before more of them, `writable`."""
        if data and not self._ended:
            self._pieces.append(data)
            self._size += len(data)
            self._wake()

    async def writable(self) -> None:
        """Return when more can be taken, or nothing will be."""
        while self._size > TUNNEL_BYTES_MAX and not self._ended:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def end(self) -> None:
        """No more will be written; what was is still read."""
        self._ended = True
        self._wake()

    async def read(self) -> bytes:
        while (piece := self.read_nowait()) is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return piece

    def read_nowait(self) -> bytes | None:
        if not self._pieces:
            return b"" if self._ended else None
        piece = self._pieces.popleft()
        self._size -= len(piece)
        self._wake()
        return piece

    def close(self) -> None:
        self._pieces.clear()
        self._size = 0
        self.end()

    def _wake(self) -> None:
        """Let both sides look again."""
        for waiter in (self._waiter, self._room):
            if waiter is not None and not waiter.done():
                waiter.set_result(None)


def websocket_accept(key: bytes) -> bytes:
    """The proof that a Sec-WebSocket-Key was read (RFC 6455 §4.2.2)."""
    return b64encode(sha1(key + _ACCEPT_OF, usedforsecurity=False).digest())


class TunnelsDirect:
    """`inner` for what may be stored, `direct` for WebSockets and calls of gRPC.

    A regional cache has nothing to add to what goes both ways at once but a hop, two buffers and a
    connection held for hours; CloudFront leaves it out too.
    """

    def __init__(self, inner: Upstream, direct: Upstream) -> None:
        self.inner = inner  # which regional caches there are may change
        self._direct = direct

    def plan(self, call: Call) -> UpstreamPlan | None:
        """See PlanningUpstream: of what is to be stored."""
        if asks_for_websocket(call.request) or is_grpc_call(call.request, call.route):
            return None
        return self.inner.plan(call) if isinstance(self.inner, PlanningUpstream) else None

    async def fetch(self, call: Call) -> Reply:
        """The response of whichever is to be asked."""
        is_direct = asks_for_websocket(call.request)
        if call.route.behavior.grpc:
            is_direct = is_direct or is_grpc_call(call.request, call.route)
        return await (self._direct if is_direct else self.inner).fetch(call)
