"""Zones of a configuration, made for answering: the operator's own, and those of users.

Values of users' records are read by dnspython, once for each configuration; a zone that cannot be
made, or signed where it is to be, is answered as it was before, and that is said; others are not
held up by it. Where the extra is missing there are none of users.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from edgecache.config.dns import DnsSettings
from edgecache.config.model import Config
from edgecache.config.zone_records import EXTRA, has_extra, rdata_wire
from edgecache.dns.cdn_zone import cdn_zone, location_groups
from edgecache.dns.names import absolute_wire
from edgecache.dns.user_zone import ZoneContext, user_zone
from edgecache.dns.zone import DnsZone, sign_zone
from edgecache.node.zone_keys import SignerOf

logger = logging.getLogger("edgecache.dns")


def zones_of(
    config: Config,
    generation: int,
    former: Iterable[DnsZone] = (),
    signer_of: SignerOf | None = None,
) -> list[DnsZone]:
    """Every zone. Serials of SOA records that are made here are the configuration's number.

    `former` are those of before: one stays where the new one cannot be made. `signer_of` None: none
    is signed.
    """
    settings = config.dns
    if settings is None:
        return []
    serial, known = max(1, generation), {(zone.apex, zone.clients): zone for zone in former}
    makers = [*_zone_makers(config, settings, serial)]
    return [zone for maker in makers if (zone := _made(maker, known, signer_of)) is not None]


class _ZoneMaker(NamedTuple):
    """How a zone is made, whose name and viewers are these; ValueError: it cannot be."""

    name: str
    clients: tuple[str, ...]
    is_signed: bool
    make: Callable[[], DnsZone]


def _made(
    maker: _ZoneMaker,
    known: Mapping[tuple[bytes, tuple[str, ...]], DnsZone],
    signer_of: SignerOf | None,
) -> DnsZone | None:
    """The zone, or the one that there was."""
    try:
        zone = maker.make()
        if maker.is_signed and signer_of is not None:
            sign_zone(zone, signer_of(zone.apex))
    except ValueError as error:
        kept = known.get((absolute_wire(maker.name), maker.clients))
        state = "is not answered" if kept is None else "is answered as it was"
        logger.error("the zone %s %s: %s", maker.name, state, error)
        return kept
    return zone


def _zone_makers(config: Config, settings: DnsSettings, serial: int) -> Iterator[_ZoneMaker]:
    if settings.zone:
        make = partial(cdn_zone, config, serial)
        yield _ZoneMaker(settings.zone, (), settings.dnssec, make)
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
    for one in settings.zones:
        yield _ZoneMaker(one.name, one.clients, one.dnssec, partial(user_zone, one, context))
