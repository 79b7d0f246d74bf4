"""A node: one process that serves a listener, follows control's log and reports to it.

Law: what control says is applied at once and whole; while control is away, the node goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from edgecache import __version__
from edgecache.cache.invalidation_sweeper import InvalidationSweeper
from edgecache.cluster.log_entries import (
    LogEntry,
    LogEntryKind,
    LogPage,
    read_entry,
)
from edgecache.cluster.node_status import NodeStatus
from edgecache.config.model import Config
from edgecache.functions.lambda_runner import LambdaRunner
from edgecache.http.function_cache import clear_caches
from edgecache.node.certificate_renewal import CertificateRenewal
from edgecache.node.certificate_watch import AcmeFollower, CertificateWatch
from edgecache.node.followed_configuration import configuration_text, read_configuration
from edgecache.node.health_checks import LocationHealthChecks
from edgecache.node.key_values import KeyValueFollower
from edgecache.node.last_configuration import LastConfiguration, LastConfigurationFile
from edgecache.node.log_follower import LogFollower
from edgecache.node.log_outputs import RecordConsumer
from edgecache.node.readiness import NodeReadiness
from edgecache.node.regional_peers import RegionalPeers
from edgecache.node.reset import NodeReset
from edgecache.node.rule_files import RuleFileWatch
from edgecache.node.secret_watch import WATCH_S, SecretWatch
from edgecache.observe.access_log import AccessLog, LogOutputs
from edgecache.observe.log_retention import LogRetention
from edgecache.rules.routing import NO_FILES, compile_routes
from edgecache.runtime.environment import (
    BlockingCalls,
    DaemonThread,
    give_way,
    restart_on_failure,
    wall_clock,
)
from edgecache.runtime.inherited import Beat, Orders
from edgecache.runtime.memory_tuning import GcTuning, MallocTrimmer, resident_bytes, tune_malloc
from edgecache.server.listener import Listener
from edgecache.server.peer_tls import PeerSession, PeerTlsPort
from edgecache.store.disk.store import DiskStore
from edgecache.store.reserve.store import ReserveStore

logger = logging.getLogger("edgecache.server")

TICK_S = 1.0  # of sweep and report
CATCH_UP_S_MAX = 1.0  # for control's newest word before the first viewer is let in
LAST_FLUSH_S_MAX = 2.0  # a disk that hangs does not keep the process
LAST_WORDS_S_MAX = 1.0  # to control, which may be away
RETENTION_S = 60.0
LOG_S = 0.25  # a quarter of the queue at full speed; nginx flushes its buffered log each second

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(slots=True, eq=False)
class Node:
    """A node as Uvicorn's application: of ASGI it speaks the lifespan only."""

    name: str
    role: str
    location: str
    pid: int
    listener: Listener
    log: AccessLog
    log_outputs: LogOutputs
    follower: LogFollower | None = None
    tls_listener: Listener | None = None  # for TLS, beside `listener`
    certificates: CertificateWatch | None = None  # of `tls_listener`
    location_secret: bytes = b""  # of an edge: what its location's workers share
    acme: AcmeFollower | None = None  # of an edge that follows control
    secrets: SecretWatch | None = None
    rule_files: RuleFileWatch | None = None  # of an edge
    key_values: KeyValueFollower | None = None  # of an edge, for its functions
    lambdas: LambdaRunner | None = None  # whose processes end with this one
    last_configuration: LastConfigurationFile | None = None  # of a node that follows control
    renewal: CertificateRenewal | None = None  # of this machine's own
    regional_peers: RegionalPeers | None = None  # of who asks regional caches
    health_checks: LocationHealthChecks | None = None  # of the first worker of a location
    consumers: list[RecordConsumer] = field(default_factory=list)  # beside the log's outputs
    reset: NodeReset | None = None  # in dev mode
    config: Config | None = None  # as applied last, or as started with
    address: str = ""  # where control may ask it; see NodeStatus
    measure: Callable[[], None] = lambda: None  # gauges that are of the moment of a report
    readiness: NodeReadiness = field(init=False)
    leaving: bool = False  # a successor serves
    generation: int = 0
    log_retention: LogRetention | None = None  # of the folder of log files, if there is one
    log_thread: BlockingCalls = field(default_factory=lambda: DaemonThread("access-log"))
    _log_problem: str = ""  # as was told
    _reopened: int = 0  # see `Orders`
    _applied: int = 0  # the number of the last entry of control's log that was taken over
    sweeper: InvalidationSweeper = field(init=False)
    disk: DiskStore | None = field(init=False)
    reserve: ReserveStore | None = field(init=False)
    gc_tuning: GcTuning = field(init=False)
    malloc_trimmer: MallocTrimmer = field(default_factory=MallocTrimmer)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _current: asyncio.Event = field(default_factory=asyncio.Event)  # control was heard

    def __post_init__(self) -> None:
        tier = self.listener.frontend.tier
        self.readiness = NodeReadiness(self.follower is not None)
        self.gc_tuning = GcTuning(self.listener.clock)
        self.listener.made = self.gc_tuning.count_retained
        self.disk = tier.disk
        self.reserve = tier.world.reserve
        self.sweeper = InvalidationSweeper(tier.filtered, tier.flights, tier.world.marks, tier.disk)
        self.sweeper.has_reserve = self.reserve is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan", "requests are the viewer protocol's"
        await receive()
        self._start()
        await self._catch_up()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._stop()
        await send({"type": "lifespan.shutdown.complete"})

    def _start(self) -> None:
        self.gc_tuning.install()
        tune_malloc()
        self.work()

    def work(self) -> None:
        """Start all that runs beside the listener, on the running loop."""
        if self.disk is not None:
            self._run(self.disk.open)
        for work in (self._tick, self._flush_log, self._sweep, self._watch_secrets):
            self._run(work)
        if self.log_retention is not None:
            self._run(self._keep_logs)
        if self.rule_files is not None:
            self._run(self._watch_rule_files)
        if self.key_values is not None and self.key_values.files is not None:
            self._run(self.key_values.files.run)
        certified = self.certificates, self.renewal, self.acme
        for part in (self.last_configuration, self.health_checks, *certified):
            if part is not None:
                self._run(part.run)
        if self.readiness.probe is not None:
            self._run(self.readiness.watch)
        self.extend_records()
        for consumer in self.consumers:
            self._run(consumer.run)
        if self.follower is not None:
            self._run(self._follow)
            self._run(self._report)

    def _run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(restart_on_failure(work))
        self._tasks.append(task)
        return task

    async def _catch_up(self) -> None:
        """Wait for control's newest configuration: the file may lag behind; control may be away."""
        if self.follower is None:
            return
        try:
            async with asyncio.timeout(CATCH_UP_S_MAX):
                await self._current.wait()
        except TimeoutError:
            if self.last_configuration is not None and self.last_configuration.last is not None:
                words = self.last_configuration.last.words
                logger.warning("control is not heard: serving %s; each hit is validated", words)

    def hand_over(self) -> None:
        """Stop keeping connections: a successor serves now. The log is followed to the end."""
        self.leaving = True
        for consumer in self.consumers:
            consumer.hand_over()
        if self.disk is not None:
            self._run(self.disk.close)
        for listener in self._listeners():
            listener.hand_over()

    def obey(self, orders: Orders) -> None:
        """Take orders of the supervisor."""
        self.readiness.drained_here = orders.drain
        if orders.reopen != self._reopened:
            self._reopened = orders.reopen
            self.reopen_logs()
        self._drain_or_keep()

    def reopen_logs(self) -> None:
        """Open the files of the access log anew: somebody has taken them away."""
        self.log_outputs.reopen()
        if self.listener.flow_log is not None:
            self.listener.flow_log.reopen()

    def beat(self) -> Beat:
        """What this process is fit for, and how many viewers are connected."""
        return Beat(self._unready(), len(self.listener.connections))

    def _unready(self) -> dict[str, str]:
        kept = self.last_configuration is not None and self.last_configuration.last is not None
        lease_s = self.listener.marks.lease_until - self.listener.clock()
        configured = kept or self._current.is_set()
        problem = self.follower.problem if self.follower is not None else ""
        return self.readiness.unready(configured=configured, lease_s=lease_s, problem=problem)

    def _drain_or_keep(self) -> None:
        """Let connections go after their next answer, or keep them, as operators want it."""
        for listener in self._listeners():
            if self.readiness.draining:
                listener.hand_over()
            elif not self.leaving:
                listener.take_back()

    def _listeners(self) -> list[Listener]:
        return [one for one in (self.listener, self.tls_listener) if one is not None]

    async def _stop(self) -> None:
        if self.follower is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS_S_MAX):
                    await self.follower.report(self._status())
            await self.follower.leave()
        if self.last_configuration is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_FLUSH_S_MAX):
                    await self.last_configuration.flush()
                    if self.key_values is not None and self.key_values.files is not None:
                        await self.key_values.files.flush()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.lambdas is not None:
            self.lambdas.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_FLUSH_S_MAX):
                await self._flush()
        for consumer in self.consumers:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_FLUSH_S_MAX):
                    await consumer.close()
        if self.reserve is not None:
            await self.reserve.close()
        if self.disk is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_FLUSH_S_MAX):
                    await self.disk.close()

    def begin(self, page: LogPage) -> bool:
        """See `LogConsumer`."""
        same = page.epoch == self.listener.marks.epoch
        if not same:
            self._applied = 0
            if self.key_values is not None:
                self.key_values.begin()
        self.listener.marks.begin(page.epoch, page.floor)
        return same

    def confirm(self, asked_at: float, lease_s: float) -> None:
        """Take a lease from `asked_at`: nothing newer was accepted before control was asked.

        It takes the place of the one before, which another control may have granted.

        A node that goes on serving without one (`on_partition = "serve"`) has it for ever: control
        waits for its acknowledgement, however long that takes.
        """
        if self.reset is not None and not self.reset.takes_lease():
            return
        serves = self.follower is not None and self.follower.serves
        self.listener.marks.lease_until = math.inf if serves else asked_at + lease_s

    @property
    def low(self) -> int:
        """See `LogConsumer`."""
        return self.sweeper.low

    async def _follow(self) -> None:
        assert self.follower is not None
        await self.follower.follow(self._applied, self)

    async def apply(self, entry: LogEntry) -> None:
        """Apply an entry of the log; kinds of a newer control are passed over."""
        if entry.kind == LogEntryKind.CONFIG:
            config = read_configuration(entry)
            if self.key_values is not None:
                await self.key_values.use(config, entry.seq)
            if self.acme is not None:
                self.acme.use(config)
            if self.certificates is not None:
                await self.certificates.use(config)
            if self.rule_files is not None:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(None, self.rule_files.use, config)
            self._apply_config(config)
            if self.key_values is not None:
                self.key_values.settle()
            self.generation = entry.seq
            self._keep(entry)
            self._current.set()
            await self.tell_control()
        elif entry.kind == LogEntryKind.KEY_VALUES and self.key_values is not None:
            await self.key_values.apply(entry)
        elif entry.kind == LogEntryKind.INVALIDATION:
            invalidation = read_entry(entry)
            # Control's clock may be ahead of ours, or set: nothing becomes stale later than now.
            self.listener.marks.apply(
                replace(invalidation, at=min(invalidation.at, self.listener.clock()))
            )
        elif self.reset is not None and self.reset.apply(entry, self.listener):
            await self.tell_control()
        self._applied = entry.seq

    async def tell_control(self) -> None:
        """Report now, rather than with the next tick."""
        if self.follower is not None and not self.leaving:
            await self.follower.report(self._status())

    def _keep(self, entry: LogEntry) -> None:
        """Have the configuration of an entry on disk, for a start without control."""
        text = configuration_text(entry)
        if self.last_configuration is not None and text is not None:
            epoch = self.listener.marks.epoch
            self.last_configuration.tell(LastConfiguration(epoch, entry.seq, entry.at, text))

    def _apply_config(self, config: Config) -> None:
        """Serve by `config`, with this process's own secrets as they are now."""
        self.config = config
        if self.renewal is not None:
            self.renewal.revoked = frozenset(config.revoked_nodes)
        if isinstance(self.listener.tls, PeerTlsPort):
            self.listener.tls.revoked = frozenset(config.revoked_nodes)
            self._close_refused(self.listener.tls)
        if self.regional_peers is not None:
            self.regional_peers.use(config)
        if self.health_checks is not None:
            self.health_checks.use(config)
        native = self.secrets.use(config) if self.secrets is not None else {}
        for consumer in self.consumers:
            consumer.use(config)
        self.extend_records()
        frontend = self.listener.frontend
        files = NO_FILES if self.rule_files is None else self.rule_files.contents
        location = self.location if self.role == "edge" else ""
        frontend.table = compile_routes(config, native, frontend.table, files, location)
        frontend.use_functions(config.functions)
        if self.lambdas is not None:
            self.lambdas.use(config.lambda_functions)
        if self.listener.access is not None:
            self.listener.access.use(frontend.table.ip_sets)
        self.sweeper.use(self.listener.frontend.table)
        clear_caches()
        self.listener.frontend.tier.store.cool_down()
        self.gc_tuning.config_replaced()

    def extend_records(self, forget: bool = False) -> None:
        """Have records say what somebody writes or reads: see `log_record`.

        Before the table is replaced, with which head caches `forget` the lines they have made.
        """
        log, outputs, others = self.listener.request_log, self.log_outputs, self.consumers
        log.extended = outputs.extended or any(one.extended for one in others)
        log.cookies = outputs.shows_cookies or any(one.shows_cookies for one in others)
        for head_cache in self.listener.head_caches if forget else ():
            head_cache.clear()

    def _close_refused(self, port: PeerTlsPort) -> None:
        """Close the connections of tiers whose certificates have ended or are taken no more."""
        for connection in list(self.listener.connections):
            session = getattr(connection, "session", None)
            if isinstance(session, PeerSession) and not (
                session.shown is not None and port.is_good(session.shown)
            ):
                connection.close()

    async def _watch_secrets(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            if self.secrets is not None and self.config is not None and self.secrets.changed():
                self._apply_config(self.config)

    async def _watch_rule_files(self) -> None:
        assert self.rule_files is not None
        while True:
            await asyncio.sleep(WATCH_S)
            loop = asyncio.get_running_loop()
            if await loop.run_in_executor(None, self.rule_files.look) and self.config is not None:
                self._apply_config(self.config)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.listener.sweep()
            counters = self.listener.request_log.counters
            counters.log_dropped = self.log.dropped + self.log_outputs.lost
            if self.listener.flow_log is not None:
                counters.log_dropped += self.listener.flow_log.lost
            if isinstance(self.listener.tls, PeerTlsPort):
                self._close_refused(self.listener.tls)
            if self.malloc_trimmer.tick(self.listener.account.total, self._unknown_bytes()):
                continue  # what it gave back is not to be looked for
            self.gc_tuning.tick(len(self.listener.connections), self._unknown_bytes())

    def _unknown_bytes(self) -> int:
        """What this process has and nobody accounts for."""
        account, store = self.listener.account, self.listener.frontend.tier.store
        return resident_bytes() - account.total - store.size_bytes

    async def _sweep(self) -> None:
        """Free what invalidations have named, a little at a time."""
        while True:
            await asyncio.sleep(TICK_S)
            for _ in iter(self.sweeper.step, False):
                await asyncio.sleep(0)  # a turn for everyone else
            await self.sweeper.check_disk()

    async def _flush_log(self) -> None:
        while True:
            await asyncio.sleep(LOG_S)
            await self._flush()

    async def _flush(self) -> None:
        """Write the queued log lines, in another thread: the disk may be slow."""
        while lines := self.log.lines():
            await self.log_thread(partial(self._write_log, lines))
        if (problem := self.log_outputs.problem) != self._log_problem:
            self._log_problem = problem
            if problem:
                logger.warning("access log: %s; its lines are lost, and counted", problem)
            else:
                logger.warning("the access log is written again")
        if self.listener.flow_log is not None:
            while flows := self.listener.flow_log.lines():
                await self.log_thread(partial(self.listener.flow_log.write, flows))

    async def _keep_logs(self) -> None:
        """Compress and delete log files once a minute, in a thread that gives way to others."""
        retention, thread = self.log_retention, DaemonThread("log-retention")
        assert retention is not None
        await thread(give_way)
        told = ""
        while True:
            await thread(retention.step)
            if retention.problem != told:
                told = retention.problem
                logger.warning("log files: %s", told or "are kept in order again")
            await asyncio.sleep(RETENTION_S)

    def _write_log(self, records: list[bytes]) -> None:
        """Write records where they are wanted. On a thread of its own."""
        for consumer in self.consumers:
            consumer.offer(records)
        self.log.write(records)

    async def _report(self) -> None:
        assert self.follower is not None
        while True:
            await self.follower.report(self._status())
            self.readiness.reported = True
            self.readiness.drained_by_control = self.follower.drained
            if self.regional_peers is not None:
                self.regional_peers.drained.names = self.follower.drained_caches
            self._drain_or_keep()
            await asyncio.sleep(TICK_S)

    def _status(self) -> NodeStatus:
        self.listener.settle()
        counters, store = self.listener.request_log.counters, self.listener.frontend.tier.store
        counters.tasks = len(asyncio.all_tasks())
        self.measure()
        return NodeStatus(
            role=self.role, location=self.location, address=self.address, pid=self.pid,
            instance=self.follower.instance if self.follower is not None else "",
            generation=self.generation,
            sample=counters.snapshot(),
            behaviors=counters.distributions.behaviors(),
            store_oldest_s=store.oldest_s(wall_clock()),
            unready=self._unready(),
            clock=wall_clock(),
            release=__version__,
            leaving=self.leaving,
            reset=0 if self.reset is None else self.reset.number,
            certificates={} if self.certificates is None else dict(self.certificates.ends),
            certificate_begins={} if self.certificates is None else dict(self.certificates.begins),
            health_checks={} if self.health_checks is None else self.health_checks.opinions(),
        )  # fmt: skip
