"""Staleness probe (canary): an object that changes, is invalidated, and is read from every edge.

Law: it reads as a viewer does, and counts what nobody may ever see, an old version after Completed.
Of several controls one does it; each gives the object, as its origin.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial

from edgecache.cluster.client import Exchange
from edgecache.config.listen import Address, tcp_address
from edgecache.config.model import Behavior, CachePolicy, Control, Distribution, Origin
from edgecache.control.nodes.workers import WorkerGroup
from edgecache.control.state.database import BY_CONTROL, Authorship
from edgecache.control.state.database_thread import StateRun, run_inline
from edgecache.control.state.invalidations import InvalidationRequest, Invalidations
from edgecache.control.state.probe_version import ProbeVersion
from edgecache.observe.histogram import Histogram
from edgecache.rules.invalidation.items import items_of

ID = "ECANARY"
HOST = "canary.edgecache.invalid"  # RFC 6761 §6.4: nobody's name
PATH = "/object"
FOLDER = "/canary"  # where control serves it
READS_PER_WORKER = 4  # the kernel chooses whom a connection meets: one of two is missed in 1 of 128
READS_MAX = 64  # at one location in one round
COMPLETED_S_MAX = 30.0  # ten leases
_HEAD = f"GET {PATH} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
BY_PROBE = Authorship(BY_CONTROL, "staleness probe")


def probe_distribution(control: Control) -> Distribution:
    """The hidden distribution: its origin is control itself."""
    address = tcp_address(control.advertise or control.listen)
    origin = Origin(
        id="control", domain_name=address.host, http_port=address.port, path=FOLDER, reach="own"
    )
    policy = CachePolicy(name="canary")
    behavior = Behavior(origin="control", cache_policy=policy)
    return Distribution(id=ID, aliases=(HOST,), origins=(origin,), default_behavior=behavior)


@dataclass(frozen=True, slots=True)
class ProbeEnvironment:
    """Services of the probe: where nodes are, a way to read, monotonic seconds, to wait."""

    groups: Callable[[], Iterable[WorkerGroup]]
    exchange: Exchange
    clock: Callable[[], float]
    pause: Callable[[float], Awaitable[None]]
    random: Callable[[int], bytes]
    run: StateRun = run_inline


class StalenessProbe:
    """Rounds of change, invalidation and reading, and their counts."""

    def __init__(
        self, invalidations: Invalidations, world: ProbeEnvironment, version: ProbeVersion
    ) -> None:
        self._invalidations = invalidations
        self._world = world
        self._version = version
        self.stale_after_completed = 0
        self.reads = 0
        self.unread = 0  # reads that gave no version: an edge is down, or the origin's side is
        self.overdue = 0  # rounds that were not Completed in COMPLETED_S_MAX
        self.time_to_completed = Histogram()

    @property
    def version(self) -> int:
        """What control serves now."""
        return self._version.number

    async def run(self, interval_s: float) -> None:
        """A round every so many seconds where it is this control's to do, until cancelled."""
        while True:
            if await self._world.run(self._version.is_mine):
                await self.round()
            await self._world.pause(interval_s)

    async def round(self) -> None:
        """Once: read, so that there is something to remove; change; invalidate; read everywhere."""
        await self._read_everywhere(0)
        began = self._world.clock()
        reference = f"canary-{self._world.random(8).hex()}"
        wanted = InvalidationRequest(ID, items_of([PATH]), reference)
        create = partial(self._invalidations.create, wanted, BY_PROBE)
        version, (record, _) = await self._world.run(partial(self._version.change, create))
        if not await self._invalidations.wait(record, COMPLETED_S_MAX):
            self.overdue += 1
            return
        self.time_to_completed.observe(self._world.clock() - began)
        await self._read_everywhere(version)

    async def _read_everywhere(self, least: int) -> None:
        for group in self._world.groups():
            if group.role == "edge" and group.address is not None:
                for _ in range(min(group.workers * READS_PER_WORKER, READS_MAX)):
                    await self._read(group.address, group.opening + _HEAD, least)

    async def _read(self, address: Address, asked: bytes, least: int) -> None:
        try:
            head, _, body = (await self._world.exchange(address, asked)).partition(b"\r\n\r\n")
        except OSError:
            self.unread += 1
            return
        if not head.startswith(b"HTTP/1.1 200 ") or not body.isdigit():
            self.unread += 1
            return
        self.reads += 1
        if int(body) < least:
            self.stale_after_completed += 1
