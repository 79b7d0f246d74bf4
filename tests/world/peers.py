"""Tiers that speak to each other in bytes: a play whose edge asks its regional cache on a wire."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from edgecache.cache.peer_frontend import PeerFrontend
from edgecache.http.framing import NoBody, reader_for, response_framing
from edgecache.http.head import parse_response_head
from edgecache.http.message import HeadLimits, Response
from edgecache.rules.routing import compile_routes
from edgecache.server.http1.connection import ViewerConnection
from edgecache.server.http1.head_cache_peer import PeerHeadCache
from edgecache.server.listener import Listener
from edgecache.server.request_log import RequestLog
from edgecache.server.request_tracing import OF_TIERS, RequestIds, RequestTracing
from edgecache.upstream.endpoint import Endpoint, WireRequest
from edgecache.upstream.interface import Reply, WholeBody
from edgecache.upstream.peer.peer import PeerUpstream
from edgecache.upstream.pool import Pool
from tests.world.credentials import signer, verifier
from tests.world.play import Play, config_of
from tests.world.transport import FakeTransport

LIMITS = HeadLimits()


class ToldTransport(FakeTransport):
    """A transport that tells when something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.told = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        super().write(data)
        self.told.set()


class PeerPool:
    """Sends calls to a peers' front in this process, each on a connection of its own."""

    def __init__(self, listener: Listener, play: PeeredPlay) -> None:
        self._listener = listener
        self._play = play

    async def send(self, _endpoint: Endpoint, outgoing: WireRequest) -> Reply:
        """The response, whole."""
        settings = SimpleNamespace(loaded_app=SimpleNamespace(listener=self._listener))
        state = SimpleNamespace(connections=set(), tasks=self._play.tasks)
        connection = ViewerConnection(settings, state, {}, self._play.loop)
        transport = ToldTransport()
        connection.connection_made(transport)
        try:
            asked_at = self._play.clock()
            self._play.heads.append(outgoing.sent_head())
            connection.data_received(self._play.heads[-1])
            while (answer := _response(outgoing.method, bytes(transport.written))) is None:
                transport.told.clear()
                await transport.told.wait()
        finally:
            transport.closed = True
            connection.connection_lost(None)
        head, body = answer
        times = {"requested_at": asked_at, "received_at": self._play.clock()}
        return Reply(Response(head.status, head.reason, head.fields, **times), WholeBody(body))


def _response(method: bytes, data: bytes) -> tuple[Response, bytes] | None:
    """What has come, once it is whole."""
    end = data.find(b"\r\n\r\n") + 4
    if end == 3:
        return None
    head, minor = parse_response_head(data[:end], LIMITS)
    framing = response_framing(head.status, method, head.fields, minor)
    reader = reader_for(framing, LIMITS)
    body = b"".join(reader.feed(data[end:]))
    return (head, body) if isinstance(framing, NoBody) or reader.done else None


class PeeredPlay(Play):
    """A play with two tiers, each as in a process of its own; `heads` went from one to the other.

    The listener of the inner one is `inner`.
    """

    def _begin(self) -> None:
        super()._begin()
        assert self.regional is not None, "a scene with two tiers"
        self.heads: list[bytes] = []
        self.signer = signer("edge-LHR50-1", "regional", self.clock)
        self.admitted = verifier("regional", self.clock)
        table = compile_routes(config_of(self.scene))
        front = PeerFrontend(self.regional, table, self.admitted.sender)
        memo = PeerHeadCache() if self.scene.memo else None
        requests = RequestLog("regional", self._counters, self.access_log)
        ids = RequestIds(lambda count: bytes(count))
        limits = self.scene.limits
        tracing = RequestTracing(OF_TIERS, lambda count: b"regional" * (count // 8))
        self.inner = inner = Listener(
            front, limits, self.clock, ids, requests, "cloudfront", memo, tracing=tracing
        )
        pool: Any = PeerPool(inner, self)
        marks = self.edge.world.marks
        endpoint = Endpoint("regional.test", 80)
        peer = PeerUpstream(cast(Pool, pool), endpoint, self.signer.sign, None, marks)
        self.edge = self._tier("LHR50", peer)
        self.listener = self._listener()
        self.operator = type(self.operator)(self)
