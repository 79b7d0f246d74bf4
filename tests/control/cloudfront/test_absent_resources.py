"""Lists of what cannot be made here: empty, in the form of each; and distributions by them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import xform_name

from edgecache.control.cloudfront.absent_resources import EMPTY
from edgecache.control.cloudfront.operations import actions
from tests.control.cloudfront.desk import Desk, site


@pytest.mark.parametrize("name", EMPTY)
def test_a_list_is_empty_because_nothing_can_be_made(client: Any, name: str) -> None:
    given = {"WebACLArn": "arn:x"} if name.endswith("ByCustomization") else {}
    answer = getattr(client, xform_name(name))(**given)
    del answer["ResponseMetadata"]
    (listed,) = answer.values()
    assert listed == [] or (listed["Quantity"], listed.get("Items", [])) == (0, [])
    kind = name.removeprefix("List").removesuffix("ByCustomization")
    kind = kind.removesuffix("s").replace("Policie", "Policy")
    assert f"Create{kind}" not in actions()


def test_distributions_by_what_is_kept_of_them(desk: Desk, client: Any) -> None:
    config = site("1", AnycastIpListId="aip-1")
    config["Origins"]["Items"][0] = {
        "Id": "web", "DomainName": "web.example.org", "VpcOriginConfig": {"VpcOriginId": "vo-1"},
    }  # fmt: skip
    id = client.create_distribution(DistributionConfig=config)["Distribution"]["Id"]
    by_list = client.list_distributions_by_anycast_ip_list_id(AnycastIpListId="aip-1")
    assert [one["Id"] for one in by_list["DistributionList"]["Items"]] == [id]
    by_origin = client.list_distributions_by_vpc_origin_id(VpcOriginId="vo-1")
    assert by_origin["DistributionIdList"]["Items"] == [id]
    none = client.list_distributions_by_vpc_origin_id(VpcOriginId="vo-2")
    assert none["DistributionIdList"]["Quantity"] == 0
    direct = client.list_distributions_by_connection_mode(ConnectionMode="direct")
    assert direct["DistributionList"]["Quantity"] == 2
    tenants = client.list_distributions_by_connection_mode(ConnectionMode="tenant-only")
    assert tenants["DistributionList"]["Quantity"] == 0
