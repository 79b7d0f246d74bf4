"""WebSockets on a viewer's connection. Law: bytes pass both ways, and are not looked at.

RFC 6455 §1.3: after the opening handshake there is no HTTP left. Each way waits in a bounded buffer
for its reader; an end of one direction is passed on as such where both connections can say it.
CloudFront Developer Guide, "Use WebSockets": a connection idle for ten minutes is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from edgecache.http.framing import UntilCloseReader
from edgecache.http.message import HeadLimits
from edgecache.server.http1.request_body import RequestBody
from edgecache.store.memory_account import MemoryAccount, MemoryHolding
from edgecache.upstream.tunnel import Tunnel

if TYPE_CHECKING:
    from edgecache.server.http1.connection import ViewerConnection

IDLE_S_MAX = 600.0  # CloudFront's
ENDING_S_MAX = 10.0  # after one side has ended; RFC 6455 §7.1.1 wants the other to follow at once


class SentBytes(RequestBody):
    """What a viewer sends through a tunnel; it ends when the viewer does."""

    holding = MemoryHolding.TUNNELS

    def __init__(
        self, limits: HeadLimits, on_drained: Callable[[], None], account: MemoryAccount
    ) -> None:
        super().__init__(0, limits, _nothing, on_drained, account)
        self.length = None
        self.total_bytes = 0
        self._reader = UntilCloseReader()
        self._goes_out = True

    def feed(self, data: bytes) -> bytes:
        self.total_bytes += len(data)
        return super().feed(data)

    def due(self, now: float, count: float, idle_s: float) -> float:
        """Silence is bounded; how much is said is not."""
        return now + idle_s

    def abort(self) -> None:
        """The viewer sends no more; what it has sent is read all the same."""
        self._reader.eof()
        self._wake()


async def relay(
    connection: ViewerConnection, sent: SentBytes, tunnel: Tunnel, write: Callable[[bytes], None]
) -> None:
    """Bytes both ways, `write` being the viewer's side, until both ends have ended.

    UpstreamError when the far side breaks off. When it ends here, `tunnel` is yet to be closed.
    """
    sending = asyncio.get_running_loop().create_task(_send(sent, tunnel))
    try:
        while data := await tunnel.read():
            write(data)
            await connection.outgoing.drained()
            connection.deadline = connection.listener.clock() + connection.tunnel_idle_s
        transport = connection.transport
        if transport.can_write_eof() and not transport.is_closing():  # TLS has no half-close
            transport.write_eof()
            connection.end_tunnel()
            await sending
    finally:
        sending.cancel()
        await asyncio.wait({sending})
        while data := sent.read_nowait() or b"":
            tunnel.write(data)  # the last words of a viewer that has left


async def _send(sent: SentBytes, tunnel: Tunnel) -> None:
    while data := await sent.read():
        tunnel.write(data)
        await tunnel.writable()
    tunnel.end_writing()


def _nothing() -> None: ...
