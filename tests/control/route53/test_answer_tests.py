"""Answers tested over the API: by the records, who asks, and of zones of the file, too."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from edgecache.node.dns_answer_test import answer_tester
from tests.control.route53.zones import Zones, alias, code_of, record


@pytest.fixture
def zones(zones: Zones) -> Zones:
    zones.desk.tester = answer_tester(lambda: zones.desk.catalog.published)
    zones.desk.open()
    return zones


def answer(zones: Zones, zone: str, name: str, type: str = "A", **more: str) -> tuple[str, Any]:
    told = zones.client.test_dns_answer(HostedZoneId=zone, RecordName=name, RecordType=type, **more)
    assert (told["Nameserver"], told["Protocol"]) == ("ns1.cdn.test", "UDP")
    return told["ResponseCode"], told["RecordData"]


def test_answers_are_those_of_the_records(zones: Zones) -> None:
    zone = zones.create("example.test")
    here = {"CollectionId": _collection(zones), "LocationName": "here"}
    zones.change(
        zone,
        ("CREATE", record("*.example.test", "TXT", '"any"')),
        ("CREATE", alias("led.example.test", "by.example.test", zone)),
        ("CREATE", record("by.example.test", SetIdentifier="a", CidrRoutingConfig=here)),
        ("CREATE", record("by.example.test", "A", "192.0.2.2", SetIdentifier="b",
                          CidrRoutingConfig=here | {"LocationName": "*"})),
    )  # fmt: skip
    assert answer(zones, zone, "x.example.test", "TXT") == ("NOERROR", ['"any"'])
    assert answer(zones, zone, "led.example.test") == ("NOERROR", ["192.0.2.2"])
    inside = {"EDNS0ClientSubnetIP": "203.0.113.9"}
    assert answer(zones, zone, "led.example.test", **inside) == ("NOERROR", ["192.0.2.1"])
    wide = inside | {"EDNS0ClientSubnetMask": "16"}
    assert answer(zones, zone, "led.example.test", **wide) == ("NOERROR", ["192.0.2.2"])
    resolver = {"ResolverIP": "203.0.113.7"}
    assert answer(zones, zone, "led.example.test", **resolver) == ("NOERROR", ["192.0.2.1"])
    assert answer(zones, zone, "a.b.by.example.test", "MX") == ("NXDOMAIN", [])


def _collection(zones: Zones) -> str:
    made = zones.client.create_cidr_collection(Name="c", CallerReference="c")["Collection"]
    block = {"LocationName": "here", "Action": "PUT", "CidrList": ["203.0.113.0/24"]}
    zones.client.change_cidr_collection(Id=made["Id"], Changes=[block])
    return str(made["Id"])


def test_a_zone_of_the_file_is_tested_and_a_private_one_is_not(zones: Zones) -> None:
    (declared,) = zones.client.list_hosted_zones()["HostedZones"]
    id = declared["Id"].rpartition("/")[2]
    assert answer(zones, id, "www.file.test") == ("NOERROR", ["192.0.2.9"])
    assert answer(zones, id, "file.test") == ("NOERROR", ["127.0.0.1"])  # the closest location
    private = zones.create("in.test", VPC={"VPCId": "vpc-1", "VPCRegion": "eu-west-1"})
    for zone, name, more in (
        (private, "in.test", {}),
        (id, "www.other.test", {}),
        (id, "www.file.test", {"EDNS0ClientSubnetMask": "24"}),
        (id, "www.file.test", {"EDNS0ClientSubnetIP": "192.0.2.1", "EDNS0ClientSubnetMask": "99"}),
    ):
        with pytest.raises(ClientError) as refused:
            answer(zones, zone, name, **more)
        assert code_of(refused.value) == "InvalidInput"
