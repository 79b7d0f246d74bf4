"""Multiplexed stream: what requests of HTTP/2 and HTTP/3 have alike, each on a stream of its own.

Law: what waits for a window stays here, by reference and in the account; of a stream that was reset
nothing is sent any more. A version of HTTP adds its frames, and how they go out.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from functools import partial
from typing import Protocol

from edgecache.http.message import Fields, Request, first_value
from edgecache.rules.viewer.client_shares import client_network
from edgecache.server.http2.priority import UNSAID, Priority, read_priority
from edgecache.server.http2.request_body import StreamBody
from edgecache.server.http2.tunnel import StreamEnd, TunnelBody, run_tunnel
from edgecache.server.listener import Listener
from edgecache.server.output_buffer import SMALL_BODY_BYTES
from edgecache.server.request_body import UploadPlace
from edgecache.server.tls import Session
from edgecache.server.unsent_pieces import UnsentPieces
from edgecache.upstream.tunnel import Tunnel


class ViewerOfStreams(Protocol):
    """A viewer's connection, as each of its streams sees it."""

    listener: Listener
    client: tuple[str, int]
    trusted: bool
    """Whether that is a trusted proxy: who its viewer is, each request says for itself."""
    network: str
    """Which client that is; see `ViewerStream`."""
    session: Session | None
    """Of TLS."""

    def forget_body(self, stream: MultiplexedStream) -> None:
        """Nothing more comes of its body."""
        ...

    def due(self, stream: MultiplexedStream, deadline: float) -> None:
        """Look at `stream` then (epoch seconds)."""
        ...

    def tunnel_passed(self, stream: MultiplexedStream, sent: TunnelBody, count: float) -> None:
        """So many bytes have passed through the tunnel of `stream`, either way."""
        ...


class MultiplexedStream(ABC):
    """A ViewerStream, but for its frames; `request` None: it could not be read."""

    __slots__ = (
        "_drained", "_unsent", "_viewer", "began", "body", "client", "deadline", "gone", "id",
        "local_closed", "network", "place", "priority", "remote_closed", "sent_bytes", "task",
        "tunnel_bytes_in", "tunnel_due", "websocket_key", "whole",
    )  # fmt: skip

    def __init__(
        self, viewer: ViewerOfStreams, stream_id: int, request: Request | None, began: float
    ) -> None:
        self.id = stream_id
        self.client, self.network = viewer.client, viewer.network
        if request is not None and viewer.trusted and request.client != self.client:
            self.client = request.client
            self.network = client_network(self.client[0])
        self.priority = UNSAID
        value = None if request is None else first_value(request.fields, b"priority")
        if value is not None:
            self.prioritize(read_priority(value))
        self.began = began
        self.sent_bytes = 0
        self.tunnel_bytes_in = 0
        self.tunnel_due = 0.0  # when silence is too long; 0: it is no tunnel
        self.websocket_key: bytes | None = None
        self.whole = False  # nothing comes after what waits
        self.gone = False  # reset: nothing is sent any more
        self.local_closed = False  # the end of the response was framed, or handed over
        self.remote_closed = False  # the viewer has said all
        self.body: StreamBody | None = None  # arriving
        self.place: UploadPlace | None = None  # among the uploads of its client
        self.task: asyncio.Task[None] | None = None
        self.deadline = 0.0  # of the body, or of what waits to be sent; 0: none
        self._viewer = viewer
        self._unsent = UnsentPieces(viewer.listener.account)
        self._drained: asyncio.Future[None] | None = None

    # What a response writer calls: see ViewerStream.

    @property
    def paused(self) -> bool:
        """See ViewerStream."""
        return not self.gone and self._unsent.size > SMALL_BODY_BYTES

    @abstractmethod
    def send_interim(self, status: int, fields: Fields, *, reason: bytes = b"") -> None:
        """See ViewerStream."""

    @abstractmethod
    def send_head(
        self,
        status: int,
        fields: Fields,
        length: int | None,
        *,
        reason: bytes = b"",
        ends: bool = False,
    ) -> None:
        """See ViewerStream."""

    @abstractmethod
    def send(self, data: bytes | memoryview) -> None:
        """See ViewerStream."""

    @abstractmethod
    def flush(self) -> None:
        """See ViewerStream."""

    @abstractmethod
    def end(self, trailers: Fields = ()) -> None:
        """See ViewerStream."""

    @abstractmethod
    def abort(self) -> None:
        """See ViewerStream."""

    def close_after(self) -> None:  # noqa: B027 - for every version that has streams
        """A connection has many requests at a time: it stays."""

    async def drained(self) -> None:
        """See ViewerStream."""
        while self.paused:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    async def run_tunnel(self, fields: Fields, tunnel: Tunnel) -> None:
        """See ViewerStream."""
        sent = self.body
        assert isinstance(sent, TunnelBody)
        near = StreamEnd(self, sent, partial(self._viewer.tunnel_passed, self, sent))
        await run_tunnel(self, fields, near, sent, tunnel)

    # What the connection calls.

    def prioritize(self, priority: Priority) -> None:
        """From the next frame on."""
        self.priority = priority

    def drop(self) -> None:
        """It was reset, or its connection is gone: nothing of it is sent any more."""
        self.gone = True
        self.sent_bytes = max(0, self.sent_bytes - self._unsent.size)
        self._unsent.clear()
        self.wake()

    def wake(self) -> None:
        """Tell who waits in `drained`, if there is no more to wait for."""
        drained = self._drained
        if drained is not None and not drained.done() and not self.paused:
            drained.set_result(None)
            self._drained = None
