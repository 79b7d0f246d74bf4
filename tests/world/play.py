"""A play: viewers, one or two tiers, and an origin held by hand, under a clock moved by hand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from edgecache.cache.environment import TierEnvironment
from edgecache.cache.frontend import FrontendEnvironment, ViewerFrontend
from edgecache.cache.tier import Tier
from edgecache.config.functions import FunctionConfig
from edgecache.config.model import (
    MIB,
    Behavior,
    CachePolicy,
    Config,
    Distribution,
    HeaderSelection,
    Limits,
    Origin,
    OriginRequestPolicy,
    Selection,
    SemanticsName,
)
from edgecache.functions.interface import FunctionLog, StoreOf, no_store
from edgecache.functions.lambda_runner import NO_LAMBDAS, LambdaInvoker
from edgecache.functions.origin_triggers import OriginTold, OriginTriggers
from edgecache.observe.access_log import AccessLog
from edgecache.observe.counters import Counters
from edgecache.rules.routing import compile_routes
from edgecache.rules.viewer.trusted_proxies import TrustedProxies
from edgecache.server.http1.connection import ViewerConnection
from edgecache.server.http1.head_cache import HeadCache
from edgecache.server.http1.head_cache_functions import FunctionHeadCache
from edgecache.server.http2.connection import MultiplexedConnection
from edgecache.server.http2.head_cache import Http2FunctionHeadCache, Http2HeadCache
from edgecache.server.listener import Listener
from edgecache.server.request_log import RequestLog
from edgecache.server.request_tracing import RequestIds, RequestTracing
from edgecache.store.disk.availability import DiskEnvironment
from edgecache.store.disk.engine import DiskBudget, DiskEngine, check
from edgecache.store.disk.files import RealFiles
from edgecache.store.disk.store import DiskStore
from edgecache.store.memory import MemoryStore
from edgecache.store.memory_account import MemoryAccount
from edgecache.store.reserve.store import ReserveEnvironment, ReserveStore
from edgecache.upstream.origin_group import GroupUpstream
from edgecache.upstream.origin_request import USER_AGENT
from tests.store.disk.disk_world import HeldThreads
from tests.store.reserve.held_bucket import HeldBucket, at_once
from tests.world.clock import FakeClock, FakeLoop
from tests.world.functions import function_events
from tests.world.http2_viewer import Http2Viewer
from tests.world.http3_viewer import Http3Viewer
from tests.world.operator import Operator
from tests.world.origin import HeldOrigin
from tests.world.records import joined
from tests.world.transport import FakeTransport
from tests.world.viewer import Viewer
from tests.world.wire import Wire

EVERY_METHOD = ("GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE")


@dataclass
class Scene:
    """What a play is set up with."""

    semantics: SemanticsName = "cloudfront"
    policy: CachePolicy = field(
        default_factory=lambda: CachePolicy(query_strings=Selection(behavior="all"))
    )
    request_policy: OriginRequestPolicy | None = None
    methods: tuple[str, ...] = EVERY_METHOD
    regional: bool = False
    compress: bool = False
    behavior: dict[str, Any] = field(default_factory=dict)  # more of the default behavior
    site: dict[str, Any] = field(default_factory=dict)  # more of the distribution
    origin: dict[str, Any] = field(default_factory=dict)  # more of its origin
    whole: dict[str, Any] = field(default_factory=dict)  # more of the configuration
    world: FrontendEnvironment = field(default_factory=FrontendEnvironment)
    memo: bool = True
    wire: Wire = Wire.READY
    memory_bytes: int = 8 * MIB
    limits: Limits = field(default_factory=Limits)
    trusted_proxies: tuple[str, ...] = ()
    http2: bool = False  # viewers speak it, by prior knowledge
    http3: bool = False
    functions: tuple[FunctionConfig, ...] = ()
    stores: StoreOf = no_store  # that they may read
    lambdas: LambdaInvoker = NO_LAMBDAS
    disk: Path | None = None  # a folder: the tier nearest the origin has a disk
    reserve: HeldBucket | None = None  # the tier nearest the origin has a reserve there


class Play:
    """The stage. Names of viewers are free; each has its own connection."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.clock = FakeClock()
        self.address = "192.0.2.1"  # of who connects next
        self.source: tuple[str, int] | None = None  # by a PROXY header, of who connects next
        self.loop = FakeLoop(self.clock)
        asyncio.set_event_loop(self.loop)
        self.origin = HeldOrigin(self.clock, self.loop)
        self.origin.wire = scene.wire
        self._counters = Counters()
        self.account = MemoryAccount(scene.memory_bytes, scene.limits.buffer_bytes_max)
        self.log = bytearray()
        self.access_log = AccessLog(joined(self.log.extend))
        self.function_logs: list[FunctionLog] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        self.viewers: dict[str, Viewer] = {}
        self.reserve: ReserveStore | None = None
        self._begin()

    def _begin(self) -> None:
        scene = self.scene
        told = OriginTold(b"play", USER_AGENT)
        triggered = OriginTriggers(self.origin, scene.lambdas, told, self.clock)
        origins = GroupUpstream(self.origin, self.clock, self._counters, triggered)
        self.regional = self._tier("regional", origins) if scene.regional else None
        self.edge = self._tier("LHR50", self.regional or origins)
        self.listener = self._listener()
        self.operator = Operator(self)

    @property
    def head_cache(self) -> HeadCache | None:
        """The listener's for the version its viewers speak, if it has one."""
        listener = self.listener
        cache = listener.http2_head_cache if self.scene.http2 else listener.head_cache
        assert cache is None or isinstance(cache, HeadCache)
        return cache

    @property
    def counters(self) -> Counters:
        """What was counted, the head cache's hits too."""
        self.listener.settle()
        return self._counters

    def viewer(self, name: str = "a") -> Viewer:
        """The viewer of that name; a new one connects."""
        if name not in self.viewers:
            app = SimpleNamespace(listener=self.listener)
            state = SimpleNamespace(connections=set(), tasks=self.tasks)
            settings = SimpleNamespace(loaded_app=app)
            transport = FakeTransport((self.address, 40_000 + len(self.viewers)))
            if self.scene.http3:
                client = (self.address, 40_000 + len(self.viewers))
                made = Http3Viewer(self.listener, self.loop, client, self.tasks)
                self.viewers[name] = cast(Viewer, made)
                return self.viewers[name]
            if self.scene.http2:
                other = MultiplexedConnection(settings, state, self.loop, self.source)
                other.connection_made(transport)
                self.viewers[name] = cast(Viewer, Http2Viewer(self.loop, other, transport))
                return self.viewers[name]
            connection = ViewerConnection(settings, state, {}, self.loop, source=self.source)
            connection.connection_made(transport)
            self.viewers[name] = Viewer(self.loop, connection, transport)
        return self.viewers[name]

    def nearest(self, said: str) -> str | None:
        """What the tier nearest the origin says in Cache-Status, where a viewer hears it."""
        return said if self.regional is None else None

    def restart(self) -> None:
        """Everyone leaves, every process of ours ends and begins again; disks keep what they have.

        Invalidations told before are told again.
        """
        self.loop.look()
        for viewer in self.viewers.values():
            if not viewer.transport.closed:
                viewer.leaves()
        self.viewers.clear()
        self.loop.settle()
        self._close_disk()
        told = self.operator.log
        self._begin()
        self.operator.log = told

    def advance(self, seconds: float) -> None:
        """Time passes; timers that come due fire."""
        self.loop.look()
        self.clock.now += seconds
        self.loop.settle()
        self.access_log.flush()  # as a node does, four times a second
        self.listener.sweep()
        self.loop.settle()

    def close(self) -> None:
        """Everyone leaves, and the stage proves that nothing is left on it."""
        self.loop.look()
        for viewer in self.viewers.values():
            if not viewer.transport.closed:
                viewer.leaves()
            viewer.connection.connection_lost(None)  # a transport tells it, whoever closed it
        self.loop.settle()
        self._close_disk()
        for tier in (self.edge, self.regional):
            if tier is not None:
                tier.store.check()
                assert not len(tier.flights), f"a flight of {tier.name} is left open"
        self.listener.sweep()
        self.account.check()
        table = self.listener.connections
        for shares in (table.errands, table.uploads, table.websockets, table.streams):
            assert (shares.total, len(shares)) == (0, 0), "a client's share is left"
        left = [task for task in self.tasks if not task.done()]
        self.loop.close()
        asyncio.set_event_loop(None)
        assert not left, left

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def _tier(self, name: str, upstream: Any) -> Tier:
        limits = self.scene.limits
        world = TierEnvironment(
            self.clock,
            self._spawn,
            self._counters,
            limits.object_bytes_max,
            limits.waiters_max,
            block_bytes=limits.block_bytes,
            account=self.account,
        )
        nearest = name == "regional" or not self.scene.regional
        if nearest and self.scene.reserve is not None:
            self.reserve = self._reserve(self.scene.reserve, world)
            world = replace(world, reserve=self.reserve)
        folder = self.scene.disk if nearest else None
        disk = None if folder is None else self._disk(folder, world)
        store = MemoryStore(self.scene.memory_bytes, account=self.account)
        return Tier(name, store, upstream, world, disk)

    def _reserve(self, bucket: HeldBucket, world: TierEnvironment) -> ReserveStore:
        bucket.account = self.account
        spawn, counters, marks = self._spawn, self._counters, world.marks
        return ReserveStore(
            bucket.settings,
            bucket,
            ReserveEnvironment(
                self.clock, spawn, at_once, _counting_bytes(), counters, marks, self.account
            ),
        )

    def _disk(self, folder: Path, world: TierEnvironment) -> DiskStore:
        engine = DiskEngine(str(folder), RealFiles(), DiskBudget(64 * MIB))
        threads, counters = HeldThreads(), self._counters
        return DiskStore(
            engine, DiskEnvironment(self.clock, self._spawn, threads, counters, world.marks)
        )

    def _close_disk(self) -> None:
        """What an orderly end does; the engine proves itself."""
        if self.reserve is not None:
            self.loop.run_until_complete(self.reserve.close())
        for tier in (self.edge, self.regional):
            if tier is not None and tier.disk is not None:
                self.loop.run_until_complete(tier.disk.close())
                engine = tier.disk.engine
                engine.open()
                check(engine)
                engine.close()

    def _listener(self) -> Listener:
        config = config_of(self.scene)
        table = compile_routes(config)
        world = replace(self.scene.world, lambdas=self.scene.lambdas)
        ids = RequestIds(_counting_bytes())
        if config.functions or config.python_hooks:
            parts = (self.clock, self.scene.stores, self.function_logs, self._counters)
            world = replace(world, functions=function_events(config, parts, ids.next))
        front = ViewerFrontend(self.edge, table, "cloudfront", world)
        proxies = self.scene.trusted_proxies
        traced = config.tracing.context != "ignore" or config.tracing.amzn_trace_id
        listener = Listener(
            front,
            self.scene.limits,
            self.clock,
            ids,
            RequestLog("LHR50", self._counters, self.access_log),
            "cloudfront",
            HeadCache() if self.scene.memo else None,
            trusted_proxies=TrustedProxies(proxies) if proxies else None,
            tracing=RequestTracing(config.tracing, _counting_bytes()) if traced else None,
        )
        listener.use_http2(Http2HeadCache() if self.scene.memo else None)
        if self.scene.memo:
            listener.use_function_heads(FunctionHeadCache())
            listener.use_http2_function_heads(Http2FunctionHeadCache())
        return listener


def _counting_bytes() -> Any:
    """A random source that is not: ids differ, and are the same in each run."""
    calls = 0

    def take(count: int) -> bytes:
        nonlocal calls
        calls += 1
        return b"".join(b"%08d" % (calls * 10**6 + n) for n in range(count // 8 + 1))[:count]

    return take


def config_of(scene: Scene) -> Config:
    """One distribution that answers to site.test."""
    policy, extra = scene.policy, scene.request_policy
    if scene.semantics == "rfc9111":
        policy = CachePolicy(
            headers=HeaderSelection(behavior="whitelist", items=("Host",)),
            query_strings=Selection(behavior="all"),
        )
    behavior = Behavior(
        origin="o",
        cache_policy=policy,
        origin_request_policy=extra,
        allowed_methods=scene.methods,
        compress=scene.compress,
        **scene.behavior,
    )
    distribution = Distribution(
        id="EPLAY",
        domain_name="dplay.cloudfront.net",
        default_behavior=behavior,
        semantics=scene.semantics,
        **{
            "aliases": ("site.test",),
            "origins": (Origin(id="o", domain_name="origin.test", **scene.origin),),
            **scene.site,
        },
    )
    return Config(
        distributions=(distribution,),
        limits=scene.limits,
        functions=scene.functions,
        **scene.whole,
    )
