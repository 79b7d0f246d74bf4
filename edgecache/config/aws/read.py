"""Reader of a DistributionConfig. Law: what is accepted can be written back without loss.

The document is filled in as CloudFront would (`with_defaults`), read, and written again; what the
writing does not give back is kept (`Distribution.kept`).
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from edgecache.config.aws.behaviors import read_behavior
from edgecache.config.aws.defaults import with_defaults
from edgecache.config.aws.document import DocumentNode, raise_problems
from edgecache.config.aws.origins import (
    read_certificate,
    read_error_response,
    read_geo,
    read_group,
    read_logging,
    read_origin,
)
from edgecache.config.aws.passthrough import EXTENSION, IDENTITY, kept_members, with_extension
from edgecache.config.aws.policies import Policies
from edgecache.config.aws.write import distribution_config
from edgecache.config.model import Behavior, Distribution
from edgecache.config.problems import Problems, quoted

NO_POLICIES = Policies()


def read_distribution_config(
    document: dict[str, Any], *, id: str = "", policies: Policies = NO_POLICIES
) -> Distribution:
    """The distribution a document describes; DocumentError tells everything that is wrong.

    The document is a DistributionConfig, bare or in what `get-distribution-config` (`ETag`),
    `get-distribution` (`Distribution`, with its id and domain name) or `distribution_document`
    print, or in a DistributionConfigWithTags. `id` comes before the document's own.
    """
    problems = Problems()
    config, facts = _unwrapped(document, problems)
    distribution = _read(config, policies.known())
    raise_problems(problems)
    written = distribution_config(distribution)
    kept = kept_members(config.value, written)
    facts["id"] = id or facts["id"]
    return replace(distribution, kept=kept, **facts)


def _unwrapped(document: dict[str, Any], problems: Problems) -> tuple[DocumentNode, dict[str, Any]]:
    """The DistributionConfig filled in, and what stands beside it: id, domain name, tags."""
    node = DocumentNode(document, "", problems)
    facts: dict[str, Any] = {"id": "", "domain_name": "", "tags": {}}
    for name in ("DistributionConfigWithTags", "Distribution", "DistributionConfig"):
        if name == "DistributionConfig" and node.has("Tags"):
            tags = node.nodes("Tags")
            facts["tags"] = {tag.text("Key"): tag.text("Value") for tag in tags}
        if node.has(name):
            node = node.child(name)
        if name == "Distribution" and node.where.endswith(name):
            facts["id"] = node.text("Id")
            facts["domain_name"] = node.text("DomainName")
    return DocumentNode(with_defaults(node.value), node.where, problems), facts


def _read(node: DocumentNode, policies: Policies) -> Distribution:
    for name, key in IDENTITY.items():
        _check_identity(node, name, key)
    default = node.child("DefaultCacheBehavior")
    cache_tag = "CacheTagConfig"
    distribution = Distribution(
        id="",
        caller_reference=node.text("CallerReference"),
        aliases=node.names("Aliases"),
        comment=node.text("Comment"),
        enabled=node.flag("Enabled"),
        default_root_object=node.text("DefaultRootObject"),
        origins=tuple(with_extension(read_origin(item), item) for item in node.nodes("Origins")),
        origin_groups=tuple(
            with_extension(read_group(item), item) for item in node.nodes("OriginGroups")
        ),
        default_behavior=_behavior(default, policies),
        behaviors=tuple(_behavior(item, policies) for item in node.nodes("CacheBehaviors")),
        custom_error_responses=tuple(map(read_error_response, node.nodes("CustomErrorResponses"))),
        geo_restriction=read_geo(node.child("Restrictions")),
        viewer_certificate=read_certificate(node.child("ViewerCertificate")),
        logging=read_logging(node.child("Logging")),
        price_class=node.text("PriceClass"),
        http_version=node.text("HttpVersion").lower(),
        ipv6_enabled=node.flag("IsIPV6Enabled"),
        staging=node.flag("Staging"),
        continuous_deployment_policy=node.text("ContinuousDeploymentPolicyId"),
        cache_tag_header=node.child(cache_tag).text("HeaderName") if node.has(cache_tag) else "",
    )
    read = with_extension(distribution, node)
    for behavior in (read.default_behavior, *read.behaviors):
        if any(one.python_hook for one in behavior.function_associations):
            node.wrong(EXTENSION, "python_hook: hooks are named by the file on each machine alone")
    return read


def _behavior(node: DocumentNode, policies: Policies) -> Behavior:
    if not node.value:
        node.wrong("", "missing")
    return with_extension(read_behavior(node, policies), node)


def _check_identity(node: DocumentNode, name: str, key: str) -> None:
    """Listed objects have names of their own: nothing could be kept for two of one name."""
    seen: set[object] = set()
    for item in node.nodes(name):
        value = item.value.get(key)
        if not isinstance(value, str | int) or isinstance(value, bool):
            item.wrong(key, "missing" if value is None else "expected text or a number")
        elif value in seen:
            item.wrong(key, f"{quoted(str(value))} is named twice")
        seen.add(str(value) if isinstance(value, list | dict) else value)
