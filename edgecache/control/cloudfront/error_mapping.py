"""Error mapping: problems of a configuration as errors of the API: a code, and the member by name.

Law: the code follows the problem's place and sort, never the words of its message.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from edgecache.config.problems import ProblemCode
from edgecache.control.cloudfront.context import kind_words
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.state.compose import CompositionProblem, NotComposedError
from edgecache.control.state.resources import ResourceKind

_MEMBERS = {  # what is not the model's name with capitals
    "access_control_id": "OriginAccessControlId",
    "access_identity": "S3OriginConfig.OriginAccessIdentity",
    "cache_tag_header": "CacheTagConfig.HeaderName",
    "cached_methods": "AllowedMethods.CachedMethods",
    "continuous_deployment_policy": "ContinuousDeploymentPolicyId",
    "completion_timeout_s": "ResponseCompletionTimeout",
    "connection_timeout_s": "ConnectionTimeout",
    "cookie_names": "Cookies.WhitelistedNames",
    "default_behavior": "DefaultCacheBehavior",
    "domain_name": "DomainName",
    "error_caching_ttl_s_min": "ErrorCachingMinTTL",
    "function": "FunctionARN",
    "function_arn": "LambdaFunctionARN",
    "geo_restriction": "Restrictions.GeoRestriction",
    "http_port": "CustomOriginConfig.HTTPPort",
    "https_port": "CustomOriginConfig.HTTPSPort",
    "ipv6_enabled": "IsIPV6Enabled",
    "keepalive_timeout_s": "OriginKeepaliveTimeout",
    "kind": "RestrictionType",
    "origin": "TargetOriginId",
    "path": "OriginPath",
    "pem": "EncodedKey",
    "price_class": "PriceClass",
    "protocol_policy": "CustomOriginConfig.OriginProtocolPolicy",
    "query_string_cache_keys": "QueryStringCacheKeys",
    "read_timeout_s": "OriginReadTimeout",
    "realtime_log": "RealtimeLogConfigArn",
    "staging_distribution": "StagingDistributionDnsNames",
    "stream": "EndPoints[0].KinesisStreamConfig.StreamARN",
    "ssl_protocols": "CustomOriginConfig.OriginSslProtocols",
    "ssl_support_method": "SSLSupportMethod",
    "ttl_s_default": "DefaultTTL",
    "ttl_s_max": "MaxTTL",
    "ttl_s_min": "MinTTL",
}
_LISTS = {
    "aliases": "Aliases",
    "behaviors": "CacheBehaviors",
    "countries": "Items",
    "custom_error_responses": "CustomErrorResponses",
    "function_associations": "FunctionAssociations",
    "keys": "Items",
    "lambda_function_associations": "LambdaFunctionAssociations",
    "origin_groups": "OriginGroups",
    "origins": "Origins",
    "status_codes": "FailoverCriteria.StatusCodes",
}
_UNWRAPPED = {
    "countries",
    "fields",
    "keys",
}  # lists that have their Items beside their other members
_POLICIES = re.compile(r"\.?\b(cache|origin_request|response_headers)_policy\b.*")
_SEGMENT = re.compile(r"([^.\[\]]+)|\[(\d+)\]")

CodeRow = tuple[str, ProblemCode | None, str]
"""A member, the sort of problem (None: any), the API's code: the first that fits counts."""

_DISTRIBUTION_CODES: tuple[CodeRow, ...] = (
    (r"Quantity$", None, "InconsistentQuantities"),
    (r"LambdaFunctionAssociations", ProblemCode.TOO_MANY, "TooManyLambdaFunctionAssociations"),
    (r"LambdaFunctionAssociations", None, "InvalidLambdaFunctionAssociation"),
    (r"FunctionAssociations", None, "InvalidFunctionAssociation"),
    (r"CachePolicyId", ProblemCode.UNKNOWN, "NoSuchCachePolicy"),
    (r"OriginRequestPolicyId", ProblemCode.UNKNOWN, "NoSuchOriginRequestPolicy"),
    (r"ResponseHeadersPolicyId", ProblemCode.UNKNOWN, "NoSuchResponseHeadersPolicy"),
    (r"RealtimeLogConfigArn$", None, "NoSuchRealtimeLogConfig"),
    (r"^ContinuousDeploymentPolicyId$", ProblemCode.UNKNOWN, "NoSuchContinuousDeploymentPolicy"),
    (r"^ContinuousDeploymentPolicyId$", ProblemCode.TAKEN, "ContinuousDeploymentPolicyInUse"),
    (r"TargetOriginId$", None, "NoSuchOrigin"),
    (r"TrustedKeyGroups", ProblemCode.TOO_MANY, "TooManyKeyGroupsAssociatedToDistribution"),
    (r"TrustedKeyGroups", None, "TrustedKeyGroupDoesNotExist"),
    (r"TrustedSigners", None, "TrustedSignerDoesNotExist"),
    (r"Aliases", ProblemCode.TAKEN, "CNAMEAlreadyExists"),
    (r"Aliases$", ProblemCode.TOO_MANY, "TooManyDistributionCNAMEs"),
    (r"CustomHeaders$", ProblemCode.TOO_MANY, "TooManyOriginCustomHeaders"),
    (r"^Origins$", ProblemCode.TOO_MANY, "TooManyOrigins"),
    (r"Origins.*DomainName$", None, "InvalidOrigin"),
    (r"^Origins(\.Items\[\d+\])?$", None, "InvalidOrigin"),
    (r"OriginAccessIdentity$", ProblemCode.CONFLICT, "IllegalOriginAccessConfiguration"),
    (r"OriginAccessIdentity$", None, "InvalidOriginAccessIdentity"),
    (r"OriginAccessControlId$", None, "InvalidOriginAccessControl"),
    (r"OriginReadTimeout$", None, "InvalidOriginReadTimeout"),
    (r"OriginKeepaliveTimeout$", None, "InvalidOriginKeepaliveTimeout"),
    (r"^OriginGroups$", ProblemCode.TOO_MANY, "TooManyOriginGroupsPerDistribution"),
    (r"^CacheBehaviors$", ProblemCode.TOO_MANY, "TooManyCacheBehaviors"),
    (r"^DefaultRootObject", None, "InvalidDefaultRootObject"),
    (r"^CustomErrorResponses.*ErrorCode$", None, "InvalidErrorCode"),
    (r"^CustomErrorResponses.*Response(Code|PagePath)$", None, "InvalidResponseCode"),
    (r"GeoRestriction", None, "InvalidGeoRestrictionParameter"),
    (r"ViewerCertificate\.MinimumProtocolVersion", None, "InvalidMinimumProtocolVersion"),
    (r"^ViewerCertificate", None, "InvalidViewerCertificate"),
    (r"ForwardedValues", ProblemCode.ORDER, "InvalidTTLOrder"),
    (r"ForwardedValues.*Cookies", ProblemCode.TOO_MANY, "TooManyCookieNamesInWhiteList"),
    (r"ForwardedValues\.Headers", ProblemCode.TOO_MANY, "TooManyHeadersInForwardedValues"),
    (r"ForwardedValues.*QueryString", ProblemCode.TOO_MANY, "TooManyQueryStringParameters"),
    (r"ForwardedValues.*Cookies", None, "InvalidForwardCookies"),
    (r"ForwardedValues.*QueryString", None, "InvalidQueryStringParameters"),
)


def _selection_codes(policy: str) -> tuple[CodeRow, ...]:
    """Of the names a policy selects; `policy` as the codes spell it."""
    return (
        (r"^Headers", ProblemCode.TOO_MANY, f"TooManyHeadersIn{policy}"),
        (r"^Cookies", ProblemCode.TOO_MANY, f"TooManyCookiesIn{policy}"),
        (r"^QueryStrings", ProblemCode.TOO_MANY, f"TooManyQueryStringsIn{policy}"),
    )


CODES: dict[ResourceKind, tuple[CodeRow, ...]] = {
    ResourceKind.DISTRIBUTION: _DISTRIBUTION_CODES,
    ResourceKind.CACHE_POLICY: _selection_codes("CachePolicy"),
    ResourceKind.ORIGIN_REQUEST_POLICY: _selection_codes("OriginRequestPolicy"),
    ResourceKind.RESPONSE_HEADERS_POLICY: (
        (r"^Custom$", ProblemCode.TOO_MANY, "TooManyCustomHeadersInResponseHeadersPolicy"),
        (r"^Remove$", ProblemCode.TOO_MANY, "TooManyRemoveHeadersInResponseHeadersPolicy"),
        (r"^Security", ProblemCode.TOO_MANY, "TooLongCSPInResponseHeadersPolicy"),
    ),
    ResourceKind.CONTINUOUS_DEPLOYMENT_POLICY: (
        (r"Quantity$", None, "InconsistentQuantities"),
        (r"^StagingDistributionDnsNames", ProblemCode.TAKEN, "StagingDistributionInUse"),
    ),
    ResourceKind.KEY_GROUP: ((r"", ProblemCode.TOO_MANY, "TooManyPublicKeysInKeyGroup"),),
}


@contextlib.contextmanager
def as_api_errors(kind: ResourceKind, id: str) -> Iterator[None]:
    """Raise NotComposedError as ApiError; problems of the resource being changed come first."""
    try:
        yield
    except NotComposedError as error:
        troubles = sorted(error.troubles, key=lambda one: (one.kind, one.id) != (kind, id))
        if not troubles:
            raise ApiError("InvalidArgument", "; ".join(map(str, error.problems))) from error
        first = troubles[0]
        refusal = api_error(first)
        if (first.kind, first.id) != (kind, id):  # a policy may not suit who uses it
            refusal = ApiError(
                refusal.code, f"The {kind_words(first.kind)} {first.id}: {refusal.message}"
            )
        raise refusal from error


def api_error(trouble: CompositionProblem) -> ApiError:
    """A problem as an error of the API."""
    place = trouble.where if trouble.in_document else member_path(trouble.where)
    place = place.removeprefix("DistributionConfig.")
    code = trouble.api_code or _api_code(trouble.kind, place, trouble.code)
    return ApiError(code, f"The parameter {place}: {trouble.message}")


def _api_code(kind: ResourceKind, place: str, problem: ProblemCode) -> str:
    for pattern, sort, code in CODES.get(kind, ()):
        if sort in (None, problem) and re.search(pattern, place):
            return code
    return "InvalidArgument"


def member_path(where: str) -> str:
    """A place in our model as the place in CloudFront's document: `origins[0].path` and so on."""
    where = _POLICIES.sub(lambda match: f".{match[1]}_policy_id", where)
    parts: list[str] = []
    held = ""
    for name, index in _SEGMENT.findall(where):
        if index:
            parts.append(f"[{index}]" if held in _UNWRAPPED else f".Items[{index}]")
            continue
        held = name
        spelled = _LISTS.get(name) or _MEMBERS.get(name)
        if spelled is None:  # the model's name, or that of a header
            name_words = name.split("_")
            spelled = "".join(map(str.capitalize, name_words)) if name.islower() else name
        parts.append(f".{spelled}")
    return "".join(parts).removeprefix(".")
