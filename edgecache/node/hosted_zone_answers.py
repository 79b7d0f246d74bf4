"""Zones that the API made, made for answering.

A zone that cannot be made is answered as it was before, and that is said; others are not held up by
it, and control does not hear that it is answered.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterable
from functools import partial

from msgspec.structs import replace

from edgecache.cluster.dns_zones import DnsZoneContent
from edgecache.config.dns import DnsRecord, DnsZoneSettings
from edgecache.config.model import Config
from edgecache.config.zone_records import DnsExtraMissingError, rdata_wire
from edgecache.dns.cdn_zone import location_groups
from edgecache.dns.user_zone import ReadValue, ZoneContext, user_zone
from edgecache.dns.zone import DnsZone
from edgecache.node.hosted_zones import Ask, HeldZone, HostedZoneFiles, HostedZoneFollower
from edgecache.node.log_follower import EntryNotAppliedError

AWAY_S = 30.0  # half of how long a restarted control tells that a zone is gone (CHANGES_KEPT_S)

logger = logging.getLogger("edgecache.dns")


class HostedZoneAnswers:
    """The zones that the API made, made for answering; those that stay as they are are kept.

    `files`: for a start without control.
    """

    def __init__(self, ask: Ask | None) -> None:
        self.follower = HostedZoneFollower(ask)
        self.files: HostedZoneFiles | None = None
        self._confirmed_at = math.inf
        self._unsound: int | None = None  # the least version that is not answered; None: of none
        self._made: dict[str, tuple[int, Config, DnsZone]] = {}  # by id; of a version, under one

    def keep(self, files: HostedZoneFiles) -> None:
        """Answer by what these files have, and keep there what control says."""
        self.follower.use_kept(files.read())
        self.files = files

    def confirm(self, asked_at: float) -> None:
        """Control was heard at this time, of a steady clock; after a while away it is asked which
        zones there are, as it does not tell for long of one that is gone.
        """
        if asked_at - self._confirmed_at > AWAY_S:
            self.follower.begin()
        self._confirmed_at = asked_at

    async def list_zones(self, applied: int) -> bool:
        """Ask which there are where that is not known; whether what is held has changed."""
        try:
            return await self.follower.list(applied)
        except EntryNotAppliedError:
            return False  # it is asked again

    def answered(self, applied: int) -> int:
        """The number of the log up to which all is answered, of those that were applied."""
        return applied if self._unsound is None else min(applied, self._unsound - 1)

    def zones(self, config: Config, declared: Iterable[DnsZone]) -> list[DnsZone]:
        """All of them. Where the file has one that is seen in its place, that counts."""
        return self._use(config, self._held(), declared)

    async def zones_aside(self, config: Config, declared: Iterable[DnsZone]) -> list[DnsZone]:
        """As `zones`, made in a thread: one of 10,000 names takes a third of a second."""
        make = partial(self._use, config, self._held(), [*declared])
        return await asyncio.get_running_loop().run_in_executor(None, make)

    def _held(self) -> list[HeldZone]:
        if self.files is not None and self.follower.is_listed:
            self.files.tell(self.follower.zones)
        return sorted(self.follower.zones.values(), key=lambda one: one.id)

    def _use(
        self, config: Config, held: list[HeldZone], declared: Iterable[DnsZone]
    ) -> list[DnsZone]:
        if config.dns is None:
            return []
        taken = {(zone.apex, zone.clients) for zone in declared}
        made: dict[str, tuple[int, Config, DnsZone]] = {}
        unsound: int | None = None
        for one in held:
            known = self._made.get(one.id)
            try:
                if known is None or known[:2] != (one.version, config):
                    known = one.version, config, hosted_zone(config, one.content, one.read)
                if (known[2].apex, known[2].clients) in taken:
                    raise ValueError("another zone of its name is answered")
            except (DnsExtraMissingError, KeyError, ValueError) as error:
                state = "is not answered" if known is None else "is answered as it was"
                logger.error("the hosted zone %s %s %s: %s", one.id, one.name, state, error)
                unsound = min(one.version, unsound or one.version)
            if known is not None and (known[2].apex, known[2].clients) not in taken:
                taken.add((known[2].apex, known[2].clients))
                made[one.id] = known
        self._made, self._unsound = made, unsound
        return [zone for _, _, zone in made.values()]

    @property
    def size_bytes(self) -> int:
        """What is held beside what is answered, as estimated."""
        return sum(one.size_bytes for one in self.follower.zones.values())


def hosted_zone(config: Config, content: DnsZoneContent, read: ReadValue = rdata_wire) -> DnsZone:
    """One zone, made for answering. ValueError, KeyError, DnsExtraMissingError."""
    settings = config.dns
    assert settings is not None
    clients = tuple(net for one in settings.vpcs if one.id in content.vpcs for net in one.clients)
    if content.is_private and not clients:
        raise ValueError("none of its VPCs is in dns.vpcs")
    context = ZoneContext(
        read,
        location_groups(config),
        {one.id for one in config.distributions if one.enabled},
        content.collections,
        settings.name_servers,
        content.version,
    )
    records = tuple(
        _with_serial(one, content.version) if one.type == "SOA" else one for one in content.records
    )
    zone = DnsZoneSettings(
        name=content.name, records=records, clients=clients if content.is_private else ()
    )
    return user_zone(zone, context)


def _with_serial(soa: DnsRecord, version: int) -> DnsRecord:
    """The serial rises with each version of the zone, from what the record says."""
    primary, mailbox, serial, *rest = soa.values[0].split()
    number = (int(serial) - 1 + version) % 2**32
    return replace(soa, values=(" ".join((primary, mailbox, str(number), *rest)),))
