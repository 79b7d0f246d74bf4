"""A single-page application in a bucket of S3 behind CloudFront, tested on a laptop:

pip install edgecache boto3 pytest 'moto[server]'
moto_server -p 5000 & edgecache dev &
pytest
"""

from __future__ import annotations

import http.client
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import conftest

DAY = 86_400
Answer = tuple[int, str, str]


def get(site: str, path: str) -> Answer:
    """Status, the first word of X-Cache, and the body that a viewer gets."""
    edge = http.client.HTTPConnection(urlsplit(conftest.EDGE).netloc)
    edge.request("GET", path, headers={"Host": site})
    answer = edge.getresponse()
    found = answer.status, answer.headers["X-Cache"].split()[0], answer.read().decode()
    edge.close()
    return found


def test_the_root_is_the_application(site: str) -> None:
    assert get(site, "/") == (200, "Miss", "<h1>the application</h1>")
    assert get(site, "/") == (200, "Hit", "<h1>the application</h1>")


def test_a_route_of_the_application_is_its_page(site: str) -> None:
    status, _, body = get(site, "/orders/7")
    assert (status, body) == (200, "<h1>the application</h1>")


def test_what_is_deployed_is_seen_after_an_invalidation(site: str, bucket: Any) -> None:
    get(site, "/index.html")
    bucket.put_object(Bucket="site", Key="index.html", Body=b"<h1>new</h1>")
    assert get(site, "/index.html")[2] == "<h1>the application</h1>"
    cloudfront = conftest.client("cloudfront", conftest.CONTROL)
    paths = {"Quantity": 1, "Items": ["/index.html"]}
    batch = {"Paths": paths, "CallerReference": "deploy-1"}
    made = cloudfront.create_invalidation(DistributionId="site", InvalidationBatch=batch)
    waiter = cloudfront.get_waiter("invalidation_completed")
    waiter.wait(DistributionId="site", Id=made["Invalidation"]["Id"], WaiterConfig={"Delay": 0})
    assert get(site, "/index.html") == (200, "Miss", "<h1>new</h1>")


def test_an_asset_lives_for_a_day(site: str, advance: Callable[[float], None]) -> None:
    get(site, "/assets/app.3f9a.js")
    advance(DAY - 60)
    assert get(site, "/assets/app.3f9a.js")[1] == "Hit"
    advance(61)
    assert get(site, "/assets/app.3f9a.js")[1] != "Hit"
