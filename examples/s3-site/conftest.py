"""What the tests of the site need: where the emulators are, and a bucket with the site in it."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

CONTROL = os.environ.get("EDGECACHE_CONTROL", "http://127.0.0.1:8090")
EDGE = os.environ.get("EDGECACHE_EDGE", "http://127.0.0.1:8080")
S3_URL = os.environ.get("S3_URL", "http://127.0.0.1:5000")
PAGES = {
    "index.html": "<h1>the application</h1>",
    "assets/app.3f9a.js": "console.log(1)",
}


def client(service: str, url: str) -> Any:
    """boto3's; any credentials will do."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def ask(method: str, path: str, body: object = None) -> None:
    """A question of dev mode."""
    data = None if body is None else json.dumps(body).encode()
    url = f"{CONTROL}/_edgecache/{path}"
    with urllib.request.urlopen(urllib.request.Request(url, data, method=method)) as answer:
        assert answer.status < 300


@pytest.fixture
def advance() -> Callable[[float], None]:
    """Move the clock ahead by seconds."""
    return lambda seconds: ask("POST", "clock", {"advance_s": seconds})


@pytest.fixture
def bucket() -> Iterator[Any]:
    """A bucket with the site, and S3's client for it."""
    s3 = client("s3", S3_URL)
    s3.create_bucket(Bucket="site", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for key, text in PAGES.items():
        kind = "text/html" if key.endswith(".html") else "text/javascript"
        s3.put_object(Bucket="site", Key=key, Body=text.encode(), ContentType=kind)
    yield s3
    for one in s3.list_objects_v2(Bucket="site").get("Contents", ()):
        s3.delete_object(Bucket="site", Key=one["Key"])
    s3.delete_bucket(Bucket="site")


@pytest.fixture
def site(bucket: Any) -> str:
    """A distribution of a single-page application in front of the bucket; its domain name."""
    ask("POST", "reset")
    ask("PUT", "origin-map", {"origin_map": {"*.s3.*.amazonaws.com": S3_URL}})
    cloudfront = client("cloudfront", CONTROL)
    control = cloudfront.create_origin_access_control(
        OriginAccessControlConfig={
            "Name": "site",
            "SigningProtocol": "sigv4",
            "SigningBehavior": "always",
            "OriginAccessControlOriginType": "s3",
        }
    )["OriginAccessControl"]["Id"]
    made = cloudfront.create_distribution_with_tags(
        DistributionConfigWithTags={
            "DistributionConfig": single_page_application(control),
            "Tags": {"Items": [{"Key": "_custom_id_", "Value": "site"}]},
        }
    )
    return str(made["Distribution"]["DomainName"])


def single_page_application(access_control: str) -> dict[str, Any]:
    """As it is deployed: routes of the application are pages that S3 does not have."""
    return {
        "CallerReference": "site",
        "Comment": "",
        "Enabled": True,
        "DefaultRootObject": "index.html",
        "Origins": {
            "Quantity": 1,
            "Items": [
                {
                    "Id": "s3",
                    "DomainName": "site.s3.eu-west-1.amazonaws.com",
                    "S3OriginConfig": {"OriginAccessIdentity": ""},
                    "OriginAccessControlId": access_control,
                }
            ],
        },
        "DefaultCacheBehavior": {
            "TargetOriginId": "s3",
            "ViewerProtocolPolicy": "allow-all",
            "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
        },
        "CustomErrorResponses": {
            "Quantity": 2,
            "Items": [
                {
                    "ErrorCode": code,
                    "ResponsePagePath": "/index.html",
                    "ResponseCode": "200",
                    "ErrorCachingMinTTL": 10,
                }
                for code in (403, 404)
            ],
        },
    }
