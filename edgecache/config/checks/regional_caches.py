"""Checks of regional caches: names, regions, weights, and the one form a file has them in."""

from __future__ import annotations

import re

from edgecache.config.caches import RegionalCache
from edgecache.config.model import Config
from edgecache.config.problems import Problems, listed, quoted

REGIONAL_CACHES_MAX = 64  # as many as locations; a choice among them is microseconds
BALANCE_FACTOR_MIN = 100  # Envoy's and HAProxy's least: all of a fair share

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}")  # in files, socket names and certificates
_ONE_ALONE = ("name", "region", "weight")  # say what tells several apart


def check_regional_caches(config: Config, problems: Problems) -> None:
    """Each has a name and a place of its own, in one form of the file; regions are known ones."""
    if config.regional is not None:
        _check_lone(config.regional, config, problems)
    if len(config.regional_caches) > REGIONAL_CACHES_MAX:
        count = len(config.regional_caches)
        problems.add("regional_caches", f"{count} are more than {REGIONAL_CACHES_MAX}")
    _check_names(config, problems)
    _check_regions(config, problems)
    if 0 < config.hash_balance_factor < BALANCE_FACTOR_MIN:
        problems.add(
            "hash_balance_factor",
            f"{config.hash_balance_factor} percent is less than a fair share: "
            f"{BALANCE_FACTOR_MIN} or more, or 0 for no bound",
        )


def _check_lone(regional: RegionalCache, config: Config, problems: Problems) -> None:
    if config.regional_caches:
        problems.add(
            "regional",
            "is the only regional cache, and there are [[regional_caches]]: make it one of them, "
            'with a name (and listen = "unix:regional.sock" where it had none)',
        )
    plain = RegionalCache()
    for name in _ONE_ALONE:
        if getattr(regional, name) != getattr(plain, name):
            problems.add(f"regional.{name}", "belongs to [[regional_caches]]: there is one here")


def _check_names(config: Config, problems: Problems) -> None:
    locations = {one.name.lower() for one in config.locations}
    regions = {one.region.lower() for one in config.regional_caches}
    seen: set[str] = set()  # without case: so are names in certificates
    for index, cache in enumerate(config.regional_caches):
        where, folded = f"regional_caches[{index}].name", cache.name.lower()
        if not cache.name:
            problems.add(where, "missing")
        elif not _NAME.fullmatch(cache.name):
            problems.add(where, f"{quoted(cache.name)} is not a name (letters, digits, -)")
        elif folded in seen:
            problems.add(where, f"{quoted(cache.name)} names another regional cache too")
        elif folded in locations:  # both are drained, asked and counted by their names
            problems.add(where, f"{quoted(cache.name)} names a location too")
        elif folded in regions:  # an origin shield is either
            problems.add(where, f"{quoted(cache.name)} is a region too")
        seen.add(folded)


def _check_regions(config: Config, problems: Problems) -> None:
    known = {one.region for one in config.regional_tier if one.region}
    for where, cache in config.regional_parts.items():
        if cache.region and not _NAME.fullmatch(cache.region):
            problems.add(f"{where}.region", f"{quoted(cache.region)} is not a name")
    for index, location in enumerate(config.locations):
        if location.region and location.region not in known:
            problems.add(
                f"locations[{index}].region",
                f"{quoted(location.region)} is no regional cache's region "
                f"(known: {listed(sorted(known)) or 'none'})",
            )
