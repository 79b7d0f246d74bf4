"""Documents as CloudFront could print them, and what it never would, for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from edgecache.config.aws.document import listing
from edgecache.config.managed import (
    CACHE_POLICIES,
    ORIGIN_REQUEST_POLICIES,
    RESPONSE_HEADERS_POLICIES,
)

words = st.text("abcXYZ09-", min_size=1, max_size=6)
flags = st.booleans()
seconds = st.integers(0, 100)
anything = st.recursive(
    flags | st.integers() | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
strangers = st.dictionaries(words.map("New".__add__), anything, max_size=2)


def listings(items: st.SearchStrategy[Any], **bounds: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.lists(items, **bounds).map(listing)


def objects(
    required: dict[str, st.SearchStrategy[Any]], optional: dict[str, st.SearchStrategy[Any]]
) -> st.SearchStrategy[dict[str, Any]]:
    known = st.fixed_dictionaries(required, optional=optional)
    return st.tuples(strangers, known).map(lambda pair: pair[0] | pair[1])


timeouts = {"OriginReadTimeout": seconds}
versions = st.sampled_from(["http1.1", "http2"])
identities = st.just("") | words.map("origin-access-identity/cloudfront/".__add__)
s3 = objects({"OriginAccessIdentity": identities}, timeouts)
custom = objects(
    {
        "HTTPPort": seconds,
        "HTTPSPort": seconds,
        "OriginProtocolPolicy": st.sampled_from(["http-only", "match-viewer", "https-only"]),
    },
    timeouts
    | {"OriginKeepaliveTimeout": seconds, "OriginSslProtocols": listings(words)}
    | {"OriginHttpVersion": versions},
)
vpc = objects({"VpcOriginId": words}, timeouts | {"OriginHttpVersion": versions})
kinds = (
    st.tuples(st.just("S3OriginConfig"), s3)
    | st.tuples(st.just("CustomOriginConfig"), custom)
    | st.tuples(st.just("VpcOriginConfig"), vpc)
)
origin_options: dict[str, st.SearchStrategy[Any]] = {
    "OriginPath": words,
    "ConnectionAttempts": seconds,
    "ConnectionTimeout": seconds,
    "ResponseCompletionTimeout": seconds,
    "OriginAccessControlId": words,
    "OriginShield": st.fixed_dictionaries(
        {"Enabled": flags}, optional={"OriginShieldRegion": words}
    ),
}
origins = st.tuples(objects({"Id": words, "DomainName": words}, origin_options), kinds).map(
    lambda pair: pair[0] | dict([pair[1]])
)

trusted = st.just({"Enabled": False, "Quantity": 0}) | listings(words, min_size=1).flatmap(
    lambda names: flags.map(lambda on: names | {"Enabled": on})
)
forwarded_values = objects(
    {
        "QueryString": flags,
        "Cookies": objects(
            {"Forward": st.sampled_from(["none", "whitelist", "all"])},
            {"WhitelistedNames": listings(words)},
        ),
    },
    {"Headers": listings(words | st.just("*")), "QueryStringCacheKeys": listings(words)},
)
legacy = objects(
    {"ForwardedValues": forwarded_values, "MinTTL": seconds},
    {"DefaultTTL": seconds, "MaxTTL": seconds},
)
policied = objects(
    {"CachePolicyId": st.sampled_from([p.id for p in CACHE_POLICIES])},
    {
        "OriginRequestPolicyId": st.sampled_from([p.id for p in ORIGIN_REQUEST_POLICIES]),
        "MinTTL": seconds,
    },
)
FUNCTION = {
    "FunctionARN": "arn:aws:cloudfront::000000000000:function/f-1_x",
    "EventType": "viewer-response",
}
LAMBDA = {
    "LambdaFunctionARN": "arn:aws:lambda:us-east-1:000000000000:function:f-1_x:3",
    "EventType": "origin-response",
}
SHOWN = LAMBDA | {"EventType": "viewer-request", "IncludeBody": True}
behavior_options: dict[str, st.SearchStrategy[Any]] = {
    "ResponseHeadersPolicyId": st.sampled_from([p.id for p in RESPONSE_HEADERS_POLICIES]),
    "Compress": flags,
    "SmoothStreaming": flags,
    "TrustedSigners": trusted,
    "TrustedKeyGroups": trusted,
    "FieldLevelEncryptionId": words,
    "GrpcConfig": st.fixed_dictionaries({"Enabled": flags}),
    "FunctionAssociations": st.sampled_from(
        [{"Quantity": 0}, {"Quantity": 1, "Items": [FUNCTION]}]
    ),
    "LambdaFunctionAssociations": st.sampled_from(
        [{"Quantity": 0}, {"Quantity": 1, "Items": [LAMBDA]}, {"Quantity": 1, "Items": [SHOWN]}]
    ),
    "AllowedMethods": listings(words).flatmap(
        lambda names: listings(words).map(lambda cached: names | {"CachedMethods": cached})
    )
    | listings(words),
}


def behaviors(**more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    policy = st.sampled_from(["allow-all", "https-only", "redirect-to-https"])
    known = objects(
        {"TargetOriginId": words, "ViewerProtocolPolicy": policy, **more}, behavior_options
    )
    return st.tuples(known, legacy | policied).map(lambda pair: pair[0] | pair[1])


error_responses = objects(
    {"ErrorCode": seconds},
    {"ResponsePagePath": words, "ResponseCode": st.just("200"), "ErrorCachingMinTTL": seconds},
)
groups = st.builds(
    lambda id, codes, members: {
        "Id": id,
        "FailoverCriteria": {"StatusCodes": listing(codes)},
        "Members": listing([{"OriginId": member} for member in members]),
        "SelectionCriteria": "default",
    },
    words,
    st.lists(seconds),
    st.lists(words),
)
documents = objects(
    {
        "Enabled": flags,
        "Origins": listings(origins, max_size=3, unique_by=lambda item: item["Id"]),
        "DefaultCacheBehavior": behaviors(),
    },
    {
        "CallerReference": words,
        "Aliases": listings(words),
        "Comment": words,
        "OriginGroups": listings(groups, max_size=2, unique_by=lambda item: item["Id"]),
        "CacheBehaviors": listings(
            behaviors(PathPattern=words), max_size=3, unique_by=lambda item: item["PathPattern"]
        ),
        "CustomErrorResponses": listings(
            error_responses, max_size=3, unique_by=lambda item: item["ErrorCode"]
        ),
        "ViewerCertificate": objects(
            {},
            {
                "ACMCertificateArn": words,
                "CloudFrontDefaultCertificate": flags,
                "CertificateSource": words,
            },
        ),
        "HttpVersion": st.sampled_from(["http2", "HTTP2", "http3"]),
        "WebACLId": words,
        "Staging": flags,
        "AnycastIpListId": words,
        "CacheTagConfig": st.fixed_dictionaries({"HeaderName": words}),
        "Restrictions": st.just(
            {"GeoRestriction": {"RestrictionType": "whitelist", "Quantity": 1, "Items": ["GB"]}}
        ),
    },
)
