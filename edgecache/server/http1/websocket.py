"""WebSocket relay on a viewer's connection. Law: bytes pass both ways, and are not looked at.

RFC 6455 §1.3: after the opening handshake there is no HTTP left. Each way waits in a bounded buffer
for its reader; an end of one direction is passed on as such where both connections can say it.
CloudFront Developer Guide, "Use WebSockets": a connection idle for ten minutes is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from edgecache.server.http1.interface import Http1Connection
from edgecache.server.request_body import SentBytes
from edgecache.upstream.tunnel import Tunnel

IDLE_S_MAX = 600.0  # CloudFront's
ENDING_S_MAX = 10.0  # after one side has ended; RFC 6455 §7.1.1 wants the other to follow at once


async def relay(
    connection: Http1Connection, sent: SentBytes, tunnel: Tunnel, write: Callable[[bytes], None]
) -> None:
    """Pass bytes both ways, `write` being the viewer's side, until both ends have ended.

    UpstreamError when the far side breaks off. When it ends here, `tunnel` is yet to be closed.
    """
    sending = asyncio.get_running_loop().create_task(_send(sent, tunnel))
    try:
        while data := await tunnel.read():
            write(data)
            await connection.outgoing.drained()
            connection.keep_tunnel(len(data))
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
    """Pass on what the viewer says."""
    while data := await sent.read():
        tunnel.write(data)
        await tunnel.writable()
    tunnel.end_writing()
