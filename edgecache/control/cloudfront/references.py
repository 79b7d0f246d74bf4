"""Who names a resource: what is used cannot be deleted, and distributions are listed by it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgecache.config.aws.origins import OAI_PREFIX
from edgecache.control.state.catalog import Catalog
from edgecache.control.state.resources import Resource, ResourceKind

_MEMBERS = {
    ResourceKind.CACHE_POLICY: "CachePolicyId",
    ResourceKind.ORIGIN_REQUEST_POLICY: "OriginRequestPolicyId",
    ResourceKind.RESPONSE_HEADERS_POLICY: "ResponseHeadersPolicyId",
}


def users(catalog: Catalog, resource: Resource) -> list[str]:
    """What names it: key groups name public keys, distributions name everything else."""
    if resource.kind is ResourceKind.PUBLIC_KEY:
        groups = catalog.of(ResourceKind.KEY_GROUP)
        return [f"the key group {one.id}" for one in groups if resource.id in one.config["Items"]]
    found = distributions_naming(catalog, resource.kind, resource.id)
    return [f"the distribution {one.id}" for one in found]


def distributions_naming(catalog: Catalog, kind: ResourceKind, id: str) -> list[Resource]:
    """The distributions that name the resource of a kind with this id, by their ids."""
    return [
        one for one in catalog.of(ResourceKind.DISTRIBUTION) if id in set(_named(one.config, kind))
    ]


def _named(config: dict[str, Any], kind: ResourceKind) -> Iterator[str]:
    if kind in _MEMBERS:
        for behavior in behaviors(config):
            yield behavior.get(_MEMBERS[kind], "")
    elif kind is ResourceKind.KEY_GROUP:
        for behavior in behaviors(config):
            yield from behavior.get("TrustedKeyGroups", {}).get("Items", ())
    for origin in config["Origins"].get("Items", ()):
        if kind is ResourceKind.ACCESS_CONTROL:
            yield origin.get("OriginAccessControlId", "")
        elif kind is ResourceKind.ACCESS_IDENTITY:
            identity = origin.get("S3OriginConfig", {}).get("OriginAccessIdentity", "")
            yield identity.removeprefix(OAI_PREFIX)


def behaviors(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Every behavior of a DistributionConfig, the default one last."""
    return [*config["CacheBehaviors"].get("Items", ()), config["DefaultCacheBehavior"]]
