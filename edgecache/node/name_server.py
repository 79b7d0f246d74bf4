"""The name server: one worker process that follows control's log and answers by UDP and TCP.

Law: it answers whatever happens to control: by the configuration that was published last, kept on
its disk, and with every location that was not said to be away. A configuration is made into zones
before it counts; one that cannot be leaves the former ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping, Sequence
from functools import partial
from pathlib import Path
from random import random
from typing import Any, cast

import uvicorn

from edgecache import __version__
from edgecache.cluster.log_entries import LogEntry, LogEntryKind, LogPage
from edgecache.cluster.node_status import NodeStatus
from edgecache.config.listen import dns_addresses
from edgecache.config.load import load
from edgecache.config.model import Config
from edgecache.dns.cdn_zone import latency_table, what_is_down
from edgecache.dns.responder import Responder, ResponderWorld
from edgecache.dns.zone import DnsZone
from edgecache.dns.zone_signer import SignatureMemo
from edgecache.node.build import NodeParts
from edgecache.node.dns_listener import DnsListener, sweep_for_good
from edgecache.node.dns_zones import zones_of
from edgecache.node.followed_configuration import configuration_text, read_configuration
from edgecache.node.hosted_zone_answers import HostedZoneAnswers
from edgecache.node.hosted_zones import HostedZoneFiles
from edgecache.node.last_configuration import (
    LastConfiguration,
    LastConfigurationFile,
    last_configuration_path,
)
from edgecache.node.log_follower import LogFollower
from edgecache.node.role_server import RoleServer
from edgecache.node.secret_watch import WATCH_S, secret_value
from edgecache.node.zone_keys import ZoneKeys
from edgecache.node.zone_transfer import ZoneTransfers
from edgecache.observe.counters import Counters
from edgecache.runtime.dev_mode import inherited_dev_mode
from edgecache.runtime.environment import (
    pause,
    random_bytes,
    restart_on_failure,
    steady_clock,
    wall_clock,
)
from edgecache.runtime.inherited import Beat, Orders, Unready, listen_sockets
from edgecache.runtime.privileges import drop_privileges

logger = logging.getLogger("edgecache.dns")

TICK_S = 0.5  # of reports: what control knows counts here within it
CATCH_UP_S_MAX = 1.0  # for control's newest word before the first answer
LAST_WORDS_S_MAX = 1.0
ROLE = "nameserver"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class NameServerParts(NodeParts):
    """What a name server has of any node: secrets, the follower of control's log, a place."""

    def name_server(self) -> NameServer:
        """The worker, by the configuration that it starts with."""
        world = ResponderWorld(random, self._place_of)
        keys = ZoneKeys(SignatureMemo(wall_clock, random))
        keys.use(self._secrets.secrets.dnssec)
        settings = self.config.dns
        assert settings is not None
        responder, clock = Responder(world), steady_clock()
        idle_s_max = settings.connection_idle_s_max
        transfers = ZoneTransfers(responder, partial(secret_value, env=os.environ))
        listener = DnsListener(responder, clock, settings.connections_max, idle_s_max, transfers)
        server = NameServer(self.name, listener, self._follower, self._counters)
        server.measure = self._measure
        server.keys = keys
        server.jobs.append(partial(self._watch_secrets, server))
        if self._renewal is not None:
            server.jobs.append(self._renewal.run)
        if self.config.control is not None:
            path = last_configuration_path(self.config.state_dir, self.name)
            server.last = LastConfigurationFile(path, self.last, random_bytes(4).hex())
            server.hosted.keep(HostedZoneFiles(path, random_bytes(4).hex(), pause))
        generation = 0 if self.last is None else self.last.generation
        server.use(self.served, generation)
        return server

    async def _watch_secrets(self, server: NameServer) -> None:
        """Take over secrets that change: those by which it proves itself, and keys of zones."""
        while True:
            await asyncio.sleep(WATCH_S)
            if self._secrets.changed():
                self._secrets.use(server.config)
                if server.keys.use(self._secrets.secrets.dnssec):
                    server.use(server.config, server.generation)


class NameServer:
    """A name server as Uvicorn's application: of ASGI it speaks the lifespan only."""

    def __init__(
        self, name: str, listener: DnsListener, follower: LogFollower | None, counters: Counters
    ) -> None:
        self.name = name
        self.is_first = name.endswith("-1")  # of the workers one tells secondaries
        self.listener = listener
        self.transfers = listener.transfers
        self.follower = follower
        self.last: LastConfigurationFile | None = None
        self.jobs: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self.measure: Callable[[], None] = lambda: None
        self.keys = ZoneKeys(SignatureMemo(wall_clock, random))
        self.config = Config()
        self.drained = False
        self.leaving = False
        self.generation = 0
        self._counters = counters
        self.hosted = HostedZoneAnswers(None if follower is None else follower.ask)
        self._declared: list[DnsZone] = []  # of the configuration
        self._epoch = ""
        self._applied = self._upto = 0
        self._news = asyncio.Event()  # control is to hear of it
        self._lease_until = -math.inf
        self._tasks: list[asyncio.Task[None]] = []
        self._current = asyncio.Event()  # control was heard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan", "queries are the listener's"
        await receive()
        await self._start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self) -> None:
        if self.is_first:
            self.transfers.tell_all()
        jobs: list[Callable[[], Coroutine[Any, Any, None]]] = [*self.jobs]
        jobs.append(partial(sweep_for_good, self.listener))
        if self.last is not None:
            jobs.append(self.last.run)
        if self.hosted.files is not None:
            jobs.append(self.hosted.files.run)
        if self.follower is not None:
            jobs += [self._follow, self._report]
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(restart_on_failure(job)) for job in jobs]
        if self.follower is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CATCH_UP_S_MAX):
                    await self._current.wait()

    async def _stop(self) -> None:
        if self.follower is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS_S_MAX):
                    await self.follower.leave()
        if self.last is not None:
            await self.last.flush()
        if self.hosted.files is not None:
            await self.hosted.files.flush()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def use(self, config: Config, generation: int) -> None:
        """Answer by `config` from now on. ValueError: the former one counts."""
        settings = config.dns
        responder = self.listener.responder
        self.config, self.generation = config, generation
        if settings is None:
            responder.use([])
            return
        self._declared = zones_of(config, generation, self._declared, self.keys.signer)
        self._use_zones()
        self.keys.keep({zone.apex for zone in responder.zones})
        self.transfers.use(settings, responder.public.zones, tells=self.is_first)
        responder.world.latencies = latency_table(settings)
        if self.listener.rates.per_s != settings.responses_per_s:
            self.listener.rates.per_s = settings.responses_per_s

    def _use_zones(self) -> None:
        """Answer by the zones of the configuration, and by those of the API."""
        made = self.hosted.zones(self.config, self._declared)
        self.listener.responder.use([*self._declared, *made])

    async def _use_hosted(self) -> None:
        """As `_use_zones`, without holding up answers; who has a new configuration has done it."""
        config = self.config
        made = await self.hosted.zones_aside(config, self._declared)
        if self.config is config and config.dns is not None:
            self.listener.responder.use([*self._declared, *made])

    def begin(self, page: LogPage) -> bool:
        """See `LogConsumer`."""
        same = page.epoch == self._epoch
        self._epoch, self._upto = page.epoch, page.upto
        if not same:
            self.hosted.follower.begin()
            self._applied = 0
        return same

    async def apply(self, entry: LogEntry) -> None:
        """Apply an entry of the log: a configuration, or a change of a zone that the API made."""
        if entry.kind == LogEntryKind.DNS_ZONE:
            if await self.hosted.follower.apply(entry):
                await self._use_hosted()
            self._news.set()
        elif entry.kind == LogEntryKind.CONFIG:
            await self.hosted.follower.list(entry.seq)
            config = read_configuration(entry)
            self.use(config, entry.seq)
            text = configuration_text(entry)
            if self.last is not None and text is not None:
                kept = LastConfiguration(self._epoch, entry.seq, entry.at, text)
                self.last.tell(kept)
            self._current.set()
            if self.follower is not None and not self.leaving:
                await self.follower.report(self._status())
        self._applied = entry.seq

    def confirm(self, asked_at: float, lease_s: float) -> None:
        """See `LogConsumer`. A name server answers without a lease, too."""
        self._applied = max(self._applied, self._upto)
        self.hosted.confirm(asked_at)
        self._lease_until = asked_at + lease_s

    @property
    def low(self) -> int:
        """See `LogConsumer`: nothing is stored."""
        return self._applied

    async def _follow(self) -> None:
        assert self.follower is not None
        await self.follower.follow(self._applied, self)

    async def _report(self) -> None:
        """Report again and again, and hear which locations are away, and what is not healthy."""
        assert self.follower is not None
        while True:
            if self.generation and await self.hosted.list_zones(self._applied):
                await self._use_hosted()
            await self.follower.report(self._status())
            closed, unhealthy = self.follower.closed_locations, self.follower.unhealthy_checks
            self.listener.responder.world.down = what_is_down(closed, unhealthy)
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._news.wait()

    def beat(self) -> Beat:
        """What this process is fit for."""
        return Beat(self._unready(), len(self.listener.connections))

    def _unready(self) -> dict[str, str]:
        told = self.follower is not None and self.follower.drained
        if self.drained or told:
            return {Unready.DRAINING: "an operator drains it"}
        if self.follower is not None and not self.generation:
            return {Unready.CONFIGURATION: "control has published none that was heard"}
        return {}

    def _status(self) -> NodeStatus:
        assert self.follower is not None
        counted = self._counters.dns_answers
        for rcode, count in self.listener.rcodes.items():
            counted[rcode] = count
        self._counters.connections = len(self.listener.connections)
        more = {"signatures": self.keys.memo.size_bytes, "hosted_zones": self.hosted.size_bytes}
        self._counters.memory = self.listener.memory | more
        self.measure()
        return NodeStatus(
            role=ROLE,
            instance=self.follower.instance,
            pid=os.getpid(),
            generation=self.generation,
            sample=self._counters.snapshot(),
            unready=self._unready(),
            clock=wall_clock(),
            release=__version__,
            applied=self.hosted.answered(self._applied),
            leaving=self.leaving,
        )


class NameServerRole(RoleServer):
    """The process of a name server: opens its sockets once it knows what to answer."""

    def __init__(
        self, settings: uvicorn.Config, server: NameServer, sockets: Sequence[socket.socket]
    ) -> None:
        super().__init__(settings)
        self._server = server
        self._sockets = sockets

    def beat(self) -> Beat:
        return self._server.beat()

    def obey(self, orders: Orders) -> None:
        self._server.drained = orders.drain

    async def _open_ports(self) -> None:
        await self._server.listener.open(self._sockets)

    def _hand_over(self) -> None:
        self._server.leaving = True
        self._server.listener.close()
        super()._hand_over()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._server.listener.close()
        await super().shutdown(sockets)


def run_name_server(config_path: str, worker: int) -> int:
    """One worker of the name server."""
    config = load(Path(config_path))
    addresses = dns_addresses(config)
    sockets = listen_sockets(addresses)
    drop_privileges(config, addresses)
    own = [one for address in addresses for one in sockets.own[address]]
    server = NameServerParts(config, f"{ROLE}-{worker}", dev=inherited_dev_mode()).name_server()
    settings = uvicorn.Config(
        server,
        interface="asgi3",
        http=cast(Any, asyncio.Protocol),
        lifespan="on",
        ws="none",
        loop="uvloop",
        access_log=False,
        log_config=None,
        log_level="warning",
        timeout_graceful_shutdown=int(config.limits.drain_s_max),
    )
    return NameServerRole(settings, server, own).run_until_signal([])
