"""What no policy, key, group or control may be: refused with CloudFront's code."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.control.cloudfront.resource_types import RESOURCE_TYPES, ResourceType
from tests.control.api.asking import refused
from tests.control.cloudfront.desk import Desk
from tests.control.cloudfront.test_resources import CONFIGS, Calls

Document = dict[str, Any]


def listed(items: list[Any]) -> Document:
    return {"Quantity": len(items), "Items": items}


def selection(members: str) -> Document:
    """More names than a policy selects: of `Headers`, `Cookies` or `QueryStrings`."""
    behavior = f"{members.removesuffix('s')}Behavior"
    names = listed([f"name{number}" for number in range(11)])
    return {f"{members}Config": {behavior: "whitelist", members: names}}


def keyed(members: str) -> Document:
    """The same of a cache policy."""
    key = "ParametersInCacheKeyAndForwardedToOrigin"
    return {key: CONFIGS["CachePolicy"][key] | selection(members)}


def custom_header(name: str) -> Document:
    return {"Header": name, "Value": "v", "Override": True}


def csp(value: str) -> Document:
    member = {"ContentSecurityPolicy": value, "Override": True}
    return {"SecurityHeadersConfig": {"ContentSecurityPolicy": member}}


@pytest.mark.parametrize(
    ("noun", "more", "code"),
    [
        (RESOURCE_TYPES[0], {"MinTTL": 10, "MaxTTL": 5}, "InvalidArgument"),
        (RESOURCE_TYPES[0], {"MinTTL": -1}, "InvalidArgument"),
        (RESOURCE_TYPES[1], {"HeadersConfig": {"HeaderBehavior": "whitelist",
                    "Headers": {"Quantity": 1, "Items": ["Authorization"]}}}, "InvalidArgument"),
        (RESOURCE_TYPES[2], {"RemoveHeadersConfig": {"Quantity": 1, "Items": [{"Header": "Via"}]}},
         "InvalidArgument"),
        (RESOURCE_TYPES[0], keyed("Headers"), "TooManyHeadersInCachePolicy"),
        (RESOURCE_TYPES[0], keyed("Cookies"), "TooManyCookiesInCachePolicy"),
        (RESOURCE_TYPES[0], keyed("QueryStrings"), "TooManyQueryStringsInCachePolicy"),
        (RESOURCE_TYPES[1], selection("Headers"), "TooManyHeadersInOriginRequestPolicy"),
        (RESOURCE_TYPES[1], selection("Cookies"), "TooManyCookiesInOriginRequestPolicy"),
        (RESOURCE_TYPES[1], selection("QueryStrings"), "TooManyQueryStringsInOriginRequestPolicy"),
        (
            RESOURCE_TYPES[2],
            {"CustomHeadersConfig": listed([custom_header(f"X-{n}") for n in range(11)])},
            "TooManyCustomHeadersInResponseHeadersPolicy",
        ),
        (
            RESOURCE_TYPES[2],
            {"RemoveHeadersConfig": listed([{"Header": f"X-{n}"} for n in range(11)])},
            "TooManyRemoveHeadersInResponseHeadersPolicy",
        ),
        (RESOURCE_TYPES[2], csp("x" * 1_784), "TooLongCSPInResponseHeadersPolicy"),
        (RESOURCE_TYPES[2], csp("x\n"), "InvalidArgument"),
        (RESOURCE_TYPES[5], {"SigningProtocol": "sigv4a"}, "InvalidArgument"),
        (RESOURCE_TYPES[5], {"Name": "x" * 65}, "InvalidArgument"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(
    desk: Desk, noun: ResourceType, more: Document, code: str
) -> None:
    calls = Calls(desk.client(validated=False), noun)
    refused(lambda: calls.create(CONFIGS[noun.name] | more), code=code, status=400)
