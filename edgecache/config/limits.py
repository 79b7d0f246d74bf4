"""Limits and quotas: bounds on what viewers and callers may do, and on how much there may be.

Law: data only. Bounds and why stand in `limit_settings.py` and `quota_settings.py`. The defaults of
quotas are CloudFront's (Developer Guide, "Quotas"), which AWS raises on request and an operator in
the file.
"""

from __future__ import annotations

from edgecache.config.base import KIB, MIB, Model


class Limits(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds on what viewers, and callers of our other listeners, may do. Why: `settings.py`."""

    head_bytes_max: int = 32_768
    url_bytes_max: int = 8_192
    fields_max: int = 100
    underscores_in_headers: bool = False  # whether request fields with `_` in their names pass
    response_head_bytes_max: int = 64 * KIB
    response_fields_max: int = 1_000
    head_s_max: float = 10
    body_idle_s_max: float = 30
    write_idle_s_max: float = 30
    idle_s_max: float = 75
    half_closed_s_max: float = 1
    drain_s_max: float = 10
    hand_over_s_max: float = 600
    object_bytes_max: int = 64 * MIB
    block_bytes: int = MIB
    buffer_bytes_max: int = 256 * KIB
    waiters_max: int = 10_000
    errands_max: int = 10_000
    errands_per_address_max: int = 5_000
    uploads_per_address_max: int = 64
    websockets_per_address_max: int = 512
    streams_per_address_max: int = 128
    concurrent_streams_max: int = 128  # of one connection (HTTP/2, HTTP/3)
    connections_max: int = 20_000
    connections_per_address_max: int = 5_000


class Quotas(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Numbers of what the API makes, then of what one distribution, group, store or policy has.

    `checks/quotas.py` counts what a whole configuration has; the API what it is asked to make.
    """

    distributions: int = 500
    staging_distributions: int = 20
    continuous_deployment_policies: int = 20
    cache_policies: int = 20
    origin_request_policies: int = 20
    response_headers_policies: int = 20
    public_keys: int = 10
    key_groups: int = 10
    origin_access_controls: int = 100
    origin_access_identities: int = 100
    functions: int = 100
    key_value_stores: int = 50
    realtime_log_configs: int = 150
    aliases_per_distribution: int = 100
    cache_behaviors_per_distribution: int = 75
    origins_per_distribution: int = 100
    origin_groups_per_distribution: int = 10
    lambda_functions_per_distribution: int = 100
    custom_headers_per_origin: int = 30
    key_groups_per_cache_behavior: int = 4
    public_keys_per_key_group: int = 5
    functions_per_key_value_store: int = 10
    headers_per_cache_policy: int = 10
    cookies_per_cache_policy: int = 10
    query_strings_per_cache_policy: int = 10
    headers_per_origin_request_policy: int = 10
    cookies_per_origin_request_policy: int = 10
    query_strings_per_origin_request_policy: int = 10
    custom_headers_per_response_headers_policy: int = 10
    removed_headers_per_response_headers_policy: int = 10
