"""CIDR collections: made, changed as a whole, listed; and records by them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.control.route53.zones import Zones, code_of, record


def create(zones: Zones, name: str = "isps") -> str:
    made = zones.client.create_cidr_collection(Name=name, CallerReference=name)
    return str(made["Collection"]["Id"])


def put(location: str, *blocks: str, action: str = "PUT") -> dict[str, Any]:
    return {"LocationName": location, "Action": action, "CidrList": [*blocks]}


def blocks(zones: Zones, id: str) -> list[tuple[str, str]]:
    pages = zones.client.get_paginator("list_cidr_blocks").paginate(
        CollectionId=id, PaginationConfig={"PageSize": 2}
    )
    found = [one for page in pages for one in page["CidrBlocks"]]
    return [(one["LocationName"], one["CidrBlock"]) for one in found]


def test_blocks_are_put_and_taken_out(zones: Zones) -> None:
    id = create(zones)
    changed = zones.client.change_cidr_collection(
        Id=id, Changes=[put("b", "198.51.100.0/24"), put("a", "2001:db8::/32", "203.0.113.0/24")]
    )
    assert zones.client.get_change(Id=changed["Id"])["ChangeInfo"]["Status"] == "INSYNC"
    assert blocks(zones, id) == [
        ("a", "2001:db8::/32"), ("a", "203.0.113.0/24"), ("b", "198.51.100.0/24"),
    ]  # fmt: skip
    gone = put("b", "198.51.100.0/24", "192.0.2.0/24", action="DELETE_IF_EXISTS")
    zones.client.change_cidr_collection(Id=id, CollectionVersion=2, Changes=[gone])
    (one,) = zones.client.list_cidr_collections()["CidrCollections"]
    assert (one["Name"], one["Version"]) == ("isps", 3)
    assert zones.client.list_cidr_locations(CollectionId=id)["CidrLocations"] == [
        {"LocationName": "a"}
    ]


@pytest.mark.parametrize(
    ("changes", "more", "code"),
    [
        ([put("b", "203.0.113.0/24")], {}, "CidrBlockInUseException"),
        ([put("a", "203.0.113.0/25")], {}, "InvalidInput"),
        ([put("a", "203.0.113.1/24")], {}, "InvalidInput"),
        ([put("a", "nothing")], {}, "InvalidInput"),
        ([put("a", "2001:db8::/49")], {}, "InvalidInput"),
        ([put("a", "10.0.0.0/8")], {"CollectionVersion": 1},
         "CidrCollectionVersionMismatchException"),
        ([put("a", *(f"10.{n // 256}.{n % 256}.0/24" for n in range(1_000)))], {},
         "LimitsExceeded"),
    ],
)  # fmt: skip
def test_a_change_that_cannot_be_changes_nothing(
    zones: Zones, changes: list[dict[str, Any]], more: dict[str, Any], code: str
) -> None:
    id = create(zones)
    zones.client.change_cidr_collection(Id=id, Changes=[put("a", "203.0.113.0/24")])
    fine = put("c", "192.0.2.0/24")
    with pytest.raises(ClientError) as refused:
        zones.client.change_cidr_collection(Id=id, Changes=[fine, *changes], **more)
    assert code_of(refused.value) == code
    assert blocks(zones, id) == [("a", "203.0.113.0/24")]


def test_records_go_by_a_collection_and_hold_it(zones: Zones) -> None:
    id, zone = create(zones), zones.create("example.test")

    def by(identifier: str, location: str) -> dict[str, Any]:
        named = {"CollectionId": id, "LocationName": location}
        return record("www.example.test", SetIdentifier=identifier, CidrRoutingConfig=named)

    assert "not of the collection" in zones.refused(zone, ("CREATE", by("a", "one")))[1]
    zones.client.change_cidr_collection(Id=id, Changes=[put("one", "203.0.113.0/24")])
    zones.change(zone, ("CREATE", by("a", "one")), ("CREATE", by("b", "*")))
    before = zones.desk.catalog.zones.content(zone)
    zones.client.change_cidr_collection(Id=id, Changes=[put("one", "198.51.100.0/24")])
    content = zones.desk.catalog.zones.content(zone)
    assert content is not None
    assert before is not None
    assert content.version > before.version  # name servers hear of it
    (told,) = content.collections
    assert told.locations == {"one": ("203.0.113.0/24", "198.51.100.0/24")}
    gone = put("one", "203.0.113.0/24", "198.51.100.0/24", action="DELETE_IF_EXISTS")
    zones.client.change_cidr_collection(Id=id, Changes=[gone])
    with pytest.raises(ClientError) as refused:
        zones.client.delete_cidr_collection(Id=id)
    assert code_of(refused.value) == "CidrCollectionInUseException"
    zones.change(zone, ("DELETE", by("a", "one")), ("DELETE", by("b", "*")))
    zones.client.delete_cidr_collection(Id=id)
    with pytest.raises(ClientError) as refused:
        zones.client.list_cidr_blocks(CollectionId=id)
    assert code_of(refused.value) == "NoSuchCidrCollectionException"
