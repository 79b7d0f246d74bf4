"""Problems of a configuration as the API tells them: the member, and a code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from edgecache.config.aws.unsupported import MEMBERS
from edgecache.config.problems import Problem, ProblemCode
from edgecache.control import cloudfront
from edgecache.control.cloudfront.error_mapping import (
    CODES,
    api_error,
    as_api_errors,
    member_path,
)
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.cloudfront.model import VERSION, api
from edgecache.control.cloudfront.operations import actions
from edgecache.control.cloudfront.resource_types import RESOURCE_TYPES
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
        ("behaviors[0].function_associations[1].event_type",
         "CacheBehaviors.Items[0].FunctionAssociations.Items[1].EventType"),
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
    assert member_path(where) == named


@pytest.mark.parametrize("code", [code for rows in CODES.values() for _, _, code in rows])
def test_every_code_is_the_models(code: str) -> None:
    assert code in api().statuses


NEVER = {  # codes of the model for supported operations that are never given, and why
    "IllegalFieldLevelEncryptionConfigAssociationWithCacheBehavior": "refused whole",
    "InvalidDomainNameForOriginAccessControl": "any store that speaks S3 may be signed for",
    "InvalidHeadersForS3Origin": "a store that speaks S3 may take any header",
    "InvalidLocationCode": "InvalidGeoRestrictionParameter names the country's place",
    "InvalidProtocolSettings": "SSLv3 is spoken nowhere",
    "InvalidRelativePath": "InvalidArgument names the member",
    "InvalidRequiredProtocol": "the model's choices are judged before",
    "RealtimeLogConfigOwnerMismatch": "there is one account",
    "TestFunctionFailed": "how a run failed stands in the result",
    "TooManyCertificates": "certificates are named, not held",
    "TooManyDistributionsAssociatedToFieldLevelEncryptionConfig": "refused whole",
    "TooManyDistributionsWithFunctionAssociations": "any number may share one",
    "TooManyDistributionsWithLambdaAssociations": "any number may have some",
    "TooManyDistributionsWithSingleFunctionARN": "any number may share one",
    "TooManyFunctionAssociations": "two of one event are InvalidFunctionAssociation",
    "TooManyTrustedSigners": "each must be one of the file's",
    **{
        f"TooManyDistributionsAssociatedTo{name}": "any number may share one"
        for name in (
            "CachePolicy",
            "KeyGroup",
            "OriginAccessControl",
            "OriginRequestPolicy",
            "ResponseHeadersPolicy",
        )
    },
}


def test_every_code_of_the_model_is_given_or_told_why_not() -> None:
    service = ServiceModel(Loader().load_service_model("cloudfront", "service-2", VERSION))
    supported = [service.operation_model(name) for name in actions()]
    declared = {fault.name for operation in supported for fault in operation.error_shapes}
    literals = {
        match
        for path in Path(cloudfront.__path__[0]).glob("*.py")
        for match in re.findall(r'"([A-Z]\w+)"', path.read_text())
    }
    by_type = {
        code
        for one in RESOURCE_TYPES
        for code in (one.missing, one.exists, one.in_use, one.too_many, one.fixed_fault)
    }
    by_place = {code for rows in CODES.values() for _, _, code in rows}
    by_member = {one.code for one in MEMBERS}
    given = literals | by_type | by_place | by_member
    assert declared - given == NEVER.keys()


_SITE = ResourceKind.DISTRIBUTION
_BEHAVIOR = "default_behavior"


@pytest.mark.parametrize(
    ("where", "problem", "code"),
    [
        ("aliases", ProblemCode.TOO_MANY, "TooManyDistributionCNAMEs"),
        ("aliases[1]", ProblemCode.TAKEN, "CNAMEAlreadyExists"),
        ("aliases[1]", ProblemCode.INVALID, "InvalidArgument"),
        ("behaviors", ProblemCode.TOO_MANY, "TooManyCacheBehaviors"),
        ("behaviors[0].path_pattern", ProblemCode.TAKEN, "InvalidArgument"),
        ("behaviors[0].origin", ProblemCode.INVALID, "NoSuchOrigin"),
        ("custom_error_responses[0].error_code", ProblemCode.INVALID, "InvalidErrorCode"),
        ("custom_error_responses[0].response_code", ProblemCode.INVALID, "InvalidResponseCode"),
        (
            "custom_error_responses[0].response_page_path",
            ProblemCode.INVALID,
            "InvalidResponseCode",
        ),
        ("default_root_object", ProblemCode.INVALID, "InvalidDefaultRootObject"),
        (
            f"{_BEHAVIOR}.function_associations[0].function",
            ProblemCode.UNKNOWN,
            "InvalidFunctionAssociation",
        ),
        (f"{_BEHAVIOR}.forwarded_values", ProblemCode.ORDER, "InvalidTTLOrder"),
        (
            f"{_BEHAVIOR}.forwarded_values.cookie_names",
            ProblemCode.INVALID,
            "InvalidForwardCookies",
        ),
        (
            f"{_BEHAVIOR}.forwarded_values.query_string_cache_keys",
            ProblemCode.INVALID,
            "InvalidQueryStringParameters",
        ),
        (f"{_BEHAVIOR}.forwarded_values.headers", ProblemCode.INVALID, "InvalidArgument"),
        (
            f"{_BEHAVIOR}.trusted_key_groups",
            ProblemCode.TOO_MANY,
            "TooManyKeyGroupsAssociatedToDistribution",
        ),
        (f"{_BEHAVIOR}.trusted_key_groups[0]", ProblemCode.INVALID, "TrustedKeyGroupDoesNotExist"),
        (f"{_BEHAVIOR}.trusted_signers[0]", ProblemCode.INVALID, "TrustedSignerDoesNotExist"),
        ("geo_restriction.countries[0]", ProblemCode.INVALID, "InvalidGeoRestrictionParameter"),
        ("origin_groups", ProblemCode.TOO_MANY, "TooManyOriginGroupsPerDistribution"),
        ("origins", ProblemCode.TOO_MANY, "TooManyOrigins"),
        ("origins", ProblemCode.INVALID, "InvalidOrigin"),
        ("origins[0].access_control_id", ProblemCode.INVALID, "InvalidOriginAccessControl"),
        ("origins[0].access_identity", ProblemCode.CONFLICT, "IllegalOriginAccessConfiguration"),
        ("origins[0].access_identity", ProblemCode.INVALID, "InvalidOriginAccessIdentity"),
        ("origins[0].custom_headers", ProblemCode.TOO_MANY, "TooManyOriginCustomHeaders"),
        ("origins[0].custom_headers", ProblemCode.INVALID, "InvalidArgument"),
        ("origins[0].domain_name", ProblemCode.INVALID, "InvalidOrigin"),
        ("origins[0].keepalive_timeout_s", ProblemCode.INVALID, "InvalidOriginKeepaliveTimeout"),
        ("origins[0].read_timeout_s", ProblemCode.INVALID, "InvalidOriginReadTimeout"),
    ],
)
def test_a_problem_of_a_distribution_has_a_code_whatever_its_words(
    where: str, problem: ProblemCode, code: str
) -> None:
    assert api_error(CompositionProblem(_SITE, "E1", where, "any words", problem)).code == code


@pytest.mark.parametrize(
    ("where", "problem", "code"),
    [
        ("CachePolicyId", ProblemCode.UNKNOWN, "NoSuchCachePolicy"),
        ("CachePolicyId", ProblemCode.INVALID, "InvalidArgument"),
        ("OriginRequestPolicyId", ProblemCode.UNKNOWN, "NoSuchOriginRequestPolicy"),
        ("ResponseHeadersPolicyId", ProblemCode.UNKNOWN, "NoSuchResponseHeadersPolicy"),
        ("TrustedKeyGroups.Quantity", ProblemCode.INVALID, "InconsistentQuantities"),
    ],
)
def test_a_problem_of_a_document_has_a_code_whatever_its_words(
    where: str, problem: ProblemCode, code: str
) -> None:
    place = f"DistributionConfig.DefaultCacheBehavior.{where}"
    trouble = CompositionProblem(_SITE, "E1", place, "any words", problem, in_document=True)
    assert api_error(trouble).code == code


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("ViewerCertificate.MinimumProtocolVersion", "InvalidMinimumProtocolVersion"),
        ("ViewerCertificate.IAMCertificateId", "InvalidViewerCertificate"),
    ],
)
def test_a_problem_of_a_certificate_has_a_code(where: str, code: str) -> None:
    trouble = CompositionProblem(_SITE, "E1", where, "any words", in_document=True)
    assert api_error(trouble).code == code


def test_a_problem_of_another_kind_of_resource_has_a_code_of_its_own() -> None:
    group = CompositionProblem(ResourceKind.KEY_GROUP, "G", "keys", "words", ProblemCode.TOO_MANY)
    assert api_error(group).code == "TooManyPublicKeysInKeyGroup"
    policy = CompositionProblem(
        ResourceKind.CACHE_POLICY, "P", "comment", "words", ProblemCode.TOO_MANY
    )
    assert api_error(policy).code == "InvalidArgument"


def test_a_code_that_is_known_is_not_looked_up() -> None:
    trouble = CompositionProblem(_SITE, "E1", "aliases", "words", api_code="InvalidTagging")
    assert api_error(trouble).code == "InvalidTagging"


def told(error: NotComposedError) -> str:
    """What whoever changes the cache policy P1 is told."""
    with pytest.raises(ApiError) as refused, as_api_errors(ResourceKind.CACHE_POLICY, "P1"):
        raise error
    assert refused.value.code == "InvalidArgument"
    return refused.value.message


def test_the_resource_that_is_changed_comes_first() -> None:
    first = CompositionProblem(
        ResourceKind.DISTRIBUTION, "E1", "aliases[0]", "is taken", ProblemCode.TAKEN
    )
    second = CompositionProblem(ResourceKind.CACHE_POLICY, "P1", "ttl_s_min", "is wrong")
    assert told(NotComposedError([first, second])) == "The parameter MinTTL: is wrong"
    assert api_error(first).code == "CNAMEAlreadyExists"


def test_a_trouble_of_another_resource_says_whose_it_is() -> None:
    other = CompositionProblem(ResourceKind.DISTRIBUTION, "E1", "default_behavior", "wildcards")
    assert told(NotComposedError([other])) == (
        "The distribution E1: The parameter DefaultCacheBehavior: wildcards"
    )


def test_a_problem_of_the_file_is_told_as_it_is() -> None:
    assert told(NotComposedError([], [Problem("locations", "empty")])) == "locations: empty"
