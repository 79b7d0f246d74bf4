"""Zones of a configuration, made for answering: the operator's own, and those of users.

Values of users' records are read by dnspython, once for each configuration; a zone that cannot be
made is answered as it was before, and that is said; others are not held up by it. Where the extra
is missing there are none of users.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from edgecache.config.dns import DnsSettings
from edgecache.config.model import Config
from edgecache.config.zone_records import EXTRA, has_extra, rdata_wire
from edgecache.dns.cdn_zone import cdn_zone, location_groups
from edgecache.dns.names import absolute_wire
from edgecache.dns.user_zone import ZoneContext, user_zone
from edgecache.dns.zone import DnsZone

logger = logging.getLogger("edgecache.dns")


def zones_of(config: Config, generation: int, former: Iterable[DnsZone] = ()) -> list[DnsZone]:
    """Every zone. Serials of SOA records that are made here are the configuration's number.

    `former` are those of before: one stays where the new one cannot be made.
    """
    settings = config.dns
    if settings is None:
        return []
    serial = max(1, generation)
    zones = [cdn_zone(config, serial)] if settings.zone else []
    return [*zones, *_zones_of_users(config, settings, serial, former)]


def _zones_of_users(
    config: Config, settings: DnsSettings, serial: int, former: Iterable[DnsZone]
) -> Iterator[DnsZone]:
    if not settings.zones:
        return
    if not has_extra():
        logger.error("dns.zones are not answered: they need an extra; run: %s", EXTRA)
        return
    context = ZoneContext(
        rdata_wire,
        location_groups(config),
        {one.id for one in config.distributions if one.enabled},
        settings.cidr_collections,
        settings.name_servers,
        serial,
    )
    known = {(zone.apex, zone.clients): zone for zone in former}
    for one in settings.zones:
        try:
            yield user_zone(one, context)
        except ValueError as error:
            kept = known.get((absolute_wire(one.name), one.clients))
            state = "is not answered" if kept is None else "is answered as it was"
            logger.error("the zone %s %s: %s", one.name, state, error)
            if kept is not None:
                yield kept
