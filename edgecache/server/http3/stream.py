"""HTTP/3 viewer stream: one request and the frames of its response (RFC 9114 §4.1).

Law: the end of the stream says that a response is whole; one that breaks off is reset. What waits
for a window stays here, by reference and in the account; of a stream that was reset nothing is sent
any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Protocol

from edgecache.http.message import Fields, Request, first_value
from edgecache.rules.viewer.client_shares import client_network
from edgecache.server.http2.priority import UNSAID, read_priority
from edgecache.server.http2.request_body import StreamBody
from edgecache.server.http3.field_section import field_section, trailer_section
from edgecache.server.http3.frames import DATA, HEADERS, Http3Error, frame, frame_header
from edgecache.server.listener import Listener
from edgecache.server.output_buffer import SMALL_BODY_BYTES
from edgecache.server.request_body import UploadPlace
from edgecache.server.tls import Session
from edgecache.server.unsent_pieces import UnsentPieces
from edgecache.upstream.tunnel import Tunnel


class Http3Connection(Protocol):
    """A connection, as its parts see it."""

    listener: Listener
    client: tuple[str, int]
    trusted: bool
    """Whether that is a trusted proxy: who its viewer is, each request says for itself."""
    network: str
    """Which client that is; see `ViewerStream`."""
    session: Session | None
    """Of TLS."""
    streams: dict[int, Http3Stream]
    """Those for which anything is done or owed, by their ids."""

    def run(self, stream: Http3Stream, work: Coroutine[None, None, None]) -> None:
        """Run what a stream waits for."""
        ...

    def ready(self) -> None:
        """There is something to send: soon."""
        ...

    def reset(self, stream: Http3Stream, code: Http3Error) -> None:
        """End `stream` at once, both ways, and say so."""
        ...

    def reject(self, stream_id: int, code: Http3Error) -> None:
        """End a stream of which no request was made."""
        ...

    def let_go(self, stream: Http3Stream) -> None:
        """End `stream`, whose viewer has left it."""
        ...

    def settle(self, stream: Http3Stream) -> None:
        """Forget `stream` if nothing is done for it any more."""
        ...

    def forget_body(self, stream: Http3Stream) -> None:
        """Nothing more comes of its body."""
        ...

    def due(self, stream: Http3Stream, deadline: float) -> None:
        """Look at `stream` then (epoch seconds)."""
        ...

    def taken(self, stream: Http3Stream, count: int) -> None:
        """So many bytes of its body were taken: more may come."""
        ...


class Http3Stream:
    """The ViewerStream of one request; `request` None: it could not be read."""

    websocket_key: bytes | None = None  # nothing asks for one: see `run_tunnel`

    __slots__ = (
        "_drained", "_owner", "_unsent", "began", "body", "client", "deadline", "fault", "gone",
        "id", "local_closed", "network", "place", "priority", "remote_closed",
        "seen_bytes", "sent_bytes", "task", "tunnel_bytes_in", "whole",
    )  # fmt: skip

    def __init__(
        self, owner: Http3Connection, stream_id: int, request: Request | None, began: float
    ) -> None:
        self.id = stream_id
        self.client, self.network = owner.client, owner.network
        if request is not None and owner.trusted and request.client != self.client:
            self.client = request.client
            self.network = client_network(self.client[0])
        self.priority = UNSAID
        value = None if request is None else first_value(request.fields, b"priority")
        if value is not None:
            self.priority = read_priority(value)
        self.began = began
        self.sent_bytes = 0
        self.tunnel_bytes_in = 0
        self.whole = False  # nothing comes after what waits
        self.gone = False  # reset: nothing is sent any more
        self.local_closed = False  # the end of the response was handed over
        self.remote_closed = False  # the viewer has said all
        self.fault = Http3Error.NO_ERROR  # of what the viewer sent, told once it was answered
        self.body: StreamBody | None = None  # arriving
        self.place: UploadPlace | None = None  # among the uploads of its client
        self.task: asyncio.Task[None] | None = None
        self.deadline = 0.0  # of the body, or of what waits to be sent; 0: none
        self.seen_bytes = -1  # that had arrived when an overdue stream was looked at; -1: never
        self._owner = owner
        self._unsent = UnsentPieces(owner.listener.account)
        self._drained: asyncio.Future[None] | None = None

    # What a response writer calls: see ViewerStream.

    @property
    def paused(self) -> bool:
        """See ViewerStream."""
        return not self.gone and self._unsent.size > SMALL_BODY_BYTES

    def send_interim(self, status: int, fields: Fields, *, reason: bytes = b"") -> None:
        """See ViewerStream; there is none after the final head."""
        if not self.gone and not self.sent_bytes:
            self._unsent.add(frame(HEADERS, field_section(status, fields)))
            self._owner.ready()

    def send_head(
        self,
        status: int,
        fields: Fields,
        length: int | None,
        *,
        reason: bytes = b"",
        ends: bool = False,
    ) -> None:
        """Make the head; it goes out with what is sent next."""
        if self.gone:
            return
        if length is not None:
            fields = (*fields, (b"content-length", b"%d" % length))
        head = frame(HEADERS, field_section(status, fields))
        self.whole = ends
        self.sent_bytes += len(head)
        self._unsent.add(head)

    def send(self, data: bytes | memoryview) -> None:
        """See ViewerStream."""
        if self.gone:
            return
        header = frame_header(DATA, len(data))
        self.sent_bytes += len(header) + len(data)
        self._unsent.add(header)
        self._unsent.add(data)
        self._owner.ready()

    def flush(self) -> None:
        """See ViewerStream."""
        if not self.gone:
            self._owner.ready()

    def end(self, trailers: Fields = ()) -> None:
        """See ViewerStream."""
        if self.gone:
            return
        if trailers and not self.whole:
            section = frame(HEADERS, trailer_section(trailers))
            self.sent_bytes += len(section)
            self._unsent.add(section)
        self.whole = True
        self._owner.ready()

    def abort(self) -> None:
        """See ViewerStream."""
        if not self.gone:
            self._owner.reset(self, Http3Error.INTERNAL_ERROR)

    def close_after(self) -> None:
        """A connection has many requests at a time: it stays."""

    async def drained(self) -> None:
        """See ViewerStream."""
        while self.paused:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    async def run_tunnel(self, fields: Fields, tunnel: Tunnel) -> None:
        """Nothing asks for one: extended CONNECT (RFC 9220) is not announced, and refused."""
        raise NotImplementedError

    # What the connection calls.

    @property
    def queued_bytes(self) -> int:
        """How much waits to be sent."""
        return self._unsent.size

    @property
    def sendable(self) -> bool:
        """Whether there is something to hand over."""
        return not (self.gone or self.local_closed) and bool(self._unsent.size or self.whole)

    def take(self, count: int) -> bytes:
        """The next `count` bytes of what waits."""
        out: list[bytes | memoryview] = []
        self._unsent.take(out, count)
        self.wake()
        return b"".join(out)

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
