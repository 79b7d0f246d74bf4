"""Defaults that CloudFront fills in when it gives a configuration back.

API reference, DistributionConfig. A client that compares what it wrote with what it reads, as
Terraform does, sees a difference for every member left out here.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

_EMPTY: dict[str, Any] = {"Quantity": 0}
_READ: dict[str, Any] = {"Quantity": 2, "Items": ["HEAD", "GET"]}
_UNTRUSTED: dict[str, Any] = {"Enabled": False, "Quantity": 0}

_DISTRIBUTION: dict[str, Any] = {
    "CallerReference": "",
    "Aliases": _EMPTY,
    "DefaultRootObject": "",
    "Origins": _EMPTY,
    "OriginGroups": _EMPTY,
    "CacheBehaviors": _EMPTY,
    "CustomErrorResponses": _EMPTY,
    "Comment": "",
    "Logging": {"Enabled": False, "IncludeCookies": False, "Bucket": "", "Prefix": ""},
    "PriceClass": "PriceClass_All",
    "ViewerCertificate": {"MinimumProtocolVersion": "TLSv1"},
    "Restrictions": {"GeoRestriction": {"RestrictionType": "none", "Quantity": 0}},
    "WebACLId": "",
    "HttpVersion": "http2",
    "IsIPV6Enabled": True,
    "ContinuousDeploymentPolicyId": "",
    "Staging": False,
}
_ORIGIN: dict[str, Any] = {
    "OriginPath": "",
    "CustomHeaders": _EMPTY,
    "ConnectionAttempts": 3,
    "ConnectionTimeout": 10,
    "OriginShield": {"Enabled": False},
    "OriginAccessControlId": "",
}
_ORIGIN_KINDS: dict[str, dict[str, Any]] = {
    "S3OriginConfig": {"OriginAccessIdentity": "", "OriginReadTimeout": 30},
    "VpcOriginConfig": {"OriginReadTimeout": 30, "OriginKeepaliveTimeout": 5},
    "CustomOriginConfig": {
        "HTTPPort": 80,
        "HTTPSPort": 443,
        "OriginSslProtocols": {"Quantity": 1, "Items": ["TLSv1.2"]},
        "OriginReadTimeout": 30,
        "OriginKeepaliveTimeout": 5,
    },
}
_BEHAVIOR: dict[str, Any] = {
    "TrustedSigners": _UNTRUSTED,
    "TrustedKeyGroups": _UNTRUSTED,
    "AllowedMethods": _READ | {"CachedMethods": _READ},
    "SmoothStreaming": False,
    "Compress": False,
    "LambdaFunctionAssociations": _EMPTY,
    "FunctionAssociations": _EMPTY,
    "FieldLevelEncryptionId": "",
    "GrpcConfig": {"Enabled": False},
}
_FORWARDED_VALUES: dict[str, Any] = {
    "QueryString": False,
    "Cookies": {"Forward": "none"},
    "Headers": _EMPTY,
    "QueryStringCacheKeys": _EMPTY,
}
_ERROR_RESPONSE: dict[str, Any] = {
    "ResponsePagePath": "",
    "ResponseCode": "",
    "ErrorCachingMinTTL": 10,
}
_LIST = {"Quantity", "Items"}  # members of every list
TTL_S_DEFAULT = 86_400
TTL_S_MAX = 31_536_000


def with_defaults(document: dict[str, Any]) -> dict[str, Any]:
    """A DistributionConfig as CloudFront gives it back. What is malformed stays as it is."""
    filled = _filled(_listed(document), _DISTRIBUTION)
    _each(filled, "Origins", _filled_origin)
    _each(filled, "CacheBehaviors", _filled_behavior)
    _each(filled, "CustomErrorResponses", lambda item: _filled(item, _ERROR_RESPONSE))
    if isinstance(filled.get("DefaultCacheBehavior"), dict):
        filled["DefaultCacheBehavior"] = _filled_behavior(filled["DefaultCacheBehavior"])
    certificate = filled["ViewerCertificate"]
    if isinstance(certificate, dict):
        named = certificate.get("ACMCertificateArn") or certificate.get("IAMCertificateId")
        certificate.setdefault("CloudFrontDefaultCertificate", not named)
    return filled


def fill_ttls(value: dict[str, Any]) -> dict[str, Any]:
    """MinTTL, DefaultTTL and MaxTTL; one left out gives way to those that are there."""
    low = value.get("MinTTL", 0)
    if not isinstance(low, int):
        return value
    high = value.get("MaxTTL", TTL_S_MAX)
    default = max(low, TTL_S_DEFAULT)
    if "MaxTTL" in value and isinstance(high, int):
        default = min(default, max(low, high))
    default = value.get("DefaultTTL", default)
    if "MaxTTL" not in value and isinstance(default, int):
        high = max(high, default)
    return value | {"MinTTL": low, "DefaultTTL": default, "MaxTTL": high}


def _filled(value: dict[str, Any], template: dict[str, Any]) -> dict[str, Any]:
    result = dict(value)
    for name, default in template.items():
        present = result.get(name)
        if present is None:
            result[name] = deepcopy(default)
        elif isinstance(present, dict) and isinstance(default, dict) and default.keys() - _LIST:
            result[name] = _filled(present, {k: v for k, v in default.items() if k not in _LIST})
    return result


def _listed(value: Any) -> Any:
    """Every list with its Quantity, and without Items when it is empty; nothing that is null."""
    if isinstance(value, list):
        return [_listed(item) for item in value]
    if not isinstance(value, dict):
        return value
    result = {name: _listed(item) for name, item in value.items() if item is not None}
    if isinstance(result.get("Items"), list):
        result.setdefault("Quantity", len(result["Items"]))
        if not result["Items"]:
            del result["Items"]
    return result


def _each(
    document: dict[str, Any], name: str, fill: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    listing = document.get(name)
    if isinstance(listing, dict) and isinstance(listing.get("Items"), list):
        items = [fill(item) if isinstance(item, dict) else item for item in listing["Items"]]
        document[name] = listing | {"Items": items}


def _filled_origin(origin: dict[str, Any]) -> dict[str, Any]:
    result = _filled(origin, _ORIGIN)
    for name, template in _ORIGIN_KINDS.items():
        if isinstance(result.get(name), dict):
            result[name] = _filled(result[name], template)
    return result


def _filled_behavior(behavior: dict[str, Any]) -> dict[str, Any]:
    result = _filled(behavior, _BEHAVIOR)
    _each(result, "LambdaFunctionAssociations", lambda one: _filled(one, {"IncludeBody": False}))
    if isinstance(result.get("ForwardedValues"), dict):
        result["ForwardedValues"] = _filled(result["ForwardedValues"], _FORWARDED_VALUES)
        result = fill_ttls(result)
    return result
