"""What the origin groups of a distribution must hold.

API reference, OriginGroup; Developer Guide, "Optimize high availability with CloudFront origin
failover" and "Quotas".
"""

from __future__ import annotations

from edgecache.config.model import Distribution, OriginGroup
from edgecache.config.problems import Problems, listed, quoted

GROUPS_MAX = 10  # CloudFront's quota for one distribution
MEMBERS = 2
STATUS_CODES = (400, 403, 404, 416, 429, 500, 502, 503, 504)  # which CloudFront may fail over on


def check_groups(distribution: Distribution, where: str, problems: Problems) -> None:
    """Each group has an id of its own, two of the origins, and statuses to fail over on."""
    groups = distribution.origin_groups
    if len(groups) > GROUPS_MAX:
        problems.add(where, f"{len(groups)} groups are more than {GROUPS_MAX}")
    origins = [origin.id for origin in distribution.origins]
    seen = set(origins)
    for index, group in enumerate(groups):
        place = f"{where}[{index}]"
        if not group.id or group.id in seen:
            trouble = "is already the id of an origin or a group" if group.id else "is not an id"
            problems.add(f"{place}.id", f"{quoted(group.id)} {trouble}")
        seen.add(group.id)
        _check_members(group, origins, place, problems)
        _check_statuses(group, place, problems)


def _check_members(group: OriginGroup, origins: list[str], where: str, problems: Problems) -> None:
    members = group.members
    if len(members) != MEMBERS or len(set(members)) != MEMBERS:
        problems.add(f"{where}.members", f"a group has {MEMBERS} different origins, in order")
    for index, member in enumerate(members):
        if member not in origins:
            known = listed(origins)
            trouble = f"{quoted(member)} is not an origin (known: {known})"
            problems.add(f"{where}.members[{index}]", trouble)


def _check_statuses(group: OriginGroup, where: str, problems: Problems) -> None:
    if not group.status_codes:
        problems.add(f"{where}.status_codes", "empty: nothing would ever fail over")
    for index, status in enumerate(group.status_codes):
        if status not in STATUS_CODES:
            allowed = ", ".join(map(str, STATUS_CODES))
            problems.add(f"{where}.status_codes[{index}]", f"{status} is not one of {allowed}")
