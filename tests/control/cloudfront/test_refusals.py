"""What no distribution may be: refused with AWS's code, and the member is named."""

from __future__ import annotations

import pytest

from tests.control.api.asking import (
    Document,
    created,
    custom,
    default,
    forwarded,
    names,
    origin,
    pages,
    refused,
    s3,
)
from tests.control.cloudfront.desk import OPTIMIZED, Desk

REFUSALS: list[tuple[str, Document, str]] = [
    ("NoSuchOrigin", default(TargetOriginId="other"), "DefaultCacheBehavior.TargetOriginId"),
    ("NoSuchCachePolicy", default(CachePolicyId="x"), "DefaultCacheBehavior.CachePolicyId"),
    ("NoSuchOriginRequestPolicy", default(OriginRequestPolicyId="x"), "OriginRequestPolicyId"),
    ("NoSuchResponseHeadersPolicy", default(ResponseHeadersPolicyId="x"), "ResponseHeadersPol"),
    ("InvalidArgument", default(CachePolicyId=""), "CachePolicyId"),
    ("InvalidArgument", default(**forwarded() | {"CachePolicyId": OPTIMIZED}), "CachePolicyId"),
    ("InvalidTTLOrder", default(**forwarded(), MinTTL=9, MaxTTL=5, DefaultTTL=7), "TTL"),
    (
        "InvalidForwardCookies",
        default(**forwarded(Cookies={"Forward": "whitelist"})),
        "ForwardedValues.Cookies",
    ),
    (
        "TooManyHeadersInForwardedValues",
        default(**forwarded(Headers=names(*(f"h{i}" for i in range(101))))),
        "DefaultCacheBehavior.ForwardedValues.Headers",
    ),
    (
        "TooManyCookieNamesInWhiteList",
        default(
            **forwarded(
                Cookies={
                    "Forward": "whitelist",
                    "WhitelistedNames": names(*(f"c{i}" for i in range(101))),
                }
            )
        ),
        "DefaultCacheBehavior.ForwardedValues.Cookies.WhitelistedNames",
    ),
    (
        "TooManyQueryStringParameters",
        default(
            **forwarded(
                QueryString=True, QueryStringCacheKeys=names(*(f"q{i}" for i in range(101)))
            )
        ),
        "DefaultCacheBehavior.ForwardedValues.QueryStringCacheKeys",
    ),
    (
        "InvalidArgument",
        default(**forwarded(Headers=names("no name"))),
        "DefaultCacheBehavior.ForwardedValues.Headers.Items[0]",
    ),
    (
        "TrustedKeyGroupDoesNotExist",
        default(TrustedKeyGroups={"Enabled": True} | names("nobody")),
        "TrustedKeyGroups.Items[0]",
    ),
    (
        "TrustedSignerDoesNotExist",
        default(TrustedSigners={"Enabled": True} | names("self")),
        "TrustedSigners.Items[0]",
    ),
    ("InvalidArgument", default(AllowedMethods=names("GET")), "AllowedMethods"),
    ("CNAMEAlreadyExists", {"Aliases": names("FILE.test")}, "Aliases.Items[0]"),
    ("InvalidArgument", {"Aliases": names("not a name")}, "Aliases.Items[0]"),
    ("TooManyDistributionCNAMEs", {"Aliases": names(*(f"a{i}.test" for i in range(101)))}, ""),
    ("InconsistentQuantities", {"Aliases": {"Quantity": 2, "Items": ["a.test"]}}, "Aliases"),
    ("InvalidOrigin", origin(DomainName="http://a.test/"), "Origins.Items[0].DomainName"),
    ("InvalidOrigin", origin(S3OriginConfig={"OriginAccessIdentity": ""}), "Origins.Items[0]"),
    ("InvalidArgument", origin(OriginPath="a/"), "Origins.Items[0].OriginPath"),
    ("InvalidArgument", custom(HTTPPort=0), "Origins.Items[0].CustomOriginConfig.HTTPPort"),
    ("InvalidOriginReadTimeout", custom(OriginReadTimeout=0), "OriginReadTimeout"),
    ("InvalidOriginReadTimeout", custom(OriginReadTimeout=121), "OriginReadTimeout"),
    ("InvalidOriginKeepaliveTimeout", custom(OriginKeepaliveTimeout=0), "Keepalive"),
    ("InvalidOriginKeepaliveTimeout", custom(OriginKeepaliveTimeout=121), "Keepalive"),
    ("InvalidOriginReadTimeout", s3(read_timeout_s=121), "S3OriginConfig.OriginReadTimeout"),
    ("InvalidArgument", origin(ConnectionTimeout=0), "Origins.Items[0].ConnectionTimeout"),
    ("InvalidArgument", origin(ConnectionTimeout=11), "Origins.Items[0].ConnectionTimeout"),
    ("InvalidArgument", origin(ConnectionAttempts=4), "Origins.Items[0].ConnectionAttempts"),
    ("InvalidArgument", origin(ResponseCompletionTimeout=29), "ResponseCompletionTimeout"),
    ("InvalidOriginAccessControl", s3(control="E1"), "OriginAccessControlId"),
    ("InvalidOriginAccessIdentity", s3("origin-access-identity/cloudfront/E1"), "Identity"),
    ("InvalidOriginAccessIdentity", s3("E1"), "OriginAccessIdentity"),
    ("InvalidDefaultRootObject", {"DefaultRootObject": "/index.html"}, "DefaultRootObject"),
    ("InvalidErrorCode", pages(ErrorCode=418), "CustomErrorResponses.Items[0].ErrorCode"),
    ("InvalidResponseCode", pages(ResponsePagePath="/x"), "CustomErrorResponses.Items[0]"),
    (
        "InvalidGeoRestrictionParameter",
        {"Restrictions": {"GeoRestriction": {"RestrictionType": "whitelist"} | names("XX")}},
        "Restrictions.GeoRestriction.Items[0]",
    ),
    (
        "InvalidViewerCertificate",
        {"ViewerCertificate": {"ACMCertificateArn": "a", "IAMCertificateId": "b"}},
        "ViewerCertificate",
    ),
    ("InvalidArgument", {"PriceClass": "PriceClass_9"}, "PriceClass"),
    ("InvalidArgument", {"Comment": "x" * 129}, "Comment"),
    ("InvalidArgument", {"Origins": {"Quantity": 0, "Items": []}}, "Origins.Items"),
]


@pytest.mark.parametrize(("code", "more", "said"), REFUSALS)
def test_what_is_refused_names_the_member(desk: Desk, code: str, more: Document, said: str) -> None:
    client = desk.client(validated=False)
    before = desk.log.last_seq
    status = 409 if code.endswith("AlreadyExists") else 404 if code.startswith("NoSuch") else 400
    refused(lambda: created(client, **more), code=code, status=status, said=said)
    assert desk.log.last_seq == before
    assert client.list_distributions()["DistributionList"]["Quantity"] == 1
