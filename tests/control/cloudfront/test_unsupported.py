"""What a distribution may not ask for over the API, and what it is told it is served without."""

from __future__ import annotations

from typing import Any

import pytest

from tests.control.api.asking import created, default, refused
from tests.control.cloudfront.desk import Desk, site

ARN = "arn:aws:cloudfront::000000000000:function/f"
LAMBDA = "arn:aws:lambda:us-east-1:000000000000:function:f:1"


def event(**more: Any) -> dict[str, Any]:
    return {"Quantity": 1, "Items": [{"EventType": "viewer-request"} | more]}


GEO = {"RestrictionType": "whitelist", "Quantity": 1, "Items": ["GB"]}
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("InvalidFunctionAssociation", default(FunctionAssociations=event(FunctionARN=ARN))),
    (
        "InvalidLambdaFunctionAssociation",
        default(LambdaFunctionAssociations=event(LambdaFunctionARN=LAMBDA)),
    ),
    ("NoSuchFieldLevelEncryptionConfig", default(FieldLevelEncryptionId="x")),
    ("NoSuchRealtimeLogConfig", default(RealtimeLogConfigArn="arn:x")),
    ("InvalidArgument", default(GrpcConfig={"Enabled": True})),
    ("InvalidArgument", default(SmoothStreaming=True)),
    ("InvalidWebACLId", {"WebACLId": "arn:acl"}),
    ("NoSuchContinuousDeploymentPolicy", {"ContinuousDeploymentPolicyId": "x"}),
    ("InvalidArgument", {"ViewerMtlsConfig": {"Mode": "required"}}),
    ("EntityNotFound", {"ConnectionFunctionAssociation": {"Id": "x"}}),
    ("InvalidArgument", {"ConnectionMode": "tenant-only"}),
    ("InvalidGeoRestrictionParameter", {"Restrictions": {"GeoRestriction": GEO}}),
]


@pytest.mark.parametrize(("code", "more"), REFUSED, ids=[str([*more]) for _, more in REFUSED])
def test_what_decides_who_is_served_is_refused(desk: Desk, code: str, more: dict[str, Any]) -> None:
    client = desk.client()
    status = 404 if code.startswith(("NoSuch", "EntityNot")) else 400
    refused(lambda: created(client, **more), code=code, status=status)
    desk.ignores_unsupported()
    made = created(client, **more)
    assert made["ResponseMetadata"]["HTTPHeaders"]["edgecache-unsupported"]


def test_what_is_served_without_is_told(desk: Desk) -> None:
    logging = {"Enabled": True, "IncludeCookies": False, "Bucket": "b.test", "Prefix": ""}
    made = created(desk.client(), HttpVersion="http2and3", Logging=logging)
    told = made["ResponseMetadata"]["HTTPHeaders"]["edgecache-unsupported"]
    assert told == "HttpVersion, Logging"
    id = made["Distribution"]["Id"]
    read = desk.client().get_distribution(Id=id)
    assert read["ResponseMetadata"]["HTTPHeaders"]["edgecache-unsupported"] == told


def test_of_what_asks_for_nothing_nothing_is_told(desk: Desk) -> None:
    answer = desk.client().create_distribution(DistributionConfig=site("r"))
    assert "edgecache-unsupported" not in answer["ResponseMetadata"]["HTTPHeaders"]
