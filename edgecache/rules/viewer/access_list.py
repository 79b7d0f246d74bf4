"""Access lists: whether an address is let in, by numbered rules over networks.

Law: the rule with the lowest number that has the address decides, else the default. Fail closed:
what is no address is let in by no list, and nobody is by a list that names a set of which nothing
is known. A set is made once however many lists name it; a list that is made anew costs its rules.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

from edgecache.config.access_lists import SET_PREFIX, AccessList, IpSet
from edgecache.config.networks import AddressRanges, parse_address, parse_network, ranges_of

RuleRanges = tuple[AddressRanges, bool]  # of one source or several, and whether they are let in


class AccessListMatcher:
    """A compiled access list: `rules` in the order they are asked.

    `unknown` names sets of which nothing is known: then nobody is let in.
    """

    __slots__ = ("_admits_rest", "_rules", "unknown")

    def __init__(
        self, rules: Sequence[RuleRanges], *, admits_rest: bool, unknown: tuple[str, ...] = ()
    ) -> None:
        self._rules = () if unknown else tuple(rules)
        self._admits_rest = admits_rest and not unknown
        self.unknown = unknown

    def admits(self, address: str) -> bool:
        """Whether who comes from `address` (text, without a port) is let in."""
        try:
            v6, number = parse_address(address)
        except ValueError:
            return False
        for ranges, admitted in self._rules:
            if bisect_right(ranges.v6 if v6 else ranges.v4, number) & 1:
                return admitted
        return self._admits_rest


def compile_access_list(
    access_list: AccessList, ip_sets: Mapping[str, AddressRanges]
) -> AccessListMatcher:
    """The matcher of a list that has passed `check`; `ip_sets`: what is known of sets, by name."""
    rules: list[RuleRanges] = []
    unknown: list[str] = []
    for rule in sorted(access_list.rules, key=lambda one: one.number):
        admitted = rule.action == "allow"
        listed = [one for one in rule.sources if not one.startswith(SET_PREFIX)]
        if listed:
            rules.append((ranges_of(map(parse_network, listed)), admitted))
        for source in rule.sources:
            name = source.removeprefix(SET_PREFIX)
            if name == source:
                continue
            if name in ip_sets:
                rules.append((ip_sets[name], admitted))
            else:
                unknown.append(name)
    admits_rest = access_list.default == "allow"
    return AccessListMatcher(rules, admits_rest=admits_rest, unknown=tuple(unknown))


def compile_ip_sets(
    ip_sets: Iterable[IpSet], files: Mapping[str, AddressRanges]
) -> dict[str, AddressRanges]:
    """What is known of sets, by name. `files`: what was read, by path; the others are left out."""
    known: dict[str, AddressRanges] = {}
    for one in ip_sets:
        if not one.file:
            known[one.name] = ranges_of(map(parse_network, one.addresses))
        elif one.file in files:
            known[one.name] = files[one.file]
    return known
