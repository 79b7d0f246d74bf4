"""What keeps a change from being published, as the API says it: a code, and the member by name."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from edgecache.control.cloudfront.context import words
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.state.compose import CompositionProblem, NotComposedError
from edgecache.control.state.resources import ResourceKind

_MEMBERS = {  # what is not the model's name with capitals
    "access_control_id": "OriginAccessControlId",
    "access_identity": "S3OriginConfig.OriginAccessIdentity",
    "cache_tag_header": "CacheTagConfig.HeaderName",
    "cached_methods": "AllowedMethods.CachedMethods",
    "completion_timeout_s": "ResponseCompletionTimeout",
    "connection_timeout_s": "ConnectionTimeout",
    "cookie_names": "Cookies.WhitelistedNames",
    "default_behavior": "DefaultCacheBehavior",
    "domain_name": "DomainName",
    "error_caching_ttl_s_min": "ErrorCachingMinTTL",
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
    "keys": "Items",
    "origin_groups": "OriginGroups",
    "origins": "Origins",
    "status_codes": "FailoverCriteria.StatusCodes",
}
_UNWRAPPED = {"countries", "keys"}  # lists that have their Items beside their other members
_POLICIES = re.compile(r"\.?\b(cache|origin_request|response_headers)_policy\b.*")
_SEGMENT = re.compile(r"([^.\[\]]+)|\[(\d+)\]")

_MORE = r"more than"
_CODES: tuple[tuple[str, str, str], ...] = (  # place, message, code: the first that fits
    (r"Quantity$", "", "InconsistentQuantities"),
    (r"CachePolicyId", r"not a policy", "NoSuchCachePolicy"),
    (r"OriginRequestPolicyId", r"not a policy", "NoSuchOriginRequestPolicy"),
    (r"ResponseHeadersPolicyId", r"not a policy", "NoSuchResponseHeadersPolicy"),
    (r"TargetOriginId$", "", "NoSuchOrigin"),
    (r"TrustedKeyGroups", _MORE, "TooManyKeyGroupsAssociatedToDistribution"),
    (r"TrustedKeyGroups", "", "TrustedKeyGroupDoesNotExist"),
    (r"TrustedSigners", "", "TrustedSignerDoesNotExist"),
    (r"Aliases", r"already", "CNAMEAlreadyExists"),
    (r"Aliases$", _MORE, "TooManyDistributionCNAMEs"),
    (r"CustomHeaders$", _MORE, "TooManyOriginCustomHeaders"),
    (r"^Origins$", _MORE, "TooManyOrigins"),
    (r"Origins.*DomainName$", "", "InvalidOrigin"),
    (r"^Origins(\.Items\[\d+\])?$", "", "InvalidOrigin"),
    (r"OriginAccessIdentity$", r"not used with", "IllegalOriginAccessConfiguration"),
    (r"OriginAccessIdentity$", "", "InvalidOriginAccessIdentity"),
    (r"OriginAccessControlId$", "", "InvalidOriginAccessControl"),
    (r"OriginReadTimeout$", "", "InvalidOriginReadTimeout"),
    (r"OriginKeepaliveTimeout$", "", "InvalidOriginKeepaliveTimeout"),
    (r"^OriginGroups$", _MORE, "TooManyOriginGroupsPerDistribution"),
    (r"^CacheBehaviors$", _MORE, "TooManyCacheBehaviors"),
    (r"^DefaultRootObject", "", "InvalidDefaultRootObject"),
    (r"^CustomErrorResponses.*ErrorCode$", "", "InvalidErrorCode"),
    (r"^CustomErrorResponses.*Response(Code|PagePath)$", "", "InvalidResponseCode"),
    (r"GeoRestriction", "", "InvalidGeoRestrictionParameter"),
    (r"ViewerCertificate\.MinimumProtocolVersion", "", "InvalidMinimumProtocolVersion"),
    (r"^ViewerCertificate", "", "InvalidViewerCertificate"),
    (r"ForwardedValues", r"in order", "InvalidTTLOrder"),
    (r"ForwardedValues.*Cookies", "", "InvalidForwardCookies"),
    (r"ForwardedValues.*QueryString", "", "InvalidQueryStringParameters"),
)
_KIND_CODES = {(ResourceKind.KEY_GROUP, _MORE): "TooManyPublicKeysInKeyGroup"}


@contextlib.contextmanager
def as_faults(kind: ResourceKind, id: str) -> Iterator[None]:
    """What cannot be composed is a Fault; troubles of the resource being changed come first."""
    try:
        yield
    except NotComposedError as error:
        troubles = sorted(error.troubles, key=lambda one: (one.kind, one.id) != (kind, id))
        if not troubles:
            raise ApiError("InvalidArgument", "; ".join(map(str, error.problems))) from error
        first = troubles[0]
        found = fault(first)
        if (first.kind, first.id) != (kind, id):  # a policy may not suit who uses it
            found = ApiError(found.code, f"The {words(first.kind)} {first.id}: {found.message}")
        raise found from error


def fault(trouble: CompositionProblem) -> ApiError:
    """A trouble as the API tells it."""
    place = trouble.where if trouble.in_document else member(trouble.where)
    place = place.removeprefix("DistributionConfig.")
    code = trouble.code or _code(trouble.kind, place, trouble.message)
    return ApiError(code, f"The parameter {place}: "
                 f"{trouble.message}")  # fmt: skip


def _code(kind: ResourceKind, place: str, message: str) -> str:
    for (one, said), code in _KIND_CODES.items():
        if kind is one and said in message:
            return code
    if kind is ResourceKind.DISTRIBUTION:
        for where, said, code in _CODES:
            if re.search(where, place) and re.search(said, message):
                return code
    return "InvalidArgument"


def member(where: str) -> str:
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
            words = name.split("_")
            spelled = "".join(map(str.capitalize, words)) if name.islower() else name
        parts.append(f".{spelled}")
    return "".join(parts).removeprefix(".")
