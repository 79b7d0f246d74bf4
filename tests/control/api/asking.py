"""What tests of the API ask for in short, and how they see what came of it."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from edgecache.cluster.log_entries import LogEntryKind as EntryKind
from tests.control.cloudfront.desk import OPTIMIZED, Desk, code_of, site

Document = dict[str, Any]


def refused(call: Any, *, code: str, status: int, said: str = "") -> None:
    with pytest.raises(ClientError) as error:
        call()
    assert code_of(error.value) == (code, status)
    assert said in str(error.value)


def created(client: Any, reference: str = "one", **more: Any) -> Any:
    return client.create_distribution(DistributionConfig=site(reference, **more))


def served(desk: Desk) -> dict[str, Any]:
    """What nodes are told, by id."""
    entry = desk.log.newest(EntryKind.CONFIG)
    assert entry is not None
    return {one["id"]: one for one in entry.body.get("distributions", ())}


def default(**more: Any) -> Document:
    behavior = {
        "TargetOriginId": "web", "ViewerProtocolPolicy": "allow-all", "CachePolicyId": OPTIMIZED,
    }  # fmt: skip
    return {"DefaultCacheBehavior": behavior | more}


def origin(**more: Any) -> Document:
    item = site("")["Origins"]["Items"][0] | more
    return {"Origins": {"Quantity": 1, "Items": [item]}}


def custom(**more: Any) -> Document:
    held: Document = site("")["Origins"]["Items"][0]["CustomOriginConfig"]
    return origin(CustomOriginConfig=held | more)


def s3(identity: str = "", control: str = "", read_timeout_s: int = 30) -> Document:
    bucket = {"OriginAccessIdentity": identity, "OriginReadTimeout": read_timeout_s}
    one = {
        "Id": "web", "DomainName": "b.s3.amazonaws.com",
        "S3OriginConfig": bucket, "OriginAccessControlId": control,
    }  # fmt: skip
    return {"Origins": {"Quantity": 1, "Items": [one]}}


def names(*items: str) -> Document:
    return {"Quantity": len(items), "Items": list(items)}


def forwarded(**more: Any) -> Document:
    values = {"QueryString": False, "Cookies": {"Forward": "none"}}
    return {"ForwardedValues": values | more, "CachePolicyId": ""}


def pages(**more: Any) -> Document:
    return {"CustomErrorResponses": {"Quantity": 1, "Items": [{"ErrorCode": 404} | more]}}
