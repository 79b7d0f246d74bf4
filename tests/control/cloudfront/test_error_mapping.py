"""Problems of a configuration as the API tells them: the member, and a code."""

from __future__ import annotations

import pytest

from edgecache.config.problems import Problem
from edgecache.control.cloudfront.error_mapping import _CODES, _KIND_CODES, as_faults, fault, member
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.cloudfront.model import api
from edgecache.control.state.compose import CompositionProblem, NotComposedError
from edgecache.control.state.resources import ResourceKind


@pytest.mark.parametrize(
    ("where", "named"),
    [
        ("origins[0].domain_name", "Origins.Items[0].DomainName"),
        ("origins[2].http_port", "Origins.Items[2].CustomOriginConfig.HTTPPort"),
        ("origins[0].custom_headers.X-A", "Origins.Items[0].CustomHeaders.X-A"),
        ("behaviors[1].path_pattern", "CacheBehaviors.Items[1].PathPattern"),
        ("behaviors[1].origin", "CacheBehaviors.Items[1].TargetOriginId"),
        ("behaviors[0].cache_policy.ttl_s_min", "CacheBehaviors.Items[0].CachePolicyId"),
        (
            "default_behavior.response_headers_policy.custom[0].name",
            "DefaultCacheBehavior.ResponseHeadersPolicyId",
        ),
        (
            "default_behavior.origin_request_policy.headers",
            "DefaultCacheBehavior.OriginRequestPolicyId",
        ),
        ("behaviors[0].trusted_key_groups[0]", "CacheBehaviors.Items[0].TrustedKeyGroups.Items[0]"),
        (
            "default_behavior.forwarded_values.cookie_names",
            "DefaultCacheBehavior.ForwardedValues.Cookies.WhitelistedNames",
        ),
        ("geo_restriction.countries[3]", "Restrictions.GeoRestriction.Items[3]"),
        ("origin_groups[0].status_codes[1]", "OriginGroups.Items[0].FailoverCriteria.StatusCodes."
         "Items[1]"),
        ("keys[1]", "Items[1]"),
        ("aliases[0]", "Aliases.Items[0]"),
        ("default_root_object", "DefaultRootObject"),
        ("comment", "Comment"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_place_of_ours_is_one_of_cloudfronts(where: str, named: str) -> None:
    assert member(where) == named


@pytest.mark.parametrize("code", [*(code for _, _, code in _CODES), *_KIND_CODES.values()])
def test_every_code_is_the_models(code: str) -> None:
    assert code in api().statuses


def told(error: NotComposedError) -> str:
    """What whoever changes the cache policy P1 is told."""
    with pytest.raises(ApiError) as refused, as_faults(ResourceKind.CACHE_POLICY, "P1"):
        raise error
    assert refused.value.code == "InvalidArgument"
    return refused.value.message


def test_the_resource_that_is_changed_comes_first() -> None:
    first = CompositionProblem(ResourceKind.DISTRIBUTION, "E1", "aliases[0]", "is already taken")
    second = CompositionProblem(ResourceKind.CACHE_POLICY, "P1", "ttl_s_min", "is wrong")
    assert told(NotComposedError([first, second])) == "The parameter MinTTL: is wrong"
    assert fault(first).code == "CNAMEAlreadyExists"


def test_a_trouble_of_another_resource_says_whose_it_is() -> None:
    other = CompositionProblem(ResourceKind.DISTRIBUTION, "E1", "default_behavior", "wildcards")
    assert told(NotComposedError([other])) == (
        "The distribution E1: The parameter DefaultCacheBehavior: wildcards"
    )


def test_a_problem_of_the_file_is_told_as_it_is() -> None:
    assert told(NotComposedError([], [Problem("locations", "empty")])) == "locations: empty"
