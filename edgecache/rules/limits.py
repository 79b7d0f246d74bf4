"""Quotas. Law: what one request or object may weigh at most, and how often it may pass us.

CloudFront Developer Guide, "Quotas"; RFC 8586 (CDN-Loop). URLs and heads are bounded where they are
read, in `http/head.py`.
"""

from __future__ import annotations

from msgspec.structs import replace

from edgecache.http.fields import list_members
from edgecache.http.function_cache import BLOCK_BYTES, remembers
from edgecache.http.message import Fields, Request, combined_value, field_values, is_short, replaced
from edgecache.rules.routing import Route

PASSAGES_MAX = 2  # CloudFront's quota: a chain of distributions is at most two deep
GB = 10**9
REQUEST_BODY_BYTES_MAX = 64 * GB  # CloudFront's quota for the body of a request
OBJECT_BYTES_MAX = 50 * GB  # CloudFront's quota for a cacheable object since 2025
CDN_LOOP = b"cdn-loop"
CDNS_MAX = 32  # that one request may have passed


def outgrows_quota(length: int, route: Route) -> bool:
    """Whether CloudFront would give an error rather than an object of so many bytes.

    Asked only where caching is on: what is passed through may be of any size.
    """
    return route.distribution.semantics == "cloudfront" and length > OBJECT_BYTES_MAX


def passages(fields: Fields, cdn_id: bytes) -> int:
    """How often a request says it has passed the CDN of this id (RFC 8586 §2).

    A chain of more than CDNS_MAX counts as too often: no honest one is so long.
    """
    own = cdn_id.lower()
    count = members = 0
    for value in field_values(fields, CDN_LOOP):
        for member in list_members(value):
            members += 1
            count += member.partition(b";")[0].rstrip(b" \t").lower() == own
    return count if members <= CDNS_MAX else PASSAGES_MAX


def passed(request: Request, cdn_id: bytes) -> Request:
    """`request` as it leaves the CDN of this id: one passage more, earlier ones kept."""
    passed_fields = _passed if is_short(request.fields) else _passed.__wrapped__
    return replace(request, fields=passed_fields(request.fields, cdn_id))


@remembers(256, BLOCK_BYTES)  # blocks come again
def _passed(fields: Fields, cdn_id: bytes) -> Fields:
    before = combined_value(fields, CDN_LOOP)
    value = cdn_id if before is None else before + b", " + cdn_id
    return replaced(fields, CDN_LOOP, value)
