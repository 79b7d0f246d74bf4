"""Verdicts on health checks: from opinions of checkers to healthy or not. Law: no clock.

Developer Guide, "How Amazon Route 53 determines whether a health check is healthy".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import msgspec

from edgecache.config.health_checks import CALCULATED, HealthCheck

HEALTHY_PERCENT = 18  # of checkers: more of them must say so
WORD_CHARS_MAX, LINE_CHARS_MAX = 64, 200
Word = Annotated[str, msgspec.Meta(max_length=WORD_CHARS_MAX)]
Line = Annotated[str, msgspec.Meta(max_length=LINE_CHARS_MAX)]


class CheckerOpinion(msgspec.Struct, frozen=True, kw_only=True):
    """What one checker says of a health check: `definition` is what it was asked by.

    `healthy` None: it has had too few answers. `said` is of its newest answer, `at` epoch seconds;
    `failure` and `failed_at` of the newest that was not well, "" and 0: there was none.
    """

    definition: Word
    healthy: bool | None = None
    said: Line = ""
    at: float = 0.0
    failure: Line = ""
    failed_at: float = 0.0


def share_verdict(opinions: Iterable[bool]) -> bool | None:
    """Whether more than 18 % of checkers call an endpoint healthy. None: no checker has one."""
    said = [*opinions]
    if not said:
        return None
    return sum(said) * 100 > HEALTHY_PERCENT * len(said)


def verdicts(checks: Sequence[HealthCheck], observed: Mapping[str, bool | None]) -> dict[str, bool]:
    """Whether each health check is healthy, by id. `observed`: endpoints by id; None: not yet.

    What is not known yet is healthy, and so is what is disabled; then it is inverted.
    """
    found = {
        one.id: _counted(one, one.disabled or observed.get(one.id) is not False)
        for one in checks
        if one.type != CALCULATED
    }
    parents = {}
    for one in checks:
        if one.type == CALCULATED:
            healthy = sum(found.get(child, True) for child in one.children)
            parents[one.id] = _counted(one, one.disabled or healthy >= one.healthy_children_min)
    return found | parents


def _counted(check: HealthCheck, healthy: bool) -> bool:
    return healthy is not check.inverted
