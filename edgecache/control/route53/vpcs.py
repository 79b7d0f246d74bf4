"""Private zones: the VPCs that see them, which are networks of clients here (`[[dns.vpcs]]`)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network

from edgecache.config.dns import DnsSettings, DnsVpc
from edgecache.control.route53.call import Document, Route53Call
from edgecache.control.route53.model import Route53Error
from edgecache.control.state.hosted_zones import HostedZone


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
