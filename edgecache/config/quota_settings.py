"""Settings of `quotas`: what is counted, bounds, and where it is counted.

A high bound is what control and its nodes are known to carry, not a number of CloudFront's.
"""

from __future__ import annotations

from edgecache.config.limits import Quotas
from edgecache.config.setting import Setting

_MADE = "the API made: it makes no more"
_WHOLE = "of the file and the API together"
_SELECTED = "that a policy the API makes or changes selects"

_ROWS: tuple[tuple[str, str, int, str], ...] = (
    ("distributions", "distributions", 100_000, f"{_WHOLE} (TooManyDistributions)"),
    ("staging_distributions", "distributions", 100_000, f"{_WHOLE} (TooManyDistributions)"),
    (
        "continuous_deployment_policies",
        "policies",
        100_000,
        f"{_WHOLE} (TooManyContinuousDeploymentPolicies)",
    ),
    ("cache_policies", "policies", 10_000, f"{_MADE} (TooManyCachePolicies)"),
    ("origin_request_policies", "policies", 10_000, f"{_MADE} (TooManyOriginRequestPolicies)"),
    ("response_headers_policies", "policies", 10_000, f"{_MADE} (TooManyResponseHeadersPolicies)"),
    ("public_keys", "keys", 2_500, f"{_MADE} (TooManyPublicKeys)"),
    ("key_groups", "groups", 2_500, f"{_MADE} (TooManyKeyGroups)"),
    ("origin_access_controls", "controls", 10_000, f"{_WHOLE} (TooManyOriginAccessControls)"),
    (
        "origin_access_identities",
        "identities",
        10_000,
        f"{_WHOLE} (TooManyCloudFrontOriginAccessIdentities)",
    ),
    ("functions", "functions", 1_000, f"{_WHOLE} (TooManyFunctions)"),
    ("key_value_stores", "stores", 500, f"{_WHOLE} (EntityLimitExceeded)"),
    ("realtime_log_configs", "logs", 1_000, f"{_WHOLE} (TooManyRealtimeLogConfigs)"),
    ("aliases_per_distribution", "names", 10_000, "TooManyDistributionCNAMEs"),
    ("cache_behaviors_per_distribution", "behaviors", 1_000, "TooManyCacheBehaviors"),
    ("origins_per_distribution", "origins", 1_000, "TooManyOrigins"),
    ("origin_groups_per_distribution", "groups", 1_000, "TooManyOriginGroupsPerDistribution"),
    ("lambda_functions_per_distribution", "functions", 1_000, "TooManyLambdaFunctionAssociations"),
    ("custom_headers_per_origin", "headers", 1_000, "TooManyOriginCustomHeaders"),
    (
        "key_groups_per_cache_behavior",
        "groups",
        1_000,
        "TooManyKeyGroupsAssociatedToDistribution",
    ),
    ("public_keys_per_key_group", "keys", 1_000, "TooManyPublicKeysInKeyGroup"),
    ("functions_per_key_value_store", "functions", 1_000, "InvalidArgument"),
    ("headers_per_cache_policy", "names", 100, f"{_SELECTED} (TooManyHeadersInCachePolicy)"),
    ("cookies_per_cache_policy", "names", 100, f"{_SELECTED} (TooManyCookiesInCachePolicy)"),
    (
        "query_strings_per_cache_policy",
        "names",
        100,
        f"{_SELECTED} (TooManyQueryStringsInCachePolicy)",
    ),
    (
        "headers_per_origin_request_policy",
        "names",
        100,
        f"{_SELECTED} (TooManyHeadersInOriginRequestPolicy)",
    ),
    (
        "cookies_per_origin_request_policy",
        "names",
        100,
        f"{_SELECTED} (TooManyCookiesInOriginRequestPolicy)",
    ),
    (
        "query_strings_per_origin_request_policy",
        "names",
        100,
        f"{_SELECTED} (TooManyQueryStringsInOriginRequestPolicy)",
    ),
    (
        "custom_headers_per_response_headers_policy",
        "headers",
        100,
        "TooManyCustomHeadersInResponseHeadersPolicy",
    ),
    (
        "removed_headers_per_response_headers_policy",
        "headers",
        100,
        "TooManyRemoveHeadersInResponseHeadersPolicy",
    ),
)

QUOTA_SETTINGS: tuple[Setting, ...] = tuple(
    Setting(Quotas, name, unit, 0, high, why) for name, unit, high, why in _ROWS
)
