"""Promotion of a staging distribution: its configuration becomes its primary's.

API reference, UpdateDistributionWithStagingConfig. Law: the primary has its new configuration and
the policy is off in one configuration of the nodes: no request between is served by neither, or by
staging's former share.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgecache.control.cloudfront.context import OperationContext, Run
from edgecache.control.cloudfront.distributions import distribution, keep_extensions, shown
from edgecache.control.cloudfront.error_mapping import as_api_errors
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.cloudfront.preconditions import require_allowed, require_changeable
from edgecache.control.cloudfront.resources import policies_of_staging
from edgecache.control.state.resources import Resource, ResourceKind, random_id

OWN = ("CallerReference", "Aliases", "Staging", "ContinuousDeploymentPolicyId", "Enabled")
"""Members that a primary distribution keeps."""


def operations() -> dict[str, Run]:
    """The operation, by name."""
    return {"UpdateDistributionWithStagingConfig": promote}


def promote(call: OperationContext) -> dict[str, Any]:
    """Give a primary the configuration of its staging distribution, and disable the policy."""
    catalog = call.catalog
    primary = distribution(call, call.input["Id"])
    staging = distribution(call, _staging_id(call))
    require_changeable(primary, "IllegalUpdate")
    _require_both_current(call, primary, staging)
    policy = _policy_between(call, primary, staging)
    own = {name: primary.config[name] for name in OWN}
    config = keep_extensions(primary.config, staging.config | own)
    require_allowed(call, config, primary)
    now, etag = catalog.clock(), random_id("E", catalog.random)
    changed = replace(primary, etag=etag, modified_at=now, config=config, generation=0)
    with as_api_errors(primary.kind, primary.id), call.changing(primary.id):
        catalog.put(changed)
        if policy.config["Enabled"]:
            disabled = policy.config | {"Enabled": False}
            version = random_id("E", catalog.random)
            catalog.put(
                replace(policy, etag=version, modified_at=now, config=disabled, generation=0)
            )
    one = distribution(call, primary.id)
    return {"Distribution": shown(call, one), "ETag": one.etag}


def _staging_id(call: OperationContext) -> str:
    id = str(call.input.get("StagingDistributionId") or "")
    if not id:
        raise ApiError("InvalidArgument", "The parameter StagingDistributionId is missing.")
    return id


def _require_both_current(call: OperationContext, primary: Resource, staging: Resource) -> None:
    """If-Match has both versions, the primary's first."""
    given = [part.strip() for part in str(call.input.get("IfMatch") or "").split(",")]
    if len(given) != 2 or not all(part.isalnum() for part in given):
        raise ApiError(
            "InvalidIfMatchVersion",
            "The If-Match version is missing or not valid: it is the primary distribution's, a "
            "comma, and the staging distribution's.",
        )
    for part, one in zip(given, (primary, staging), strict=True):
        if part != one.etag:
            raise ApiError(
                "PreconditionFailed",
                f"If-Match names another version of the distribution {one.id} than there is.",
            )


def _policy_between(call: OperationContext, primary: Resource, staging: Resource) -> Resource:
    """The policy of a primary that names a staging distribution, which the API may change."""
    id = primary.config["ContinuousDeploymentPolicyId"]
    policy = call.catalog.get(ResourceKind.CONTINUOUS_DEPLOYMENT_POLICY, id) if id else None
    if policy is None or policy.id not in {one.id for one in policies_of_staging(call, staging)}:
        raise ApiError(
            "InvalidArgument",
            f"The distribution {staging.id} is not the staging distribution of {primary.id}.",
        )
    if policy.config["Enabled"]:
        require_changeable(policy, "IllegalUpdate")
    return policy
