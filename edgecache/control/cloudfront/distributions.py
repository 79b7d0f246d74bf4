"""Operations on distributions. API reference, Distribution.

Members that only we know (`Edgecache`) outlive an update that cannot say them: a client gives back
what it was given, and no client was given members CloudFront does not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from edgecache.config.aws.defaults import with_defaults
from edgecache.config.aws.passthrough import EXTENSION, IDENTITY
from edgecache.config.aws.unsupported import unsupported
from edgecache.config.refused_distributions import log_buckets, shield_names
from edgecache.control.cloudfront.context import OperationContext, Run, arn, page
from edgecache.control.cloudfront.error_mapping import as_api_errors
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.cloudfront.model import PREFIX
from edgecache.control.cloudfront.preconditions import (
    require_allowed,
    require_changeable,
    require_current,
    require_resource,
)
from edgecache.control.cloudfront.quotas import require_room
from edgecache.control.cloudfront.realtime_logs import realtime_log_named
from edgecache.control.cloudfront.resources import (
    behaviors,
    distributions_using,
    policies_of_staging,
)
from edgecache.control.cloudfront.tags import merge_tags
from edgecache.control.state.resources import (
    Resource,
    ResourceKind,
    ResourceSource,
    default_domain_name,
    random_id,
)

PROTECTIONS = (
    "access_list",
    "basic_auth",
    "trusted_native_keys",
)  # who may see what, and no member says
MISSING = "NoSuchDistribution"
CUSTOM_ID = "_custom_id_"  # LocalStack's tag
_CUSTOM_ID = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")

Document = dict[str, Any]


def operations() -> dict[str, Run]:
    """The operations on distributions, by name."""
    by_kind = {
        "CachePolicyId": ResourceKind.CACHE_POLICY,
        "OriginRequestPolicyId": ResourceKind.ORIGIN_REQUEST_POLICY,
        "ResponseHeadersPolicyId": ResourceKind.RESPONSE_HEADERS_POLICY,
    }
    table: dict[str, Run] = {
        f"ListDistributionsBy{member}": partial(list_naming, kind, member)
        for member, kind in by_kind.items()
    }
    return table | {
        "ListDistributionsByKeyGroup": partial(list_naming, ResourceKind.KEY_GROUP, "KeyGroupId"),
        "ListDistributionsByWebACLId": list_by_web_acl,
        "ListDistributionsByRealtimeLogConfig": list_by_realtime_log,
        "CreateDistribution": create,
        "CreateDistributionWithTags": create_with_tags,
        "CopyDistribution": copy,
        "GetDistribution": get,
        "GetDistributionConfig": get_config,
        "UpdateDistribution": update,
        "DeleteDistribution": delete,
        "ListDistributions": list_all,
    }


def distribution(call: OperationContext, id: str) -> Resource:
    """The distribution with this id; NoSuchDistribution."""
    return require_resource(call, ResourceKind.DISTRIBUTION, id, MISSING)


def create(call: OperationContext) -> Document:
    return _create(
        call, _fill_defaults(_note_unsupported(call, call.input["DistributionConfig"])), {}
    )


def create_with_tags(call: OperationContext) -> Document:
    with_tags = call.input["DistributionConfigWithTags"]
    tags = merge_tags({}, with_tags["Tags"].get("Items", []))
    return _create(
        call, _fill_defaults(_note_unsupported(call, with_tags["DistributionConfig"])), tags
    )


def _note_unsupported(call: OperationContext, given: Document) -> Document:
    """Note the members a configuration is served without, for the answer; gives it back."""
    file = call.catalog.file
    members = unsupported(
        given,
        geo=bool(file.geo_database),
        log_buckets=log_buckets(file),
        shields=shield_names(file),
    )
    call.unsupported.extend(one.member.place for one in members)
    return given


def _fill_defaults(given: Document) -> Document:
    """The configuration with CloudFront's defaults. InvalidTTLOrder: see ForwardedValues."""
    config = with_defaults(given)
    config["HttpVersion"] = config["HttpVersion"].lower()  # `HTTP2` is taken, `http2` given back
    for behavior in behaviors(config):
        ttls = [behavior.get(name, 0) for name in ("MinTTL", "DefaultTTL", "MaxTTL")]
        if "ForwardedValues" in behavior and ttls != sorted(ttls):
            raise ApiError("InvalidTTLOrder", "MinTTL, DefaultTTL and MaxTTL are not in order.")
    return config


def keep_extensions(before: Document, after: Document) -> Document:
    """`after` with the `Edgecache` members that its origins and behaviors have in `before`."""
    result = _with_extension(before, after)
    for name, key in IDENTITY.items():
        items = after.get(name, {}).get("Items")
        if not items:
            continue
        held = {item[key]: item for item in before.get(name, {}).get("Items", ())}
        kept = [_with_extension(held.get(item.get(key), {}), item) for item in items]
        result[name] = after[name] | {"Items": kept}
    default = "DefaultCacheBehavior"
    return result | {default: _with_extension(before[default], after[default])}


def _require_protection(id: str, before: Document, after: Document) -> None:
    """IllegalUpdate where a behavior's protection would go with it, which nobody could say again.

    A behavior is known by its pattern: one that is renamed is another, and would be open to all.
    """
    left = {behavior.get("PathPattern") for behavior in behaviors(after)}
    for behavior in behaviors(before):
        lost = [name for name in PROTECTIONS if name in behavior.get(EXTENSION, {})]
        if lost and behavior.get("PathPattern") not in left:
            raise ApiError(
                "IllegalUpdate",
                f"The cache behavior {behavior['PathPattern']} has {lost[0]}, which would be lost: "
                "only the configuration file can say it. Keep its PathPattern, or change it in the "
                f"file after: edgecache adopt {id} --give-back",
            )


def _with_extension(before: Document, after: Document) -> Document:
    return after | (
        {EXTENSION: before[EXTENSION]} if EXTENSION in before and EXTENSION not in after else {}
    )


def copy(call: OperationContext) -> Document:
    """A staging copy: another reference, and no aliases, since a name is one distribution's."""
    given = call.input
    primary = distribution(call, given["PrimaryDistributionId"])
    require_current(call, primary)
    config = primary.config | {
        "CallerReference": given["CallerReference"],
        "Aliases": {"Quantity": 0},
        "Staging": given.get("Staging", False),
        "ContinuousDeploymentPolicyId": "",
        "Enabled": given.get("Enabled", primary.config["Enabled"]),
    }
    return _create(call, config, {})


def _create(call: OperationContext, config: Document, tags: dict[str, str]) -> Document:
    catalog = call.catalog
    require_allowed(call, config)
    reference = config["CallerReference"]
    duplicate = catalog.made_with(ResourceKind.DISTRIBUTION, reference)
    if duplicate is not None:
        raise ApiError(
            "DistributionAlreadyExists",
            f"The caller reference that you are using to create a distribution is associated "
            f"with another distribution. Already exists: {duplicate}",
        )
    count = catalog.count(ResourceKind.DISTRIBUTION)
    require_room(call, "distributions", count, "TooManyDistributions")
    if config["Staging"]:
        known = catalog.of(ResourceKind.DISTRIBUTION)
        staging = sum(bool(one.config["Staging"]) for one in known)
        require_room(call, "staging_distributions", staging, "TooManyDistributions")
    now = catalog.clock()
    resource = Resource(
        kind=ResourceKind.DISTRIBUTION,
        id=_custom_id(call, tags) or random_id("E", catalog.random),
        etag=random_id("E", catalog.random),
        created_at=now,
        modified_at=now,
        config=config,
        reference=reference,
        tags=tags,
    )
    with as_api_errors(resource.kind, resource.id), call.changing(resource.id):
        catalog.put(resource)
    location = f"{call.base}{PREFIX}/distribution/{resource.id}"
    return _output(call, resource.id) | {"Location": location}


def _custom_id(call: OperationContext, tags: Mapping[str, str]) -> str:
    """The id that a tag says in dev mode; elsewhere that is a tag like any other. ApiError."""
    id = tags.get(CUSTOM_ID, "") if call.catalog.takes_custom_ids else ""
    if id and not _CUSTOM_ID.fullmatch(id):
        raise ApiError(
            "InvalidTagging",
            f"Tags.Items: {CUSTOM_ID}: {id} is not 1 to 63 letters, digits and hyphens, none at"
            " either end: it stands in a host name.",
        )
    known = call.catalog.of(ResourceKind.DISTRIBUTION) if id else ()
    if any(one.id.lower() == id.lower() for one in known):  # as host names are compared
        raise ApiError("DistributionAlreadyExists", f"Already exists: {id}")
    return id


def get(call: OperationContext) -> Document:
    return _output(call, call.input["Id"])


def get_config(call: OperationContext) -> Document:
    one = distribution(call, call.input["Id"])
    return {
        "DistributionConfig": _note_unsupported(call, one.config),
        "ETag": one.etag,
    }


def update(call: OperationContext) -> Document:
    """Replace the configuration whole; what only the file could say of it stays."""
    catalog = call.catalog
    one = distribution(call, call.input["Id"])
    require_changeable(one, "IllegalUpdate")
    require_current(call, one)
    config = _fill_defaults(_note_unsupported(call, call.input["DistributionConfig"]))
    for name in ("CallerReference", "Staging"):
        if config[name] != one.config[name]:
            raise ApiError(
                "IllegalUpdate", f"The parameter DistributionConfig.{name} cannot be changed."
            )
    require_allowed(call, config, one)
    _require_protection(one.id, one.config, config)
    changed = replace(
        one,
        etag=random_id("E", catalog.random),
        modified_at=catalog.clock(),
        config=keep_extensions(one.config, config),
        generation=0,
    )
    with as_api_errors(one.kind, one.id), call.changing(one.id):
        catalog.put(changed)
    return _output(call, one.id)


def delete(call: OperationContext) -> Document:
    """Remove one that is disabled, on every node."""
    one = distribution(call, call.input["Id"])
    require_changeable(one, "AccessDenied")
    require_current(call, one)
    if one.config["Enabled"]:
        raise ApiError(
            "DistributionNotDisabled",
            "The distribution you are trying to delete has not been disabled.",
        )
    _require_no_policy(call, one)
    if not runs_everywhere(call, one):
        raise ApiError(
            "DistributionNotDisabled",
            "The distribution you are trying to delete is not disabled everywhere yet: "
            "its status is InProgress.",
        )
    with as_api_errors(one.kind, one.id), call.changing(one.id):
        call.catalog.remove(one.kind, one.id)
        call.catalog.remove(ResourceKind.MONITORING_SUBSCRIPTION, one.id)
    return {}


def _require_no_policy(call: OperationContext, one: Resource) -> None:
    """ResourceInUse for a staging distribution that a policy names."""
    policies = policies_of_staging(call, one) if one.config["Staging"] else []
    if policies:
        raise ApiError(
            "ResourceInUse",
            f"The distribution {one.id} is used by the continuous deployment policy "
            f"{policies[0].id}.",
        )


def list_all(call: OperationContext) -> Document:
    return list_chosen(call, call.catalog.of(ResourceKind.DISTRIBUTION))


def list_by_web_acl(call: OperationContext) -> Document:
    """Those of a web ACL; `null` asks for those that have none."""
    wanted = call.input["WebACLId"]
    wanted = "" if wanted == "null" else wanted
    known = call.catalog.of(ResourceKind.DISTRIBUTION)
    return list_chosen(call, [one for one in known if one.config["WebACLId"] == wanted])


def list_by_realtime_log(call: OperationContext) -> Document:
    """Those with a behavior that has this real-time log."""
    named = realtime_log_named(call)
    return list_chosen(call, distributions_using(call.catalog, named.kind, named.id))


def list_chosen(call: OperationContext, known: list[Resource]) -> Document:
    """A page of some distributions."""
    return {"DistributionList": page(call.input, known, _id, partial(_summary, call))}


def list_naming(kind: ResourceKind, member: str, call: OperationContext) -> Document:
    """The ids of those that name a policy or a key group, which must be there."""
    id = call.input[member]
    require_resource(
        call,
        kind,
        id,
        "NoSuchResource" if kind is ResourceKind.KEY_GROUP else f"NoSuch{member[:-2]}",
    )
    naming = distributions_using(call.catalog, kind, id)
    return {"DistributionIdList": page(call.input, naming, _id, _id)}


def _id(one: Resource) -> str:
    return one.id


def is_deployed(call: OperationContext) -> bool:
    """Whether the distribution a call is about runs on every node; true when there is none."""
    one = call.catalog.get(ResourceKind.DISTRIBUTION, call.input["Id"])
    return one is None or runs_everywhere(call, one)


def runs_everywhere(call: OperationContext, one: Resource) -> bool:
    """Whether every node runs the distribution's newest configuration."""
    generation = one.generation if one.source is ResourceSource.API else call.catalog.generation
    return call.services.deployed(generation)


def _output(call: OperationContext, id: str) -> Document:
    one = distribution(call, id)
    _note_unsupported(call, one.config)
    return {"Distribution": shown(call, one), "ETag": one.etag}


def _facts(call: OperationContext, one: Resource) -> Document:
    return {
        "Id": one.id,
        "ARN": arn(one),
        "Status": "Deployed" if runs_everywhere(call, one) else "InProgress",
        "LastModifiedTime": one.modified_at,
        "DomainName": one.domain_name or default_domain_name(one.id),
        "AliasICPRecordals": [
            {"CNAME": name, "ICPRecordalStatus": "APPROVED"}
            for name in one.config["Aliases"].get("Items", ())
        ],
    }


def shown(call: OperationContext, one: Resource) -> Document:
    """A Distribution, as Get answers it."""
    return _facts(call, one) | {
        "InProgressInvalidationBatches": len(call.services.invalidations.in_progress(one.id)),
        "ActiveTrustedSigners": {"Enabled": False, "Quantity": 0},
        "ActiveTrustedKeyGroups": _active_groups(call, one.config),
        "DistributionConfig": one.config,
    }


def _summary(call: OperationContext, one: Resource) -> Document:
    return one.config | _facts(call, one) | {"ETag": one.etag}


def _active_groups(call: OperationContext, config: Document) -> Document:
    """The key groups its behaviors trust, with the public keys that count."""
    ids = sorted(set(_trusted_key_groups(config)))
    if not ids:
        return {"Enabled": False, "Quantity": 0}
    groups = [(id, call.catalog.get(ResourceKind.KEY_GROUP, id)) for id in ids]
    items = [
        {"KeyGroupId": id, "KeyPairIds": _listing(group.config["Items"] if group else [])}
        for id, group in groups
    ]
    return {"Enabled": True} | _listing(items)


def _trusted_key_groups(config: Document) -> Iterator[str]:
    for behavior in behaviors(config):
        yield from behavior.get("TrustedKeyGroups", {}).get("Items", ())


def _listing(items: list[Any]) -> Document:
    return {"Quantity": len(items)} | ({"Items": items} if items else {})
