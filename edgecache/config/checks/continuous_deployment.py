"""Checks of continuous deployment policies, and of the distributions they stand between.

API reference, ContinuousDeploymentPolicyConfig; Developer Guide, "Quotas and other considerations
for continuous deployment". A staging distribution that is not served leaves all to its primary.
"""

from __future__ import annotations

import re

from edgecache.config.checks.policies import TOKEN
from edgecache.config.dns import made_label
from edgecache.config.model import Config, ContinuousDeploymentPolicy, Distribution, Model
from edgecache.config.problems import ProblemCode, Problems, quoted
from edgecache.config.settings import BY_FIELD

HEADER_PREFIX = "aws-cf-cd-"  # of every header that a policy may name
VALUE_CHARS_MAX = 1_783  # CloudFront's, of a header

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


def check_continuous_deployment(config: Config, problems: Problems) -> None:
    """Every policy has one staging distribution of its own, and at most one primary."""
    policies = config.continuous_deployment_policies
    if not policies and not any(
        site.staging or site.continuous_deployment_policy for site in config.distributions
    ):
        return
    staging = staging_ids(config)
    for unserved in config.unavailable:  # whether it is a staging one is not known
        staging |= {name.lower(): unserved.id for name in (unserved.id, *unserved.names)}
    held: dict[str, str] = {}
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        where = f"continuous_deployment_policies[{index}]"
        if not _ID.fullmatch(policy.id) or policy.id in seen:
            problems.add(f"{where}.id", f"{quoted(policy.id)} is no id, or another policy's too")
        seen.add(policy.id)
        _check_traffic(policy, where, problems)
        id = staging.get(policy.staging_distribution.lower())
        place = f"{where}.staging_distribution"
        name = quoted(policy.staging_distribution)
        if id is None:
            problems.add(place, f"{name} is not a staging distribution's id or domain name")
        elif id in held:
            trouble = f"{name} is that of the policy {held[id]} already"
            problems.add(place, trouble, ProblemCode.TAKEN)
        else:
            held[id] = policy.id
    _check_distributions(config, problems)


def staging_ids(config: Config) -> dict[str, str]:
    """Ids of staging distributions by ids and domain names, in lower case. Control gives one that
    has no domain name the one that is made of its id."""
    names: dict[str, str] = {}
    for site in config.distributions:
        if site.staging:
            domain_name = site.domain_name or f"{made_label(site.id)}.cloudfront.net"
            names |= {site.id.lower(): site.id, domain_name.lower(): site.id}
    return names


def _check_traffic(policy: ContinuousDeploymentPolicy, where: str, problems: Problems) -> None:
    if bool(policy.header) == (policy.weight is not None):
        problems.add(where, "say header and value, or weight, and not both")
    if policy.header:
        _check_header(policy, where, problems)
    if policy.weight is not None:
        _check_bound(policy, "weight", where, problems)
    sessions = policy.session_stickiness
    if sessions is None:
        return
    place = f"{where}.session_stickiness"
    if policy.weight is None:
        problems.add(place, "goes with weight alone: a header says itself where a request goes")
    for name in ("idle_ttl_s", "maximum_ttl_s"):
        _check_bound(sessions, name, place, problems)
    if sessions.idle_ttl_s > sessions.maximum_ttl_s:
        trouble = f"{sessions.idle_ttl_s} is more than maximum_ttl_s {sessions.maximum_ttl_s}"
        problems.add(f"{place}.idle_ttl_s", trouble)


def _check_bound(piece: Model, name: str, where: str, problems: Problems) -> None:
    setting, value = BY_FIELD[type(piece), name], getattr(piece, name)
    if not setting.low <= value <= setting.high:
        problems.add(f"{where}.{name}", f"{value:g} is outside {setting.bounds}")


def _check_header(policy: ContinuousDeploymentPolicy, where: str, problems: Problems) -> None:
    name = policy.header.lower()
    if not name.startswith(HEADER_PREFIX) or name == HEADER_PREFIX or not TOKEN.fullmatch(name):
        trouble = f"{quoted(policy.header)} is not a header's name that begins with {HEADER_PREFIX}"
        problems.add(f"{where}.header", trouble)
    if len(policy.value) > VALUE_CHARS_MAX or not _VALUE.fullmatch(policy.value):
        trouble = f"not a value of 1 to {VALUE_CHARS_MAX} printable characters"
        problems.add(f"{where}.value", trouble)


def _check_distributions(config: Config, problems: Problems) -> None:
    known = {policy.id for policy in config.continuous_deployment_policies}
    holders: dict[str, str] = {}
    for index, site in enumerate(config.distributions):
        where, named = f"distributions[{index}]", site.continuous_deployment_policy
        place = f"{where}.continuous_deployment_policy"
        if site.staging:
            _check_staging(site, where, problems)
        elif named and named not in known:
            trouble = f"{quoted(named)} is not a continuous deployment policy"
            problems.add(place, trouble, ProblemCode.UNKNOWN)
        elif named in holders:
            trouble = f"{quoted(named)} is that of the distribution {holders[named]} already"
            problems.add(place, trouble, ProblemCode.TAKEN)
        elif named:
            holders[named] = site.id
        if (site.staging or named) and "3" in site.http_version:
            trouble = "a distribution with continuous deployment is not served by HTTP/3"
            problems.add(f"{where}.http_version", trouble)


def _check_staging(site: Distribution, where: str, problems: Problems) -> None:
    if site.aliases:
        trouble = "a staging distribution has none: viewers ask for its primary's"
        problems.add(f"{where}.aliases", trouble)
    if site.continuous_deployment_policy:
        trouble = "a staging distribution has none: it is its primary's"
        problems.add(f"{where}.continuous_deployment_policy", trouble)
