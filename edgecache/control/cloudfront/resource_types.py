"""Table of the types of resource: the names of their operations, their members and errors."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgecache.config.aws.defaults import fill_ttls
from edgecache.config.origins import canonical_user_id
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.state.resources import Random, Resource, ResourceKind, random_id

Config = dict[str, Any]


def _prefixed(prefix: str) -> Callable[[Random], str]:
    return lambda random: random_id(prefix, random)


def _uuid(random: Random) -> str:
    return str(uuid.UUID(bytes=random(16), version=4))


@dataclass(frozen=True, slots=True)
class ResourceType:
    """How the API speaks of a kind: `CachePolicy`, `CachePolicyConfig`, `ListCachePolicies`.

    The faults are for one that is not there, a name or reference that is taken, one in use, and too
    many. `summary` is what a list holds of each; `extra` stands beside its id and configuration.
    """

    kind: ResourceKind
    name: str
    plural: str
    missing: str
    exists: str
    in_use: str
    too_many: str
    make_id: Callable[[Random], str]
    fill: Callable[[Config], Config]
    extra: Callable[[Resource], Config]
    summary: Callable[[Resource], Config] | None = None
    fixed: tuple[str, ...] = ()  # members that never change
    fixed_fault: str = "IllegalUpdate"

    @property
    def config(self) -> str:
        return f"{self.name}Config"

    def shown(self, resource: Resource) -> Config:
        """The resource as Get and Create answer it."""
        return {"Id": resource.id, self.config: resource.config} | self.extra(resource)

    def listed(self, resource: Resource) -> Config:
        """The resource as its list has it; policies say whose they are."""
        if self.summary is not None:
            return self.summary(resource)
        whose = "managed" if resource.source == "managed" else "custom"
        return {"Type": whose, self.name: self.shown(resource)}


def _modified(resource: Resource) -> Config:
    return {"LastModifiedTime": resource.modified_at}


def _created(resource: Resource) -> Config:
    return {"CreatedTime": resource.created_at}


def _nothing(resource: Resource) -> Config:
    return {}


def _canonical(resource: Resource) -> Config:
    return {"S3CanonicalUserId": canonical_user_id(resource.id)}


def _commented(config: Config) -> Config:
    return {"Comment": ""} | config


def _fill_cache_policy(config: Config) -> Config:
    """TTLs left out give way to those given; those given must be in order (CachePolicyConfig)."""
    given = [config[name] for name in ("MinTTL", "DefaultTTL", "MaxTTL") if name in config]
    if given != sorted(given):
        raise ApiError("InvalidArgument", "MinTTL, DefaultTTL and MaxTTL are not in order.")
    keyed = "ParametersInCacheKeyAndForwardedToOrigin"
    filled = fill_ttls(_commented(config))
    if keyed in filled:
        filled[keyed] = {"EnableAcceptEncodingBrotli": False} | filled[keyed]
    return filled


def _policy(
    kind: ResourceKind, name: str, plural: str, fill: Callable[[Config], Config] = _commented
) -> ResourceType:
    return ResourceType(
        kind=kind,
        name=name,
        plural=plural,
        missing=f"NoSuch{name}",
        exists=f"{name}AlreadyExists",
        in_use=f"{name}InUse",
        too_many=f"TooMany{plural}",
        make_id=_uuid,
        fill=fill,
        extra=_modified,
    )


def _named_of(*members: str) -> Callable[[Resource], Config]:
    """A summary with these members of the configuration beside the id."""

    def summary(resource: Resource) -> Config:
        return {"Id": resource.id} | {name: resource.config.get(name, "") for name in members}

    return summary


def _key_summary(resource: Resource) -> Config:
    return _named_of("Name", "EncodedKey", "Comment")(resource) | _created(resource)


def _group_summary(resource: Resource) -> Config:
    return {"KeyGroup": BY_KIND[ResourceKind.KEY_GROUP].shown(resource)}


def _deployment_summary(resource: Resource) -> Config:
    type = BY_KIND[ResourceKind.CONTINUOUS_DEPLOYMENT_POLICY]
    return {type.name: type.shown(resource)}


def _identity_summary(resource: Resource) -> Config:
    return _named_of("Comment")(resource) | _canonical(resource)


RESOURCE_TYPES = (
    _policy(ResourceKind.CACHE_POLICY, "CachePolicy", "CachePolicies", _fill_cache_policy),
    _policy(ResourceKind.ORIGIN_REQUEST_POLICY, "OriginRequestPolicy", "OriginRequestPolicies"),
    _policy(
        ResourceKind.RESPONSE_HEADERS_POLICY, "ResponseHeadersPolicy", "ResponseHeadersPolicies"
    ),
    ResourceType(
        ResourceKind.PUBLIC_KEY,
        "PublicKey",
        "PublicKeys",
        "NoSuchPublicKey",
        "PublicKeyAlreadyExists",
        "PublicKeyInUse",
        "TooManyPublicKeys",
        _prefixed("K"),
        _commented,
        _created,
        _key_summary,
        fixed=("CallerReference", "Name", "EncodedKey"),
        fixed_fault="CannotChangeImmutablePublicKeyFields",
    ),
    ResourceType(
        ResourceKind.KEY_GROUP,
        "KeyGroup",
        "KeyGroups",
        "NoSuchResource",
        "KeyGroupAlreadyExists",
        "ResourceInUse",
        "TooManyKeyGroups",
        _uuid,
        _commented,
        _modified,
        _group_summary,
    ),
    ResourceType(
        ResourceKind.ACCESS_CONTROL,
        "OriginAccessControl",
        "OriginAccessControls",
        "NoSuchOriginAccessControl",
        "OriginAccessControlAlreadyExists",
        "OriginAccessControlInUse",
        "TooManyOriginAccessControls",
        _prefixed("E"),
        lambda config: {"Description": ""} | config,
        _nothing,
        _named_of(
            "Name",
            "Description",
            "SigningProtocol",
            "SigningBehavior",
            "OriginAccessControlOriginType",
        ),
    ),
    ResourceType(
        ResourceKind.ACCESS_IDENTITY,
        "CloudFrontOriginAccessIdentity",
        "CloudFrontOriginAccessIdentities",
        "NoSuchCloudFrontOriginAccessIdentity",
        "CloudFrontOriginAccessIdentityAlreadyExists",
        "CloudFrontOriginAccessIdentityInUse",
        "TooManyCloudFrontOriginAccessIdentities",
        _prefixed("E"),
        lambda config: config,
        _canonical,
        _identity_summary,
        fixed=("CallerReference",),
    ),
    ResourceType(
        ResourceKind.CONTINUOUS_DEPLOYMENT_POLICY,
        "ContinuousDeploymentPolicy",
        "ContinuousDeploymentPolicies",
        "NoSuchContinuousDeploymentPolicy",
        "ContinuousDeploymentPolicyAlreadyExists",
        "ContinuousDeploymentPolicyInUse",
        "TooManyContinuousDeploymentPolicies",
        _uuid,
        lambda config: config,
        _modified,
        _deployment_summary,
    ),
)
BY_KIND = {type.kind: type for type in RESOURCE_TYPES}
