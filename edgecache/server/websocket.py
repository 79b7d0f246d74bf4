"""WebSocket between a viewer and an origin: the relay of its bytes, and a handshake of our own.

Law: bytes pass both ways, and are not looked at. RFC 6455 §1.3: after the opening handshake there
is no HTTP left. Each way waits in a bounded buffer for its reader; an end of one direction is
passed on as such where both ends can say it. Where the viewer's version of HTTP has neither key nor
accept (RFC 8441 §5), the key is ours, and who has not proved to have read it has not accepted.
CloudFront Developer Guide, "Use WebSockets": a connection idle for ten minutes is closed.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from hashlib import sha256
from typing import Protocol

from edgecache.http.message import Fields, first_value
from edgecache.server.request_body import RequestBody
from edgecache.upstream.tunnel import Tunnel, websocket_accept

IDLE_S_MAX = 600.0  # CloudFront's
ENDING_S_MAX = 10.0  # after one side has ended; RFC 6455 §7.1.1 wants the other to follow at once
_KEY_BYTES = 16  # RFC 6455 §4.1


class NearEnd(Protocol):
    """The viewer's end of a tunnel."""

    def write(self, data: bytes) -> None:
        """Send these bytes."""
        ...

    async def drained(self) -> None:
        """Return when more can be taken."""
        ...

    def passed(self, count: int) -> None:
        """So many bytes have gone to the viewer: a sign of life."""
        ...

    def end_writing(self) -> bool:
        """No more will be written; whether the viewer can be told so, and may go on itself."""
        ...


async def relay(near: NearEnd, sent: RequestBody, tunnel: Tunnel) -> None:
    """Pass bytes both ways, `sent` being what the viewer says, until both ends have ended.

    UpstreamError when the far side breaks off. When it ends here, `tunnel` is yet to be closed.
    """
    sending = asyncio.get_running_loop().create_task(_send(sent, tunnel))
    try:
        while data := await tunnel.read():
            near.write(data)
            await near.drained()
            near.passed(len(data))
        if near.end_writing():
            await sending
    finally:
        sending.cancel()
        await asyncio.wait({sending})
        while data := sent.read_nowait() or b"":
            tunnel.write(data)  # the last words of a viewer that has left


async def _send(sent: RequestBody, tunnel: Tunnel) -> None:
    """Pass on what the viewer says."""
    while data := await sent.read():
        tunnel.write(data)
        await tunnel.writable()
    tunnel.end_writing()


def websocket_key(request_id: bytes) -> bytes:
    """A Sec-WebSocket-Key of ours: as random as the id of a request, which it does not tell."""
    return b64encode(sha256(request_id).digest()[:_KEY_BYTES])


def accepts_websocket(status: int, fields: Fields, key: bytes) -> bool:
    """Whether a response to that key opens the WebSocket (RFC 6455 §4.1)."""
    proof = websocket_accept(key)
    return status == 101 and first_value(fields, b"sec-websocket-accept") == proof
