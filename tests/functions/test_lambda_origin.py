"""The origin a Lambda function is shown, and what it may make of it."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.config.model import Origin
from edgecache.functions.header_rules import ValidationProblem
from edgecache.functions.lambda_origin import UPDATE, origin_call, shown_origin

WEB = Origin(
    id="web", domain_name="o.test", protocol_policy="match-viewer", custom_headers={"X-A": "b"}
)
BUCKET = Origin(id="b", domain_name="b.s3.amazonaws.com", kind="s3", path="/p")
SIGNED = Origin(
    id="b", domain_name="b.s3.amazonaws.com", kind="s3", access="identity", access_identity="I"
)


def test_the_shapes_of_the_guide() -> None:
    assert shown_origin(WEB, b"http") == {
        "custom": {
            "customHeaders": {"x-a": [{"key": "X-A", "value": "b"}]},
            "domainName": "o.test",
            "keepaliveTimeout": 5,
            "path": "",
            "port": 80,
            "protocol": "http",
            "readTimeout": 30,
            "sslProtocols": ["TLSv1.2"],
        }
    }
    secure = shown_origin(WEB, b"https")["custom"]
    assert (secure["port"], secure["protocol"]) == (443, "https")
    assert shown_origin(BUCKET, b"http") == {
        "s3": {
            "authMethod": "none",
            "customHeaders": {},
            "domainName": "b.s3.amazonaws.com",
            "path": "/p",
            "readTimeout": 30,
            "region": "",
        }
    }
    assert shown_origin(SIGNED, b"http")["s3"]["authMethod"] == "origin-access-identity"


def custom(**changes: Any) -> Any:
    return {"custom": {**shown_origin(WEB, b"http")["custom"], **changes}}


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (custom(), None),
        (custom(domainName="n.test"), {"domainName": "n.test"}),
        (custom(path="/x"), {"originPath": "/x"}),
        (custom(readTimeout=3), {"timeouts": {"readTimeout": 3}}),
        (custom(keepaliveTimeout=3), {"timeouts": {"keepAliveTimeout": 3}}),
        (custom(responseCompletionTimeout=9), {"timeouts": {"responseCompletionTimeout": 9}}),
        (custom(customHeaders={}), {"customHeaders": {}}),
        (custom(customHeaders={"X-B": [{"value": "c"}]}), {"customHeaders": {"x-b": "c"}}),
        (
            custom(port=8080),
            {
                "customOriginConfig": {
                    "port": 8080,
                    "protocol": "http",
                    "sslProtocols": ["TLSv1.2"],
                }
            },
        ),
        (
            {"s3": {"domainName": "b.test", "path": "", "customHeaders": {}, "region": ""}},
            {
                "domainName": "b.test",
                "customHeaders": {},
                "customOriginConfig": {
                    "port": 443,
                    "protocol": "https",
                    "sslProtocols": ["TLSv1.2"],
                },
            },
        ),
    ],
)
def test_what_differs_is_asked_for(given: Any, asked: Any) -> None:
    call = origin_call(shown_origin(WEB, b"http"), given)
    assert call == (None if asked is None else [UPDATE, asked])


def test_a_bucket_may_give_way_to_a_server() -> None:
    call = origin_call(shown_origin(BUCKET, b"http"), custom(domainName="o.test"))
    assert call is not None
    assert call[1]["domainName"] == "o.test"
    assert call[1]["customOriginConfig"]["port"] == 80


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        {"vpc": {}},
        {"custom": {}, "s3": {}},
        {"custom": []},
        custom(unknown=1),
        custom(customHeaders=[]),
        custom(customHeaders={"x-cache": [{"value": "a"}]}),
        custom(customHeaders={"a": [{"value": "b"}, {"value": "c"}]}),
        custom(customHeaders={"a": "b"}),
        custom(customHeaders={"a": [{"value": "b\nc"}]}),
        {"s3": {"domainName": "b", "authMethod": "origin-access-identity"}},
    ],
)
def test_what_may_not_be(given: Any) -> None:
    with pytest.raises(ValidationProblem):
        origin_call(shown_origin(WEB, b"http"), given)


@pytest.mark.parametrize("changes", [{"authMethod": "none"}, {"region": "eu-west-2"}])
def test_an_identity_is_told_to_its_own_bucket_alone(changes: dict[str, str]) -> None:
    shown = shown_origin(SIGNED, b"http")
    with pytest.raises(ValidationProblem):
        origin_call(shown, {"s3": {**shown["s3"], **changes}})
