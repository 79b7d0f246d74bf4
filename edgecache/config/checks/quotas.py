"""Checks of quotas: how many of each thing a whole configuration has. Law: no other file counts
what `[quotas]` bounds, but for the API, which counts what it is asked to make.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from edgecache.config.model import Behavior, Config, Distribution
from edgecache.config.problems import ProblemCode, Problems

Count = tuple[str, int, str]  # where, how many, and the quota's name

_LISTS = {  # of the configuration, and the quota of each; policies stand in behaviors
    "continuous_deployment_policies": "continuous_deployment_policies",
    "origin_access_controls": "origin_access_controls",
    "origin_access_identities": "origin_access_identities",
    "functions": "functions",
    "python_hooks": "functions",
    "key_value_stores": "key_value_stores",
    "realtime_logs": "realtime_log_configs",
}


def check_quotas(config: Config, problems: Problems) -> None:
    """Every number that `config.quotas` bounds."""
    for where, count, name in _counts(config):
        most = getattr(config.quotas, name)
        if count > most:
            trouble = f"{count} are more than {most} (quotas.{name})"
            problems.add(where, trouble, ProblemCode.TOO_MANY)


def served_count(config: Config) -> int:
    """How many distributions there are; our own probe of how stale nodes are takes no place."""
    return sum(all(one.reach != "own" for one in site.origins) for site in config.distributions)


def _counts(config: Config) -> Iterator[Count]:
    yield "distributions", served_count(config), "distributions"
    staging = sum(site.staging for site in config.distributions)
    yield "distributions", staging, "staging_distributions"
    for list_name, quota in _LISTS.items():
        yield list_name, len(getattr(config, list_name)), quota
    for index, group in enumerate(config.key_groups):
        yield f"key_groups[{index}].keys", len(group.keys), "public_keys_per_key_group"
    for account, keys in config.trusted_signers.items():
        yield f"trusted_signers.{account}", len(keys), "public_keys_per_key_group"
    readers: Counter[str] = Counter()
    for index, function in enumerate(config.functions):
        for number, store in enumerate(function.key_value_stores):
            readers[store] += 1
            where = f"functions[{index}].key_value_stores[{number}]"
            yield where, readers[store], "functions_per_key_value_store"
    for index, site in enumerate(config.distributions):
        yield from _of_distribution(site, f"distributions[{index}]")


def _of_distribution(site: Distribution, where: str) -> Iterator[Count]:
    yield f"{where}.aliases", len(site.aliases), "aliases_per_distribution"
    yield f"{where}.behaviors", len(site.behaviors), "cache_behaviors_per_distribution"
    yield f"{where}.origins", len(site.origins), "origins_per_distribution"
    yield f"{where}.origin_groups", len(site.origin_groups), "origin_groups_per_distribution"
    for index, origin in enumerate(site.origins):
        place = f"{where}.origins[{index}].custom_headers"
        yield place, len(origin.custom_headers), "custom_headers_per_origin"
    arns: set[str] = set()
    for place, behavior in _behaviors(site, where):
        groups = len(behavior.trusted_key_groups)
        yield f"{place}.trusted_key_groups", groups, "key_groups_per_cache_behavior"
        arns |= {one.function_arn for one in behavior.lambda_function_associations}
    place = f"{where}.default_behavior.lambda_function_associations"
    yield place, len(arns), "lambda_functions_per_distribution"


def _behaviors(site: Distribution, where: str) -> Iterator[tuple[str, Behavior]]:
    yield f"{where}.default_behavior", site.default_behavior
    for number, behavior in enumerate(site.behaviors):
        yield f"{where}.behaviors[{number}]", behavior
