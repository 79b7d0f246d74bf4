"""Private zones: the VPCs that see them, which are networks of the file."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.control.route53.zones import Zones, code_of, record

ONE = {"VPCId": "vpc-1", "VPCRegion": "eu-west-1"}
TWO = {"VPCId": "vpc-2", "VPCRegion": "eu-west-2"}
INSIDE_ONE = {"VPCId": "vpc-3", "VPCRegion": "eu-west-1"}


def seen_by(zones: Zones, vpc: dict[str, str]) -> list[str]:
    answer = zones.client.list_hosted_zones_by_vpc(**vpc)
    return [one["HostedZoneId"] for one in answer["HostedZoneSummaries"]]


def refused(call: Any, **given: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**given)
    return code_of(error.value)


def test_a_private_zone_is_seen_by_its_vpcs(zones: Zones) -> None:
    zone = zones.create("inner.test", VPC=ONE)
    read = zones.client.get_hosted_zone(Id=zone)
    assert read["HostedZone"]["Config"]["PrivateZone"]
    assert read["VPCs"] == [{"VPCRegion": "eu-west-1", "VPCId": "vpc-1"}]
    zones.client.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC=TWO)
    assert seen_by(zones, TWO) == [zone]
    content = zones.desk.catalog.zones.content(zone)
    assert content is not None
    assert (content.is_private, content.vpcs) == (True, ("vpc-1", "vpc-2"))
    zones.client.disassociate_vpc_from_hosted_zone(HostedZoneId=zone, VPC=ONE)
    assert (seen_by(zones, ONE), seen_by(zones, TWO)) == ([], [zone])
    listed = zones.client.list_hosted_zones(HostedZoneType="PrivateHostedZone")["HostedZones"]
    assert [one["Name"] for one in listed] == ["inner.test."]


def test_who_asks_sees_one_zone_of_a_name(zones: Zones) -> None:
    zones.create("inner.test")  # public, seen by all others
    zone = zones.create("inner.test", VPC=ONE)
    create = zones.client.create_hosted_zone
    given = {"Name": "inner.test", "CallerReference": "x"}
    assert refused(create, **given, VPC=ONE) == "ConflictingDomainExists"
    assert refused(create, **given, VPC=INSIDE_ONE) == "ConflictingDomainExists"
    other = zones.create("inner.test", VPC=TWO)
    associate = zones.client.associate_vpc_with_hosted_zone
    assert refused(associate, HostedZoneId=other, VPC=INSIDE_ONE) == "ConflictingDomainExists"
    assert refused(associate, HostedZoneId=zone, VPC=ONE) == "ConflictingDomainExists"


def test_associations_that_are_refused(zones: Zones) -> None:
    public, zone = zones.create("a.test"), zones.create("inner.test", VPC=ONE)
    associate = zones.client.associate_vpc_with_hosted_zone
    leave = zones.client.disassociate_vpc_from_hosted_zone
    assert refused(associate, HostedZoneId=public, VPC=ONE) == "PublicZoneVPCAssociation"
    unknown = {"VPCId": "vpc-9", "VPCRegion": "eu-west-1"}
    assert refused(associate, HostedZoneId=zone, VPC=unknown) == "InvalidVPCId"
    assert refused(leave, HostedZoneId=zone, VPC=TWO) == "VPCAssociationNotFound"
    assert refused(leave, HostedZoneId=zone, VPC=ONE) == "LastVPCAssociation"


def test_a_private_zone_has_no_records_by_place(zones: Zones) -> None:
    zone = zones.create("inner.test", VPC=ONE)
    point = {"AWSRegion": "eu-west-1", "Bias": 0}
    one = record("a.inner.test", SetIdentifier="a", GeoProximityLocation=point)
    assert "no geoproximity" in zones.refused(zone, ("CREATE", one))[1]
