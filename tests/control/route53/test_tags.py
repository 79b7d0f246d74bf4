"""Tags of hosted zones and of health checks."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from edgecache.control.route53.model import TAGS_MAX
from tests.control.route53.zones import Zones, code_of


def tags(zones: Zones, zone: str, kind: str = "hostedzone") -> dict[str, str]:
    answer = zones.client.list_tags_for_resource(ResourceType=kind, ResourceId=zone)
    told = answer["ResourceTagSet"]
    assert (told["ResourceType"], told["ResourceId"]) == (kind, zone)
    return {one["Key"]: one["Value"] for one in told["Tags"]}


def change(zones: Zones, zone: str, removed: list[str], **added: str) -> None:
    given = {"AddTags": [{"Key": key, "Value": value} for key, value in added.items()]}
    given = given if added else {}
    more = {"RemoveTagKeys": removed} if removed else {}
    zones.client.change_tags_for_resource(
        ResourceType="hostedzone", ResourceId=zone, **given, **more
    )


def test_tags_are_added_and_removed(zones: Zones) -> None:
    zone, other = zones.create("a.test"), zones.create("b.test")
    change(zones, zone, [], team="one", stage="test")
    change(zones, zone, ["stage"], team="two")
    assert tags(zones, zone) == {"team": "two"}
    answer = zones.client.list_tags_for_resources(
        ResourceType="hostedzone", ResourceIds=[zone, other]
    )
    assert [one["Tags"] for one in answer["ResourceTagSets"]] == [
        [{"Key": "team", "Value": "two"}], [],
    ]  # fmt: skip


def test_what_is_not_tagged(zones: Zones) -> None:
    zone = zones.create("a.test")
    refused = []
    for id, removed, added in (
        ("Z9", [], {"a": "b"}),
        (zone, [], {}),
        (zone, [], {"aws:a": "b"}),
        (zone, [], {f"k{number}": "v" for number in range(TAGS_MAX)}),
        (zones.client.list_hosted_zones_by_name(DNSName="file.test")["HostedZones"][0]["Id"][12:],
         [], {"a": "b"}),
    ):  # fmt: skip
        change(zones, zone, [], first="x")
        with pytest.raises(ClientError) as error:
            change(zones, id, removed, **added)
        refused.append(code_of(error.value))
    assert refused == ["NoSuchHostedZone", *["InvalidInput"] * 3, "AccessDenied"]
    assert tags(zones, zone) == {"first": "x"}
