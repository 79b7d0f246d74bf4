"""Checks of health checks: what each kind has, and the children of calculated ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from edgecache.config.checks.dns import is_domain
from edgecache.config.health_checks import (
    CALCULATED,
    CHECKS_MAX,
    CHILDREN_MAX,
    ID,
    INTERVALS_S,
    TEXT_CHARS_MAX,
    HealthCheck,
)
from edgecache.config.model import Config
from edgecache.config.problems import ProblemCode, Problems, listed, quoted

_PATH = re.compile(r"/[\x21-\x22\x24-\x7e]*")  # a target of RFC 9112 §3.2.1; `#` is no part of it
_NOT_OF_CALCULATED = ("address", "host", "port", "search_string")


def check_health_checks(config: Config, problems: Problems) -> None:
    """All of `[[dns.health_checks]]`, and what records and origins name."""
    checks = () if config.dns is None else config.dns.health_checks
    where = "dns.health_checks"
    if len(checks) > CHECKS_MAX:
        problems.add(where, f"{len(checks)} are more than {CHECKS_MAX}", ProblemCode.TOO_MANY)
    seen: set[str] = set()
    for index, one in enumerate(checks):
        if one.id in seen:
            problems.add(f"{where}[{index}].id", f"{quoted(one.id)} is there twice")
        seen.add(one.id)
        for member, trouble in health_check_troubles(one, checks):
            problems.add(f"{where}[{index}].{member}", trouble)
    for place, name in _named(config):
        if name and name not in seen:
            known = f" (known: {listed(sorted(seen))})" if seen else ""
            trouble = f"{quoted(name)} is no health check{known}"
            problems.add(f"{place}.health_check", trouble, ProblemCode.UNKNOWN)


def _named(config: Config) -> Iterator[tuple[str, str]]:
    """Records and origins by their places, each with the id that it names."""
    for number, zone in enumerate(() if config.dns is None else config.dns.zones):
        for index, record in enumerate(zone.records):
            yield f"dns.zones[{number}].records[{index}]", record.health_check
    for number, site in enumerate(config.distributions):
        for index, origin in enumerate(site.origins):
            yield f"distributions[{number}].origins[{index}]", origin.health_check


def health_check_troubles(
    one: HealthCheck, others: Sequence[HealthCheck]
) -> Iterator[tuple[str, str]]:
    """Member and trouble of a health check beside `others`, which may have it, too."""
    if not ID.fullmatch(one.id):
        yield "id", f"{quoted(one.id)} is not an id (letters, digits and -, at most 64)"
    if one.interval_s not in INTERVALS_S:
        yield "interval_s", f"{one.interval_s} is not 10 or 30"
    if one.type == CALCULATED:
        yield from _calculated_troubles(one, others)
    else:
        yield from _endpoint_troubles(one)


def _calculated_troubles(
    one: HealthCheck, others: Sequence[HealthCheck]
) -> Iterator[tuple[str, str]]:
    for member in _NOT_OF_CALCULATED:
        if getattr(one, member):
            yield member, "a calculated health check asks nobody"
    if not one.children:
        yield "children", "empty: say which health checks it is calculated from"
    if len(one.children) > CHILDREN_MAX:
        yield "children", f"{len(one.children)} are more than {CHILDREN_MAX}"
    if len(set(one.children)) < len(one.children):
        yield "children", "names a health check twice"
    types = {other.id: other.type for other in others}
    for number, child in enumerate(one.children):
        if child not in types:
            yield f"children[{number}]", f"{quoted(child)} is no health check"
        elif types[child] == CALCULATED:
            yield f"children[{number}]", f"{quoted(child)} is calculated, too"


def _endpoint_troubles(one: HealthCheck) -> Iterator[tuple[str, str]]:
    if one.children or one.health_threshold is not None:
        yield "children", f"{one.type} has none: they are of CALCULATED"
    if not one.address and not one.host:
        yield "address", "missing: say an address, or a host that leads to one"
    if one.address and not _is_address(one.address):
        yield "address", f"{quoted(one.address)} is not an address"
    if one.host and not is_domain(one.host) and not _is_address(one.host):
        yield "host", f"{quoted(one.host)} is not a domain name"
    if one.type == "TCP" and one.port is None:
        yield "port", "missing"
    if one.is_http and not _PATH.fullmatch(one.path):
        yield "path", f"{quoted(one.path)} is not a path that begins with /"
    if not one.is_http and one.path != "/":
        yield "path", "TCP has none"
    if len(one.path) > TEXT_CHARS_MAX:
        yield "path", f"is longer than {TEXT_CHARS_MAX}"
    if one.matches_string and not one.search_string:
        yield "search_string", "missing"
    if one.search_string and not one.matches_string:
        yield "search_string", f"{one.type} looks for none: {one.type}_STR_MATCH does"
    if len(one.search_string) > TEXT_CHARS_MAX:
        yield "search_string", f"is longer than {TEXT_CHARS_MAX}"


def _is_address(text: str) -> bool:
    try:
        return "%" not in text and bool(ip_address(text))
    except ValueError:
        return False
