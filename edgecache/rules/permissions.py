"""Permissions of access keys: the action that each operation of both APIs is, and on what.

Law: a key with limits may do what stands in these tables and within them, and nothing else: an
operation that is not here is for keys without limits. What an operation is about is read from its
input as the operation itself reads it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """A class of operations that a key may be limited to."""

    READ = "read"  # what is there, of distributions and beside them
    INVALIDATE = "invalidate"  # accept invalidations, and tell how far they are
    RELEASE = "release"  # cut, activate and delete releases
    WRITE = "write"  # distributions, policies, keys, tags, functions and key value stores


@dataclass(frozen=True, slots=True)
class Permission:
    """Any of `actions` permits the operation; `distribution` is the input that names the one it is
    about: empty where it is about no single one, EVERY_KEY where it tells nothing of any.
    """

    actions: tuple[Action, ...]
    distribution: str = ""


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What a key is limited to: actions, distributions by id. Empty: all of them."""

    actions: frozenset[str] = frozenset()
    distributions: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.actions or self.distributions)


EVERY_KEY = "*"
BODY = "(body)"  # of the REST API: the member `distribution` of the body
ARN = "Resource"  # names a distribution by its ARN

_READ, _WRITE = (Action.READ,), (Action.WRITE,)
_LOOK = (Action.READ, Action.WRITE)  # who changes one must see it: its version, its configuration
_INVALIDATE = (Action.INVALIDATE,)
_FOLLOW = (Action.READ, Action.INVALIDATE)

_KINDS = (
    ("CachePolicy", "CachePolicies"),
    ("OriginRequestPolicy", "OriginRequestPolicies"),
    ("ResponseHeadersPolicy", "ResponseHeadersPolicies"),
    ("PublicKey", "PublicKeys"),
    ("KeyGroup", "KeyGroups"),
    ("OriginAccessControl", "OriginAccessControls"),
    ("CloudFrontOriginAccessIdentity", "CloudFrontOriginAccessIdentities"),
    ("ContinuousDeploymentPolicy", "ContinuousDeploymentPolicies"),
)
_ABSENT = (  # of which there are none
    "AnycastIpLists", "ConnectionFunctions", "ConnectionGroups",
    "DistributionTenants", "DistributionTenantsByCustomization", "FieldLevelEncryptionConfigs",
    "FieldLevelEncryptionProfiles", "StreamingDistributions", "TrustStores", "VpcOrigins",
)  # fmt: skip
_FUNCTIONS = ("Function", "KeyValueStore")
CLOUDFRONT: dict[str, Permission] = {
    "ListDistributions": Permission(_READ),
    "ListDistributionsByCachePolicyId": Permission(_READ),
    "ListDistributionsByKeyGroup": Permission(_READ),
    "ListDistributionsByOriginRequestPolicyId": Permission(_READ),
    "ListDistributionsByResponseHeadersPolicyId": Permission(_READ),
    "ListDistributionsByWebACLId": Permission(_READ),
    "GetDistribution": Permission(_LOOK, "Id"),
    "GetDistributionConfig": Permission(_LOOK, "Id"),
    "UpdateDistribution": Permission(_WRITE, "Id"),
    "DeleteDistribution": Permission(_WRITE, "Id"),
    "CreateDistribution": Permission(_WRITE),
    "CreateDistributionWithTags": Permission(_WRITE),
    "CopyDistribution": Permission(_WRITE),  # what it makes is another one
    "UpdateDistributionWithStagingConfig": Permission(_WRITE, "Id"),  # and its policy
    "ListTagsForResource": Permission(_LOOK, ARN),
    "TagResource": Permission(_WRITE, ARN),
    "UntagResource": Permission(_WRITE, ARN),
    "CreateInvalidation": Permission(_INVALIDATE, "DistributionId"),
    "GetInvalidation": Permission(_FOLLOW, "DistributionId"),
    "ListInvalidations": Permission(_FOLLOW, "DistributionId"),
    **{f"List{plural}": Permission(_LOOK) for _, plural in _KINDS},
    **{f"Get{kind}": Permission(_LOOK) for kind, _ in _KINDS},
    **{f"Get{kind}Config": Permission(_LOOK) for kind, _ in _KINDS},
    **{f"{verb}{kind}": Permission(_WRITE) for kind, _ in _KINDS
       for verb in ("Create", "Update", "Delete")},
    **{f"List{kind}s": Permission(_LOOK) for kind in _FUNCTIONS},
    **{f"Describe{kind}": Permission(_LOOK) for kind in _FUNCTIONS},
    **{f"{verb}{kind}": Permission(_WRITE) for kind in _FUNCTIONS
       for verb in ("Create", "Update", "Delete")},
    "ListDistributionsByRealtimeLogConfig": Permission(_READ),
    **{f"ListDistributionsBy{name}": Permission(_READ)
       for name in ("AnycastIpListId", "ConnectionMode", "VpcOriginId")},
    **{f"List{name}": Permission(_LOOK) for name in _ABSENT},
    "CreateMonitoringSubscription": Permission(_WRITE, "DistributionId"),
    "GetMonitoringSubscription": Permission(_LOOK, "DistributionId"),
    "DeleteMonitoringSubscription": Permission(_WRITE, "DistributionId"),
    "AssociateAlias": Permission(_WRITE),  # it is taken from another one
    "ListConflictingAliases": Permission(_READ),
    "ListRealtimeLogConfigs": Permission(_LOOK),
    "GetRealtimeLogConfig": Permission(_LOOK),
    **{f"{verb}RealtimeLogConfig": Permission(_WRITE) for verb in ("Create", "Update", "Delete")},
    "GetFunction": Permission(_LOOK),
    "PublishFunction": Permission(_WRITE),
    "TestFunction": Permission(_WRITE),
}  # fmt: skip
"""By the operation's name; `distribution` is a member of its input."""

KEY_VALUES: dict[str, Permission] = {
    "DescribeKeyValueStore": Permission(_LOOK),
    "ListKeys": Permission(_LOOK),
    "GetKey": Permission(_LOOK),
    "PutKey": Permission(_WRITE),
    "DeleteKey": Permission(_WRITE),
    "UpdateKeys": Permission(_WRITE),
}
"""Of the service `cloudfront-keyvaluestore`; a store is no single distribution's."""

ROUTE53: dict[str, Permission] = {}
"""Of Route 53: zones are for keys without limits."""

REST: dict[str, Permission] = {
    "health": Permission((*Action,), EVERY_KEY),
    "openapi": Permission((*Action,), EVERY_KEY),
    "docs": Permission((*Action,), EVERY_KEY),
    **{name: Permission((*Action,), EVERY_KEY) for name in (
        "dashboard_page", "dashboard_asset", "create_session", "get_session", "delete_session",
    )},
    **{name: Permission(_READ) for name in (
        "dashboard_live", "dashboard_series", "dashboard_ranks",
    )},
    "list_nodes": Permission(_READ),
    "metrics": Permission(_READ),
    "store_stats": Permission(_READ),
    "list_objects": Permission(_READ),
    "list_function_logs": Permission(_READ),
    "list_health_checks": Permission(_READ),
    "get_health_check": Permission(_READ),
    "explain_request": Permission(_READ),
    "create_log_reader": Permission(_READ),
    "read_log": Permission(_READ),
    "delete_log_reader": Permission(_READ),
    "list_changes": Permission(_READ),
    "get_change": Permission(_READ),
    "list_distributions": Permission(_READ),
    "get_distribution": Permission(_LOOK, "id"),
    "create_invalidation": Permission(_INVALIDATE, BODY),
    "dry_run_invalidation": Permission(_FOLLOW, BODY),
    "list_invalidations": Permission(_FOLLOW, "distribution"),
    "get_invalidation": Permission(_FOLLOW, "distribution"),
    "list_releases": Permission((Action.READ, Action.RELEASE), "id"),
    "cut_release": Permission((Action.RELEASE,), "id"),
    "activate_release": Permission((Action.RELEASE,), "id"),
    "delete_release": Permission((Action.RELEASE,), "id"),
}  # fmt: skip
"""By the name in `routes`; `distribution` is a value of the path. All others need a key without
limits: access keys themselves, adoption, reloads, nodes."""


def refusal(
    limits: KeyLimits, operation: str, permission: Permission | None, distribution: str
) -> str:
    """Why a key with these limits may not do an operation on `distribution`; empty when it may."""
    if not limits:
        return ""
    if permission is None:
        return f"{operation} is for access keys without limits"
    if limits.actions and not limits.actions & {*permission.actions}:
        return f"the access key is limited to {_listed(limits.actions)}: not {operation}"
    if not limits.distributions or permission.distribution == EVERY_KEY:
        return ""
    if distribution not in limits.distributions:
        which = _listed(limits.distributions)
        asked = f"not {operation} of {distribution}" if distribution else f"not {operation}"
        return f"the access key is limited to distribution {which}: {asked}"
    return ""


def _listed(words: Collection[str]) -> str:
    return ", ".join(sorted(words))
