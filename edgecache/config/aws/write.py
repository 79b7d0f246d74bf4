"""Writer of a DistributionConfig. Law: every member CloudFront would fill in is there."""

from __future__ import annotations

from typing import Any

from edgecache.config.aws.behaviors import behavior_member, read_behavior
from edgecache.config.aws.document import DocumentNode, listing
from edgecache.config.aws.origins import (
    certificate_member,
    error_response_member,
    geo_member,
    group_member,
    logging_member,
    origin_member,
    read_certificate,
    read_group,
    read_origin,
)
from edgecache.config.aws.passthrough import extension_member, restore
from edgecache.config.aws.policies import Policies
from edgecache.config.model import Behavior, Distribution, Origin, OriginGroup
from edgecache.config.problems import Problems

_POLICIES = frozenset({"cache_policy", "origin_request_policy", "response_headers_policy"})
_NOWHERE: frozenset[str] = frozenset()
_WRITTEN = frozenset(
    {
        "id",
        "domain_name",
        "tags",
        "kept",
        "aliases",
        "comment",
        "enabled",
        "default_root_object",
        "origins",
        "origin_groups",
        "default_behavior",
        "behaviors",
        "custom_error_responses",
        "geo_restriction",
        "logging",
        "price_class",
        "http_version",
        "ipv6_enabled",
        "cache_tag_header",
        "caller_reference",
        "staging",
        "continuous_deployment_policy",
    }
)  # the rest has no member of CloudFront's, or one that says less


def distribution_config(distribution: Distribution) -> dict[str, Any]:
    """The DistributionConfig, as `get-distribution-config` prints it without its wrapper.

    Policies stand in it by id (`policies_of` gives them); id, domain name and tags do not, as in
    CloudFront (`distribution_document` has them).
    """
    behaviors = [_behavior(one, default=False) for one in distribution.behaviors]
    written: dict[str, Any] = {
        "CallerReference": distribution.caller_reference,
        "Aliases": listing(distribution.aliases),
        "DefaultRootObject": distribution.default_root_object,
        "Origins": listing([_origin(origin) for origin in distribution.origins]),
        "OriginGroups": listing([_group(group) for group in distribution.origin_groups]),
        "DefaultCacheBehavior": _behavior(distribution.default_behavior, default=True),
        "CacheBehaviors": listing(behaviors),
        "CustomErrorResponses": listing(
            list(map(error_response_member, distribution.custom_error_responses))
        ),
        "Comment": distribution.comment,
        "Logging": logging_member(distribution.logging),
        "PriceClass": distribution.price_class,
        "Enabled": distribution.enabled,
        "ViewerCertificate": certificate_member(distribution.viewer_certificate),
        "Restrictions": geo_member(distribution.geo_restriction),
        "WebACLId": "",
        "HttpVersion": distribution.http_version,
        "IsIPV6Enabled": distribution.ipv6_enabled,
        "ContinuousDeploymentPolicyId": distribution.continuous_deployment_policy,
        "Staging": distribution.staging,
    }
    if distribution.cache_tag_header:
        written["CacheTagConfig"] = {"HeaderName": distribution.cache_tag_header}
    return restore(written | _ours(distribution, written), distribution.kept)


def distribution_document(distribution: Distribution) -> dict[str, Any]:
    """The document `get-distribution` prints, as far as a distribution holds it, and its tags."""
    tags = [{"Key": key, "Value": value} for key, value in distribution.tags.items()]
    return {
        "Distribution": {
            "Id": distribution.id,
            "DomainName": distribution.domain_name,
            "DistributionConfig": distribution_config(distribution),
        }
        | ({"Tags": {"Items": tags}} if tags else {})
    }


def _read_back(member: dict[str, Any]) -> DocumentNode:
    return DocumentNode(member, "", Problems())


def _origin(origin: Origin) -> dict[str, Any]:
    member = origin_member(origin)
    return member | extension_member(origin, read_origin(_read_back(member)), _NOWHERE)


def _group(group: OriginGroup) -> dict[str, Any]:
    member = group_member(group)
    return member | extension_member(group, read_group(_read_back(member)), _NOWHERE)


def _behavior(behavior: Behavior, *, default: bool) -> dict[str, Any]:
    member = behavior_member(behavior, default=default)
    back = read_behavior(_read_back(member), Policies())
    return member | extension_member(behavior, back, _POLICIES)


def _ours(distribution: Distribution, written: dict[str, Any]) -> dict[str, Any]:
    back = Distribution(
        id="",
        origins=(),
        default_behavior=distribution.default_behavior,
        viewer_certificate=read_certificate(_read_back(written["ViewerCertificate"])),
    )
    return extension_member(distribution, back, _WRITTEN)
