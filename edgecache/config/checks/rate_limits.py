"""Checks of rate limits: names, keys, bounds, and that one name is one limit.

Law: a limit that passes here is asked of every request that its behavior meets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgecache.config.checks.policies import TOKEN
from edgecache.config.model import Behavior, Distribution, Location, RateLimit
from edgecache.config.problems import Problem, Problems, quoted

LIMITS_MAX = 8  # of one behavior: each costs every request two microseconds
FILL_S_MAX = 86_400  # until an empty bucket is full; AWS WAF looks back ten minutes at most
SEGMENTS_MAX = 16

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # a label of metrics
_SEGMENTS = re.compile(r"[1-9][0-9]?")
_KEYS = "address, header:NAME, cookie:NAME, path, path:N"


def check_rate_limits(distribution: Distribution, where: str, problems: Problems) -> None:
    """Every limit of every behavior of a distribution."""
    named: dict[str, tuple[str, RateLimit]] = {}
    for index, behavior in enumerate(distribution.behaviors):
        _check_limits(behavior.rate_limits, f"{where}.behaviors[{index}]", named, problems)
    last = distribution.default_behavior
    _check_limits(last.rate_limits, f"{where}.default_behavior", named, problems)


def check_location_limits(location: Location, where: str, problems: Problems) -> None:
    """Every limit of a location."""
    _check_limits(location.rate_limits, where, {}, problems)


def rate_limit_warnings(behavior: Behavior, where: str) -> Iterator[Problem]:
    """Limits that a viewer escapes by sending another value each time."""
    limits = behavior.rate_limits
    if any(limit.key_parts[0] in ("address", "path") for limit in limits):
        return
    for index, limit in enumerate(limits):
        yield Problem(
            f"{where}.rate_limits[{index}].key",
            f"who sends another {limit.key.replace(':', ' ')} each time is never limited: add a"
            ' limit by "address"',
        )


def _check_limits(
    limits: tuple[RateLimit, ...],
    where: str,
    named: dict[str, tuple[str, RateLimit]],
    problems: Problems,
) -> None:
    place = f"{where}.rate_limits"
    if len(limits) > LIMITS_MAX:
        problems.add(place, f"{len(limits)} limits are more than {LIMITS_MAX}")
    names = [limit.name for limit in limits]
    for index, limit in enumerate(limits):
        at = f"{place}[{index}]"
        _check_limit(limit, at, problems)
        first, known = named.setdefault(limit.name, (at, limit))
        if limit.name in names[:index]:
            problems.add(f"{at}.name", f"{quoted(limit.name)} is named twice")
        elif known != limit:
            trouble = f"{quoted(limit.name)} is another limit at {first}: one name is one limit"
            problems.add(f"{at}.name", trouble)


def _check_limit(limit: RateLimit, where: str, problems: Problems) -> None:
    if not _NAME.fullmatch(limit.name):
        problems.add(
            f"{where}.name",
            f"{quoted(limit.name)} is not a name (up to 64 letters, digits, - _ .)",
        )
    if not _is_key(limit):
        problems.add(f"{where}.key", f"{quoted(limit.key)} is not one of {_KEYS}")
    if limit.requests_per_s > 0 and limit.burst / limit.requests_per_s > FILL_S_MAX:
        fill_s = limit.burst / limit.requests_per_s
        problems.add(
            f"{where}.burst",
            f"{limit.burst} take {fill_s:.0f} s to come back at {limit.requests_per_s:g} a second:"
            f" more than {FILL_S_MAX}",
        )


def _is_key(limit: RateLimit) -> bool:
    kind, name = limit.key_parts
    if kind in ("header", "cookie"):
        return TOKEN.fullmatch(name) is not None
    if kind == "path" and ":" in limit.key:
        return _SEGMENTS.fullmatch(name) is not None and int(name) <= SEGMENTS_MAX
    return limit.key in ("address", "path")
