"""Checks of regional caches: names, regions, weights, one form in the file; and of their reserve.

Nothing is asked over the network: whether a store answers is told by who uses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from edgecache.config.caches import RegionalCache, Reserve
from edgecache.config.checks.distribution import ID
from edgecache.config.checks.log_delivery import (
    OF_THIS_MACHINE,
    STORE_NAME,
    check_store_access,
)
from edgecache.config.model import Config
from edgecache.config.problems import Problem, Problems, listed, quoted

REGIONAL_CACHES_MAX = 64  # as many as locations; a choice among them is microseconds
BALANCE_FACTOR_MIN = 100  # Envoy's and HAProxy's least: all of a fair share

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}")  # in files, socket names and certificates
_PREFIX = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")  # of names in a bucket
PREFIX_CHARS_MAX = 256
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


def check_reserve(config: Config, problems: Problems) -> None:
    """Everything about `[reserve]`, where there is one."""
    reserve = config.reserve
    if reserve is None:
        return
    if not config.regional_tier:
        problems.add("reserve", "regional caches use it, and there is none: add [regional]")
    check_store_access(reserve, "reserve", problems)
    if not STORE_NAME.fullmatch(reserve.bucket):
        problems.add("reserve.bucket", f"{quoted(reserve.bucket)} is not what S3 calls a bucket")
    _check_prefix(reserve.prefix, problems)
    _check_sizes(reserve, config.limits.block_bytes, problems)
    for index, id in enumerate(reserve.distributions):
        where = f"reserve.distributions[{index}]"
        if not ID.fullmatch(id):
            problems.add(where, f"{quoted(id)} is not the id of a distribution")
        elif id in reserve.distributions[:index]:
            problems.add(where, f"{quoted(id)} is named twice")


def reserve_warnings(config: Config) -> Iterator[Problem]:
    """Objects on their way where others can read or change them."""
    if config.reserve is None:
        return
    url = urlsplit(config.reserve.endpoint)
    if url.scheme == "http" and not (url.hostname or "").startswith(OF_THIS_MACHINE):
        yield Problem("reserve.endpoint", "objects and their keys go in clear: by HTTP")


def _check_prefix(prefix: str, problems: Problems) -> None:
    steps = prefix.split("/")
    if prefix and (not _PREFIX.fullmatch(prefix) or "." in steps or ".." in steps):
        why = "is not steps of A-Z a-z 0-9 _ . - with / between them"
        problems.add("reserve.prefix", f"{quoted(prefix)} {why}")
    elif len(prefix) > PREFIX_CHARS_MAX:
        problems.add("reserve.prefix", f"{len(prefix)} characters are more than {PREFIX_CHARS_MAX}")


def _check_sizes(reserve: Reserve, block_bytes: int, problems: Problems) -> None:
    most = reserve.object_bytes_max
    if reserve.object_bytes_min > most:
        problems.add(
            "reserve.object_bytes_min",
            f"{reserve.object_bytes_min} is greater than object_bytes_max {most}",
        )
    elif block_bytes > most:
        problems.add(
            "reserve.object_bytes_max",
            f"{most} is less than limits.block_bytes {block_bytes}: no part of an object that "
            "comes in blocks would fit",
        )
    if most > reserve.queue_bytes_max:
        problems.add(
            "reserve.queue_bytes_max",
            f"{reserve.queue_bytes_max} is less than object_bytes_max {most}: some would never fit",
        )
