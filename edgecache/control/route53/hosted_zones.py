"""Operations on hosted zones: made, read, listed, deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgecache.config.checks.dns import is_domain
from edgecache.config.dns import DnsSettings
from edgecache.config.zone_records import EXTRA, has_extra
from edgecache.control.route53.call import (
    Document,
    Route53Call,
    Run,
    change_info,
    page_size,
    plain_id,
    unsupported,
)
from edgecache.control.route53.declared_zones import (
    all_zones,
    changeable_zone,
    declared_record_sets,
    is_declared,
    made_records,
    zone_of,
)
from edgecache.control.route53.model import PREFIX, ZONES_MAX, Route53Error
from edgecache.control.route53.record_sets import record_set_document
from edgecache.control.route53.vpcs import check_view, given_vpc, vpc_document
from edgecache.control.state.hosted_zones import HostedRecordSet, HostedZone, list_position
from edgecache.control.state.resources import random_id

MADE_WITH_IT = frozenset({"NS", "SOA"})


def operations() -> dict[str, Run]:
    """The operations, by name."""
    return {
        "CreateHostedZone": create,
        "DeleteHostedZone": delete,
        "GetHostedZone": get,
        "ListHostedZones": list_all,
        "ListHostedZonesByName": list_by_name,
        "UpdateHostedZoneComment": update_comment,
    }


def create(call: Route53Call) -> Document:
    """A zone with its NS and SOA records; the same reference again is refused."""
    settings = _settings(call)
    zone = _wanted(call, settings)
    servers = tuple(settings.name_servers)
    made = [
        HostedRecordSet(record_set_document(call, zone, one), one)
        for one in made_records(zone.name, servers, 1)
    ]
    zone = call.zones.put(zone, made, call.by(f"{zone.id} {zone.name}"))
    change = call.zones.note_change(zone.id, zone.version)
    answer: Document = {
        "HostedZone": zone_document(call, zone),
        "ChangeInfo": change_info(call, change),
        "Location": f"{call.base}{PREFIX}/hostedzone/{zone.id}",
    }
    return answer | _of_its_kind(call, zone)


def _settings(call: Route53Call) -> DnsSettings:
    """Those of `[dns]`. DelegationSetNotAvailable: nobody would answer."""
    settings = call.settings
    if not has_extra():
        raise Route53Error(
            "DelegationSetNotAvailable", f"Zones need an extra that control has not: {EXTRA}"
        )
    if settings is None or not settings.name_servers:
        raise Route53Error(
            "DelegationSetNotAvailable",
            "There are no name servers: say dns.listen and dns.name_servers in the file.",
        )
    return settings


def _wanted(call: Route53Call, settings: DnsSettings) -> HostedZone:
    given = call.input
    for member in ("DelegationSetId", "EnablePublicDNSFallback", "ChangeGuardrails"):
        if given.get(member):
            raise unsupported(member, "there is nothing like it here")
    config = given.get("HostedZoneConfig", {})
    if config.get("HostedZoneTier", "STANDARD") != "STANDARD":
        raise unsupported("HostedZoneConfig.HostedZoneTier", "there is one tier here")
    vpc = given_vpc(settings, given["VPC"]) if "VPC" in given else None
    if bool(config.get("PrivateZone", vpc is not None)) != (vpc is not None):
        raise Route53Error(
            "InvalidInput", "A private hosted zone has a VPC, and a public one has none."
        )
    name = given["Name"].rstrip(".").lower()
    if not is_domain(name):
        raise Route53Error("InvalidDomainName", f"{given['Name']} is not a valid domain name.")
    known = call.zones.all()
    if any(one.reference == given["CallerReference"] for one in known):
        raise Route53Error(
            "HostedZoneAlreadyExists",
            "A hosted zone has already been created with the specified caller reference.",
        )
    if len(known) >= ZONES_MAX:
        raise Route53Error("TooManyHostedZones", f"Limits Exceeded: MaxHostedZones={ZONES_MAX}")
    zone = HostedZone(
        id=random_id("Z", call.catalog.random),
        name=f"{name}.",
        version=0,
        created_at=call.catalog.clock(),
        reference=given["CallerReference"],
        comment=config.get("Comment", ""),
        is_private=vpc is not None,
        vpcs={} if vpc is None else {vpc.id: vpc.region},
    )
    _check_name(call, settings, zone)
    return zone


def _check_name(call: Route53Call, settings: DnsSettings, zone: HostedZone) -> None:
    """One zone of a name is public here; of private ones who asks sees one at most."""
    if zone.is_private:
        check_view(call, settings, zone)
        return
    taken = {one.name for one in all_zones(call) if not one.is_private}
    if zone.name in taken or zone.name == settings.zone.rstrip(".").lower() + ".":
        raise Route53Error(
            "ConflictingDomainExists", f"There is a public zone of the name {zone.name} already."
        )


def delete(call: Route53Call) -> Document:
    zone = changeable_zone(call, plain_id(call.input["Id"]))
    apex = list_position((zone.name, "", ""))[0]
    held = call.zones.record_sets(zone.id, ("", "", ""), 3)
    if any(one.position[0] != apex or one.served.type not in MADE_WITH_IT for one in held):
        raise Route53Error(
            "HostedZoneNotEmpty",
            "The specified hosted zone contains non-required resource record sets and so cannot"
            " be deleted.",
        )
    seq = call.zones.remove(zone.id, call.by(f"{zone.id} {zone.name}"))
    return {"ChangeInfo": change_info(call, call.zones.note_change(zone.id, seq))}


def get(call: Route53Call) -> Document:
    zone = zone_of(call, plain_id(call.input["Id"]))
    return {"HostedZone": zone_document(call, zone)} | _of_its_kind(call, zone, all_vpcs=True)


def _of_its_kind(call: Route53Call, zone: HostedZone, *, all_vpcs: bool = False) -> Document:
    """Of a public zone its servers, of a private one the networks that see it."""
    servers = [] if call.settings is None else [*call.settings.name_servers]
    delegation = {"NameServers": [one.rstrip(".") for one in servers]}
    if not zone.is_private:
        return {"DelegationSet": delegation}
    vpcs = [vpc_document(id, region) for id, region in sorted(zone.vpcs.items())]
    return {"VPCs": vpcs} if all_vpcs else {"DelegationSet": delegation, "VPC": vpcs[0]}


def update_comment(call: Route53Call) -> Document:
    zone = changeable_zone(call, plain_id(call.input["Id"]))
    changed = replace(zone, comment=call.input.get("Comment", ""))
    with call.catalog.recorded(call.by(zone.id)):
        call.zones.annotate(changed)
    return {"HostedZone": zone_document(call, changed)}


def zone_document(call: Route53Call, zone: HostedZone) -> Document:
    """A HostedZone as the API has it."""
    if is_declared(call, zone):
        held = len(declared_record_sets(call, zone.id))
    else:
        held = call.zones.count(zone.id)
    config: Document = {"PrivateZone": zone.is_private}
    return {
        "Id": f"/hostedzone/{zone.id}",
        "Name": zone.name,
        "CallerReference": zone.reference,
        "Config": ({"Comment": zone.comment} if zone.comment else {}) | config,
        "ResourceRecordSetCount": held,
    }


def list_all(call: Route53Call) -> Document:
    """By id; those of one kind where one is asked for."""
    if call.input.get("DelegationSetId"):
        raise unsupported("DelegationSetId", "there are no reusable delegation sets here")
    kind = call.input.get("HostedZoneType")
    if kind not in (None, "", "PrivateHostedZone"):
        raise Route53Error("InvalidInput", "HostedZoneType is PrivateHostedZone or none.")
    zones = [one for one in all_zones(call) if one.is_private or not kind]
    marker = plain_id(str(call.input.get("Marker") or ""))
    return _page(call, [one for one in zones if one.id >= marker], marker)


def _page(call: Route53Call, rest: list[HostedZone], marker: str) -> Document:
    most = page_size(call.input.get("MaxItems"))
    listed: Document = {
        "HostedZones": [zone_document(call, one) for one in rest[:most]],
        "Marker": marker,
        "IsTruncated": len(rest) > most,
        "MaxItems": str(most),
    }
    return listed | ({"NextMarker": rest[most].id} if len(rest) > most else {})


def list_by_name(call: Route53Call) -> Document:
    """By name from the right, then by id."""
    given = call.input
    name, id = str(given.get("DNSName") or ""), plain_id(str(given.get("HostedZoneId") or ""))
    if id and not name:
        raise Route53Error("InvalidInput", "The input is not valid: a zone's id is of a name.")
    start: tuple[Any, ...] = ("", "")
    if name:
        start = _order(f"{name.rstrip('.').lower()}.", id)
    most = page_size(given.get("MaxItems"))
    zones = sorted(all_zones(call), key=lambda one: _order(one.name, one.id))
    rest = [one for one in zones if _order(one.name, one.id) >= start]
    listed: Document = {
        "HostedZones": [zone_document(call, one) for one in rest[:most]],
        "IsTruncated": len(rest) > most,
        "MaxItems": str(most),
    }
    listed |= {"DNSName": name} if name else {}
    listed |= {"HostedZoneId": id} if id else {}
    if len(rest) > most:
        listed |= {"NextDNSName": rest[most].name, "NextHostedZoneId": rest[most].id}
    return listed


def _order(name: str, id: str) -> tuple[str, str]:
    return list_position((name, "", ""))[0], id
