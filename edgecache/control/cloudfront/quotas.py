"""Quotas of the API: how many more resources it makes, and how many names their policies select.

Law: only what is asked for is counted. What was made under a higher quota goes on, and may be
made smaller; it is not refused when control starts.
"""

from __future__ import annotations

from typing import Any

from edgecache.control.cloudfront.context import OperationContext
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.state.resources import ResourceKind

Config = dict[str, Any]

OF_KIND = {
    ResourceKind.CACHE_POLICY: "cache_policies",
    ResourceKind.ORIGIN_REQUEST_POLICY: "origin_request_policies",
    ResourceKind.RESPONSE_HEADERS_POLICY: "response_headers_policies",
    ResourceKind.PUBLIC_KEY: "public_keys",
    ResourceKind.KEY_GROUP: "key_groups",
    ResourceKind.ACCESS_CONTROL: "origin_access_controls",
    ResourceKind.ACCESS_IDENTITY: "origin_access_identities",
    ResourceKind.CONTINUOUS_DEPLOYMENT_POLICY: "continuous_deployment_policies",
}
"""The quota of each kind that has the six operations."""

_SELECTIONS = (  # member, list in it, as quotas and codes spell it
    ("HeadersConfig", "Headers", "headers", "Headers"),
    ("CookiesConfig", "Cookies", "cookies", "Cookies"),
    ("QueryStringsConfig", "QueryStrings", "query_strings", "QueryStrings"),
)
_KEYED = "ParametersInCacheKeyAndForwardedToOrigin"


def require_room(call: OperationContext, quota: str, count: int, code: str) -> None:
    """Refuse to make one more of what there are `count` of, with this code of the API."""
    most = getattr(call.catalog.file.quotas, quota)
    if count >= most:
        raise ApiError(code, f"There are {most} already (quotas.{quota} of the file).")


def require_few_names(call: OperationContext, kind: ResourceKind, config: Config) -> None:
    """Refuse a policy that selects, sets or removes more than its quotas say. ApiError."""
    if kind is ResourceKind.CACHE_POLICY:
        _require_selections(call, config.get(_KEYED, {}), "cache_policy", "CachePolicy")
    elif kind is ResourceKind.ORIGIN_REQUEST_POLICY:
        _require_selections(call, config, "origin_request_policy", "OriginRequestPolicy")
    elif kind is ResourceKind.RESPONSE_HEADERS_POLICY:
        for member, word in (("CustomHeaders", "custom"), ("RemoveHeaders", "removed")):
            _require_few(
                call,
                len(config.get(f"{member}Config", {}).get("Items", ())),
                f"{word}_headers_per_response_headers_policy",
                (f"{member}Config", f"TooMany{member}InResponseHeadersPolicy"),
            )


def _require_selections(call: OperationContext, held: Config, policy: str, spelled: str) -> None:
    for member, listed, word, noun in _SELECTIONS:
        count = len(held.get(member, {}).get(listed, {}).get("Items", ()))
        code = f"TooMany{noun}In{spelled}"
        _require_few(call, count, f"{word}_per_{policy}", (f"{member}.{listed}", code))


def _require_few(
    call: OperationContext, count: int, quota: str, place_and_code: tuple[str, str]
) -> None:
    most = getattr(call.catalog.file.quotas, quota)
    place, code = place_and_code
    if count > most:
        trouble = f"{count} are more than {most} (quotas.{quota} of the file)."
        raise ApiError(code, f"The parameter {place}: {trouble}")
