"""Zones that the API made, made for answering.

A zone that cannot be made is answered as it was before, and that is said; others are not held up by
it, and control does not hear that it is answered.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from msgspec.structs import replace

from edgecache.cluster.dns_zones import DnsZoneContent
from edgecache.config.dns import DnsRecord, DnsZoneSettings
from edgecache.config.model import Config
from edgecache.config.zone_records import DnsExtraMissingError, rdata_wire
from edgecache.dns.cdn_zone import location_groups
from edgecache.dns.user_zone import ZoneContext, user_zone
from edgecache.dns.zone import DnsZone
from edgecache.node.hosted_zone_files import HostedZoneFiles
from edgecache.node.hosted_zones import Ask, HostedZoneFollower

logger = logging.getLogger("edgecache.dns")


class HostedZoneAnswers:
    """The zones that the API made, made for answering; those that stay as they are are kept.

    `files`: for a start without control.
    """

    def __init__(self, ask: Ask | None) -> None:
        self.follower = HostedZoneFollower(ask)
        self.files: HostedZoneFiles | None = None
        self._unsound: int | None = None  # the least version that is not answered; None: of none
        self._made: dict[str, tuple[int, Config, DnsZone]] = {}  # by id; of a version, under one

    def keep(self, files: HostedZoneFiles) -> None:
        """Answer by what these files have, and keep there what control says."""
        self.follower.use_kept(files.read())
        self.files = files

    def answered(self, applied: int) -> int:
        """The number of the log up to which all is answered, of those that were applied."""
        return applied if self._unsound is None else min(applied, self._unsound - 1)

    def zones(self, config: Config, declared: Iterable[DnsZone]) -> list[DnsZone]:
        """All of them. Where the file has one that is seen in its place, that counts."""
        if self.files is not None and self.follower.is_listed:
            self.files.tell(self.follower.zones)
        held = self.follower.zones.values()
        taken = {(zone.apex, zone.clients) for zone in declared}
        former, self._made, self._unsound = self._made, {}, None
        for one in sorted(held, key=lambda one: one.id):
            known = former.get(one.id)
            try:
                if known is None or known[:2] != (one.version, config):
                    known = one.version, config, hosted_zone(config, one.content)
                if (known[2].apex, known[2].clients) in taken:
                    raise ValueError("another zone of its name is answered")
            except (DnsExtraMissingError, KeyError, ValueError) as error:
                state = "is not answered" if known is None else "is answered as it was"
                logger.error("the hosted zone %s %s %s: %s", one.id, one.name, state, error)
                self._unsound = min(one.version, self._unsound or one.version)
            if known is not None and (known[2].apex, known[2].clients) not in taken:
                taken.add((known[2].apex, known[2].clients))
                self._made[one.id] = known
        return [zone for _, _, zone in self._made.values()]


def hosted_zone(config: Config, content: DnsZoneContent) -> DnsZone:
    """One zone, made for answering. ValueError, KeyError, DnsExtraMissingError."""
    settings = config.dns
    assert settings is not None
    clients = tuple(net for one in settings.vpcs if one.id in content.vpcs for net in one.clients)
    if content.is_private and not clients:
        raise ValueError("none of its VPCs is in dns.vpcs")
    context = ZoneContext(
        rdata_wire,
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
