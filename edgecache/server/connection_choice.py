"""Connection choice: which version of HTTP a viewer's connection speaks.

Law: over TLS the handshake has settled it (ALPN, RFC 7301), and HTTP/1.1 where it says nothing.
Without TLS it is HTTP/1.1, unless the listener takes HTTP/2 by prior knowledge (RFC 9113 §3.3):
there the first bytes say it. Until then the connection is HTTP/1.1's: counted, with its deadlines.
`Upgrade: h2c` is not answered: RFC 9113 §3.1 has taken it away.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from edgecache.http.http2.frames import PREFACE
from edgecache.server.http1.connection import ViewerConnection
from edgecache.server.http2.connection import MultiplexedConnection
from edgecache.server.listener import Listener


def viewer_connection(
    config: Any,
    server_state: Any,
    loop: asyncio.AbstractEventLoop,
    source: tuple[str, int] | None = None,
    transport: asyncio.Transport | None = None,
) -> asyncio.Protocol:
    """The connection of a viewer; `transport` is given where something came before HTTP."""
    listener = cast(Listener, config.loaded_app.listener)
    tls = None if transport is None else transport.get_extra_info("ssl_object")
    if tls is not None and tls.selected_alpn_protocol() == "h2":
        return MultiplexedConnection(config, server_state, loop, source)
    if listener.tls is None and listener.prior_knowledge:
        return PrefaceReader(config, server_state, {}, loop, source=source)
    return ViewerConnection(config, server_state, {}, loop, source=source)


class PrefaceReader(asyncio.Protocol):
    """A connection until its first bytes say whether they are the preface of HTTP/2."""

    def __init__(
        self,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        source: tuple[str, int] | None = None,
    ) -> None:
        self._config, self._state, self._source = config, server_state, source
        self._loop = _loop or asyncio.get_event_loop()
        self._http1 = ViewerConnection(config, server_state, app_state, self._loop, source=source)
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._start = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._http1.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._http1.connection_lost(exc)

    def eof_received(self) -> bool:
        return self._http1.eof_received()

    def pause_writing(self) -> None:
        self._http1.pause_writing()

    def resume_writing(self) -> None:
        self._http1.resume_writing()

    def data_received(self, data: bytes) -> None:
        self._start += data
        start = self._start
        if self._http1.closing or (len(start) < len(PREFACE) and PREFACE.startswith(start)):
            return
        if start.startswith(PREFACE):
            self._change(start)
        else:
            self._transport.set_protocol(self._http1)
            self._http1.data_received(start)

    def _change(self, start: bytes) -> None:
        """HTTP/2 takes the place of HTTP/1.1, for which nothing was done."""
        former, listener = self._http1, self._http1.listener
        self._state.connections.discard(former)
        listener.connections.discard(former)
        connection = MultiplexedConnection(self._config, self._state, self._loop, self._source)
        if listener.access is not None and listener.access.flows is not None:
            listener.access.flows.move(former, connection)
        self._transport.set_protocol(connection)
        connection.connection_made(self._transport)
        connection.data_received(start)
