"""JSON of response headers policies, read and written.

API reference: ResponseHeadersPolicyConfig.
"""

from __future__ import annotations

import re
from typing import Any

from edgecache.config.aws.document import DocumentNode, listing, raise_problems
from edgecache.config.aws.policies import unwrap
from edgecache.config.model import CorsHeaders, ResponseHeadersPolicy, SetHeader
from edgecache.config.problems import Problems

MEMBERS = {
    "ReferrerPolicy": "Referrer-Policy",
    "StrictTransportSecurity": "Strict-Transport-Security",
    "ContentTypeOptions": "X-Content-Type-Options",
    "FrameOptions": "X-Frame-Options",
    "XSSProtection": "X-XSS-Protection",
    "ContentSecurityPolicy": "Content-Security-Policy",
}
_STS = re.compile(r"max-age=(\d+)(; includeSubDomains)?(; preload)?", re.IGNORECASE)
_XSS = re.compile(r"([01])(; mode=block)?(?:; report=(\S+))?", re.IGNORECASE)


def read_response_headers_policy(document: dict[str, Any]) -> ResponseHeadersPolicy:
    """Read what `get-response-headers-policy` or its `-config` prints. DocumentError."""
    problems = Problems()
    node, policy_id = unwrap(document, "ResponseHeadersPolicy", problems)
    policy = ResponseHeadersPolicy(
        id=policy_id,
        name=node.text("Name"),
        comment=node.text("Comment") if node.has("Comment") else "",
        cors=_read_cors(node.child("CorsConfig")) if node.has("CorsConfig") else None,
        security=_read_security(node),
        custom=_read_custom(node),
        remove=_read_remove(node),
        server_timing_percent=_read_timing(node),
    )
    raise_problems(problems)
    return policy


def response_headers_policy_config(policy: ResponseHeadersPolicy) -> dict[str, Any]:
    """The ResponseHeadersPolicyConfig of a policy that has passed the checks."""
    written: dict[str, Any] = {"Comment": policy.comment, "Name": policy.name}
    if policy.cors is not None:
        written["CorsConfig"] = _cors_config(policy.cors)
    members = [pair for header in policy.security if (pair := security_member(header)) is not None]
    if members:
        written["SecurityHeadersConfig"] = dict(members)
    if policy.server_timing_percent is not None:
        rate = policy.server_timing_percent
        written["ServerTimingHeadersConfig"] = {"Enabled": True, "SamplingRate": rate}
    if policy.custom:
        headers = [
            {"Header": h.name, "Value": h.value, "Override": h.override} for h in policy.custom
        ]
        written["CustomHeadersConfig"] = listing(headers)
    if policy.remove:
        written["RemoveHeadersConfig"] = listing([{"Header": name} for name in policy.remove])
    return written


def security_member(header: SetHeader) -> tuple[str, dict[str, Any]] | None:
    """The member of SecurityHeadersConfig that becomes `header`; None when none does."""
    members = {name.lower(): member for member, name in MEMBERS.items()}
    member = members.get(header.name.lower())
    parts = _parts(member, header.value) if member else None
    return (
        None if member is None or parts is None else (member, parts | {"Override": header.override})
    )


def _read_cors(node: DocumentNode) -> CorsHeaders:
    def names(what: str) -> tuple[str, ...]:
        name = f"AccessControl{what}"
        return node.names(name) if node.has(name) else ()

    age = "AccessControlMaxAgeSec"
    return CorsHeaders(
        allow_origins=names("AllowOrigins"),
        allow_headers=names("AllowHeaders"),
        allow_methods=names("AllowMethods"),
        allow_credentials=node.flag("AccessControlAllowCredentials"),
        expose_headers=names("ExposeHeaders"),
        max_age_s=node.number(age) if node.has(age) else None,
        origin_override=node.flag("OriginOverride"),
    )


def _read_security(parent: DocumentNode) -> tuple[SetHeader, ...]:
    """The headers the configured members become, in the documentation's order."""
    if not parent.has("SecurityHeadersConfig"):
        return ()
    node = parent.child("SecurityHeadersConfig")
    headers = []
    for member, name in MEMBERS.items():
        if node.has(member):
            part = node.child(member)
            headers.append(
                SetHeader(name=name, value=_value(member, part), override=part.flag("Override"))
            )
    return tuple(headers)


def _value(member: str, part: DocumentNode) -> str:
    def on(name: str) -> bool:
        return part.has(name) and part.flag(name)

    match member:
        case "StrictTransportSecurity":
            value = f"max-age={part.number('AccessControlMaxAgeSec')}"
            value += "; includeSubDomains" if on("IncludeSubdomains") else ""
            return value + ("; preload" if on("Preload") else "")
        case "XSSProtection":
            value = "1" if part.flag("Protection") else "0"
            value += "; mode=block" if on("ModeBlock") else ""
            return value + (f"; report={part.text('ReportUri')}" if part.has("ReportUri") else "")
        case "ContentTypeOptions":
            return "nosniff"
        case "FrameOptions":
            return part.text("FrameOption")
        case _:
            return part.text(member)


def _parts(member: str, value: str) -> dict[str, Any] | None:
    match member:
        case "StrictTransportSecurity":
            parsed = _STS.fullmatch(value)
            return parsed and {
                "AccessControlMaxAgeSec": int(parsed[1]),
                "IncludeSubdomains": bool(parsed[2]),
                "Preload": bool(parsed[3]),
            }
        case "XSSProtection":
            parsed = _XSS.fullmatch(value)
            if parsed is None:
                return None
            report = {"ReportUri": parsed[3]} if parsed[3] else {}
            return {"Protection": parsed[1] == "1", "ModeBlock": bool(parsed[2])} | report
        case "ContentTypeOptions":
            return {} if value.lower() == "nosniff" else None
        case "FrameOptions":
            return {"FrameOption": value} if value in ("DENY", "SAMEORIGIN") else None
        case _:
            return {member: value}


def _read_custom(parent: DocumentNode) -> tuple[SetHeader, ...]:
    if not parent.has("CustomHeadersConfig"):
        return ()
    return tuple(
        SetHeader(
            name=node.text("Header"), value=node.text("Value"), override=node.flag("Override")
        )
        for node in parent.nodes("CustomHeadersConfig")
    )


def _read_remove(parent: DocumentNode) -> tuple[str, ...]:
    if not parent.has("RemoveHeadersConfig"):
        return ()
    return tuple(node.text("Header") for node in parent.nodes("RemoveHeadersConfig"))


def _read_timing(parent: DocumentNode) -> float | None:
    if not parent.has("ServerTimingHeadersConfig"):
        return None
    node = parent.child("ServerTimingHeadersConfig")
    if not node.flag("Enabled"):
        return None
    rate = node.value.get("SamplingRate", 0)
    if isinstance(rate, bool) or not isinstance(rate, int | float):
        node.wrong("SamplingRate", "expected a number")
        return None
    return float(rate)


def _cors_config(cors: CorsHeaders) -> dict[str, Any]:
    written: dict[str, Any] = {
        "AccessControlAllowOrigins": listing(cors.allow_origins),
        "AccessControlAllowHeaders": listing(cors.allow_headers),
        "AccessControlAllowMethods": listing(cors.allow_methods),
        "AccessControlAllowCredentials": cors.allow_credentials,
        "OriginOverride": cors.origin_override,
    }
    if cors.expose_headers:
        written["AccessControlExposeHeaders"] = listing(cors.expose_headers)
    if cors.max_age_s is not None:
        written["AccessControlMaxAgeSec"] = cors.max_age_s
    return written
