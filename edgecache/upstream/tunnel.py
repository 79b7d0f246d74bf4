"""Tunnels: connections after a 101. Law: bytes both ways, each end when it ends.

RFC 9110 §7.8. A connection that has been a tunnel is never used for another request.
"""

from __future__ import annotations

from typing import Protocol

from edgecache.rules.viewer.access import asks_for_websocket, is_grpc_call
from edgecache.upstream.interface import Body, Call, Reply, Upstream
from edgecache.upstream.response import ResponseBody

TUNNEL_BYTES_MAX = 65_536  # waiting each way, as asyncio's own high-water mark for writing
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


class TunnelsDirect:
    """`inner` for what may be stored, `direct` for WebSockets and calls of gRPC.

    A regional cache has nothing to add to what goes both ways at once but a hop, two buffers and a
    connection held for hours; CloudFront leaves it out too.
    """

    def __init__(self, inner: Upstream, direct: Upstream) -> None:
        self.inner = inner  # which regional caches there are may change
        self._direct = direct

    async def fetch(self, call: Call) -> Reply:
        """The response of whichever is to be asked."""
        is_direct = asks_for_websocket(call.request)
        if call.route.behavior.grpc:
            is_direct = is_direct or is_grpc_call(call.request, call.route)
        return await (self._direct if is_direct else self.inner).fetch(call)
