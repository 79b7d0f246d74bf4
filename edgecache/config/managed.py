"""CloudFront's managed policies as data: the same ids and names in every account; and one of ours.

CloudFront Developer Guide, "Use managed cache policies", "Use managed origin request policies"
and "Use managed response headers policies".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeVar

from edgecache.config.model import (
    CachePolicy,
    CorsHeaders,
    HeaderSelection,
    OriginRequestPolicy,
    ResponseHeadersPolicy,
    Selection,
    SetHeader,
)

PREFIX = "Managed-"  # the API has it in most names, the documentation in none: both are answered

Policy = TypeVar("Policy", CachePolicy, OriginRequestPolicy, ResponseHeadersPolicy)

_ALL = Selection(behavior="all")
_NONE = Selection()
_NO_HEADERS = HeaderSelection()


def _headers(*names: str) -> HeaderSelection:
    return HeaderSelection(behavior="whitelist", items=names) if names else _NO_HEADERS


def _cache(
    name: str,
    policy_id: str,
    ttl_s: tuple[int, int, int],
    encodings: Literal["", "gzip", "both"],
    keyed: tuple[HeaderSelection, Selection, Selection] = (_NO_HEADERS, _NONE, _NONE),
) -> CachePolicy:
    return CachePolicy(
        id=policy_id,
        name=name,
        ttl_s_min=ttl_s[0],
        ttl_s_default=ttl_s[1],
        ttl_s_max=ttl_s[2],
        headers=keyed[0],
        cookies=keyed[1],
        query_strings=keyed[2],
        accept_encoding_gzip=encodings != "",
        accept_encoding_brotli=encodings == "both",
    )


_YEAR = 31_536_000
_METHOD_OVERRIDES = _headers(
    "Host", "Origin", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"
)

CACHE_POLICIES: tuple[CachePolicy, ...] = (
    _cache(
        "Managed-CachingOptimized",
        "658327ea-f89d-4fab-a63d-7e88639e58f6",
        (1, 86_400, _YEAR),
        "both",
    ),
    _cache(
        "Managed-CachingOptimizedForUncompressedObjects",
        "b2884449-e4de-46a7-ac36-70bc7f1ddd6d",
        (1, 86_400, _YEAR),
        "",
    ),
    _cache("Managed-CachingDisabled", "4135ea2d-6df8-44a3-9df3-4b5a84be39ad", (0, 0, 0), ""),
    _cache(
        "Managed-Amplify",
        "2e54312d-136d-493c-8eb9-b001f22f67d2",
        (2, 2, 600),
        "both",
        (_headers("Authorization", "CloudFront-Viewer-Country", "Host"), _ALL, _ALL),
    ),
    _cache(
        "Managed-Elemental-MediaPackage",
        "08627262-05a9-4f76-9ded-b50ca2e3a84f",
        (0, 86_400, _YEAR),
        "gzip",
        (
            _headers("Origin"),
            _NONE,
            Selection(behavior="whitelist", items=("aws.manifestfilter", "start", "end", "m")),
        ),
    ),
    _cache(
        "UseOriginCacheControlHeaders",
        "83da9c7e-98b4-4e11-a168-04f0df8e2c65",
        (0, 0, _YEAR),
        "both",
        (_METHOD_OVERRIDES, _ALL, _NONE),
    ),
    _cache(
        "UseOriginCacheControlHeaders-QueryStrings",
        "4cc15a8a-d715-48a4-82b8-cc0b614638fe",
        (0, 0, _YEAR),
        "both",
        (_METHOD_OVERRIDES, _ALL, _ALL),
    ),
)


def _request(
    name: str,
    policy_id: str,
    headers: HeaderSelection,
    cookies: Selection = _NONE,
    query_strings: Selection = _NONE,
) -> OriginRequestPolicy:
    return OriginRequestPolicy(
        id=policy_id, name=name, headers=headers, cookies=cookies, query_strings=query_strings
    )


# Ours, for applications (docs/applications.md): Rack, Django, ASP.NET, Symfony and WordPress read
# these three, and none of CloudFront's.
FOR_APPLICATIONS = OriginRequestPolicy(
    id="0b5f3c52-6f0e-4c52-9a0b-6f3d2a7c1e94",
    name="Managed-AllViewerAndForwardedHeaders",
    headers=HeaderSelection(
        behavior="allViewerAndWhitelistCloudFront",
        items=("X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto"),
    ),
    cookies=_ALL,
    query_strings=_ALL,
    comment="edgecache's own: all that a viewer sends, and how it came, for an application",
)


_CLOUDFRONT_HEADERS_2022_06 = (
    "CloudFront-Forwarded-Proto",
    "CloudFront-Is-Android-Viewer",
    "CloudFront-Is-Desktop-Viewer",
    "CloudFront-Is-IOS-Viewer",
    "CloudFront-Is-Mobile-Viewer",
    "CloudFront-Is-SmartTV-Viewer",
    "CloudFront-Is-Tablet-Viewer",
    "CloudFront-Viewer-Address",
    "CloudFront-Viewer-ASN",
    "CloudFront-Viewer-City",
    "CloudFront-Viewer-Country",
    "CloudFront-Viewer-Country-Name",
    "CloudFront-Viewer-Country-Region",
    "CloudFront-Viewer-Country-Region-Name",
    "CloudFront-Viewer-Http-Version",
    "CloudFront-Viewer-Latitude",
    "CloudFront-Viewer-Longitude",
    "CloudFront-Viewer-Metro-Code",
    "CloudFront-Viewer-Postal-Code",
    "CloudFront-Viewer-Time-Zone",
    "CloudFront-Viewer-TLS",
)
_CORS = ("Origin", "Access-Control-Request-Headers", "Access-Control-Request-Method")

ORIGIN_REQUEST_POLICIES: tuple[OriginRequestPolicy, ...] = (
    _request(
        "Managed-AllViewer",
        "216adef6-5c7f-47e4-b989-5492eafa07d3",
        HeaderSelection(behavior="allViewer"),
        _ALL,
        _ALL,
    ),
    _request(
        "Managed-AllViewerAndCloudFrontHeaders-2022-06",
        "33f36d7e-f396-46d9-90e0-52428a34d9dc",
        HeaderSelection(
            behavior="allViewerAndWhitelistCloudFront", items=_CLOUDFRONT_HEADERS_2022_06
        ),
        _ALL,
        _ALL,
    ),
    _request(
        "Managed-AllViewerExceptHostHeader",
        "b689b0a8-53d0-40ab-baf2-68738e2966ac",
        HeaderSelection(behavior="allExcept", items=("Host",)),
        _ALL,
        _ALL,
    ),
    _request(
        "Managed-CORS-CustomOrigin", "59781a5b-3903-41f3-afcb-af62929ccde1", _headers("Origin")
    ),
    _request("Managed-CORS-S3Origin", "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf", _headers(*_CORS)),
    _request(
        "Managed-Elemental-MediaTailor-PersonalizedManifests",
        "775133bc-15f2-49f9-abea-afb2e0bf67d2",
        _headers(*_CORS, "User-Agent", "X-Forwarded-For"),
        _NONE,
        _ALL,
    ),
    _request("HostHeaderOnly", "bf0718e1-ba1e-49d1-88b1-f726733018ae", _headers("Host")),
    _request(
        "Managed-UserAgentRefererHeaders",
        "acba4595-bd28-49b8-b9fe-13317c0390fa",
        _headers("User-Agent", "Referer"),
    ),
    FOR_APPLICATIONS,
)


def _set(name: str, value: str, *, override: bool = False) -> SetHeader:
    return SetHeader(name=name, value=value, override=override)


_SIMPLE_CORS = CorsHeaders(allow_origins=("*",))
_PREFLIGHT_CORS = CorsHeaders(
    allow_origins=("*",),
    allow_methods=("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"),
    expose_headers=("*",),
)
_SECURITY = (
    _set("Referrer-Policy", "strict-origin-when-cross-origin"),
    _set("Strict-Transport-Security", "max-age=31536000"),
    _set("X-Content-Type-Options", "nosniff", override=True),
    _set("X-Frame-Options", "SAMEORIGIN"),
    _set("X-XSS-Protection", "1; mode=block"),
)

RESPONSE_HEADERS_POLICIES: tuple[ResponseHeadersPolicy, ...] = (
    ResponseHeadersPolicy(
        id="60669652-455b-4ae9-85a4-c4c02393f86c",
        name="Managed-SimpleCORS",
        cors=_SIMPLE_CORS,
    ),
    ResponseHeadersPolicy(
        id="5cc3b908-e619-4b99-88e5-2cf7f45965bd",
        name="Managed-CORS-With-Preflight",
        cors=_PREFLIGHT_CORS,
    ),
    ResponseHeadersPolicy(
        id="67f7725c-6f97-4210-82d7-5512b31e9d03",
        name="Managed-SecurityHeadersPolicy",
        security=_SECURITY,
    ),
    ResponseHeadersPolicy(
        id="e61eb60c-9c35-4d20-a928-2b84e02af89c",
        name="Managed-CORS-and-SecurityHeadersPolicy",
        cors=_SIMPLE_CORS,
        security=_SECURITY,
    ),
    ResponseHeadersPolicy(
        id="eaab4381-ed33-4a86-88ca-d9558dc6cd63",
        name="Managed-CORS-with-preflight-and-SecurityHeadersPolicy",
        cors=_PREFLIGHT_CORS,
        security=_SECURITY,
    ),
)


def by_name(policies: Iterable[Policy]) -> dict[str, Policy]:
    """Every spelling that leads to a managed policy: its id, its name with and without prefix."""
    policies_by_name: dict[str, Policy] = {}
    for policy in policies:
        bare = policy.name.removeprefix(PREFIX)
        policies_by_name |= {policy.id: policy, PREFIX + bare: policy, bare: policy}
    return policies_by_name
