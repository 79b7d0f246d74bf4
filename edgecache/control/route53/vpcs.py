"""Private zones: the VPCs that see them, which are networks of clients here (`[[dns.vpcs]]`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_network

from edgecache.config.dns import DnsSettings, DnsVpc
from edgecache.control.cloudfront.context import ACCOUNT
from edgecache.control.route53.call import (
    Document,
    Route53Call,
    Run,
    change_info,
    page_size,
    plain_id,
)
from edgecache.control.route53.declared_zones import all_zones, changeable_zone
from edgecache.control.route53.model import VPCS_MAX, Route53Error
from edgecache.control.state.hosted_zones import HostedZone


def operations() -> dict[str, Run]:
    """The operations, by name."""
    return {
        "AssociateVPCWithHostedZone": associate,
        "DisassociateVPCFromHostedZone": disassociate,
        "ListHostedZonesByVPC": list_by_vpc,
    }


def given_vpc(settings: DnsSettings, given: Document) -> DnsVpc:
    """The VPC that a request names. InvalidVPCId: the file has none."""
    id, region = given.get("VPCId", ""), given.get("VPCRegion", "")
    known = next((one for one in settings.vpcs if one.id == id), None)
    if known is None:
        raise Route53Error(
            "InvalidVPCId", f"The VPC {id} is not in dns.vpcs of the configuration file."
        )
    if region != known.region:
        raise Route53Error("InvalidVPCId", f"The VPC {id} is in {known.region}, not in {region}.")
    return known


def vpc_document(id: str, region: str) -> Document:
    """A VPC as the API has it."""
    return {"VPCRegion": region, "VPCId": id}


def check_view(call: Route53Call, settings: DnsSettings, zone: HostedZone) -> None:
    """Who asks sees one zone of a name at most. ConflictingDomainExists."""
    own = clients_of(settings, zone.vpcs)
    for other in call.zones.all():
        is_like = other.is_private and other.name == zone.name and other.id != zone.id
        if is_like and _overlap(own, clients_of(settings, other.vpcs)):
            raise _conflict(zone.name, f"the hosted zone {other.id}")
    for declared in settings.zones:
        is_like = declared.name.rstrip(".").lower() + "." == zone.name
        if is_like and declared.clients and _overlap(own, declared.clients):
            raise _conflict(zone.name, "a zone of the configuration file")


def _conflict(name: str, other: str) -> Route53Error:
    return Route53Error(
        "ConflictingDomainExists",
        f"Some of the networks of the VPC see {other} already, which is of the name {name}.",
    )


def clients_of(settings: DnsSettings, vpcs: Iterable[str]) -> list[str]:
    """The networks of these VPCs."""
    wanted = {*vpcs}
    return [network for one in settings.vpcs if one.id in wanted for network in one.clients]


def _overlap(some: Iterable[str], others: Iterable[str]) -> bool:
    theirs = [*map(ip_network, others)]
    return any(
        one.version == other.version and one.overlaps(other)
        for one in map(ip_network, some)
        for other in theirs
    )


def associate(call: Route53Call) -> Document:
    """Have one more VPC see a private zone."""
    zone, vpc = _private_zone_and_vpc(call)
    if vpc.id in zone.vpcs:
        raise Route53Error(
            "ConflictingDomainExists", f"The VPC {vpc.id} is associated with the zone already."
        )
    if len(zone.vpcs) >= VPCS_MAX:
        raise Route53Error("LimitsExceeded", f"Limits Exceeded: {VPCS_MAX} VPCs of a hosted zone.")
    changed = replace(zone, vpcs=zone.vpcs | {vpc.id: vpc.region})
    settings = call.settings
    assert settings is not None
    check_view(call, settings, changed)
    return _update(call, changed)


def disassociate(call: Route53Call) -> Document:
    """Have a VPC see a private zone no more; one at least sees it."""
    zone = _private_zone(call)
    id = call.input["VPC"].get("VPCId", "")
    if id not in zone.vpcs:
        raise Route53Error(
            "VPCAssociationNotFound", f"The VPC {id} is not associated with the hosted zone."
        )
    if len(zone.vpcs) == 1:
        raise Route53Error(
            "LastVPCAssociation", "The VPC is the last one that the hosted zone is associated with."
        )
    rest = {one: region for one, region in zone.vpcs.items() if one != id}
    return _update(call, replace(zone, vpcs=rest))


def _update(call: Route53Call, zone: HostedZone) -> Document:
    changed = call.zones.update(zone, call.by(f"{zone.id} {zone.name}"))
    change = call.zones.note_change(zone.id, changed.version, call.input.get("Comment", ""))
    return {"ChangeInfo": change_info(call, change)}


def _private_zone_and_vpc(call: Route53Call) -> tuple[HostedZone, DnsVpc]:
    zone, settings = _private_zone(call), call.settings
    if settings is None:
        raise Route53Error("InvalidVPCId", "There is no [dns] in the configuration file.")
    return zone, given_vpc(settings, call.input["VPC"])


def _private_zone(call: Route53Call) -> HostedZone:
    zone = changeable_zone(call, plain_id(call.input["HostedZoneId"]))
    if not zone.is_private:
        raise Route53Error("PublicZoneVPCAssociation", f"The hosted zone {zone.id} is public.")
    return zone


def list_by_vpc(call: Route53Call) -> Document:
    """The private zones that a VPC sees, by id."""
    id, region = call.input["VPCId"], call.input["VPCRegion"]
    most = page_size(call.input.get("MaxItems"))
    token = str(call.input.get("NextToken") or "")
    seen = [one for one in all_zones(call) if one.vpcs.get(id) == region and one.id >= token]
    listed: Document = {
        "HostedZoneSummaries": [
            {"HostedZoneId": one.id, "Name": one.name, "Owner": {"OwningAccount": ACCOUNT}}
            for one in seen[:most]
        ],
        "MaxItems": str(most),
    }
    return listed | ({"NextToken": seen[most].id} if len(seen) > most else {})
