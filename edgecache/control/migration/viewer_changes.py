"""What changes for viewers between two configurations, behavior by behavior.

Law: a field either has a subject here or is named among those that no viewer notices; what
policies, keys and functions are called changes nothing, what they say does. Values that may be
secrets are told to differ, and not shown (`state.changes`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from edgecache.config.model import (
    Behavior,
    Config,
    Distribution,
    HeaderSelection,
    Model,
    Origin,
    OriginRequestPolicy,
    ResponseHeadersPolicy,
    Selection,
)
from edgecache.control.state.changes import differences
from edgecache.control.state.resources import default_domain_name

CHANGES_MAX = 1_000  # that are told

BEHAVIOR_SUBJECTS = {
    "origin": "origin",
    "viewer_protocol_policy": "protocol",
    "allowed_methods": "methods",
    "cached_methods": "cached methods",
    "compress": "compression",
    "grpc": "gRPC",
    "trusted_key_groups": "access",
    "trusted_signers": "access",
    "trusted_native_keys": "access",
    "access_list": "access",
    "basic_auth": "access",
    "redirects": "redirects",
    "request_headers": "forwarded",
    "rate_limits": "limits",
    "limit_rate": "limits",
    "maintenance": "maintenance",
    "purge": "purge",
    "function_associations": "functions",
    "lambda_function_associations": "functions",
    "cache_policy": "key",
    "origin_request_policy": "forwarded",
    "response_headers_policy": "response headers",
}
"""By field of a behavior. TTLs and codings of the cache policy have subjects of their own."""
BEHAVIOR_UNSEEN = {"path_pattern", "forwarded_values", "realtime_log"}
DISTRIBUTION_SUBJECTS = {
    "enabled": "enabled",
    "domain_name": "names",
    "aliases": "names",
    "default_root_object": "root object",
    "custom_error_responses": "error pages",
    "geo_restriction": "countries",
    "viewer_certificate": "certificate",
    "http_version": "HTTP versions",
    "cache_tag_header": "cache tags",
    "cache_tag_aliases": "cache tags",
    "cache_control_targets": "ttl",
    "staging": "names",
    "continuous_deployment_policy": "continuous deployment",
    "releases": "release",
    "semantics": "semantics",
}
DISTRIBUTION_UNSEEN = {
    "id", "comment", "caller_reference", "tags", "kept", "logging", "price_class", "ipv6_enabled",
    "origins", "origin_groups", "default_behavior", "behaviors",
}  # fmt: skip
EFFECTS = {
    "key": "what is stored under other keys is not found: misses first",
    "ttl": "from the next answer of the origin on",
    "release": "all that is stored for it is not found: misses first",
    "semantics": "other rules for all of it",
}
DEFAULT = "default"  # the place of the behavior for all other paths
INSTALLATION_SUBJECTS = {"brand": "brand", "limits": "limits", "tracing": "tracing"}
"""By field of a configuration: what all its distributions have in common."""
_NAMES_ALONE = {"id", "name", "comment"}  # of a policy: nobody notices them
_CODINGS = ("accept_encoding_gzip", "accept_encoding_brotli")
_TTLS = ("ttl_s_min", "ttl_s_default", "ttl_s_max")


class ViewerChange(msgspec.Struct, frozen=True):
    """One change that viewers may notice.

    `place`: the path pattern of a behavior, `origin ID`, or "" for all of the distribution.
    `before` and `after` are JSON; None where it is not set, or as by default.
    """

    distribution: str
    place: str
    subject: str
    path: str
    before: str | None
    after: str | None

    @property
    def effect(self) -> str:
        """What it does to what is stored; empty: nothing."""
        return EFFECTS.get(self.subject, "")


def viewer_changes(before: Config, after: Config) -> Iterator[ViewerChange]:
    """Every change between two configurations; distributions are the same by id."""
    yield from _told("", "", *(_installation_facts(config) for config in (before, after)))
    old, new = ({one.id: one for one in config.distributions} for config in (before, after))
    for id in {**old, **new}:
        if id not in new:
            yield ViewerChange(id, "", "distribution", "", _names(old[id]), None)
        elif id not in old:
            yield ViewerChange(id, "", "distribution", "", None, _names(new[id]))
        else:
            yield from site_changes((before, old[id]), (after, new[id]))


def site_changes(
    before: tuple[Config, Distribution], after: tuple[Config, Distribution]
) -> Iterator[ViewerChange]:
    """Every change between two distributions, which may have different ids."""
    id = after[1].id
    pairs = [_distribution_facts(*one) for one in (before, after)]
    yield from _told(id, "", *pairs)
    yield from _origins(id, before, after)
    old, new = (_behaviors(one[1]) for one in (before, after))
    for pattern in {**old, **new}:
        if pattern not in new:
            yield ViewerChange(id, pattern, "behavior", "", _json(old[pattern].origin), None)
        elif pattern not in old:
            yield ViewerChange(id, pattern, "behavior", "", None, _json(new[pattern].origin))
        else:
            facts = (
                _behavior_facts(*before, old[pattern]), _behavior_facts(*after, new[pattern]),
            )  # fmt: skip
            yield from _told(id, pattern, *facts)
    orders = [[name for name in one if name in old and name in new] for one in (old, new)]
    if orders[0] != orders[1]:
        yield ViewerChange(id, "", "order of behaviors", "", *map(_json, orders))


Facts = dict[str, dict[str, Any]]
"""Values by their paths, by subject."""


def _told(id: str, place: str, old: Facts, new: Facts) -> Iterator[ViewerChange]:
    for subject in {**old, **new}:
        for one in differences(old.get(subject, {}), new.get(subject, {})):
            yield ViewerChange(id, place, subject, one.path, one.before, one.after)


def _installation_facts(config: Config) -> Facts:
    facts: Facts = {
        subject: {name: _plain(getattr(config, name))}
        for name, subject in INSTALLATION_SUBJECTS.items()
    }
    return facts | {"countries": {"geo_database": bool(config.geo_database)}}


def _distribution_facts(config: Config, site: Distribution) -> Facts:
    named = replace(site, domain_name=site.domain_name or default_domain_name(site.id))
    facts: Facts = {}
    for name, subject in DISTRIBUTION_SUBJECTS.items():
        facts.setdefault(subject, {})[name] = _plain(getattr(named, name))
    names = facts["names"]
    names["aliases"] = sorted(names["aliases"])
    certificate = facts["certificate"]["viewer_certificate"]
    facts["certificate"] = certificate
    geo = site.geo_restriction
    facts["countries"] = {"geo_restriction": [geo.kind, *sorted(geo.countries)]}
    facts["continuous deployment"] = _traffic(config, site)
    facts["release"] = {"releases": {one.pattern: one.current for one in site.releases}}
    return facts


def _traffic(config: Config, site: Distribution) -> dict[str, Any]:
    """Which requests a staging distribution serves: what the policy says, and not its id."""
    for policy in config.continuous_deployment_policies:
        if policy.enabled and policy.id == site.continuous_deployment_policy:
            return _without(_plain(policy), {"id", "enabled", "sessions_since"})
    return {}


def _behavior_facts(config: Config, site: Distribution, behavior: Behavior) -> Facts:
    facts: Facts = {"ttl": {}, "compression": {}}
    for name, subject in BEHAVIOR_SUBJECTS.items():
        facts.setdefault(subject, {})[name] = _plain(getattr(behavior, name))
    policy = facts["key"].pop("cache_policy")
    facts["ttl"] |= {name: policy[name] for name in _TTLS}
    facts["compression"] |= {name: policy[name] for name in _CODINGS}
    facts["key"] |= _without(policy, {*_NAMES_ALONE, *_TTLS, *_CODINGS})
    policies: tuple[tuple[str, str, Model], ...] = (
        ("forwarded", "origin_request_policy", OriginRequestPolicy()),
        ("response headers", "response_headers_policy", ResponseHeadersPolicy()),
    )
    for subject, name, blank in policies:
        policy = facts[subject].pop(name)
        facts[subject] |= _without(policy or _plain(blank), _NAMES_ALONE)
    facts["methods"]["allowed_methods"] = sorted(behavior.allowed_methods)
    facts["cached methods"]["cached_methods"] = sorted(behavior.cached_methods)
    facts["access"] |= _signers(config, behavior)
    if behavior.access_list is not None:
        facts["access"]["ip_sets"] = _plain(config.ip_sets)
    facts["origin"] = {"origin": _origin_of(site, behavior.origin)}
    facts["functions"]["function_associations"] = _functions(config, behavior)
    return facts


def _signers(config: Config, behavior: Behavior) -> dict[str, list[str]]:
    """Whose signatures open a behavior: keys by id, and what tells them apart."""
    groups = {group.id: group.keys for group in config.key_groups}
    pems = {key.id: key.pem for key in config.public_keys}

    def keys(names: Iterable[str], known: Mapping[str, tuple[str, ...]]) -> list[str]:
        ids = {id for name in names for id in known.get(name, ())}
        return sorted(f"{id} {_digest(pems.get(id))}" for id in ids)

    signers = keys(behavior.trusted_signers, config.trusted_signers)
    return {
        "trusted_key_groups": keys(behavior.trusted_key_groups, groups),
        "trusted_signers": [*behavior.trusted_signers, *signers],
    }


def _origin_of(site: Distribution, id: str) -> Any:
    """What a behavior asks, by its id: the origins' own changes are told at them."""
    for group in site.origin_groups:
        if group.id == id:
            return _without(_plain(group), {"id"})
    return id


def _functions(config: Config, behavior: Behavior) -> dict[str, Any]:
    """What runs at each event: the name, and what tells its code, runtime and stores apart."""
    known = {one.name: one for one in config.functions if one.stage == "LIVE"}
    found: dict[str, Any] = {}
    for one in behavior.function_associations:
        function = known.get(one.function)
        code = None if function is None else _without(_plain(function), {"comment", "name"})
        found[one.event_type] = f"{one.runs} {_digest(_json(code))}"
    return found


def _origins(
    id: str, before: tuple[Config, Distribution], after: tuple[Config, Distribution]
) -> Iterator[ViewerChange]:
    """Changes of origins that behaviors ask on both sides; whom they ask is told at these."""
    old, new = ({one.id: one for one in site.origins} for _, site in (before, after))
    asked = [_asked(site) for _, site in (before, after)]
    for name in old:
        if name in new and name in asked[0] & asked[1]:
            facts = [_origin_facts(*one) for one in ((before[0], old[name]), (after[0], new[name]))]
            for one in differences(*facts):
                yield ViewerChange(id, f"origin {name}", "origin", one.path, one.before, one.after)


def _origin_facts(config: Config, origin: Origin) -> Any:
    """An origin, with the access control it names: what that is called changes nothing."""
    facts = _without(_plain(origin), {"id"})
    controls = {one.id: one for one in config.origin_access_controls}
    control = controls.get(facts.pop("access_control_id", ""))
    if control is not None:
        facts["access_control"] = _without(_plain(control), {"id", "description"})
    return facts


def _asked(site: Distribution) -> set[str]:
    """Ids of the origins that a behavior asks, itself or in a group."""
    wanted = {one.origin for one in _behaviors(site).values()}
    members = [one.members for one in site.origin_groups if one.id in wanted]
    return wanted | {id for each in members for id in each}


def _behaviors(site: Distribution) -> dict[str, Behavior]:
    """Behaviors by pattern, in the order they are tried, the default last."""
    return {one.path_pattern: one for one in site.behaviors} | {DEFAULT: site.default_behavior}


def _plain(value: Any) -> Any:
    """A value as JSON has it, every field of its models; a selection is one list."""
    if isinstance(value, Selection | HeaderSelection):
        return [value.behavior, *value.items, *(["with * and ?"] * _has_wildcards(value))]
    if isinstance(value, Model):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [*map(_plain, value)] if isinstance(value, tuple | list) else value


def _has_wildcards(value: Selection | HeaderSelection) -> bool:
    return isinstance(value, Selection) and value.wildcards


def _without(value: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: one for name, one in value.items() if name not in names}


def _digest(value: str | None) -> str:
    """Eight characters that tell one value from another, of what no secret is in."""
    return hashlib.sha256((value or "").encode()).hexdigest()[:8]


def _names(site: Distribution) -> str:
    return _json([site.domain_name or default_domain_name(site.id), *site.aliases])


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
