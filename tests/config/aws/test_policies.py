"""The JSON of policies there and back, and ids for those that have none."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.config.aws.document import DocumentError
from edgecache.config.aws.policies import (
    cache_policy_config,
    origin_request_policy_config,
    policy_id,
    read_cache_policy,
    read_origin_request_policy,
)
from edgecache.config.aws.response_headers import (
    read_response_headers_policy,
    response_headers_policy_config,
)
from edgecache.config.checks.policies import check_cache_policy, check_origin_request_policy
from edgecache.config.checks.response_headers import check_response_headers_policy
from edgecache.config.managed import (
    CACHE_POLICIES,
    ORIGIN_REQUEST_POLICIES,
    RESPONSE_HEADERS_POLICIES,
    by_name,
)
from edgecache.config.model import (
    CachePolicy,
    CorsHeaders,
    OriginRequestPolicy,
    ResponseHeadersPolicy,
    SetHeader,
)
from edgecache.config.problems import Problems


def wrapped(kind: str, policy_id: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"ETag": "E", kind: {"Id": policy_id, f"{kind}Config": config}}


def test_there_are_twenty_managed_policies_and_one_of_ours() -> None:
    ids = [policy.id for policy in CACHE_POLICIES]
    ids += [policy.id for policy in ORIGIN_REQUEST_POLICIES]
    ids += [policy.id for policy in RESPONSE_HEADERS_POLICIES]
    assert len(ids) == len(set(ids)) == 21
    assert len(by_name(RESPONSE_HEADERS_POLICIES)) == 3 * len(RESPONSE_HEADERS_POLICIES)


def test_managed_policies_pass_the_checks() -> None:
    problems = Problems()
    for cache in CACHE_POLICIES:
        check_cache_policy(cache, cache.name, problems)
    for sent in ORIGIN_REQUEST_POLICIES:
        check_origin_request_policy(sent, sent.name, problems)
    for response in RESPONSE_HEADERS_POLICIES:
        check_response_headers_policy(response, response.name, problems)
    assert problems.found == []


@pytest.mark.parametrize("policy", CACHE_POLICIES, ids=lambda policy: policy.name)
def test_cache_policies_come_back(policy: CachePolicy) -> None:
    config = cache_policy_config(policy)
    assert read_cache_policy(wrapped("CachePolicy", policy.id, config)) == policy
    assert cache_policy_config(read_cache_policy(config)) == config


@pytest.mark.parametrize("policy", ORIGIN_REQUEST_POLICIES, ids=lambda policy: policy.name)
def test_origin_request_policies_come_back(policy: OriginRequestPolicy) -> None:
    config = origin_request_policy_config(policy)
    document = wrapped("OriginRequestPolicy", policy.id, config)
    assert read_origin_request_policy(document) == policy


EVERYTHING = ResponseHeadersPolicy(
    id="i",
    name="everything",
    comment="c",
    cors=CorsHeaders(
        allow_origins=("*.example.org", "http://a.test:*"),
        allow_headers=("x-amz-*",),
        allow_methods=("ALL",),
        allow_credentials=True,
        expose_headers=("X-A",),
        max_age_s=0,
        origin_override=True,
    ),
    security=(
        SetHeader(name="Referrer-Policy", value="no-referrer", override=True),
        SetHeader(
            name="Strict-Transport-Security", value="max-age=5; includeSubDomains; preload"
        ),
        SetHeader(name="X-Content-Type-Options", value="nosniff"),
        SetHeader(name="X-Frame-Options", value="DENY"),
        SetHeader(name="X-XSS-Protection", value="1; report=https://r.test/"),
        SetHeader(name="Content-Security-Policy", value="default-src 'self'"),
    ),
    custom=(SetHeader(name="X-B", value="1", override=True),),
    remove=("Server",),
    server_timing_percent=12.5,
)  # fmt: skip


@pytest.mark.parametrize(
    "policy", [*RESPONSE_HEADERS_POLICIES, EVERYTHING], ids=lambda policy: policy.name
)
def test_response_headers_policies_come_back(policy: ResponseHeadersPolicy) -> None:
    config = response_headers_policy_config(policy)
    document = wrapped("ResponseHeadersPolicy", policy.id, config)
    assert read_response_headers_policy(document) == policy


@pytest.mark.parametrize(
    ("ttls", "expected"),
    [
        ({"MinTTL": 1}, (1, 86_400, 31_536_000)),
        ({"MinTTL": 100_000}, (100_000, 100_000, 31_536_000)),
        ({"MinTTL": 9, "DefaultTTL": 5, "MaxTTL": 1}, (9, 9, 9)),  # the API raises the higher
    ],
)
def test_ttls_are_raised_as_the_api_does(
    ttls: dict[str, int], expected: tuple[int, int, int]
) -> None:
    config = cache_policy_config(CACHE_POLICIES[0])
    for name in ("MinTTL", "DefaultTTL", "MaxTTL"):
        del config[name]
    policy = read_cache_policy(config | ttls)
    assert (policy.ttl_s_min, policy.ttl_s_default, policy.ttl_s_max) == expected


def test_every_problem_of_a_policy_is_told() -> None:
    with pytest.raises(DocumentError) as caught:
        read_cache_policy({"CachePolicyConfig": {"Name": 1}})
    assert [str(problem) for problem in caught.value.problems][:2] == [
        "CachePolicyConfig.ParametersInCacheKeyAndForwardedToOrigin: missing",
        "CachePolicyConfig.Name: expected text, got 1",
    ]


def test_a_policy_without_an_id_gets_the_same_one_again() -> None:
    assert policy_id(CachePolicy(ttl_s_max=5)) == policy_id(CachePolicy(ttl_s_max=5))
    assert policy_id(CachePolicy(ttl_s_max=5)) != policy_id(CachePolicy(ttl_s_max=6))
    assert policy_id(CachePolicy(id="x")) == "x"
