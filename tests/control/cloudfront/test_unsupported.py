"""What a distribution may not ask for over the API, and what it is told it is served without."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from edgecache.config.model import Config, LogBucket, LogDelivery, Logging
from edgecache.control.state.compose import NotComposedError
from tests.control.api.asking import created, default, refused
from tests.control.cloudfront.desk import Desk, site

GEO = {"RestrictionType": "whitelist", "Quantity": 1, "Items": ["GB"]}
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("NoSuchFieldLevelEncryptionConfig", default(FieldLevelEncryptionId="x")),
    ("InvalidArgument", default(SmoothStreaming=True)),
    ("InvalidWebACLId", {"WebACLId": "arn:acl"}),
    ("InvalidArgument", {"ViewerMtlsConfig": {"Mode": "required"}}),
    ("EntityNotFound", {"ConnectionFunctionAssociation": {"Id": "x"}}),
    ("InvalidArgument", {"ViewerMtlsConfig": {
        "Mode": "optional", "TrustStoreConfig": {"TrustStoreId": "ts_1"}}}),
    ("InvalidArgument", {"ConnectionMode": "tenant-only"}),
    ("InvalidArgument", {"TenantConfig": {"ParameterDefinitions": [
        {"Name": "host", "Definition": {"StringSchema": {"Required": True}}}]}}),
    ("InvalidGeoRestrictionParameter", {"Restrictions": {"GeoRestriction": GEO}}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "more"), REFUSED, ids=[str([*more]) for _, more in REFUSED])
def test_what_decides_who_is_served_is_refused(desk: Desk, code: str, more: dict[str, Any]) -> None:
    client = desk.client()
    status = 404 if code.startswith(("NoSuch", "EntityNot")) else 400
    refused(lambda: created(client, **more), code=code, status=status)
    desk.ignores_unsupported()
    made = created(client, **more)
    assert made["ResponseMetadata"]["HTTPHeaders"]["edgecache-unsupported"]


def test_what_is_served_without_is_told(desk: Desk) -> None:
    made = created(desk.client(), HttpVersion="http2and3", PriceClass="PriceClass_100")
    told = made["ResponseMetadata"]["HTTPHeaders"]["edgecache-unsupported"]
    assert told == "HttpVersion, PriceClass"
    id = made["Distribution"]["Id"]
    read = desk.client().get_distribution(Id=id)
    assert read["ResponseMetadata"]["HTTPHeaders"]["edgecache-unsupported"] == told


def test_of_what_asks_for_nothing_nothing_is_told(desk: Desk) -> None:
    answer = desk.client().create_distribution(DistributionConfig=site("r"))
    assert "edgecache-unsupported" not in answer["ResponseMetadata"]["HTTPHeaders"]


BUCKET = "logs.s3.amazonaws.com"
LOGGED = {"Enabled": True, "IncludeCookies": True, "Bucket": BUCKET, "Prefix": "web/"}


def with_buckets(desk: Desk, *names: str) -> Config:
    """The file of the desk, with these buckets for logs."""
    placed = tuple(LogBucket(bucket=name, folder="/logs") for name in names)
    return replace(desk.catalog.file, log_delivery=LogDelivery(buckets=placed))


def told(answer: Any) -> str:
    headers: dict[str, str] = answer["ResponseMetadata"]["HTTPHeaders"]
    return headers.get("edgecache-unsupported", "")


def test_logging_is_refused_where_its_bucket_lies_nowhere(desk: Desk) -> None:
    desk.catalog.publish(with_buckets(desk, "another"))
    client = desk.client()
    way_out = "log_delivery.buckets of the file has no such Bucket"
    refused(
        lambda: created(client, Logging=LOGGED), code="InvalidArgument", status=400, said=way_out
    )
    assert not told(created(client, Logging=LOGGED | {"Enabled": False}))


def test_logging_is_given_back_as_it_was_sent(desk: Desk) -> None:
    desk.catalog.publish(with_buckets(desk, BUCKET))
    client = desk.client()
    made = created(client, Logging=LOGGED)
    read = client.get_distribution_config(Id=made["Distribution"]["Id"])
    assert read["DistributionConfig"]["Logging"] == LOGGED
    assert not told(made)
    assert not told(read)
    (published,) = (one for one in desk.catalog.published.distributions if one.id != "EFILE")
    assert published.logging == Logging(
        enabled=True, include_cookies=True, bucket=BUCKET, prefix="web/"
    )


def test_a_bucket_that_is_used_is_not_taken_away(desk: Desk) -> None:
    desk.catalog.publish(with_buckets(desk, BUCKET))
    made = created(desk.client(), Logging=LOGGED)
    with pytest.raises(NotComposedError, match=f"{made['Distribution']['Id']}.*no such Bucket"):
        desk.catalog.publish(with_buckets(desk))
    assert desk.catalog.published.log_delivery.buckets


def test_who_logged_before_buckets_were_checked_is_served_and_told(desk: Desk) -> None:
    """The state of a former release, or a file changed while control was away."""
    desk.catalog.publish(with_buckets(desk, BUCKET))
    made = created(desk.client(), Logging=LOGGED)
    id, etag = made["Distribution"]["Id"], made["ETag"]
    desk.open()  # the file on disk has no buckets
    client = desk.client()
    assert id in {one.id for one in desk.catalog.published.distributions}
    assert told(client.get_distribution(Id=id)) == "Logging"
    created(client, "another")  # others are written as before
    desk.catalog.publish(desk.catalog.file)
    sent = made["Distribution"]["DistributionConfig"] | {"Comment": "changed"}
    refused(
        lambda: client.update_distribution(Id=id, IfMatch=etag, DistributionConfig=sent),
        code="InvalidArgument",
        status=400,
    )
    sent |= {"Logging": LOGGED | {"Enabled": False}}
    answer = client.update_distribution(Id=id, IfMatch=etag, DistributionConfig=sent)
    assert "Logging" not in told(answer)


@pytest.mark.parametrize("prefix", ["../x", "a//b", "/a", "x" * 257])
def test_a_prefix_stays_in_its_bucket(desk: Desk, prefix: str) -> None:
    desk.catalog.publish(with_buckets(desk, BUCKET))
    refused(
        lambda: created(desk.client(), Logging=LOGGED | {"Prefix": prefix}),
        code="InvalidArgument",
        status=400,
    )
