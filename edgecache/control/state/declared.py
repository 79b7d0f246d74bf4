"""Resources the API shows and does not keep: CloudFront's managed policies, and the file's own.

A resource of the file has a version made of its contents, so that clients can tell it changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from edgecache.config.aws.access import (
    origin_access_control_config,
    origin_access_identity_document,
)
from edgecache.config.aws.continuous_deployment import continuous_deployment_policy_config
from edgecache.config.aws.health_checks import health_check_config
from edgecache.config.aws.policies import (
    Policies,
    cache_policy_config,
    origin_request_policy_config,
    policies_of,
)
from edgecache.config.aws.response_headers import response_headers_policy_config
from edgecache.config.aws.write import distribution_config
from edgecache.config.model import Config, ContinuousDeploymentPolicy, Distribution, RealtimeLog
from edgecache.control.state.functions import LIVE, declared_stage
from edgecache.control.state.resources import (
    Resource,
    ResourceKind,
    ResourceSource,
    content_etag,
    default_domain_name,
)
from edgecache.observe.realtime_log import RealtimeLines

Declared = Mapping[ResourceKind, Mapping[str, Resource]]

MANAGED_AT = 1_577_836_800.0  # the first of January 2020: policies came that year


def declared_resources(file: Config, now: float) -> Declared:
    """Managed policies and the file's own resources, by kind and id; `now` is when it was read."""
    found: dict[ResourceKind, dict[str, Resource]] = {kind: {} for kind in ResourceKind}
    managed = Policies().known()
    own = [policies_of(distribution) for distribution in file.distributions]
    for source, at, policies in (
        *((ResourceSource.FILE, now, one) for one in own),
        (ResourceSource.MANAGED, MANAGED_AT, managed),
    ):
        for kind, configs in _policy_configs(policies):
            found[kind] |= _resources(kind, configs, at, source)
    for kind, configs in (*_file_configs(file), *_edge_code_configs(file, now)):
        found[kind] = _resources(kind, configs, now, ResourceSource.FILE)
    for distribution in file.distributions:
        known = found[ResourceKind.DISTRIBUTION][distribution.id]
        named = replace(known, domain_name=distribution.domain_name)
        found[ResourceKind.DISTRIBUTION][distribution.id] = named
    return found


def _resources(
    kind: ResourceKind, configs: Iterable[tuple[str, dict[str, Any], dict[str, str]]], at: float,
    source: ResourceSource,
) -> dict[str, Resource]:  # fmt: skip
    return {
        id: Resource(
            kind=kind,
            id=id,
            etag=content_etag(config),
            created_at=at,
            modified_at=at,
            config=config,
            reference=str(config.get("CallerReference", "")),
            tags=tags,
            source=source,
        )
        for id, config, tags in configs
    }


_Configs = list[tuple[str, dict[str, Any], dict[str, str]]]


def _reference(distribution: Distribution) -> dict[str, str]:
    """Every distribution has one, so that it is still its own when the API takes it over."""
    return {"CallerReference": distribution.caller_reference or distribution.id}


def _policy_configs(policies: Policies) -> list[tuple[ResourceKind, _Configs]]:
    return [
        (
            ResourceKind.CACHE_POLICY,
            [(i, cache_policy_config(p), {}) for i, p in policies.caches.items()],
        ),
        (
            ResourceKind.ORIGIN_REQUEST_POLICY,
            [(i, origin_request_policy_config(p), {}) for i, p in policies.requests.items()],
        ),
        (
            ResourceKind.RESPONSE_HEADERS_POLICY,
            [(i, response_headers_policy_config(p), {}) for i, p in policies.responses.items()],
        ),
    ]


def _file_configs(file: Config) -> list[tuple[ResourceKind, _Configs]]:
    config = "CloudFrontOriginAccessIdentityConfig"
    return [
        (
            ResourceKind.DISTRIBUTION,
            [
                (one.id, distribution_config(one) | _reference(one), dict(one.tags))
                for one in file.distributions
            ],
        ),
        (
            ResourceKind.PUBLIC_KEY,
            [
                (key.id, {"CallerReference": key.id, "Name": key.name or key.id,
                          "EncodedKey": key.pem, "Comment": key.comment}, {})
                for key in file.public_keys
            ],
        ),
        (
            ResourceKind.KEY_GROUP,
            [
                (group.id, {"Name": group.name or group.id, "Items": list(group.keys),
                            "Comment": group.comment}, {})
                for group in file.key_groups
            ],
        ),
        (
            ResourceKind.ACCESS_CONTROL,
            [
                (one.id, origin_access_control_config(one), {})
                for one in file.origin_access_controls
            ],
        ),
        (
            ResourceKind.CONTINUOUS_DEPLOYMENT_POLICY,
            [
                (one.id, continuous_deployment_policy_config(one, _domain_name(one, file)), {})
                for one in file.continuous_deployment_policies
            ],
        ),
        (
            ResourceKind.ACCESS_IDENTITY,
            [
                (one.id, origin_access_identity_document(one)[config], {})
                for one in file.origin_access_identities
            ],
        ),
    ]  # fmt: skip


def _domain_name(policy: ContinuousDeploymentPolicy, file: Config) -> str:
    """The domain name of a policy's staging distribution, which a file may name by its id."""
    for site in file.distributions:
        if site.id == policy.staging_distribution:
            return site.domain_name or default_domain_name(site.id)
    return policy.staging_distribution


def _edge_code_configs(file: Config, now: float) -> list[tuple[ResourceKind, _Configs]]:
    """Functions, which are live, key value stores, and real-time logs."""
    return [
        (
            ResourceKind.KEY_VALUE_STORE,
            [
                (one.id, {"Name": one.name, "Comment": one.comment}, {})
                for one in file.key_value_stores
            ],
        ),
        (
            ResourceKind.FUNCTION,
            [
                (one.name, {"Name": one.name, "Stages": {LIVE: declared_stage(one, now)}}, {})
                for one in file.functions
            ],
        ),
        (
            ResourceKind.REALTIME_LOG,
            [(one.name, _realtime_log_config(one), {}) for one in file.realtime_logs],
        ),
        (
            ResourceKind.HEALTH_CHECK,
            [
                (one.id, {"HealthCheckConfig": health_check_config(one)}, {})
                for one in (() if file.dns is None else file.dns.health_checks)
            ],
        ),
    ]  # fmt: skip


def _realtime_log_config(log: RealtimeLog) -> dict[str, Any]:
    """A real-time log of the file, as the API has it; no role is asked for."""
    stream = {"RoleARN": "", "StreamARN": log.stream}
    return {
        "Name": log.name,
        "SamplingRate": log.sampling_rate,
        "EndPoints": [{"StreamType": "Kinesis", "KinesisStreamConfig": stream}],
        "Fields": list(RealtimeLines(log.fields).fields),
    }


def realtime_log_of(one: Resource) -> RealtimeLog:
    """The real-time log of one that the API has made."""
    (point,) = one.config["EndPoints"]
    return RealtimeLog(
        name=one.name,
        stream=point["KinesisStreamConfig"]["StreamARN"],
        sampling_rate=one.config["SamplingRate"],
        fields=tuple(one.config["Fields"]),
    )
