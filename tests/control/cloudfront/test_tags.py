"""Tags of distributions: at creation, added, removed, and what no tag may be."""

from __future__ import annotations

from typing import Any

import pytest

from tests.control.api.asking import refused, served
from tests.control.cloudfront.desk import Desk, site

NOBODY = "arn:aws:cloudfront::000000000000:distribution/ENOBODY"


def tagged(client: Any) -> dict[str, Any]:
    made = client.create_distribution_with_tags(
        DistributionConfigWithTags={
            "DistributionConfig": site("one"),
            "Tags": {"Items": [{"Key": "stage", "Value": "test"}, {"Key": "empty"}]},
        }
    )
    one: dict[str, Any] = made["Distribution"]
    return one


def tags(client: Any, arn: str) -> dict[str, str]:
    items = client.list_tags_for_resource(Resource=arn)["Tags"]["Items"]
    return {item["Key"]: item["Value"] for item in items}


def test_tags_come_and_go_and_change_nothing_else(desk: Desk, client: Any) -> None:
    one = tagged(client)
    arn, etag = one["ARN"], client.get_distribution(Id=one["Id"])["ETag"]
    assert tags(client, arn) == {"stage": "test", "empty": ""}
    client.tag_resource(Resource=arn, Tags={"Items": [{"Key": "stage", "Value": "live"}]})
    client.untag_resource(Resource=arn, TagKeys={"Items": ["empty", "never"]})
    assert tags(client, arn) == {"stage": "live"}
    assert served(desk)[one["Id"]]["tags"] == {"stage": "live"}
    assert client.get_distribution(Id=one["Id"])["ETag"] == etag
    desk.state.close()
    desk.open()
    assert tags(desk.client(), arn) == {"stage": "live"}


def test_the_files_tags_are_shown(client: Any) -> None:
    assert tags(client, NOBODY.replace("NOBODY", "FILE")) == {"from": "file"}


@pytest.mark.parametrize(
    ("items", "code"),
    [
        ([{"Key": "aws:mine", "Value": "x"}], "InvalidTagging"),
        ([{"Key": "a;b", "Value": "x"}], "InvalidTagging"),
        ([{"Key": "a", "Value": "x<y"}], "InvalidTagging"),
        ([{"Key": f"k{n}", "Value": ""} for n in range(51)], "InvalidTagging"),
        ([{"Key": "k" * 129, "Value": ""}], "InvalidArgument"),
        ([{"Key": "k", "Value": "v" * 257}], "InvalidArgument"),
    ],
)
def test_what_no_tag_may_be(desk: Desk, items: list[dict[str, str]], code: str) -> None:
    client = desk.client(validated=False)
    arn = tagged(client)["ARN"]
    refused(lambda: client.tag_resource(Resource=arn, Tags={"Items": items}), code=code, status=400)


@pytest.mark.parametrize("arn", [NOBODY, NOBODY.replace("distribution", "function")])
def test_what_is_not_there_has_none(client: Any, arn: str) -> None:
    call = client.list_tags_for_resource
    refused(lambda: call(Resource=arn), code="NoSuchResource", status=404)
    refused(lambda: call(Resource="a"), code="InvalidArgument", status=400)
