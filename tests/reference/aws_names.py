"""CloudFront's names of our fields, looked up in the model of its API that botocore has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from edgecache.config.model import Model
from edgecache.control.cloudfront.error_mapping import member_path
from edgecache.control.cloudfront.model import api

SHAPES: Mapping[str, str] = {
    "Distribution": "DistributionConfig",
    "Origin": "Origin",
    "OriginShield": "OriginShield",
    "OriginGroup": "OriginGroup",
    "Behavior": "CacheBehavior",
    "CachePolicy": "CachePolicyConfig",
    "OriginRequestPolicy": "OriginRequestPolicyConfig",
    "ResponseHeadersPolicy": "ResponseHeadersPolicyConfig",
    "CorsHeaders": "ResponseHeadersPolicyCorsConfig",
    "SetHeader": "ResponseHeadersPolicyCustomHeader",
    "ForwardedValues": "CacheBehavior",
    "FunctionAssociation": "FunctionAssociation",
    "LambdaFunctionAssociation": "LambdaFunctionAssociation",
    "CustomErrorResponse": "CustomErrorResponse",
    "GeoRestriction": "GeoRestriction",
    "ViewerCertificate": "ViewerCertificate",
    "Logging": "LoggingConfig",
    "FunctionConfig": "FunctionConfig",
    "PublicKey": "PublicKeyConfig",
    "KeyGroup": "KeyGroupConfig",
    "OriginAccessControl": "OriginAccessControlConfig",
    "OriginAccessIdentity": "CloudFrontOriginAccessIdentityConfig",
    "RealtimeLog": "RealtimeLogConfig",
}
_ENCODINGS = "ParametersInCacheKeyAndForwardedToOrigin"
EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("Distribution", "releases"): "",
    ("Distribution", "tags"): "",  # of another operation
    ("Origin", "path"): "OriginPath",
    ("Origin", "read_timeout_s"): "CustomOriginConfig.OriginReadTimeout",
    ("Origin", "keepalive_timeout_s"): "CustomOriginConfig.OriginKeepaliveTimeout",
    ("Origin", "ssl_protocols"): "CustomOriginConfig.OriginSslProtocols",
    ("Origin", "protocol_policy"): "CustomOriginConfig.OriginProtocolPolicy",
    ("Origin", "kind"): "",
    ("OriginShield", "region"): "OriginShieldRegion",
    ("OriginGroup", "members"): "Members",
    ("OriginGroup", "status_codes"): "FailoverCriteria.StatusCodes",
    ("Behavior", "forwarded_values"): "ForwardedValues",
    ("Behavior", "grpc"): "GrpcConfig",
    ("CachePolicy", "headers"): f"{_ENCODINGS}.HeadersConfig",
    ("CachePolicy", "cookies"): f"{_ENCODINGS}.CookiesConfig",
    ("CachePolicy", "query_strings"): f"{_ENCODINGS}.QueryStringsConfig",
    ("CachePolicy", "accept_encoding_gzip"): f"{_ENCODINGS}.EnableAcceptEncodingGzip",
    ("CachePolicy", "accept_encoding_brotli"): f"{_ENCODINGS}.EnableAcceptEncodingBrotli",
    ("OriginRequestPolicy", "headers"): "HeadersConfig",
    ("OriginRequestPolicy", "cookies"): "CookiesConfig",
    ("OriginRequestPolicy", "query_strings"): "QueryStringsConfig",
    ("ResponseHeadersPolicy", "cors"): "CorsConfig",
    ("ResponseHeadersPolicy", "security"): "SecurityHeadersConfig",
    ("ResponseHeadersPolicy", "custom"): "CustomHeadersConfig",
    ("ResponseHeadersPolicy", "remove"): "RemoveHeadersConfig",
    ("ResponseHeadersPolicy", "server_timing_percent"): "ServerTimingHeadersConfig.SamplingRate",
    ("CorsHeaders", "allow_origins"): "AccessControlAllowOrigins",
    ("CorsHeaders", "allow_headers"): "AccessControlAllowHeaders",
    ("CorsHeaders", "allow_methods"): "AccessControlAllowMethods",
    ("CorsHeaders", "allow_credentials"): "AccessControlAllowCredentials",
    ("CorsHeaders", "expose_headers"): "AccessControlExposeHeaders",
    ("CorsHeaders", "max_age_s"): "AccessControlMaxAgeSec",
    ("SetHeader", "name"): "Header",
    ("ForwardedValues", "query_string"): "ForwardedValues.QueryString",
    ("ForwardedValues", "query_string_cache_keys"): "ForwardedValues.QueryStringCacheKeys",
    ("ForwardedValues", "cookies"): "ForwardedValues.Cookies.Forward",
    ("ForwardedValues", "cookie_names"): "ForwardedValues.Cookies.WhitelistedNames",
    ("ForwardedValues", "headers"): "ForwardedValues.Headers",
    ("GeoRestriction", "kind"): "RestrictionType",
    ("GeoRestriction", "countries"): "Items",
    ("PublicKey", "pem"): "EncodedKey",
    ("KeyGroup", "keys"): "Items",
    ("OriginAccessControl", "origin_type"): "OriginAccessControlOriginType",
    ("FunctionConfig", "key_value_stores"): "KeyValueStoreAssociations",
    ("RealtimeLog", "stream"): "EndPoints",
}


@cache
def shapes() -> Mapping[str, Any]:
    """Every structure of the API by its name."""
    found: dict[str, Any] = {}

    def walk(shape: Any) -> None:
        if shape is None or shape.name in found:
            return
        found[shape.name] = shape
        if shape.type_name == "structure":
            for one in shape.members.values():
                walk(one)
        elif shape.type_name == "list":
            walk(shape.member)

    for operation in api().operations.values():
        walk(operation.takes)
        walk(operation.gives)
    return found


def is_member(shape: str, path: str) -> bool:
    """Whether a structure has a member of this path."""
    at = shapes()[shape]
    for name in path.split("."):
        if at.type_name != "structure" or name not in at.members:
            return False
        at = at.members[name]
    return True


def aws_name(model: type[Model], name: str) -> str:
    """The member's path, in back ticks; empty where CloudFront has none."""
    shape = SHAPES.get(model.__name__)
    if shape is None:
        return ""
    path = EXCEPTIONS.get((model.__name__, name), member_path(name))
    return f"`{path}`" if path and is_member(shape, path) else ""
