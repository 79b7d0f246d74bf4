"""Checks of access lists of locations and behaviors, and of IP sets.

Law: a list that passes means one thing: each number stands once, each source is a network or a set
that is declared. VPC User Guide, "Network ACLs" (numbers, first match). What files of sets hold is
looked at where files are opened.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from edgecache.config.access_lists import SET_PREFIX, AccessList, AccessRule, IpSet
from edgecache.config.checks.keys import behaviors_of
from edgecache.config.model import Config
from edgecache.config.networks import parse_network
from edgecache.config.problems import Problems, listed, quoted

SETS_MAX = 100  # AWS WAF's quota of IP sets
ADDRESSES_MAX = 10_000  # of a set in the configuration itself; AWS WAF's quota of one
RULES_MAX = 100  # of one list; a network ACL has 40 at most
SOURCES_MAX = 1_000  # of one rule; more are a set

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_access_lists(config: Config, problems: Problems) -> None:
    """Every set can be used, and every list is made of numbered rules over what is known."""
    if len(config.ip_sets) > SETS_MAX:
        problems.add("ip_sets", f"{len(config.ip_sets)} are more than {SETS_MAX}")
    names: set[str] = set()
    for index, one in enumerate(config.ip_sets):
        where = f"ip_sets[{index}]"
        if not _NAME.fullmatch(one.name):
            problems.add(f"{where}.name", f"{quoted(one.name)} is not a name (letters, digits, -_)")
        elif one.name in names:
            problems.add(f"{where}.name", f"{quoted(one.name)} is another set's too")
        names.add(one.name)
        _check_set(one, where, problems)
    for where, access_list in access_lists_of(config):
        _check_list(access_list, names, where, problems)


def access_lists_of(config: Config) -> Iterator[tuple[str, AccessList]]:
    """Every access list with its place in the file."""
    for index, location in enumerate(config.locations):
        if location.access_list is not None:
            yield f"locations[{index}].access_list", location.access_list
    for where, behavior in behaviors_of(config):
        if behavior.access_list is not None:
            yield f"{where}.access_list", behavior.access_list
        if behavior.purge is not None:
            yield f"{where}.purge.access_list", behavior.purge.access_list


def _check_set(one: IpSet, where: str, problems: Problems) -> None:
    if one.file and one.addresses:
        problems.add(f"{where}.addresses", "stand in the file: leave one of them out")
    elif not one.file and not one.addresses:
        problems.add(where, "holds nobody: give it addresses or a file")
    if "\0" in one.file:
        problems.add(f"{where}.file", f"{quoted(one.file)} is not a path")
    if len(one.addresses) > ADDRESSES_MAX:
        more = f"{len(one.addresses)} are more than {ADDRESSES_MAX}: put them into a file"
        problems.add(f"{where}.addresses", more)
    for number, text in enumerate(one.addresses):
        check_network(text, f"{where}.addresses[{number}]", problems)


def check_network(text: str, where: str, problems: Problems) -> None:
    """`text` is a network in CIDR, or one address."""
    try:
        parse_network(text)
    except ValueError as error:
        problems.add(where, f"{quoted(text)} {error}")


def _check_list(
    access_list: AccessList, sets: Collection[str], where: str, problems: Problems
) -> None:
    if len(access_list.rules) > RULES_MAX:
        problems.add(f"{where}.rules", f"{len(access_list.rules)} are more than {RULES_MAX}")
    first: dict[int, str] = {}
    for index, rule in enumerate(access_list.rules):
        place = f"{where}.rules[{index}]"
        if rule.number in first:
            taken = f"{rule.number} is the number of {first[rule.number]} too: which is first?"
            problems.add(f"{place}.number", taken)
        first.setdefault(rule.number, f"rules[{index}]")
        _check_sources(rule, sets, f"{place}.sources", problems)


def _check_sources(rule: AccessRule, sets: Collection[str], where: str, problems: Problems) -> None:
    if not rule.sources:
        problems.add(where, 'empty: name networks, or "set:NAME"')
    if len(rule.sources) > SOURCES_MAX:
        problems.add(where, f"{len(rule.sources)} are more than {SOURCES_MAX}: make a set of them")
    for index, source in enumerate(rule.sources):
        place = f"{where}[{index}]"
        name = source.removeprefix(SET_PREFIX)
        if source in rule.sources[:index]:
            problems.add(place, f"{quoted(source)} is named twice")
        elif name == source:
            check_network(source, place, problems)
        elif name not in sets:
            hint = f" (known: {listed(sorted(sets))})" if sets else " (there is none)"
            problems.add(place, f"{quoted(name)} is not one of ip_sets{hint}")
