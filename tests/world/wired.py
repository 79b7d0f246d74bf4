"""An edge whose origin is at the other end of a wire: bytes in, bytes out, in virtual time.

Beside `play.Play`, whose origin is asked by calls: here the pool, its connections and the reader of
responses are the product's own. What the origin sends, and how it is cut, is the test's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random
from types import SimpleNamespace
from typing import Any

from edgecache.cache.environment import TierEnvironment
from edgecache.cache.frontend import FrontendEnvironment, ViewerFrontend
from edgecache.cache.peer_frontend import PeerFrontend
from edgecache.cache.tier import Tier
from edgecache.config.model import MIB, Config
from edgecache.observe.access_log import AccessLog
from edgecache.observe.counters import Counters
from edgecache.rules.routing import RouteTable, compile_routes
from edgecache.server.http1.connection import ViewerConnection
from edgecache.server.http1.head_cache import HeadCache
from edgecache.server.http1.miss_plans import MissPlans
from edgecache.server.http1.miss_plans_peer import PeerMissPlans
from edgecache.server.listener import Listener
from edgecache.server.request_log import RequestLog
from edgecache.server.request_tracing import OF_TIERS, RequestIds, RequestTracing
from edgecache.store.invalidation import InvalidationState
from edgecache.store.memory import MemoryStore
from edgecache.store.memory_account import MemoryAccount
from edgecache.testing.in_process_nodes import REGIONAL_ENDPOINT
from edgecache.testing.memory_network import MemoryNetwork, MemoryTransport, connect
from edgecache.testing.virtual_loop import VirtualLoop
from edgecache.upstream.endpoint import Endpoint
from edgecache.upstream.interface import Upstream
from edgecache.upstream.origin import OriginUpstream
from edgecache.upstream.origin_counters import OriginCounters
from edgecache.upstream.origin_group import GroupUpstream
from edgecache.upstream.peer.peer import PeerUpstream
from edgecache.upstream.pool import Pool
from edgecache.upstream.tunnel import TunnelsDirect
from tests.world.credentials import signer, verifier
from tests.world.records import joined

BEGAN = 1_800_000_000.0
SEED = 20_270_115
Answer = Callable[[bytes], list[bytes] | None]
"""What an origin sends to a head, cut as it comes; None: nothing yet, see `WiredOrigin.held`."""


class WiredOrigin(asyncio.Protocol):
    """One connection of the origin. Of what it sends each part is a turn of the loop later."""

    def __init__(self, edge: WiredEdge) -> None:
        self._edge = edge
        self._held = b""
        self.transport: MemoryTransport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._edge.origins.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._edge.origins.remove(self)

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head, self._held = self._held[: end + 4], self._held[end + 4 :]
            self._edge.heard.append(head)
            parts = self._edge.answer(head)
            if parts is None:
                self._edge.held.append(self)
            else:
                self.send(parts)

    def send(self, parts: list[bytes]) -> None:
        """Send the parts, one after the other."""
        if parts:
            self.transport.write(parts[0])
            loop, rest = self._edge.loop, parts[1:]
            loop.call_soon(loop.call_soon, loop.call_soon, self.send, rest)


class WiredViewer(asyncio.Protocol):
    """A viewer's end of a connection: what it was sent."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.ended = False
        self.transport: MemoryTransport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> bool:
        self.ended = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True


class WiredEdge:
    """An edge with its parts; `plans`: whether misses are planned, `memo`: hits remembered."""

    regional: Tier
    inner: Listener  # of that

    def __init__(
        self, config: Config, answer: Answer, *, plans: bool = True, memo: bool = True,
        world: FrontendEnvironment | None = None, extended: bool = False, peered: bool = False,
    ) -> None:  # fmt: skip
        self.peered = peered  # with a regional cache between the edge and the origin
        self.loop = VirtualLoop()
        self.answer = answer
        self.heard: list[bytes] = []
        self.held: deque[WiredOrigin] = deque()  # connections with a head that is not answered
        self.origins: list[WiredOrigin] = []
        self.log = bytearray()
        self.access_log = AccessLog(joined(self.log.extend))
        self.counters = Counters()
        self.marks = InvalidationState()
        self.state = SimpleNamespace(connections=set(), tasks=set())
        self.account = MemoryAccount(64 * MIB)
        self.listener = self.loop.inside(lambda: self._listener(config, world))
        self.listener.request_log.extended = extended
        if peered:
            self.inner.request_log.extended = extended
        if memo:
            self.listener.head_cache = HeadCache()
        self.plans, self.inner_plans = MissPlans(), PeerMissPlans()
        if plans:
            self.listener.use_miss_plans(self.plans)
            if peered:
                self.inner.use_miss_plans(self.inner_plans)

    def clock(self) -> float:
        return BEGAN + self.loop.now

    def _listener(self, config: Config, world: FrontendEnvironment | None) -> Listener:
        self.pool = Pool(MemoryNetwork(self.loop, self._find), self.clock)
        counted = OriginCounters(self.counters, lambda: self.loop.now)
        origins = OriginUpstream(self.pool, counted=counted, clock=self.clock)
        upstream: Upstream = GroupUpstream(origins, self.clock, self.counters)
        table = compile_routes(config)
        if self.peered:
            self._inner(config, table, upstream)
            sign, fallback = signer("edge-LHR50-1", "regional", self.clock).sign, None
            peer = PeerUpstream(self.pool, REGIONAL_ENDPOINT, sign, fallback, self.marks)
            upstream = TunnelsDirect(peer, upstream)
        self.tier = self._tier("LHR50", upstream)
        front = ViewerFrontend(self.tier, table, config.brand, world)
        return Listener(
            front, config.limits, self.clock, RequestIds(Random(SEED).randbytes),
            RequestLog("LHR50", self.counters, self.access_log), config.brand,
        )  # fmt: skip

    def _inner(self, config: Config, table: RouteTable, upstream: Upstream) -> None:
        """The regional cache between."""
        self.regional = self._tier("regional", upstream)
        admitted = verifier("regional", self.clock)
        front = PeerFrontend(self.regional, table, admitted.sender)
        random_bytes = Random(SEED + 1).randbytes
        log = RequestLog("regional", self.counters, self.access_log)
        self.inner = Listener(
            front, config.limits, self.clock, RequestIds(random_bytes), log, config.brand,
            tracing=RequestTracing(OF_TIERS, random_bytes),
        )  # fmt: skip

    def _tier(self, name: str, upstream: Upstream) -> Tier:
        environment = TierEnvironment(
            self.clock, self.loop.create_task, self.counters, 8 * MIB, 100, self.marks,
            account=self.account,
        )  # fmt: skip
        return Tier(name, MemoryStore(32 * MIB, account=self.account), upstream, environment)

    def _find(self, endpoint: Endpoint) -> Callable[[], asyncio.Protocol]:
        if endpoint.host != REGIONAL_ENDPOINT.host:
            return lambda: WiredOrigin(self)
        settings = SimpleNamespace(loaded_app=SimpleNamespace(listener=self.inner))
        return lambda: ViewerConnection(settings, self.state, {}, self.loop)

    def viewer(self, address: tuple[str, int] = ("192.0.2.1", 40_000)) -> WiredViewer:
        """A viewer connects."""
        settings = SimpleNamespace(loaded_app=SimpleNamespace(listener=self.listener))

        def made() -> WiredViewer:
            near = WiredViewer()
            connect(self.loop, near, ViewerConnection(settings, self.state, {}, self.loop), address)
            self.loop.run_ready()
            return near

        return self.loop.inside(made)

    def sends(self, viewer: WiredViewer, data: bytes) -> None:
        """A viewer sends bytes; all that can happen happens."""
        self.inside(lambda: viewer.transport.write(data))

    def inside(self, work: Callable[[], object]) -> None:
        """Something happens, and all that can happen then."""

        def whole() -> None:
            work()
            self.loop.run_ready()

        self.loop.inside(whole)

    def advance(self, seconds: float) -> None:
        """Time passes."""

        def whole() -> None:
            self.loop.run_until(self.loop.now + seconds)
            self.listener.sweep()
            self.loop.run_ready()

        self.loop.inside(whole)
        self.access_log.flush()

    def close(self) -> None:
        """Everybody leaves; nothing is left."""

        def whole() -> None:
            for connection in list(self.state.connections):
                connection.transport.abort()
            self.loop.run_ready()
            self.pool.close()
            self.loop.run_ready()

        self.loop.inside(whole)
        assert not self.state.tasks, self.state.tasks
        assert len(self.tier.flights) == 0
        for listener in (self.listener, self.inner) if self.peered else (self.listener,):
            errands = listener.connections.errands
            assert (errands.total, len(errands)) == (0, 0)
            assert len(listener.frontend.tier.flights) == 0
            listener.frontend.tier.store.check()
            listener.sweep()
        self.account.check()
        self.loop.close()
        assert not self.loop.failures, self.loop.failures
