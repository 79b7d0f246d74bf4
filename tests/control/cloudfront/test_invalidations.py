"""Invalidations over the API: in progress until every node that may serve has heard."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.cluster.lease import LEASE_S, Instance
from tests.control.api.asking import refused
from tests.control.cloudfront.desk import Desk, site

NODE = Instance("edge-LHR50-1", "1")


def asked(client: Any, *paths: str, id: str = "EFILE", reference: str = "1") -> Any:
    batch = {
        "Paths": {"Quantity": len(paths), "Items": list(paths)},
        "CallerReference": reference,
    }
    return client.create_invalidation(DistributionId=id, InvalidationBatch=batch)


def test_the_life_of_an_invalidation(desk: Desk, client: Any) -> None:
    desk.barrier.grant(NODE, desk.log.last_seq)
    made = asked(client, "/a/*", "/b.html", "#Tag")
    one = made["Invalidation"]
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    path = f"/2020-05-31/distribution/EFILE/invalidation/{one['Id']}"
    assert made["Location"].endswith(path)
    assert one["Status"] == "InProgress"
    assert one["InvalidationBatch"]["CallerReference"] == "1"
    found = client.get_distribution(Id="EFILE")["Distribution"]
    assert found["InProgressInvalidationBatches"] == 1
    read = client.get_invalidation(DistributionId="EFILE", Id=one["Id"])["Invalidation"]
    assert read["Status"] == "InProgress"
    assert sum(desk.pauses) == pytest.approx(2)  # it was given the time to become Completed
    desk.barrier.acknowledge(NODE, desk.log.last_seq, 0)
    read = client.get_invalidation(DistributionId="EFILE", Id=one["Id"])["Invalidation"]
    assert read["Status"] == "Completed"
    assert read["InvalidationBatch"]["Paths"]["Items"] == ["/a/*", "/b.html", "#tag"]
    assert read["CreateTime"] == one["CreateTime"]


def test_a_node_that_is_gone_does_not_hold_it_up_for_ever(desk: Desk, client: Any) -> None:
    desk.barrier.grant(NODE, desk.log.last_seq)
    id = asked(client, "/a")["Invalidation"]["Id"]
    desk.now += LEASE_S + 1
    read = client.get_invalidation(DistributionId="EFILE", Id=id)["Invalidation"]
    assert read["Status"] == "Completed"


def test_the_same_again_is_the_same_one(client: Any) -> None:
    one = asked(client, "/a", "/b")["Invalidation"]
    again = asked(client, "/a", "/b")["Invalidation"]
    assert again["Id"] == one["Id"]
    refused(lambda: asked(client, "/a"), code="InvalidationBatchAlreadyExists", status=400)


def test_slash_stands_for_the_root_object_too_and_is_shown_alone(desk: Desk, client: Any) -> None:
    made = client.create_distribution(
        DistributionConfig=site("one", DefaultRootObject="index.html")
    )
    id = made["Distribution"]["Id"]
    batch = asked(client, "/", id=id)["Invalidation"]["InvalidationBatch"]
    assert batch["Paths"] == {"Quantity": 1, "Items": ["/"]}
    entry = desk.log.newest("invalidation")
    assert entry is not None
    assert entry.body["items"] == [["path", "/"], ["path", "/index.html"]]


def test_lists_begin_with_the_newest(desk: Desk, client: Any) -> None:
    ids = [asked(client, "/a", reference=str(n))["Invalidation"]["Id"] for n in range(5)][::-1]
    first = client.list_invalidations(DistributionId="EFILE", MaxItems="2")["InvalidationList"]
    assert [one["Id"] for one in first["Items"]] == ids[:2]
    assert (first["IsTruncated"], first["NextMarker"]) == (True, ids[1])
    pages = client.get_paginator("list_invalidations").paginate(
        DistributionId="EFILE", PaginationConfig={"PageSize": 2}
    )
    whole = pages.build_full_result()["InvalidationList"]["Items"]
    assert [one["Id"] for one in whole] == ids


@pytest.mark.parametrize(
    ("paths", "code", "status"),
    [
        (("a",), "InvalidArgument", 400),
        (("/ü",), "InvalidArgument", 400),
        (("/a b",), "InvalidArgument", 400),
        (("/" + "a" * 4_000,), "InvalidArgument", 400),
        (("#",), "InvalidArgument", 400),
        ((), "InvalidArgument", 400),
        (("/x",) * 3_001, "BatchTooLarge", 413),
        (tuple(f"/{n}/*" for n in range(16)), "TooManyInvalidationsInProgress", 400),
    ],
)
def test_what_is_refused(
    desk: Desk, client: Any, paths: tuple[str, ...], code: str, status: int
) -> None:
    before = desk.log.last_seq
    refused(lambda: asked(client, *paths), code=code, status=status)
    assert desk.log.last_seq == before


def test_of_what_is_not_there(client: Any) -> None:
    refused(lambda: asked(client, "/a", id="ENO"), code="NoSuchDistribution", status=404)
    for call in (
        lambda: client.get_invalidation(DistributionId="ENO", Id="I1"),
        lambda: client.list_invalidations(DistributionId="ENO"),
    ):
        refused(call, code="NoSuchDistribution", status=404)
    refused(
        lambda: client.get_invalidation(DistributionId="EFILE", Id="I1"),
        code="NoSuchInvalidation",
        status=404,
    )
