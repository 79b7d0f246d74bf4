"""Zones of the configuration file as the API has them: listed and read, and changed in the file."""

from __future__ import annotations

import hashlib

from msgspec.structs import replace

from edgecache.cluster.dns_zones import RecordKey
from edgecache.config.dns import (
    EXPIRE_S,
    ID_CHARS,
    MINIMUM_S,
    NS_TTL_S,
    REFRESH_S,
    RETRY_S,
    SOA_TTL_S,
    DnsRecord,
    DnsSettings,
    DnsZoneSettings,
    owner_of,
)
from edgecache.control.route53.call import Route53Call
from edgecache.control.route53.model import Route53Error
from edgecache.control.route53.record_sets import record_set_document
from edgecache.control.state.hosted_zones import HostedRecordSet, HostedZone

DECLARED = "it is declared in the configuration file: change it there"


def all_zones(call: Route53Call) -> list[HostedZone]:
    """The zones of the file and those that the API made, by id."""
    declared = [hosted for hosted, _ in _declared(call)]
    return sorted([*declared, *call.zones.all()], key=lambda one: one.id)


def zone_of(call: Route53Call, id: str) -> HostedZone:
    """The zone of an id. NoSuchHostedZone."""
    found = call.zones.get(id)
    if found is None:
        found = next((hosted for hosted, _ in _declared(call) if hosted.id == id), None)
    if found is None:
        raise Route53Error("NoSuchHostedZone", f"No hosted zone found with ID: {id}")
    return found


def changeable_zone(call: Route53Call, id: str) -> HostedZone:
    """The zone of an id, which the API made. NoSuchHostedZone, AccessDenied."""
    found = zone_of(call, id)
    if call.zones.get(id) is None:
        raise Route53Error("AccessDenied", f"The hosted zone {id}: {DECLARED}.")
    return found


def is_declared(call: Route53Call, zone: HostedZone) -> bool:
    """Whether a zone is the file's."""
    return call.zones.get(zone.id) is None


def declared_record_sets(call: Route53Call, id: str) -> list[HostedRecordSet]:
    """The record sets of a zone of the file, in the order of lists."""
    hosted, settings = next(pair for pair in _declared(call) if pair[0].id == id)
    found = []
    for record in _records(call, hosted, settings):
        document = record_set_document(call, hosted, record)
        found.append(HostedRecordSet(document, record))
    return sorted(found, key=lambda one: one.position)


def _records(call: Route53Call, hosted: HostedZone, zone: DnsZoneSettings) -> list[DnsRecord]:
    """Those of the file, with absolute names, and what is made where it has no SOA or NS."""
    records = [replace(one, name=owner_of(one.name, hosted.name)) for one in zone.records]
    at_apex = {one.type for one in records if one.name == hosted.name}
    settings = call.settings
    servers = zone.name_servers or (() if settings is None else settings.name_servers)
    return [*records, *(
        one for one in made_records(hosted.name, servers, call.catalog.generation)
        if one.type not in at_apex
    )]  # fmt: skip


def made_records(name: str, servers: tuple[str, ...], serial: int) -> list[DnsRecord]:
    """The NS and SOA records that are made with a zone."""
    if not servers:
        return []
    whole = tuple(f"{one.rstrip('.').lower()}." for one in servers)
    numbers = f"{serial} {REFRESH_S} {RETRY_S} {EXPIRE_S} {MINIMUM_S}"
    soa = f"{whole[0]} hostmaster.{name} {numbers}"
    return [
        DnsRecord(name=name, type="NS", ttl_s=NS_TTL_S, values=whole),
        DnsRecord(name=name, type="SOA", ttl_s=SOA_TTL_S, values=(soa,)),
    ]


def _declared(call: Route53Call) -> list[tuple[HostedZone, DnsZoneSettings]]:
    settings = call.settings
    zones = () if settings is None else settings.zones
    return [(_hosted(settings, one), one) for one in zones if settings is not None]


def _hosted(settings: DnsSettings, zone: DnsZoneSettings) -> HostedZone:
    name = zone.name.rstrip(".").lower() + "."
    said = f"edgecache zone {name} {' '.join(zone.clients)}".encode()
    digest = hashlib.sha256(said).digest()
    id = "Z" + "".join(ID_CHARS[byte % len(ID_CHARS)] for byte in digest[:13])
    known = {one.id: one.region for one in settings.vpcs if {*one.clients} <= {*zone.clients}}
    return HostedZone(
        id, name, 0, 0.0, f"file:{name}", "declared in the configuration file",
        bool(zone.clients), known if zone.clients else {},
    )  # fmt: skip


def page_of(sets: list[HostedRecordSet], start: RecordKey, most: int) -> list[HostedRecordSet]:
    """So many from the position `start` on."""
    return [one for one in sets if one.position >= start][:most]
