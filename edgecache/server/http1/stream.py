"""HTTP/1.1 viewer stream: status line, framing, and whether the connection stays (RFC 9112 §6, §9).

Law: a body of unknown length is chunked to HTTP/1.1, and ended by the end of the connection to
HTTP/1.0; one that breaks off resets the connection (§8).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from edgecache.http.head import CONTINUE, LAST_CHUNK, chunk, keeps_alive, response_head
from edgecache.http.message import Fields, Request, first_value
from edgecache.rules.viewer.access import UPGRADED
from edgecache.rules.viewer.client_shares import client_network
from edgecache.server.http1.interface import Http1Connection
from edgecache.server.listener import Listener
from edgecache.server.websocket import relay
from edgecache.upstream.tunnel import Tunnel

# At a listener for tiers `OPTIONS *` is their ping (upstream/peer/liveness.py): nobody's request.
PONG = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


class Http1Stream:
    """The ViewerStream of one request of a connection; `request` None: it could not be read."""

    websocket_key: bytes | None = None  # the handshake is the viewer's own

    __slots__ = (
        "_chunked",
        "_connection",
        "_head",
        "_minor",
        "_stays",
        "began",
        "client",
        "network",
        "seen_bytes",
        "sent_bytes",
        "streams",
        "tunnel_bytes_in",
    )

    def __init__(self, connection: Http1Connection, request: Request | None) -> None:
        self.client = connection.client
        self.network = connection.network
        if request is not None and connection.trusted and request.client != self.client:
            self.client = request.client
            self.network = client_network(self.client[0])
        self.began = connection.began
        self.sent_bytes = 0
        self.seen_bytes = 0  # of these, when an overdue connection was looked at
        self.tunnel_bytes_in = 0
        self.streams = False  # what was written so far is a part of a response
        self._connection = connection
        self._minor = 1 if request is None else request.minor
        self._stays = request is None or keeps_alive(request.minor, request.fields)
        self._head = b""  # waits for what goes out with it
        self._chunked = False

    @property
    def paused(self) -> bool:
        """See ViewerStream."""
        return self._connection.outgoing.paused

    def send_interim(self, status: int, fields: Fields, *, reason: bytes = b"") -> None:
        """Nothing to a viewer of HTTP/1.0, which cannot tell it apart (RFC 9110 §15.2)."""
        if self._minor == 1 and not self.sent_bytes:
            self._connection.outgoing.write(response_head(status, reason, fields), b"")

    def send_head(
        self,
        status: int,
        fields: Fields,
        length: int | None,
        *,
        reason: bytes = b"",
        ends: bool = False,
    ) -> None:
        """Make the head; it goes out with what is written next."""
        if length is not None:
            fields = (*fields, (b"content-length", b"%d" % length))
        elif not ends and self._minor == 1:
            self._chunked = True
            fields = (*fields, (b"transfer-encoding", b"chunked"))
        elif not ends:
            self._connection.closing = True  # its end is the end of the body
        option = connection_option(self._connection, self._minor, stays=self._stays)
        if option is not None:
            fields = (*fields, (b"connection", option))
        self._head = response_head(status, reason, fields)
        self.streams = not ends

    def send(self, data: bytes | memoryview) -> None:
        """The head, if it waits, and the next bytes, in one write."""
        if self._chunked:
            data = chunk(bytes(data))
        head, self._head = self._head, b""
        self.sent_bytes += len(head) + len(data)
        self._connection.outgoing.write(head, data)

    def flush(self) -> None:
        """See ViewerStream."""
        if self._head:
            self._write(self._head)
            self._head = b""

    def end(self, trailers: Fields = ()) -> None:
        """See ViewerStream. Of trailers nothing is said: no call of gRPC comes by HTTP/1.1."""
        if self._head or self._chunked:
            self._write(self._head + LAST_CHUNK if self._chunked else self._head)
            self._head = b""
        self.streams = False

    def abort(self) -> None:
        """What was sent must not look whole, nor anything else follow it."""
        self._connection.closing = True
        self._connection.transport.abort()

    def close_after(self) -> None:
        """See ViewerStream."""
        self._connection.closing = True

    async def drained(self) -> None:
        """See ViewerStream."""
        await self._connection.outgoing.drained()

    async def run_tunnel(self, fields: Fields, tunnel: Tunnel) -> None:
        """101, and from here on bytes both ways (RFC 9110 §7.8, RFC 6455 §4.2.2)."""
        connection = self._connection
        self._write(response_head(101, b"", (*fields, *UPGRADED)))
        sent = connection.become_tunnel()
        try:
            await relay(_SocketEnd(connection, self._write), sent, tunnel)
        except asyncio.CancelledError:
            tunnel.hang_up()
            raise
        finally:
            self.tunnel_bytes_in = sent.total_bytes
        tunnel.hang_up()

    def _write(self, data: bytes) -> None:
        self.sent_bytes += len(data)
        self._connection.outgoing.write(data, b"")


class _SocketEnd:
    """The NearEnd of a connection."""

    def __init__(self, connection: Http1Connection, write: Callable[[bytes], None]) -> None:
        self._connection, self.write = connection, write

    async def drained(self) -> None:
        """See NearEnd."""
        await self._connection.outgoing.drained()

    def passed(self, count: int) -> None:
        """See NearEnd."""
        self._connection.keep_tunnel(count)

    def end_writing(self) -> bool:
        """See NearEnd. TLS has no half-close."""
        transport = self._connection.transport
        says = transport.can_write_eof() and not transport.is_closing()
        if says:
            transport.write_eof()
            self._connection.end_tunnel()
        return says


def connection_option(connection: Http1Connection, minor: int, *, stays: bool) -> bytes | None:
    """The Connection field a response needs, if any; notes on `connection` when it is the last.

    `minor` and `stays` are the request's: its version, and whether its viewer wants to go on.
    """
    if connection.listener.handing_over or not stays or connection.body is not None:
        connection.closing = True
    if connection.closing:
        return b"close"
    return b"keep-alive" if minor == 0 else None


def own_reply(listener: Listener, head: bytes, request: Request, now: float) -> bytes:
    """The reply to what is nobody's request: a ping, a question of ours; empty: it is one."""
    if b"Edgecache-Explain" in head:
        return listener.explained(head, request, now)
    return PONG if request.path == b"*" and listener.from_peers else b""


def invitation(request: Request, transport: asyncio.Transport) -> Callable[[], None]:
    """Callback of the body's first read: sends 100 (Continue) if expected (RFC 9110 §10.1.1)."""
    expected = request.minor == 1 and first_value(request.fields, b"expect") is not None

    def invite() -> None:
        if expected and not transport.is_closing():
            transport.write(CONTINUE)

    return invite
