"""Health checks at an edge location: its first worker asks endpoints, and control is told.

Law: addresses that no origin may have are not asked either (`reach`); certificates are not
verified, as Route 53 does not, so nothing is sent that others may not see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from ipaddress import ip_address
from random import random
from socket import EAI_ADDRFAMILY, gaierror
from typing import TYPE_CHECKING

from edgecache.cluster.control_access import installation_addresses
from edgecache.config.health_checks import HealthCheck
from edgecache.config.model import Config
from edgecache.health.checker import CheckerWorld, HealthChecker
from edgecache.health.probe import ForbiddenEndpointError, ProbeOutcome, probe
from edgecache.health.verdict import CheckerOpinion
from edgecache.observe.counters import Counters
from edgecache.rules.origin_addresses import Listeners
from edgecache.runtime.environment import steady_clock, wall_clock
from edgecache.store.memory_account import MemoryHolding
from edgecache.upstream.endpoint import (
    Connector,
    Endpoint,
    ForbiddenAddressError,
    Network,
    TlsName,
    is_local,
)
from edgecache.upstream.resolver import LookupThreads, NameResolver

if TYPE_CHECKING:
    from edgecache.node.node import Node


class HealthCheckConnections:
    """Opens connections to endpoints of health checks: see `health.probe.Connect`.

    A name leads to its IPv4 addresses alone, as at Route 53.
    """

    def __init__(self, connect: Connector, names: NameResolver) -> None:
        self._connect = connect
        self._names = names

    async def __call__(
        self, check: HealthCheck, protocol: Callable[[], asyncio.Protocol]
    ) -> asyncio.BaseTransport:
        address = check.address or await self._address(check.host)
        tls = None
        if check.is_tls:
            name = check.host if check.sni else ""
            tls = TlsName(server_name=name, is_verified=False)
        endpoint = Endpoint(address, check.asked_port, tls=tls, reach=check.reach)
        try:
            return await self._connect(endpoint, protocol)
        except ForbiddenAddressError as error:
            raise ForbiddenEndpointError(str(error)) from None

    async def _address(self, host: str) -> str:
        found = await self._names.addresses(host)
        for one in found:
            if one == host or ip_address(one).version == 4:
                return one
        raise gaierror(EAI_ADDRFAMILY, "the name has no IPv4 address")


class LocationHealthChecks:
    """The health checks of one location. `tell` reports to control at once what has changed."""

    def __init__(self, checker: HealthChecker, tell: Callable[[], Awaitable[None]]) -> None:
        self._checker = checker
        self._tell = tell
        self._changed = asyncio.Event()
        checker.on_change = self._changed.set

    def use(self, config: Config) -> None:
        """Ask what this configuration says."""
        self._checker.use(() if config.dns is None else config.dns.health_checks)

    def opinions(self) -> dict[str, CheckerOpinion]:
        """What the location says of each, by id."""
        return self._checker.opinions()

    @property
    def asked(self) -> int:
        """How many connections there are now."""
        return self._checker.asked

    @property
    def size_bytes(self) -> int:
        """What it holds at most, as estimated."""
        return self._checker.size_bytes

    async def run(self) -> None:
        """Ask and tell, for good."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._checker.run())
            group.create_task(self._tell_changes())

    async def _tell_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._tell()


def location_health_checks(node: Node, config: Config) -> LocationHealthChecks | None:
    """Those of the location of `node`, where that is its first worker and control is told of it."""
    if config.control is None or not node.name.endswith("-1"):
        return None
    names = NameResolver(LookupThreads(), steady_clock(), config.resolver)
    network = Network(names, Listeners(installation_addresses(config), is_local))
    ask = partial(probe, connect=HealthCheckConnections(network, names))
    count = partial(_count, node.listener.request_log.counters)
    made = LocationHealthChecks(
        HealthChecker(CheckerWorld(ask, wall_clock, random, count)), node.tell_control
    )
    connections, measure = node.listener.connections, node.measure
    room = connections.room
    connections.room = lambda: room() - made.asked

    def measured() -> None:
        node.listener.account.measure(MemoryHolding.HEALTH_CHECKS, made.size_bytes)
        measure()

    node.measure = measured
    made.use(config if node.config is None else node.config)
    return made


def _count(counters: Counters, outcome: ProbeOutcome) -> None:
    counters.health_checks[outcome] += 1
