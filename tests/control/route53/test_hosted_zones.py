"""Hosted zones over the API: made, read, listed, deleted; and those of the file."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.control.route53.zones import Zones, code_of, record


def test_a_zone_is_made_with_its_ns_and_soa_records(zones: Zones) -> None:
    answer = zones.client.create_hosted_zone(
        Name="Example.Test", CallerReference="one", HostedZoneConfig={"Comment": "mine"}
    )
    made = answer["HostedZone"]
    assert made["Name"] == "example.test."
    assert made["Config"] == {"Comment": "mine", "PrivateZone": False}
    assert made["ResourceRecordSetCount"] == 2
    assert answer["DelegationSet"]["NameServers"] == ["ns1.cdn.test", "ns2.example.net"]
    assert answer["Location"].endswith(f"/2013-04-01{made['Id']}")
    ns, soa = zones.sets(made["Id"])
    assert [one["Value"] for one in ns["ResourceRecords"]] == ["ns1.cdn.test.", "ns2.example.net."]
    assert (ns["TTL"], soa["TTL"]) == (172_800, 900)
    assert soa["ResourceRecords"] == [
        {"Value": "ns1.cdn.test. hostmaster.example.test. 1 7200 900 1209600 86400"}
    ]
    read = zones.client.get_hosted_zone(Id=made["Id"])
    assert read["HostedZone"] == made
    assert read["DelegationSet"] == answer["DelegationSet"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"CallerReference": "r0"}, "HostedZoneAlreadyExists"),
        ({"Name": "example.test"}, "ConflictingDomainExists"),
        ({"Name": "file.test"}, "ConflictingDomainExists"),
        ({"Name": "cdn.test"}, "ConflictingDomainExists"),
        ({"Name": "a..b"}, "InvalidDomainName"),
        ({"Name": "*.test"}, "InvalidDomainName"),
        ({"DelegationSetId": "N1"}, "InvalidInput"),
        ({"EnablePublicDNSFallback": True}, "InvalidInput"),
        ({"HostedZoneConfig": {"HostedZoneTier": "ADVANCED"}}, "InvalidInput"),
        ({"HostedZoneConfig": {"PrivateZone": True}}, "InvalidInput"),
        ({"VPC": {"VPCId": "vpc-9", "VPCRegion": "eu-west-1"}}, "InvalidVPCId"),
        ({"VPC": {"VPCId": "vpc-1", "VPCRegion": "eu-west-2"}}, "InvalidVPCId"),
    ],
)
def test_what_cannot_be_made_is_refused(
    shared: Zones, taken: str, given: dict[str, Any], code: str
) -> None:
    zones = shared
    with pytest.raises(ClientError) as refused:
        zones.client.create_hosted_zone(**{"Name": "x.test", "CallerReference": "new"} | given)
    assert code_of(refused.value) == code
    assert zones.client.get_hosted_zone_count()["HostedZoneCount"] == 2


@pytest.fixture(scope="module")
def taken(shared: Zones) -> str:
    return shared.create("example.test")


def test_zones_below_one_another_are_made(zones: Zones) -> None:
    assert zones.create("example.test") != zones.create("sub.example.test")


def test_a_zone_that_holds_more_than_it_was_made_with_is_not_deleted(zones: Zones) -> None:
    zone = zones.create("example.test")
    zones.change(zone, ("CREATE", record("www.example.test")))
    with pytest.raises(ClientError) as refused:
        zones.client.delete_hosted_zone(Id=zone)
    assert code_of(refused.value) == "HostedZoneNotEmpty"
    zones.change(zone, ("DELETE", record("www.example.test")))
    gone = zones.client.delete_hosted_zone(Id=zone)
    assert zones.client.get_change(Id=gone["ChangeInfo"]["Id"])["ChangeInfo"]["Status"] == "INSYNC"
    with pytest.raises(ClientError) as refused:
        zones.client.get_hosted_zone(Id=zone)
    assert code_of(refused.value) == "NoSuchHostedZone"


def test_zones_are_listed_a_page_at_a_time(zones: Zones) -> None:
    made = {zones.create(f"z{number}.test") for number in range(4)}
    pages = zones.client.get_paginator("list_hosted_zones").paginate(
        PaginationConfig={"PageSize": 2}
    )
    listed = [one["Id"].rpartition("/")[2] for page in pages for one in page["HostedZones"]]
    assert len(listed) == 5
    assert made < {*listed}
    assert listed == sorted(listed)


def test_zones_are_listed_by_name_from_the_right(zones: Zones) -> None:
    for name in ("b.test", "a.b.test", "a.test", "z.example"):
        zones.create(name)
    first = zones.client.list_hosted_zones_by_name(MaxItems="3")
    assert [one["Name"] for one in first["HostedZones"]] == ["z.example.", "a.test.", "b.test."]
    assert first["IsTruncated"]
    rest = zones.client.list_hosted_zones_by_name(
        DNSName=first["NextDNSName"], HostedZoneId=first["NextHostedZoneId"]
    )
    assert [one["Name"] for one in rest["HostedZones"]] == ["a.b.test.", "file.test."]
    assert not rest["IsTruncated"]


def test_a_zone_of_the_file_is_read_and_not_changed(zones: Zones) -> None:
    (declared,) = zones.client.list_hosted_zones()["HostedZones"]
    assert declared["Name"] == "file.test."
    zone = declared["Id"]
    assert zones.client.get_hosted_zone(Id=zone)["HostedZone"] == declared
    assert zones.shown(zone) == [
        "file.test. A", "file.test. NS", "file.test. SOA", "www.file.test. A",
    ]  # fmt: skip
    (led, *_) = zones.sets(zone)
    assert led["AliasTarget"]["HostedZoneId"] == "Z2FDTNDATAQYW2"
    assert zones.refused(zone, ("CREATE", record("x.file.test")))[0] == "AccessDenied"
    with pytest.raises(ClientError, match="change it there") as refused:
        zones.client.delete_hosted_zone(Id=zone)
    assert code_of(refused.value) == "AccessDenied"


def test_a_comment_is_changed(zones: Zones) -> None:
    zone = zones.create("example.test")
    changed = zones.client.update_hosted_zone_comment(Id=zone, Comment="two")["HostedZone"]
    assert changed["Config"]["Comment"] == "two"
    assert zones.client.get_hosted_zone(Id=zone)["HostedZone"] == changed


def test_zones_are_there_after_a_restart(zones: Zones) -> None:
    zone = zones.create("example.test")
    change = zones.change(zone, ("CREATE", record("www.example.test")))
    zones.desk.open()
    assert zones.shown(zone)[-1] == "www.example.test. A"
    assert zones.client.get_change(Id=change["Id"])["ChangeInfo"]["Status"] == "INSYNC"


def test_an_operation_that_is_not_done_says_so(zones: Zones) -> None:
    with pytest.raises(ClientError, match="edgecache api --route53") as refused:
        zones.client.create_reusable_delegation_set(CallerReference="r")
    assert code_of(refused.value) == "NotImplemented"


def test_a_change_is_pending_until_every_name_server_has_it(zones: Zones) -> None:
    zone = zones.create("example.test")
    zones.desk.acknowledged = zones.desk.log.last_seq
    change = zones.change(zone, ("CREATE", record("www.example.test")))
    assert change["Status"] == "PENDING"
    assert zones.client.get_change(Id=change["Id"])["ChangeInfo"]["Status"] == "PENDING"
    assert sum(zones.desk.pauses) == pytest.approx(2.0, abs=0.1)  # it was waited for
    zones.desk.acknowledged += 1
    assert zones.client.get_change(Id=change["Id"])["ChangeInfo"]["Status"] == "INSYNC"
    with pytest.raises(ClientError) as refused:
        zones.client.get_change(Id="C123")
    assert code_of(refused.value) == "NoSuchChange"
