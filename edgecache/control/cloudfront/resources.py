"""Operations on policies, keys, groups, access controls and identities: six on each type.

One implementation for all types; `resource_types.py` says in what they differ. What a resource is
named by decides whether it can be deleted, and which distributions are listed by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from edgecache.config.aws.origins import OAI_PREFIX
from edgecache.config.aws.passthrough import EXTENSION
from edgecache.control.cloudfront.context import OperationContext, Run, kind_words, page
from edgecache.control.cloudfront.error_mapping import as_api_errors
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.cloudfront.model import PREFIX, api
from edgecache.control.cloudfront.preconditions import (
    require_changeable,
    require_current,
    require_resource,
)
from edgecache.control.cloudfront.quotas import OF_KIND, require_few_names, require_room
from edgecache.control.cloudfront.resource_types import (
    RESOURCE_TYPES,
    Config,
    ResourceType,
)
from edgecache.control.state.catalog import Catalog
from edgecache.control.state.resources import (
    Resource,
    ResourceKind,
    ResourceSource,
    default_domain_name,
    random_id,
)

_MEMBERS = {
    ResourceKind.CACHE_POLICY: "CachePolicyId",
    ResourceKind.ORIGIN_REQUEST_POLICY: "OriginRequestPolicyId",
    ResourceKind.RESPONSE_HEADERS_POLICY: "ResponseHeadersPolicyId",
}


def resource_users(catalog: Catalog, resource: Resource) -> list[str]:
    """The users of a resource: key groups of public keys, distributions of all others."""
    if resource.kind is ResourceKind.PUBLIC_KEY:
        groups = catalog.of(ResourceKind.KEY_GROUP)
        return [f"the key group {one.id}" for one in groups if resource.id in one.config["Items"]]
    using = distributions_using(catalog, resource.kind, resource.id)
    return [f"the distribution {one.id}" for one in using]


def distributions_using(catalog: Catalog, kind: ResourceKind, id: str) -> list[Resource]:
    """The distributions that name the resource of a kind with this id, by their ids."""
    return [
        one
        for one in catalog.of(ResourceKind.DISTRIBUTION)
        if id in set(_used_ids(one.config, kind))
    ]


def policies_of_staging(call: OperationContext, staging: Resource) -> list[Resource]:
    """The policies that send requests to a staging distribution: at most one."""
    name = (staging.domain_name or default_domain_name(staging.id)).lower()
    return [
        one
        for one in call.catalog.of(ResourceKind.CONTINUOUS_DEPLOYMENT_POLICY)
        if name
        in map(str.lower, one.config.get("StagingDistributionDnsNames", {}).get("Items", ()))
    ]


def _with_sessions(before: Config, after: Config, now: float) -> Config:
    """A policy's configuration, and since when its sessions count: from when it, or stickiness, was
    enabled or disabled (Developer Guide, "Session stickiness")."""
    if _sessions_of(before) != _sessions_of(after):
        return after | {EXTENSION: {"sessions_since": int(now)}}
    return after | ({EXTENSION: before[EXTENSION]} if EXTENSION in before else {})


def _sessions_of(config: Config) -> tuple[bool, bool]:
    by_weight = config.get("TrafficConfig", {}).get("SingleWeightConfig", {})
    return bool(config["Enabled"]), "SessionStickinessConfig" in by_weight


def _used_ids(config: dict[str, Any], kind: ResourceKind) -> Iterator[str]:
    if kind in _MEMBERS:
        for behavior in behaviors(config):
            yield behavior.get(_MEMBERS[kind], "")
    elif kind is ResourceKind.KEY_GROUP:
        for behavior in behaviors(config):
            yield from behavior.get("TrustedKeyGroups", {}).get("Items", ())
    elif kind is ResourceKind.REALTIME_LOG:
        for behavior in behaviors(config):
            yield behavior.get("RealtimeLogConfigArn", "").rpartition("/")[2]
    elif kind is ResourceKind.FUNCTION:
        for behavior in behaviors(config):
            for item in behavior.get("FunctionAssociations", {}).get("Items", ()):
                yield item["FunctionARN"].rpartition("/")[2]
    elif kind is ResourceKind.CONTINUOUS_DEPLOYMENT_POLICY:
        yield config.get("ContinuousDeploymentPolicyId", "")
    for origin in config["Origins"].get("Items", ()):
        if kind is ResourceKind.ACCESS_CONTROL:
            yield origin.get("OriginAccessControlId", "")
        elif kind is ResourceKind.ACCESS_IDENTITY:
            identity = origin.get("S3OriginConfig", {}).get("OriginAccessIdentity", "")
            yield identity.removeprefix(OAI_PREFIX)


def behaviors(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Every behavior of a DistributionConfig, the default one last."""
    return [*config["CacheBehaviors"].get("Items", ()), config["DefaultCacheBehavior"]]


def operations() -> dict[str, Run]:
    """The operations on every kind of the table, by name."""
    table: dict[str, Run] = {}
    for type in RESOURCE_TYPES:
        table[f"Create{type.name}"] = partial(create, type)
        table[f"Get{type.name}"] = partial(get, type)
        table[f"Get{type.name}Config"] = partial(get_config, type)
        table[f"Update{type.name}"] = partial(update, type)
        table[f"Delete{type.name}"] = partial(delete, type)
        table[f"List{type.plural}"] = partial(list_all, type)
    return table


def create(type: ResourceType, call: OperationContext) -> Config:
    """Make one. The same reference and contents again give an identity that is there already."""
    catalog = call.catalog
    config = type.fill(call.input[type.config])
    reference = str(config.get("CallerReference", ""))
    known = catalog.of(type.kind)
    duplicate = next((one for one in known if reference and one.reference == reference), None)
    if duplicate is not None and duplicate.config == config and "Name" not in config:
        return _output(type, duplicate, call)
    if duplicate is not None:
        raise ApiError(
            type.exists, f"The caller reference is that of another {kind_words(type.kind)}."
        )
    _require_free(type, config, "", known)
    made = sum(one.source is ResourceSource.API for one in known)
    require_room(call, OF_KIND[type.kind], made, type.too_many)
    require_few_names(call, type.kind, config)
    now = catalog.clock()
    resource = Resource(
        kind=type.kind,
        id=type.make_id(catalog.random),
        etag=random_id("E", catalog.random),
        created_at=now,
        modified_at=now,
        config=config,
        reference=reference,
    )
    with as_api_errors(type.kind, resource.id), call.changing(resource.id):
        catalog.put(resource)
    return _output(type, resource, call)


def get(type: ResourceType, call: OperationContext) -> Config:
    one = require_resource(call, type.kind, call.input["Id"], type.missing)
    return {type.name: type.shown(one), "ETag": one.etag}


def get_config(type: ResourceType, call: OperationContext) -> Config:
    one = require_resource(call, type.kind, call.input["Id"], type.missing)
    return {type.config: one.config, "ETag": one.etag}


def update(type: ResourceType, call: OperationContext) -> Config:
    """Replace the configuration whole."""
    catalog = call.catalog
    one = require_resource(call, type.kind, call.input["Id"], type.missing)
    require_changeable(one, "IllegalUpdate")
    require_current(call, one)
    config = type.fill(call.input[type.config])
    for name in type.fixed:
        if config.get(name) != one.config.get(name):
            raise ApiError(
                type.fixed_fault, f"The parameter {type.config}.{name} cannot be changed."
            )
    _require_free(type, config, one.id, catalog.of(type.kind))
    require_few_names(call, type.kind, config)
    if type.kind is ResourceKind.CONTINUOUS_DEPLOYMENT_POLICY:
        config = _with_sessions(one.config, config, catalog.clock())
    changed = replace(
        one,
        etag=random_id("E", catalog.random),
        modified_at=catalog.clock(),
        config=config,
        generation=0,
    )
    with as_api_errors(type.kind, one.id), call.changing(one.id):
        catalog.put(changed)
    return {type.name: type.shown(changed), "ETag": changed.etag}


def delete(type: ResourceType, call: OperationContext) -> Config:
    """Remove one that nothing uses."""
    one = require_resource(call, type.kind, call.input["Id"], type.missing)
    require_changeable(one, "IllegalDelete")
    require_current(call, one)
    holders = resource_users(call.catalog, one)
    if holders:
        raise ApiError(
            type.in_use, f"The {kind_words(type.kind)} {one.id} is used by {holders[0]}."
        )
    with as_api_errors(type.kind, one.id), call.changing(one.id):
        call.catalog.remove(type.kind, one.id)
    return {}


def list_all(type: ResourceType, call: OperationContext) -> Config:
    known = call.catalog.of(type.kind)
    wanted = call.input.get("Type")
    if wanted is not None:
        known = [
            one for one in known if (one.source is ResourceSource.MANAGED) == (wanted == "managed")
        ]
    listed = page(call.input, known, lambda one: one.id, type.listed)
    return {_list_member(type): listed}


def _list_member(type: ResourceType) -> str:
    """The payload of the list's answer, `CachePolicyList` for instance."""
    shape: Any = api().operations[f"List{type.plural}"].gives
    return str(shape.serialization["payload"])


def _output(type: ResourceType, one: Resource, call: OperationContext) -> Config:
    path = "/".join(api().operations[f"Create{type.name}"].path)
    location = f"{call.base}{PREFIX}/{path}/{one.id}"
    return {type.name: type.shown(one), "ETag": one.etag, "Location": location}


def _require_free(type: ResourceType, config: Config, id: str, known: list[Resource]) -> None:
    """A name is one resource's alone, of those of a kind."""
    name = config.get("Name")
    if name and any(one.name == name and one.id != id for one in known):
        raise ApiError(type.exists, f"There is a {kind_words(type.kind)} named {name} already.")
