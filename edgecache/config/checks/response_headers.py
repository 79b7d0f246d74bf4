"""Checks of response headers policies, wherever they were written.

API reference, ResponseHeadersPolicyConfig; Developer Guide, "Understand response headers policies".
"""

from __future__ import annotations

import re

from edgecache.config.aws.response_headers import MEMBERS, security_member
from edgecache.config.model import CorsHeaders, ResponseHeadersPolicy, SetHeader
from edgecache.config.problems import ProblemCode, Problems, listed, quoted

HEADERS_MAX = 100  # set and removed; the API has CloudFront's quotas for what it makes
VALUE_CHARS_MAX = 1_783  # CloudFront's quota for a Content-Security-Policy
CORS_METHODS = ("GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE", "ALL")
MAX_AGE_S_MAX = 2**31 - 1  # the API's integer

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")  # RFC 9110 §5.6.2
_VALUE = re.compile(r"[\x20-\x7e\x80-\xff\t]*")
_ORIGIN = re.compile(
    r"\*|([A-Za-z][A-Za-z0-9+.-]*://)?(\*?\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?(:[0-9*]+)?"
)
_NOT_REMOVABLE = re.compile(
    r"connection|content-(encoding|length)|expect|host|keep-alive"
    r"|proxy-(authenticate|authorization|connection)|trailer|transfer-encoding|upgrade|via|warning"
    r"|x-accel-(buffering|charset|limit-rate|redirect)|x-amz-cf-.*"
    r"|x-amzn-(auth|cf-billing|cf-id|cf-xff|errortype|fle-profile|header-count|header-order"
    r"|lambda-integration-tag|requestid)|x-cache|x-edge-.*|x-forwarded-proto|x-real-ip",
    re.IGNORECASE,
)
_CORS_HEADER = re.compile(r"access-control-.*", re.IGNORECASE)


def check_response_headers_policy(
    policy: ResponseHeadersPolicy, where: str, problems: Problems
) -> None:
    """Headers that are legal, each where it belongs, none that cannot be removed."""
    if policy.cors is not None:
        _check_cors(policy.cors, f"{where}.cors", problems)
    for index, header in enumerate(policy.security):
        place = f"{where}.security[{index}]"
        if header.name.lower() not in map(str.lower, MEMBERS.values()):
            known = listed(MEMBERS.values())
            problems.add(f"{place}.name", f"{quoted(header.name)} is not one of {known}")
        elif security_member(header) is None:
            problems.add(f"{place}.value", f"{quoted(header.value)} is no value of {header.name}")
    _check_custom(policy, where, problems)
    _check_removed(policy.remove, f"{where}.remove", problems)
    _check_values(policy, where, problems)
    percent = policy.server_timing_percent
    if percent is not None and (not 0 <= percent <= 100 or round(percent, 4) != percent):
        problems.add(
            f"{where}.server_timing_percent",
            f"{percent:g} is outside 0 to 100, or has more than 4 decimals",
        )


def _check_custom(policy: ResponseHeadersPolicy, where: str, problems: Problems) -> None:
    if len(policy.custom) > HEADERS_MAX:
        trouble = f"{len(policy.custom)} headers are more than {HEADERS_MAX}"
        problems.add(f"{where}.custom", trouble, ProblemCode.TOO_MANY)
    security = {name.lower() for name in MEMBERS.values()}
    for index, header in enumerate(policy.custom):
        place = f"{where}.custom[{index}].name"
        if not _TOKEN.fullmatch(header.name):
            problems.add(place, f"{quoted(header.name)} is not a header's name")
        elif header.name.lower() in security:
            problems.add(place, f"{quoted(header.name)} belongs in security")
        elif _CORS_HEADER.fullmatch(header.name):
            problems.add(place, f"{quoted(header.name)} belongs in cors")
        elif _NOT_REMOVABLE.fullmatch(header.name):
            problems.add(place, f"{quoted(header.name)} cannot be set by a policy")


def _check_removed(names: tuple[str, ...], where: str, problems: Problems) -> None:
    if len(names) > HEADERS_MAX:
        trouble = f"{len(names)} headers are more than {HEADERS_MAX}"
        problems.add(where, trouble, ProblemCode.TOO_MANY)
    for index, name in enumerate(names):
        if not _TOKEN.fullmatch(name):
            problems.add(f"{where}[{index}]", f"{quoted(name)} is not a header's name")
        elif _NOT_REMOVABLE.fullmatch(name):
            problems.add(f"{where}[{index}]", f"{quoted(name)} cannot be removed by a policy")


def _check_values(policy: ResponseHeadersPolicy, where: str, problems: Problems) -> None:
    groups: tuple[tuple[str, tuple[SetHeader, ...]], ...] = (
        ("security", policy.security),
        ("custom", policy.custom),
    )
    for group, headers in groups:
        seen: set[str] = set()
        for index, header in enumerate(headers):
            place = f"{where}.{group}[{index}]"
            if len(header.value) > VALUE_CHARS_MAX or not _VALUE.fullmatch(header.value):
                long = group == "security" and len(header.value) > VALUE_CHARS_MAX
                problems.add(
                    f"{place}.value",
                    f"not a header's value of at most {VALUE_CHARS_MAX} characters",
                    ProblemCode.TOO_MANY if long else ProblemCode.INVALID,
                )
            if header.name.lower() in seen:
                problems.add(f"{place}.name", f"{quoted(header.name)} is named twice")
            seen.add(header.name.lower())


def _check_cors(cors: CorsHeaders, where: str, problems: Problems) -> None:
    if not cors.allow_origins:
        problems.add(f"{where}.allow_origins", "empty: no origin would be allowed")
    for index, origin in enumerate(cors.allow_origins):
        if not _ORIGIN.fullmatch(origin):
            problems.add(
                f"{where}.allow_origins[{index}]",
                f'{quoted(origin)} is not an origin ("*" only as the first label or in the port)',
            )
    for index, method in enumerate(cors.allow_methods):
        if method not in CORS_METHODS:
            problems.add(
                f"{where}.allow_methods[{index}]",
                f"{quoted(method)} is not one of {listed(CORS_METHODS)}",
            )
    for what, names in (
        ("allow_headers", cors.allow_headers),
        ("expose_headers", cors.expose_headers),
    ):
        for index, name in enumerate(names):
            if not _TOKEN.fullmatch(name):
                problems.add(f"{where}.{what}[{index}]", f"{quoted(name)} is not a header's name")
    if cors.max_age_s is not None and not 0 <= cors.max_age_s <= MAX_AGE_S_MAX:
        problems.add(f"{where}.max_age_s", f"{cors.max_age_s} is outside 0 to {MAX_AGE_S_MAX}")
