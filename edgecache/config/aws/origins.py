"""JSON of origins, groups, error pages, countries, certificate and logging, read and written.

API reference: Origin, OriginGroup, CustomErrorResponse, GeoRestriction, ViewerCertificate,
LoggingConfig. Documents read here have their defaults filled in.
"""

from __future__ import annotations

from typing import Any

from edgecache.config.aws.document import DocumentNode, listing
from edgecache.config.model import (
    CustomErrorResponse,
    GeoRestriction,
    Logging,
    Origin,
    OriginGroup,
    OriginShield,
    ViewerCertificate,
)
from edgecache.config.problems import listed, quoted

_HTTP_VERSION = "OriginHttpVersion"
OAI_PREFIX = "origin-access-identity/cloudfront/"
_KINDS = {"S3OriginConfig": "s3", "CustomOriginConfig": "custom", "VpcOriginConfig": "vpc"}


def choice(node: DocumentNode, name: str, legal: tuple[str, ...]) -> Any:
    """The text at `name`, the first legal one in place of any other."""
    value = node.text(name)
    if value in legal:
        return value
    node.wrong(name, f"{quoted(value)} is not one of {listed(legal)}")
    return legal[0]


def read_origin(node: DocumentNode) -> Origin:
    """Read an origin of exactly one of S3OriginConfig, CustomOriginConfig, VpcOriginConfig."""
    completion = "ResponseCompletionTimeout"
    return Origin(
        id=node.text("Id"),
        domain_name=node.text("DomainName"),
        path=node.text("OriginPath"),
        custom_headers=_read_headers(node),
        connection_attempts=node.number("ConnectionAttempts"),
        connection_timeout_s=node.number("ConnectionTimeout"),
        completion_timeout_s=node.number(completion) if node.has(completion) else None,
        access_control_id=node.text("OriginAccessControlId"),
        origin_shield=_read_shield(node.child("OriginShield")),
        **_read_kind(node),
    )


def _read_shield(node: DocumentNode) -> OriginShield | None:
    if not node.flag("Enabled"):
        return None
    name = "OriginShieldRegion"
    return OriginShield(region=node.text(name) if node.has(name) else "")


def _read_headers(node: DocumentNode) -> dict[str, str]:
    headers: dict[str, str] = {}
    for header in node.nodes("CustomHeaders"):
        name = header.text("HeaderName")
        if name in headers:
            header.wrong("HeaderName", f"{quoted(name)} is named twice")
        headers[name] = header.text("HeaderValue")
    return headers


def _read_kind(node: DocumentNode) -> dict[str, Any]:
    present = [name for name in _KINDS if node.has(name)]
    if len(present) != 1:
        node.wrong("", f"has {len(present)} of {listed(_KINDS)}, not one")
        return {}
    config = node.child(present[0])
    fields: dict[str, Any] = {
        "kind": _KINDS[present[0]],
        "read_timeout_s": config.number("OriginReadTimeout"),
    }
    if fields["kind"] == "s3":
        identity = config.text("OriginAccessIdentity")
        if identity and not identity.startswith(OAI_PREFIX):
            config.wrong("OriginAccessIdentity", f"{quoted(identity)} is not {OAI_PREFIX}ID")
        fields["access_identity"] = identity.removeprefix(OAI_PREFIX)
        return fields | {"protocol_policy": "match-viewer"}  # S3 is asked as the viewer asked
    fields["keepalive_timeout_s"] = config.number("OriginKeepaliveTimeout")
    if config.has(_HTTP_VERSION):
        fields["protocol"] = choice(config, _HTTP_VERSION, ("http1.1", "http2"))
    if fields["kind"] == "vpc":
        return fields
    return fields | {
        "http_port": config.number("HTTPPort"),
        "https_port": config.number("HTTPSPort"),
        "protocol_policy": choice(
            config, "OriginProtocolPolicy", ("http-only", "match-viewer", "https-only")
        ),
        "ssl_protocols": config.names("OriginSslProtocols"),
    }


def origin_member(origin: Origin) -> dict[str, Any]:
    """The origin as CloudFront has it; what only we know is left out."""
    headers = [{"HeaderName": k, "HeaderValue": v} for k, v in origin.custom_headers.items()]
    member: dict[str, Any] = {
        "Id": origin.id,
        "DomainName": origin.domain_name,
        "OriginPath": origin.path,
        "CustomHeaders": listing(headers),
        "ConnectionAttempts": origin.connection_attempts,
        "ConnectionTimeout": int(origin.connection_timeout_s),
        "OriginShield": _shield_member(origin.origin_shield),
        "OriginAccessControlId": origin.access_control_id,
    }
    if origin.completion_timeout_s is not None:
        member["ResponseCompletionTimeout"] = int(origin.completion_timeout_s)
    name = next(name for name, kind in _KINDS.items() if kind == origin.kind)
    return member | {name: _kind_member(origin)}


def _shield_member(shield: OriginShield | None) -> dict[str, Any]:
    if shield is None or not shield.enabled:
        return {"Enabled": False}
    region = {"OriginShieldRegion": shield.region} if shield.region else {}
    return {"Enabled": True} | region


def _kind_member(origin: Origin) -> dict[str, Any]:
    member: dict[str, Any] = {"OriginReadTimeout": int(origin.read_timeout_s)}
    if origin.kind == "s3":
        identity = origin.access_identity
        return member | {"OriginAccessIdentity": OAI_PREFIX + identity if identity else ""}
    member["OriginKeepaliveTimeout"] = int(origin.keepalive_timeout_s)
    if origin.protocol != "http1.1":  # "h2" is ours, and comes nearest to this
        member[_HTTP_VERSION] = "http2"
    if origin.kind == "vpc":
        return member
    return member | {
        "HTTPPort": origin.http_port,
        "HTTPSPort": origin.https_port,
        "OriginProtocolPolicy": origin.protocol_policy,
        "OriginSslProtocols": listing(origin.ssl_protocols),
    }


def read_group(node: DocumentNode) -> OriginGroup:
    """Read an origin group, its first member first."""
    return OriginGroup(
        id=node.text("Id"),
        members=tuple(member.text("OriginId") for member in node.nodes("Members")),
        status_codes=node.child("FailoverCriteria").numbers("StatusCodes"),
    )


def group_member(group: OriginGroup) -> dict[str, Any]:
    """The origin group as CloudFront has it."""
    return {
        "Id": group.id,
        "FailoverCriteria": {"StatusCodes": listing(group.status_codes)},
        "Members": listing([{"OriginId": member} for member in group.members]),
    }


def read_error_response(node: DocumentNode) -> CustomErrorResponse:
    """Read a custom error response; its ResponseCode is text, empty when there is no page."""
    code = node.text("ResponseCode")
    if code and not (code.isascii() and code.isdecimal()):
        node.wrong("ResponseCode", f"{quoted(code)} is not a status code")
        code = ""
    return CustomErrorResponse(
        error_code=node.number("ErrorCode"),
        response_page_path=node.text("ResponsePagePath"),
        response_code=int(code) if code else None,
        error_caching_ttl_s_min=node.number("ErrorCachingMinTTL"),
    )


def error_response_member(response: CustomErrorResponse) -> dict[str, Any]:
    """The custom error response as CloudFront has it."""
    code = response.response_code
    return {
        "ErrorCode": response.error_code,
        "ResponsePagePath": response.response_page_path,
        "ResponseCode": "" if code is None else str(code),
        "ErrorCachingMinTTL": response.error_caching_ttl_s_min,
    }


def read_geo(restrictions: DocumentNode) -> GeoRestriction:
    node = restrictions.child("GeoRestriction")
    return GeoRestriction(
        kind=choice(node, "RestrictionType", ("none", "whitelist", "blacklist")),
        countries=restrictions.names("GeoRestriction"),
    )


def geo_member(geo: GeoRestriction) -> dict[str, Any]:
    return {"GeoRestriction": {"RestrictionType": geo.kind} | listing(geo.countries)}


def read_certificate(node: DocumentNode) -> ViewerCertificate:
    names = {
        "acm_certificate_arn": "ACMCertificateArn",
        "iam_certificate_id": "IAMCertificateId",
        "ssl_support_method": "SSLSupportMethod",
    }
    fields = {ours: node.text(name) for ours, name in names.items() if node.has(name)}
    minimum = node.text("MinimumProtocolVersion")
    return ViewerCertificate(minimum_protocol_version=minimum, **fields)


def certificate_member(certificate: ViewerCertificate) -> dict[str, Any]:
    members = {
        "ACMCertificateArn": certificate.acm_certificate_arn,
        "IAMCertificateId": certificate.iam_certificate_id,
        "SSLSupportMethod": certificate.ssl_support_method,
    }
    named = certificate.acm_certificate_arn or certificate.iam_certificate_id
    return {
        "CloudFrontDefaultCertificate": not named,
        "MinimumProtocolVersion": certificate.minimum_protocol_version,
    } | {name: value for name, value in members.items() if value}


def read_logging(node: DocumentNode) -> Logging:
    return Logging(
        enabled=node.flag("Enabled"),
        include_cookies=node.flag("IncludeCookies"),
        bucket=node.text("Bucket"),
        prefix=node.text("Prefix"),
    )


def logging_member(logging: Logging) -> dict[str, Any]:
    return {
        "Enabled": logging.enabled,
        "IncludeCookies": logging.include_cookies,
        "Bucket": logging.bucket,
        "Prefix": logging.prefix,
    }
