"""GrpcConfig over the API: taken, given back, refused where no call could come."""

from __future__ import annotations

from typing import Any

import pytest

from tests.control.api.asking import created, default, refused
from tests.control.cloudfront.desk import Desk

READ = ["GET", "HEAD"]
ALL = [*READ, "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]


def behavior(methods: list[str]) -> dict[str, Any]:
    listed = {"Quantity": len(methods), "Items": methods}
    allowed = listed | {"CachedMethods": {"Quantity": 2, "Items": READ}}
    return default(GrpcConfig={"Enabled": True}, AllowedMethods=allowed)


def test_it_is_taken_and_given_back(desk: Desk) -> None:
    made = created(desk.client(), **behavior(ALL))
    assert "edgecache-unsupported" not in made["ResponseMetadata"]["HTTPHeaders"]
    read = desk.client().get_distribution_config(Id=made["Distribution"]["Id"])
    assert read["DistributionConfig"]["DefaultCacheBehavior"]["GrpcConfig"] == {"Enabled": True}
    id_ = made["Distribution"]["Id"]
    site = next(one for one in desk.catalog.published.distributions if one.id == id_)
    assert site.default_behavior.grpc


@pytest.mark.parametrize(("methods", "version"), [(READ, "http2"), (ALL, "http1.1")])
def test_without_post_or_http2_it_is_refused(desk: Desk, methods: list[str], version: str) -> None:
    given = behavior(methods) | {"HttpVersion": version}
    refused(lambda: created(desk.client(), **given), code="InvalidArgument", status=400)
