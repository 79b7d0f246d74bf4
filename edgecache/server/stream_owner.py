"""Stream owner: what connections of HTTP/2 and HTTP/3 do alike with their streams.

Law: a stream counts until nothing is done for it any more, whoever has reset it; its errand is
cancelled with it. A body is read on until who reads it has ended: the last words of a viewer's
tunnel come after the origin's, too.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Coroutine
from functools import partial
from typing import Any, Generic, TypeVar

from edgecache.cache.frontend import ViewerErrand
from edgecache.cache.outcome import Hit
from edgecache.http.message import Request, first_value
from edgecache.rules.viewer.access import asks_for_websocket
from edgecache.server.http2.request_body import StreamBody
from edgecache.server.http2.tunnel import TunnelBody
from edgecache.server.listener import Listener
from edgecache.server.multiplexed_stream import MultiplexedStream
from edgecache.server.request_body import UploadPlace
from edgecache.server.response_writer import ResponseWriter

S = TypeVar("S", bound=MultiplexedStream)


class StreamOwner(Generic[S]):
    """The streams of one connection, by their ids."""

    listener: Listener
    loop: asyncio.AbstractEventLoop
    streams: dict[int, S]
    deadline: float
    _state: Any  # Uvicorn's: the tasks it waits for

    @abstractmethod
    def settle(self, stream: S) -> None:
        """Forget `stream` if nothing is done for it any more."""

    @abstractmethod
    def taken(self, stream: S, count: int) -> None:
        """So many bytes of its body were taken: more may come."""

    @abstractmethod
    def _send_no_more(self, stream: S) -> None:
        """What waits of `stream` is not sent any more."""

    def set_off(
        self, stream: S, errand: Hit | ViewerErrand, request: Request, writer: ResponseWriter
    ) -> None:
        """Run the errand of `stream`, or send a hit that takes its time."""
        body = self._body_of(stream, request)
        if isinstance(errand, Hit):
            self.run(stream, writer.run_hit(errand, request))
        else:
            self.run(stream, writer.run(errand, body))
        if body is None:
            return
        limits = self.listener.limits
        stream.place = UploadPlace(self.listener.connections.uploads)
        if not stream.place.begin(stream.network, limits.uploads_per_address_max):
            body.refuse(503)
        self.due(stream, body.due(stream.began, 0, limits.body_idle_s_max))

    def _body_of(self, stream: S, request: Request) -> StreamBody | None:
        """What is to come of a request's body; what comes of a WebSocket is none."""
        limits, account = self.listener.head_limits, self.listener.account
        taken = partial(self.taken, stream)
        if asks_for_websocket(request):  # by extended CONNECT: nobody else may name an upgrade
            stream.websocket_key = first_value(request.fields, b"sec-websocket-key")
            stream.body = sent = TunnelBody(limits, taken, account)
            self.tunnel_passed(stream, sent, 0)
            return None
        if not request.has_body:
            return None
        expects = first_value(request.fields, b"expect") is not None
        invite = partial(_invite, stream) if expects else _no_invitation
        stream.body = StreamBody(request.length, limits, invite, taken, account)
        return stream.body

    def run(self, stream: S, work: Coroutine[None, None, None]) -> None:
        """Run what `stream` waits for."""
        task = stream.task = self.loop.create_task(work)
        self._state.tasks.add(task)

        def done(_task: asyncio.Task[None]) -> None:
            self._state.tasks.discard(task)
            stream.task = None
            self.settle(stream)

        task.add_done_callback(done)

    def let_go(self, stream: S) -> None:
        """End `stream`, whose viewer has left it."""
        self._send_no_more(stream)
        stream.drop()
        if stream.body is not None:
            stream.body.abort()
        self.forget_body(stream)
        if stream.task is not None:
            stream.task.cancel()
        else:
            self.settle(stream)

    def forget_body(self, stream: MultiplexedStream) -> None:
        """Nothing more comes of its body."""
        if stream.place is not None:
            stream.place.end()
            stream.place = None
        body = stream.body
        if body is None or not (stream.gone or stream.local_closed):
            return
        if stream.gone or stream.task is None or not isinstance(body, TunnelBody):
            body.close()
            stream.body = None

    def due(self, stream: MultiplexedStream, deadline: float) -> None:
        """Look at `stream` then (epoch seconds)."""
        stream.deadline = deadline
        self.deadline = min(self.deadline, deadline)

    def tunnel_passed(self, stream: MultiplexedStream, sent: TunnelBody, count: float) -> None:
        """So many bytes have passed through the tunnel of `stream`, either way."""
        stream.tunnel_due = sent.silent_at(self.listener.clock(), count)
        self.deadline = min(self.deadline, stream.tunnel_due)


def _invite(stream: MultiplexedStream) -> None:
    """100 (Continue), where the body is wanted (RFC 9110 §10.1.1)."""
    if stream.body is not None and not (stream.remote_closed or stream.body.done):
        stream.send_interim(100, ())


def _no_invitation() -> None: ...
