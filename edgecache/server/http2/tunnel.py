"""Tunnel of a stream: what its viewer sends through it, and the viewer's end of it (RFC 8441).

Law: DATA is the tunnel's bytes, END_STREAM the end of one direction, RST_STREAM of both (§5). Its
silence is bounded as in HTTP/1.1; that a viewer takes nothing is the stream's to see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

from edgecache.http.framing import BODY_BYTES_PER_S_MIN
from edgecache.http.message import Fields, HeadLimits, without
from edgecache.server.http2.request_body import StreamBody
from edgecache.server.stream import ViewerStream
from edgecache.server.websocket import ENDING_S_MAX, IDLE_S_MAX, relay
from edgecache.store.memory_account import MemoryAccount, MemoryHolding
from edgecache.upstream.tunnel import Tunnel

HANDSHAKE = frozenset({b"connection", b"upgrade", b"sec-websocket-accept"})
"""Fields of a WebSocket's handshake that HTTP/2 has not (§5)."""


class TunnelBody(StreamBody):
    """Bytes that a viewer sends through a tunnel, as a body; it ends when the viewer does."""

    holding = MemoryHolding.TUNNELS

    def __init__(
        self, limits: HeadLimits, on_taken: Callable[[int], None], account: MemoryAccount
    ) -> None:
        super().__init__(None, limits, _no_invitation, on_taken, account)
        self.total_bytes = 0
        self._goes_out = True
        self._silent_at = 0.0  # when silence is too long (epoch seconds)
        self._ending = False

    def feed(self, data: bytes) -> bytes:
        self.total_bytes += len(data)
        return super().feed(data)

    def abort(self) -> None:
        """The viewer sends no more; what it has sent is read all the same."""
        self.end()

    def overdue(self, now: float, idle_s: float) -> float:
        """Never: who says nothing is silent."""
        return 0.0

    def silent_at(self, now: float, count: float) -> float:
        """When silence is too long, `count` bytes having passed now, either way."""
        latest = now + (ENDING_S_MAX if self._ending else IDLE_S_MAX)
        if self._ending:
            latest = min(latest, max(self._silent_at, now) + count / BODY_BYTES_PER_S_MIN)
        self._silent_at = latest
        return latest

    def begin_end(self) -> None:
        """One side has ended: the other has seconds left, more for what comes at a rate."""
        self._ending = True


class StreamEnd:
    """The NearEnd of a stream; `passed` is told how many bytes have passed."""

    def __init__(
        self, stream: ViewerStream, sent: TunnelBody, passed: Callable[[float], None]
    ) -> None:
        self.write, self.drained, self.passed = stream.send, stream.drained, passed
        self._stream, self._sent = stream, sent

    def end_writing(self) -> bool:
        """See NearEnd."""
        self._stream.end()
        self._sent.begin_end()
        self.passed(inf)
        return True


async def run_tunnel(
    stream: ViewerStream, fields: Fields, near: StreamEnd, sent: TunnelBody, tunnel: Tunnel
) -> None:
    """200, and from here on DATA both ways (§5)."""
    stream.send_head(200, without(fields, HANDSHAKE), None)
    stream.flush()
    try:
        await relay(near, sent, tunnel)
    except asyncio.CancelledError:
        tunnel.hang_up()
        raise
    finally:
        stream.tunnel_bytes_in = sent.total_bytes
    tunnel.hang_up()


def _no_invitation() -> None: ...
