"""The nodes of a world: put together as server.assembly does, every part of the product real."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import httpx

from edgecache.cache.environment import TierEnvironment
from edgecache.cache.frontend import ViewerFrontend
from edgecache.cache.peer_frontend import Frontend, PeerFrontend
from edgecache.cache.tier import Tier
from edgecache.cluster.credentials import CONTROL, CredentialSigner
from edgecache.config.model import Config
from edgecache.node.control_endpoints import ControlEndpoint, ControlEndpoints
from edgecache.node.log_follower import FollowerEnvironment, LogFollower
from edgecache.node.node import Node
from edgecache.observe.access_log import AccessLog, LogOutputs
from edgecache.observe.counters import Counters
from edgecache.rules.routing import compile_routes
from edgecache.runtime.memory_tuning import GcTuning
from edgecache.server.http1.connection import ViewerConnection
from edgecache.server.http1.head_cache import HeadCache
from edgecache.server.http1.miss_plans_peer import plan_misses
from edgecache.server.listener import Listener
from edgecache.server.request_log import RequestLog
from edgecache.server.request_tracing import RequestIds
from edgecache.store.disk.availability import DiskEnvironment
from edgecache.store.disk.engine import DiskBudget, DiskEngine
from edgecache.store.disk.files import RealFiles
from edgecache.store.disk.store import DiskStore
from edgecache.store.invalidation import InvalidationState
from edgecache.store.memory import MemoryStore
from edgecache.upstream.endpoint import Endpoint
from edgecache.upstream.interface import Upstream
from edgecache.upstream.origin_group import GroupUpstream
from edgecache.upstream.peer.peer import PeerUpstream
from edgecache.upstream.pool import Pool
from tests.simulation.clocks import Clocks
from tests.simulation.control_line import ControlLine
from tests.simulation.links import Dialer, End
from tests.simulation.machine import Process, pause
from tests.simulation.origin import OriginLine
from tests.world.credentials import signer, verifier

REGIONAL = "regional"
DISK_S_MAX = 0.02  # for each half of what a disk is asked
DISK_BYTES_MAX = 1_000_000
_T = TypeVar("_T")


@dataclass(slots=True)
class Surroundings:
    """What a node meets: the rest of the world."""

    lines: tuple[ControlLine, ...]  # to each control
    told: set[str]  # ids of the invalidations that came over them
    dialer: Dialer
    origin: OriginLine
    clocks: Clocks
    random: Random
    disk_folder: Path | None = None  # None: all it has is in memory


class SlowThreads:
    """The threads of a disk: work is done at some moment, and heard of at a later one."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def look(self, work: Callable[[], _T]) -> Awaitable[_T]:
        return self._done(work)

    def change(self, work: Callable[[], _T]) -> Awaitable[_T]:
        return self._done(work)

    async def _done(self, work: Callable[[], _T]) -> _T:
        await pause(self._random.random() * DISK_S_MAX)
        done = work()
        await pause(self._random.random() * DISK_S_MAX)
        return done


class SharedHeap(GcTuning):
    """Looks through no heap: this process has that of many worlds, and of all tests before."""

    def count_retained(self) -> None:
        pass

    def tick(self, connections: int, unknown_bytes: int = 0) -> bool:
        return False


class Running:
    """One run of one node."""

    def __init__(self, process: Process, config: Config, around: Surroundings) -> None:
        self.process = process
        self.counters = Counters()
        self.told = around.told
        self.marks = InvalidationState(0.0)
        self._around = around
        self._clock = around.clocks.steady()
        self._state = SimpleNamespace(connections=set(), tasks=set())
        with process.running():
            self.node = self._node(config)
            self.node.work()
        process.meet(lambda: None)

    def follow(self, place: str) -> None:
        """Ask this control from now on."""
        while self.controls.current.url != place:
            self.controls.move()

    def accept(self, end: End) -> ViewerConnection:
        """The protocol for a connection that has come."""
        return self.connection()

    def connection(self) -> ViewerConnection:
        app = SimpleNamespace(listener=self.node.listener)
        return ViewerConnection(SimpleNamespace(loaded_app=app), self._state, {}, self.process)

    def _node(self, config: Config) -> Node:
        around, process = self._around, self.process
        inner = process.name == REGIONAL
        origins = GroupUpstream(around.origin, self._clock, self.counters)
        assert config.regional is not None
        upstream: Upstream = origins
        if not inner:
            direct = origins if config.regional.when_down == "origin" else None
            pool = Pool(around.dialer, self._clock)
            endpoint = Endpoint(REGIONAL, 0, idle_s=60)
            upstream = PeerUpstream(pool, endpoint, self._signer(REGIONAL).sign, direct, self.marks)
        tier = self._tier(upstream, 64 * 1024 * 1024 if inner else config.locations[0].memory_bytes)
        table = compile_routes(config)
        front: Frontend
        if inner:
            front = PeerFrontend(tier, table, verifier(REGIONAL, around.clocks.wall).sender)
        else:
            front = ViewerFrontend(tier, table, config.brand)
        log = AccessLog(_discard)
        listener = Listener(
            front,
            config.limits,
            self._clock,
            RequestIds(around.random.randbytes),
            RequestLog(tier.name, self.counters, log),
            config.brand,
            HeadCache(),
        )
        plan_misses(listener, wanted=True)
        role = REGIONAL if inner else "edge"
        node = Node(process.name, role, "", 1, listener, log, LogOutputs(()), self._bus(config))
        node.log_thread = partial(process.run_in_executor, None)  # one of real time tells no story
        node.gc_tuning = SharedHeap(self._clock)
        node.listener.made = node.gc_tuning.count_retained
        return node

    def _tier(self, upstream: Upstream, memory_bytes: int) -> Tier:
        world = TierEnvironment(
            self._clock, self._spawn, self.counters, 1024 * 1024, 1_000, self.marks
        )  # fmt: skip
        memory = MemoryStore(memory_bytes)
        return Tier(self.process.name, memory, upstream, world, self._disk())

    def _disk(self) -> DiskStore | None:
        folder = self._around.disk_folder
        if folder is None:
            return None
        engine = DiskEngine(str(folder), RealFiles(), DiskBudget(DISK_BYTES_MAX))
        self.process.at_end.append(engine.close)  # a change is whole or not begun: see SlowThreads
        threads = SlowThreads(self._around.random)
        world = DiskEnvironment(self._clock, self._spawn, threads, self.counters, self.marks)
        return DiskStore(engine, world)

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        return self.process.create_task(work)

    def _bus(self, config: Config) -> LogFollower:
        around, name = self._around, self.process.name
        world = FollowerEnvironment(
            self._clock, pause, around.random.random, around.random.randbytes
        )
        serves = config.on_partition == "serve"
        self.controls = ControlEndpoints(
            name,
            [ControlEndpoint(line.place, cast(httpx.AsyncClient, line)) for line in around.lines],
            self._clock,
            around.random.random,
        )
        return LogFollower(name, self.controls, self._signer(CONTROL).sign, world, serves=serves)

    def _signer(self, to: str) -> CredentialSigner:
        around = self._around
        wall, random = around.clocks.wall, around.random.randbytes
        return signer(self.process.name, to, wall, random_bytes=random)

    @property
    def tier(self) -> Tier:
        return self.node.listener.frontend.tier


def _discard(batch: object) -> None:
    pass
