"""Zones of users, made for answering of what a configuration says of them.

An alias of a distribution is answered with the addresses of the closest location, as the
distribution's own name is; an alias of another name shares that name's group, and so its TTL.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from edgecache.config.dns import (
    NS_TTL_S,
    REGIONS,
    SOA_TTL_S,
    DnsCidrCollection,
    DnsRecord,
    DnsZoneSettings,
    owner_of,
)
from edgecache.config.health_checks import PREFIX
from edgecache.dns.closeness import ANYWHERE, AddressBlocks, Area, Position
from edgecache.dns.names import absolute_wire, to_text, to_wire
from edgecache.dns.records import NS, SOA, TYPES, record_data
from edgecache.dns.routing import Candidate, RecordGroup, RoutingPolicy
from edgecache.dns.zone import DnsZone, make_zone, soa_rdata

ReadValue = Callable[[str, str, str], bytes]
"""The bytes of a value: of a type by name, as text, in a zone of this origin. ValueError."""


@dataclass(frozen=True, slots=True)
class ZoneContext:
    """What zones share: how values are read, the locations' groups by type, distributions by id,
    collections of blocks, name servers for zones that name none, and the serial of made records.
    """

    read: ReadValue
    locations: Mapping[int, RecordGroup]
    distributions: Collection[str]
    collections: tuple[DnsCidrCollection, ...]
    name_servers: tuple[str, ...]
    serial: int


def user_zone(settings: DnsZoneSettings, context: ZoneContext) -> DnsZone:
    """The zone. ValueError: a value cannot be read."""
    origin = settings.name.rstrip(".").lower() + "."
    apex = absolute_wire(origin)
    sets: dict[tuple[bytes, int], list[DnsRecord]] = {}
    for record in settings.records:
        key = absolute_wire(owner_of(record.name, origin)), TYPES[record.type]
        sets.setdefault(key, []).append(record)
    groups = {key: _group(key, records, context) for key, records in sets.items()}
    for (name, type), records in sets.items():
        for candidate, record in zip(groups[name, type].candidates, records, strict=True):
            _fill(candidate, record, (origin, type), groups, context)
    _add_apex(apex, settings, groups, context)
    zone = make_zone(apex, groups)
    zone.clients = settings.clients
    return zone


def _add_apex(
    apex: bytes,
    settings: DnsZoneSettings,
    groups: dict[tuple[bytes, int], RecordGroup],
    context: ZoneContext,
) -> None:
    """The NS and SOA records that are made with a zone, where it has none of its own."""
    servers = [*map(absolute_wire, settings.name_servers or context.name_servers)]
    if (apex, NS) in groups:
        held = groups[apex, NS].candidates[0].data
        servers = [] if held is None else [*held.values]
    else:
        groups[apex, NS] = _single(NS, NS_TTL_S, servers)
    if (apex, SOA) not in groups:
        soa = soa_rdata(servers[0], to_wire("hostmaster", apex), context.serial)
        groups[apex, SOA] = _single(SOA, SOA_TTL_S, [soa])


def _single(type: int, ttl_s: int, values: list[bytes]) -> RecordGroup:
    data = record_data(type, ttl_s, values)
    return RecordGroup(RoutingPolicy.SIMPLE, (Candidate(data=data),))


def _group(key: tuple[bytes, int], records: list[DnsRecord], context: ZoneContext) -> RecordGroup:
    """The group of one name and type, its candidates still empty."""
    policies = records[0].policies
    policy = RoutingPolicy(policies[0]) if policies else RoutingPolicy.SIMPLE
    name = f"{to_text(key[0])} {records[0].type}"
    group = RecordGroup(policy, [Candidate(id=one.id) for one in records], name)
    if policy is RoutingPolicy.CIDR:
        wanted = {one.cidr.collection for one in records if one.cidr is not None}
        group.blocks = AddressBlocks(
            (block, location)
            for collection in context.collections
            if collection.name in wanted
            for location, blocks in collection.locations.items()
            for block in blocks
        )
    return group


def _fill(
    candidate: Candidate,
    record: DnsRecord,
    place: tuple[str, int],
    groups: Mapping[tuple[bytes, int], RecordGroup],
    context: ZoneContext,
) -> None:
    """What a candidate gives, and what its policy goes by."""
    origin, type = place
    alias = record.alias
    if alias is None:
        values = [context.read(record.type, value, origin) for value in record.values]
        candidate.data = record_data(type, record.ttl_s, values)
    elif alias.distribution:
        known = alias.distribution in context.distributions
        candidate.alias = context.locations[type] if known else _NOTHING
        candidate.evaluates = alias.evaluate_target_health
    else:
        target = absolute_wire(owner_of(alias.name, origin))
        candidate.alias = groups[target, type]
        candidate.evaluates = alias.evaluate_target_health
    candidate.check = PREFIX + record.health_check if record.health_check else ""
    candidate.weight = record.weight or 0
    candidate.primary = record.failover == "primary"
    candidate.area = _area(record)
    candidate.position = _position(record)
    candidate.bias = 0 if record.geoproximity is None else record.geoproximity.bias
    candidate.cidr = "" if record.cidr is None else record.cidr.location


_NOTHING = RecordGroup(RoutingPolicy.SIMPLE, (), "no such distribution")


def _area(record: DnsRecord) -> Area:
    where = record.geolocation
    if where is None:
        return ("", "", "")
    if where.country == "*":
        return ANYWHERE
    return where.continent, where.country, where.subdivision


def _position(record: DnsRecord) -> Position:
    if record.region:
        return Position((record.region,), REGIONS.get(record.region))
    point = record.geoproximity
    if point is None:
        return Position()
    if point.coordinates:
        return Position((), (point.coordinates[0], point.coordinates[1]))
    return Position((point.region,), REGIONS.get(point.region))
