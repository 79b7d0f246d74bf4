"""Access lists and IP sets of a configuration, as data: whose addresses are let in, and where.

Law: rules are asked by ascending number, and the first that has the address decides; `default` does
where none has it. As network access control lists of a VPC (VPC User Guide, "Network ACLs"), whose
last rule denies too. What a list means is `rules/viewer/access_list.py`'s to say, what it must hold
`checks/access_lists.py`'s.
"""

from __future__ import annotations

from typing import Literal

from edgecache.config.base import Model

SET_PREFIX = "set:"  # of a source that names an IP set

AccessAction = Literal["allow", "deny"]


class AccessRule(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule: what becomes of addresses in `sources`, each a CIDR, an address or `set:NAME`."""

    number: int
    action: AccessAction
    sources: tuple[str, ...]


class AccessList(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules in any order, and what becomes of addresses that none of them has."""

    default: AccessAction = "deny"
    rules: tuple[AccessRule, ...] = ()


class IpSet(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Networks and addresses by one name: listed, or one a line in `file`, which is read live."""

    name: str
    addresses: tuple[str, ...] = ()
    file: str = ""


class FlowLogSettings(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The flow log of a location: a line for each connection and interval, as a VPC's.

    `traffic` says of which connections: those that were let in, those that were not, or all.
    """

    interval_s: float = 60
    traffic: Literal["accept", "reject", "all"] = "all"


def sets_of(access_list: AccessList) -> tuple[str, ...]:
    """The names of the IP sets that a list names, in its order."""
    return tuple(
        source.removeprefix(SET_PREFIX)
        for rule in access_list.rules
        for source in rule.sources
        if source.startswith(SET_PREFIX)
    )
