"""The operator's own zone: a name for each distribution, which leads to the closest location.

All names share two groups, one of IPv4 and one of IPv6, whose candidates are the locations. A
location that is away or drains is passed over (`check` is `location:NAME`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from edgecache.config.dns import (
    NS_TTL_S,
    REGIONS,
    SOA_TTL_S,
    DnsLocation,
    DnsSettings,
    distribution_label,
)
from edgecache.config.health_checks import PREFIX
from edgecache.config.model import Config
from edgecache.dns.closeness import AddressBlocks, LatencyTable, Position
from edgecache.dns.names import absolute_wire, to_wire
from edgecache.dns.records import AAAA, NS, SOA, A, record_data
from edgecache.dns.routing import Candidate, RecordGroup, RoutingPolicy
from edgecache.dns.zone import DnsZone, make_zone, soa_rdata

ADDRESSES_MAX = 8  # of an answer
LOCATION = "location:"  # before the name of one, as a check


def location_groups(config: Config) -> dict[int, RecordGroup]:
    """The addresses of all locations by type, the group of each distribution's name."""
    assert config.dns is not None
    regions = {one.name: one.region for one in config.locations}
    groups = {}
    for type, version in ((A, 4), (AAAA, 6)):
        candidates = []
        for one in config.dns.locations:
            parsed = (ip_address(address) for address in one.addresses)
            values = [address.packed for address in parsed if address.version == version]
            if values:
                data = record_data(type, config.dns.ttl_s, values[:ADDRESSES_MAX])
                candidates.append(
                    Candidate(
                        id=one.name,
                        data=data,
                        check=LOCATION + one.name,
                        weight=one.weight,
                        position=_position(one, regions.get(one.name, "")),
                    )
                )
        groups[type] = RecordGroup(RoutingPolicy.CLOSEST, candidates, "closest location")
    return groups


def _position(location: DnsLocation, region: str) -> Position:
    coordinates = None
    if location.coordinates:
        coordinates = (location.coordinates[0], location.coordinates[1])
    elif region in REGIONS:
        coordinates = REGIONS[region]
    names = (location.name, region) if region else (location.name,)
    return Position(names, coordinates, location.country)


def latency_table(settings: DnsSettings) -> LatencyTable:
    """The latencies that were given, by networks, countries and continents."""
    blocks, areas, countries = [], {}, {}
    for row in settings.latencies:
        for client in row.clients:
            if client == "*" or client.removeprefix("continent:") != client:
                areas[client.removeprefix("continent:")] = row.ms
            elif len(client) == 2 and client.isalpha():
                countries[client] = row.ms
            else:
                blocks.append((client, row.ms))
    return LatencyTable(AddressBlocks(blocks), areas, countries)


def cdn_zone(config: Config, serial: int) -> DnsZone:
    """The zone, with a name for each distribution."""
    settings = config.dns
    assert settings is not None
    apex = absolute_wire(settings.zone)
    groups = apex_groups(apex, [*map(absolute_wire, settings.name_servers)], serial)
    shared = location_groups(config)
    for label in distribution_labels(config):
        name = to_wire(label, apex)
        groups |= {(name, type): group for type, group in shared.items() if group.candidates}
    groups |= _server_addresses(settings, apex)
    return make_zone(apex, groups)


def distribution_labels(config: Config) -> Iterator[str]:
    """The label of each distribution that viewers may ask for."""
    for one in config.distributions:
        if one.enabled:
            yield distribution_label(one.id, one.domain_name)
    for site in config.unavailable:  # it answers 503, which says more than no name
        if site.enabled:
            name = next((name for name in site.names if name.endswith(".cloudfront.net")), "")
            yield distribution_label(site.id, name)


def apex_groups(
    apex: bytes, servers: list[bytes], serial: int
) -> dict[tuple[bytes, int], RecordGroup]:
    """The SOA and NS records of a zone, as they are made with it."""
    soa = soa_rdata(servers[0], to_wire("hostmaster", apex), serial)
    return {
        (apex, SOA): simple_group(SOA, SOA_TTL_S, [soa]),
        (apex, NS): simple_group(NS, NS_TTL_S, servers),
    }


def simple_group(type: int, ttl_s: int, values: list[bytes]) -> RecordGroup:
    """A group of one record set."""
    data = record_data(type, ttl_s, values)
    return RecordGroup(RoutingPolicy.SIMPLE, (Candidate(data=data),))


def _server_addresses(settings: DnsSettings, apex: bytes) -> dict[tuple[bytes, int], RecordGroup]:
    """Addresses of name servers whose names are of the zone itself."""
    found: dict[tuple[bytes, int], list[bytes]] = {}
    for name, addresses in settings.server_addresses.items():
        for address in map(ip_address, addresses):
            type = A if address.version == 4 else AAAA
            found.setdefault((absolute_wire(name), type), []).append(address.packed)
    return {
        (name, type): simple_group(type, NS_TTL_S, values) for (name, type), values in found.items()
    }


def what_is_down(closed: Iterable[str], unhealthy: Iterable[str]) -> set[str]:
    """What candidates of a routing policy are down by: locations by name, health checks by id."""
    return {LOCATION + name for name in closed} | {PREFIX + id for id in unhealthy}
