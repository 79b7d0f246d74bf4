"""Nodes in process: edges and a regional cache of the product's own parts, in virtual time.

They are put together as `node/build.py` does it; what differs is that clock, network, tasks and
random bytes are the test's, and that there is no disk, no TLS and no log.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any

from edgecache.cache.environment import TierEnvironment, via_pseudonym
from edgecache.cache.frontend import FrontendEnvironment, ViewerFrontend
from edgecache.cache.function_events import FunctionEvents
from edgecache.cache.peer_frontend import Frontend, PeerFrontend
from edgecache.cache.tier import Tier
from edgecache.cluster.credentials import REGIONAL, CredentialSigner, CredentialVerifier
from edgecache.config.model import MIB, Config
from edgecache.config.secrets import KeyPair
from edgecache.functions.interface import FunctionWorld
from edgecache.functions.runner import FunctionRunner
from edgecache.node.inspect import Inspector
from edgecache.observe.counters import Counters
from edgecache.origin.identity import IdentitySigner
from edgecache.rules.routing import RouteTable, compile_routes
from edgecache.rules.viewer.trusted_proxies import TrustedProxies
from edgecache.server.http1.connection import ViewerConnection
from edgecache.server.http1.head_cache import HeadCache
from edgecache.server.http1.head_cache_peer import PeerHeadCache
from edgecache.server.listener import Listener
from edgecache.server.request_log import RequestLog
from edgecache.server.request_tracing import OF_TIERS, RequestIds, RequestTracing
from edgecache.store.invalidation import InvalidationState
from edgecache.store.memory import MemoryStore
from edgecache.store.memory_account import MemoryAccount, divide_memory
from edgecache.testing.memory_network import MemoryNetwork
from edgecache.testing.virtual_loop import VirtualLoop
from edgecache.upstream.endpoint import Endpoint
from edgecache.upstream.interface import Upstream
from edgecache.upstream.origin import OriginUpstream
from edgecache.upstream.origin_auth import OriginAuth, OriginCredentials
from edgecache.upstream.origin_group import GroupUpstream
from edgecache.upstream.origin_request import agent_of
from edgecache.upstream.peer.peer import PeerUpstream
from edgecache.upstream.pool import Pool

REGIONAL_ENDPOINT = Endpoint(REGIONAL, 0, idle_s=60)
MEMORY_BYTES = 256 * MIB  # of each tier, at most: nothing is taken beforehand
ORIGIN_KEY_PAIR = KeyPair("AKIDEDGECACHETESTING", "secret-of-edgecache-testing")
SECRETS = {"k1": "between the tiers of one test alone"}
REGION = ""  # as a location of `edgecache dev` has none
PROXIES = ("127.0.0.0/8",)  # who says whose request it is: see `ViewerRequest`


@dataclass(frozen=True, slots=True)
class NodeSurroundings:
    """What nodes meet: the loop they live by, the time, connections, random bytes."""

    loop: VirtualLoop
    clock: Callable[[], float]  # epoch seconds
    network: MemoryNetwork
    random: Random


@dataclass(slots=True, eq=False)
class InProcessNode:
    """One tier with its listeners. `name` is that of the process it stands for."""

    name: str
    around: NodeSurroundings
    location: str = ""  # of an edge
    counters: Counters = field(default_factory=Counters)
    marks: InvalidationState = field(default_factory=InvalidationState)
    proofs: OriginAuth = field(init=False)
    listener: Listener = field(init=False)
    inspector: Inspector = field(init=False)
    _identity: IdentitySigner = field(init=False)
    _state: SimpleNamespace = field(init=False)

    def __post_init__(self) -> None:
        self._state = SimpleNamespace(connections=set(), tasks=set())
        random_bytes = self.around.random.randbytes
        self._identity = IdentitySigner(SECRETS, self.around.clock, random_bytes)
        self.proofs = OriginAuth(OriginCredentials(self.around.clock))
        self.marks.begin("in-process", 0)
        config = Config()
        upstream = self._upstream(config.brand)
        tier = self._tier(upstream, config)
        front = self._frontend(tier, compile_routes(config), config.brand)
        self.listener = self._listener(front, config)
        role = "edge" if self.location else "regional"
        self.inspector = Inspector(self.name, role, self.location, front, _nobody)

    @property
    def tier(self) -> Tier:
        return self.listener.frontend.tier

    def connection(self) -> ViewerConnection:
        """The protocol of a connection that comes."""
        settings = SimpleNamespace(loaded_app=SimpleNamespace(listener=self.listener))
        return ViewerConnection(settings, self._state, {}, self.around.loop)

    def use(self, config: Config) -> None:
        """Serve by `config` from now on: see `Node.apply`."""
        frontend = self.listener.frontend
        frontend.table = compile_routes(config, former=frontend.table, location=self.location)
        frontend.use_functions(config.functions)
        self.tier.store.cool_down()
        controls = {control.id: control for control in config.origin_access_controls}
        key_pairs: defaultdict[str, KeyPair] = defaultdict(lambda: ORIGIN_KEY_PAIR)
        clock = self.around.clock
        self.proofs.use(OriginCredentials(clock, self._identity, controls, key_pairs))

    def sweep(self) -> None:
        """What a node does once a second."""
        self.listener.sweep()

    def check(self) -> None:
        """The store is what it says it is."""
        self.tier.store.check()

    def _upstream(self, brand: str) -> Upstream:
        around = self.around
        pool = Pool(around.network, around.clock)
        origins = GroupUpstream(
            OriginUpstream(
                pool,
                prove=self.proofs.prove,
                via=via_pseudonym(self.name, brand),
                agent=agent_of(brand),
                cdn_id=brand.encode(),
            ),
            around.clock,
            self.counters,
        )
        if not self.location:
            return origins
        signer = CredentialSigner(self.name, REGIONAL, around.clock, around.random.randbytes)
        signer.use(SECRETS)
        return PeerUpstream(pool, REGIONAL_ENDPOINT, signer.sign, origins, self.marks)

    def _tier(self, upstream: Upstream, config: Config) -> Tier:
        divided, limits = divide_memory(MEMORY_BYTES), config.limits
        world = TierEnvironment(
            self.around.clock,
            self._spawn,
            self.counters,
            min(limits.object_bytes_max, divided.store_bytes // 2),
            limits.waiters_max,
            self.marks,
            limits.block_bytes,
            config.brand.encode(),
            MemoryAccount(divided.memory_bytes, limits.buffer_bytes_max),
        )
        store = MemoryStore(divided.store_bytes, divided.conclusions, world.account)
        return Tier(self.location or self.name, store, upstream, world)

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self.around.loop.create_task(work)
        return task

    def _frontend(self, tier: Tier, table: RouteTable, brand: str) -> Frontend:
        around = self.around
        if not self.location:
            verifier = CredentialVerifier(REGIONAL, around.clock)
            verifier.use(SECRETS)
            return PeerFrontend(tier, table, verifier.sender)
        place = (self.location, "127.0.0.1", REGION)
        world = FunctionWorld(
            time.thread_time, around.clock, edge=place, counters=self.counters
        )  # CPU is the one thing that is not virtual
        functions = FunctionEvents(FunctionRunner(world), RequestIds(around.random.randbytes).next)
        return ViewerFrontend(
            tier,
            table,
            brand,
            FrontendEnvironment(
                inner_layer="REC",
                wall_clock=around.clock,
                functions=functions,
                chance=around.random.random,
            ),
        )

    def _listener(self, front: Frontend, config: Config) -> Listener:
        around = self.around
        tracing = None if self.location else RequestTracing(OF_TIERS, around.random.randbytes)
        return Listener(
            front,
            config.limits,
            around.clock,
            RequestIds(around.random.randbytes),
            RequestLog(front.tier.name, self.counters, None),
            config.brand,
            HeadCache() if self.location else PeerHeadCache(),
            trusted_proxies=TrustedProxies(PROXIES) if self.location else None,
            tracing=tracing,
        )


def _nobody(_credential: bytes, _message: bytes) -> str:
    return ""
