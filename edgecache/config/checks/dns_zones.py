"""Checks of zones and their records: names, values, routing policies, aliases, transfers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_network

from edgecache.config.checks.dns import COUNTRY, check_coordinates, is_domain
from edgecache.config.dns import (
    CONTINENTS,
    REGIONS,
    UNKNOWN_COUNTRIES,
    DnsRecord,
    DnsSettings,
    DnsZoneSettings,
    RecordType,
    owner_of,
)
from edgecache.config.listen import tcp_address
from edgecache.config.model import Config
from edgecache.config.problems import ProblemCode, Problems, listed, quoted
from edgecache.config.zone_records import has_extra, rdata_wire

ZONES_MAX = 500  # Route 53's quotas, here and below
RECORDS_MAX = 10_000
VALUES_MAX = 400
GROUP_MAX = 100
GEOPROXIMITY_MAX = 30
COLLECTIONS_MAX = 5
BLOCKS_MAX = 1_000
_PREFIX_MAX = {4: 24, 6: 48}
_VPC = re.compile(r"vpc-[0-9a-z]{1,60}")
_TYPES = RecordType.__args__  # type: ignore[attr-defined]

Group = list[tuple[str, DnsRecord]]
"""The record sets of one name and type, each with its place in the file."""


def check_zones(config: Config, problems: Problems) -> None:
    """All of `[[dns.zones]]`, and what their records name."""
    settings = config.dns
    if settings is None:
        return
    if len(settings.zones) > ZONES_MAX:
        problems.add("dns.zones", f"{len(settings.zones)} are more than {ZONES_MAX}")
    keys = {one.name for one in settings.transfer_keys}
    seen: dict[str, list[DnsZoneSettings]] = {}
    for index, zone in enumerate(settings.zones):
        where = f"dns.zones[{index}]"
        name = zone.name.rstrip(".").lower()
        if not is_domain(zone.name):
            problems.add(f"{where}.name", f"{quoted(zone.name)} is not a domain name")
            continue
        _check_view(zone, name == settings.zone.rstrip(".").lower(), seen, where, problems)
        seen.setdefault(name, []).append(zone)
        _ZoneCheck(settings, zone, where, problems).check()
        _check_transfers(zone, keys, where, problems)
    _check_collections(settings, problems)
    _check_vpcs(settings, problems)
    for index, key in enumerate(settings.transfer_keys):
        if not key.secret.startswith(("env:", "file:")):
            problems.add(f"dns.transfer_keys[{index}].secret", 'is not "env:NAME" or "file:PATH"')
        if not is_domain(key.name):
            problems.add(f"dns.transfer_keys[{index}].name", "is not a domain name")


def check_record_sets(settings: DnsSettings, zone: DnsZoneSettings, problems: Problems) -> None:
    """The records of a zone that no file declares, among themselves."""
    _ZoneCheck(settings, zone, "", problems).check()


def _check_vpcs(settings: DnsSettings, problems: Problems) -> None:
    """Each is a network of its own, so that who asks is in one."""
    seen: set[str] = set()
    for index, vpc in enumerate(settings.vpcs):
        where = f"dns.vpcs[{index}]"
        if not _VPC.fullmatch(vpc.id):
            problems.add(f"{where}.id", f'{quoted(vpc.id)} is not like "vpc-0a1b2c3d"')
        if vpc.id in seen:
            problems.add(f"{where}.id", f"{quoted(vpc.id)} is there twice")
        seen.add(vpc.id)
        if not vpc.clients:
            problems.add(f"{where}.clients", "empty: say which networks it has")
        for number, network in enumerate(vpc.clients):
            if not _is_network(network):
                problems.add(f"{where}.clients[{number}]", f"{quoted(network)} is not a network")


def _check_view(
    zone: DnsZoneSettings,
    is_cdn: bool,
    seen: Mapping[str, Sequence[DnsZoneSettings]],
    where: str,
    problems: Problems,
) -> None:
    """Of one name who asks sees one zone at most; private ones go by no client's subnet."""
    name = zone.name.rstrip(".").lower()
    for number, network in enumerate(zone.clients):
        if not _is_network(network):
            problems.add(f"{where}.clients[{number}]", f"{quoted(network)} is not a network")
            return
    if is_cdn and not zone.clients:
        problems.add(f"{where}.name", f"{quoted(zone.name)} is there twice")
    own = [*map(ip_network, zone.clients)]
    for other in seen.get(name, ()):
        if not zone.clients and not other.clients:
            problems.add(f"{where}.name", f"{quoted(zone.name)} is there twice")
        others = map(ip_network, filter(_is_network, other.clients))
        if any(a.version == b.version and a.overlaps(b) for b in others for a in own):
            problems.add(f"{where}.clients", "another zone of this name has some of them, too")
    if not zone.clients:
        return
    if zone.transfer_to or zone.transfer_key or zone.notify:
        problems.add(f"{where}.clients", "a private zone is not transferred")
    for index, record in enumerate(zone.records):
        if record.geoproximity is not None or record.cidr is not None:
            problems.add(
                f"{where}.records[{index}]", f"a private zone has no {record.policies[0]} records"
            )


def _check_transfers(
    zone: DnsZoneSettings, keys: Iterable[str], where: str, problems: Problems
) -> None:
    if zone.transfer_key and zone.transfer_key not in keys:
        problems.add(
            f"{where}.transfer_key",
            f"{quoted(zone.transfer_key)} is no transfer key (known: {listed(sorted(keys))})",
            ProblemCode.UNKNOWN,
        )
    for number, network in enumerate(zone.transfer_to):
        if not _is_network(network):
            problems.add(f"{where}.transfer_to[{number}]", f"{quoted(network)} is not a network")
    for number, text in enumerate(zone.notify):
        try:
            tcp_address(text)
        except ValueError:
            problems.add(f"{where}.notify[{number}]", f"{quoted(text)} is not HOST:PORT")
    wanted = zone.transfer_to or zone.transfer_key or zone.notify
    if wanted and zone.dnssec:
        problems.add(
            f"{where}.dnssec",
            "a secondary cannot sign as we do: a signed zone is not transferred",
        )
    decided = [one for one in zone.records if one.alias is not None or one.policies]
    if wanted and decided:
        problems.add(
            f"{where}.transfer_to",
            f"a secondary cannot decide as {quoted(decided[0].name)} does: aliases and routing"
            " policies are ours alone",
        )


def _check_collections(settings: DnsSettings, problems: Problems) -> None:
    if len(settings.cidr_collections) > COLLECTIONS_MAX:
        problems.add("dns.cidr_collections", f"more than {COLLECTIONS_MAX}")
    for index, collection in enumerate(settings.cidr_collections):
        where = f"dns.cidr_collections[{index}].locations"
        count = sum(map(len, collection.locations.values()))
        if count > BLOCKS_MAX:
            problems.add(where, f"{count} blocks are more than {BLOCKS_MAX}", ProblemCode.TOO_MANY)
        seen: set[str] = set()
        for name, blocks in collection.locations.items():
            if name == "*":
                problems.add(f"{where}.{quoted(name)}", "is of those who are in no block")
            for block in blocks:
                if not _is_network(block) or not _is_short(block):
                    problems.add(f"{where}.{name}", f"{quoted(block)} is not /1 to /24, /1 to /48")
                if block in seen:
                    problems.add(f"{where}.{name}", f"{quoted(block)} is there twice")
                seen.add(block)


def _is_short(block: str) -> bool:
    network = ip_network(block)
    return 1 <= network.prefixlen <= _PREFIX_MAX[network.version]


def _is_network(text: str) -> bool:
    try:
        return bool(ip_network(text))
    except ValueError:
        return False


class _ZoneCheck:
    """The check of one zone."""

    def __init__(
        self, settings: DnsSettings, zone: DnsZoneSettings, where: str, problems: Problems
    ) -> None:
        self._settings, self._zone = settings, zone
        self._where, self._problems = where, problems
        self._apex = zone.name.rstrip(".").lower() + "."
        self._groups: dict[tuple[str, str], Group] = {}

    def check(self) -> None:
        """Each record by itself, then those of one name together, then what aliases lead to."""
        zone, problems = self._zone, self._problems
        if len(zone.records) > RECORDS_MAX:
            problems.add(
                f"{self._where}.records", f"{len(zone.records)} are more than {RECORDS_MAX}",
                ProblemCode.TOO_MANY,
            )  # fmt: skip
            return
        for index, record in enumerate(zone.records):
            where = f"{self._where}.records[{index}]"
            try:
                owner = owner_of(record.name, self._apex)
            except ValueError as error:
                problems.add(f"{where}.name", f"{quoted(record.name)} {error}")
                continue
            if record.type not in _TYPES:
                problems.add(f"{where}.type", f"{record.type} of {owner} is not served")
                continue
            self._groups.setdefault((owner, record.type), []).append((where, record))
            self._check_record(record, where)
        for (owner, type), group in self._groups.items():
            self._check_group(owner, type, group)
        self._check_aliases()
        has_servers = zone.name_servers or self._settings.name_servers
        if (self._apex, "NS") not in self._groups and not has_servers:
            problems.add(f"{self._where}.name_servers", "missing: it has no NS records either")

    def _check_record(self, record: DnsRecord, where: str) -> None:
        problems = self._problems
        if len(record.policies) > 1:
            problems.add(where, f"is of several routing policies: {', '.join(record.policies)}")
        if record.alias is not None:
            if record.values:
                problems.add(f"{where}.values", "an alias has none of its own")
            if bool(record.alias.distribution) == bool(record.alias.name):
                problems.add(f"{where}.alias", "says either a distribution or a name")
            if record.alias.distribution and record.type not in ("A", "AAAA"):
                problems.add(f"{where}.type", "a distribution has addresses: A or AAAA")
            if record.type in ("NS", "SOA"):
                problems.add(f"{where}.alias", f"{record.type} records are no aliases")
            return
        if not record.values:
            problems.add(f"{where}.values", "empty")
        if len(record.values) > VALUES_MAX:
            problems.add(f"{where}.values", f"{len(record.values)} are more than {VALUES_MAX}")
        if len(set(record.values)) < len(record.values):
            problems.add(f"{where}.values", "names a value twice")
        if {*record.policies} & {"weighted", "multivalue"} and len(record.values) > 1:
            problems.add(f"{where}.values", f"a {record.policies[0]} record has one value")
        for number, value in enumerate(record.values if has_extra() else ()):
            try:
                rdata_wire(record.type, value, self._apex)
            except ValueError as error:
                place = f"{where}.values[{number}]"
                problems.add(place, f"{quoted(value)} is no {record.type} value: {error}")

    def _check_group(self, owner: str, type: str, group: Group) -> None:
        where, problems = group[0][0], self._problems
        if type == "CNAME":
            if owner == self._apex:
                problems.add(f"{where}.type", "CNAME cannot be at the zone itself: use an alias")
            others = sorted(t for o, t in self._groups if o == owner and t != type)
            if others:
                problems.add(f"{where}.type", f"CNAME is beside {others[0]} of {owner}")
            for place, record in group:
                if len(record.values) > 1:
                    problems.add(f"{place}.values", "a CNAME record has one value")
        if type == "SOA" and (owner != self._apex or len(group) > 1 or group[0][1].policies):
            problems.add(f"{where}.type", "SOA is of the zone itself, once")
        if type == "NS" and (len(group) > 1 or group[0][1].policies):
            problems.add(f"{where}.type", "NS records have no routing policy")
        if len(group) == 1 and not group[0][1].policies:
            return
        policies = {record.policies for _, record in group}
        if len(policies) > 1 or not policies <= {(one,) for one in _POLICIES}:
            problems.add(where, f"{owner} {type} has several record sets: of one routing policy")
            return
        self._check_members(owner, type, group)

    def _check_members(self, owner: str, type: str, group: Group) -> None:
        """The record sets of one policy."""
        problems, policy = self._problems, group[0][1].policies[0]
        most = GEOPROXIMITY_MAX if policy == "geoproximity" else GROUP_MAX
        if len(group) > most:
            problems.add(
                group[0][0], f"{owner} {type} has {len(group)} record sets: at most {most}"
            )
        collections = {one.cidr.collection for _, one in group if one.cidr is not None}
        if len(collections) > 1:
            problems.add(group[0][0], f"{owner} {type} is of several collections")
        ids: set[str] = set()
        keys: set[object] = set()
        for where, record in group:
            if not record.id or record.id in ids:
                problems.add(f"{where}.id", "is missing, or another's of the same name and type")
            ids.add(record.id)
            key = _key(record)
            if key is not None and key in keys:
                problems.add(where, f"{owner} {type}: another has the same {policy} member")
            keys.add(key)
            self._check_policy(record, where)

    def _check_policy(self, record: DnsRecord, where: str) -> None:
        problems = self._problems
        if record.geolocation is not None:
            _check_area(record, f"{where}.geolocation", problems)
        named = record.region or ("" if record.geoproximity is None else record.geoproximity.region)
        if named and named not in REGIONS and not self._has_latencies(named, record):
            problems.add(where, f"{quoted(named)}: nobody knows where that is", ProblemCode.UNKNOWN)
        point = record.geoproximity
        if point is not None:
            if bool(point.region) == bool(point.coordinates):
                problems.add(f"{where}.geoproximity", "says either a region or coordinates")
            elif point.coordinates:
                check_coordinates(point.coordinates, f"{where}.geoproximity.coordinates", problems)
        if record.cidr is not None:
            known = {one.name: one for one in self._settings.cidr_collections}
            collection = known.get(record.cidr.collection)
            if collection is None:
                problems.add(f"{where}.cidr.collection", "is no collection", ProblemCode.UNKNOWN)
            elif record.cidr.location not in (*collection.locations, "*"):
                problems.add(f"{where}.cidr.location", "is not of the collection")

    def _has_latencies(self, region: str, record: DnsRecord) -> bool:
        return bool(record.region) and any(region in one.ms for one in self._settings.latencies)

    def _check_aliases(self) -> None:
        """Each leads somewhere, and to no alias that leads back."""
        for (owner, type), group in self._groups.items():
            for where, record in group:
                if record.alias is None or not record.alias.name:
                    continue
                try:
                    target = owner_of(record.alias.name, self._apex)
                except ValueError as error:
                    self._problems.add(
                        f"{where}.alias.name", f"{quoted(record.alias.name)} {error}"
                    )
                    continue
                if (target, type) not in self._groups:
                    self._problems.add(
                        f"{where}.alias.name",
                        f"{target} has no {type} records",
                        ProblemCode.UNKNOWN,
                    )
                elif self._leads_to(target, owner, type, set()):
                    self._problems.add(f"{where}.alias.name", f"{target} leads back to {owner}")

    def _leads_to(self, start: str, wanted: str, type: str, seen: set[str]) -> bool:
        if start == wanted:
            return True
        seen.add(start)
        for _, record in self._groups.get((start, type), ()):
            if record.alias is not None and record.alias.name:
                try:
                    target = owner_of(record.alias.name, self._apex)
                except ValueError:
                    continue
                if target not in seen and self._leads_to(target, wanted, type, seen):
                    return True
        return False


_POLICIES = (
    "weighted",
    "latency",
    "failover",
    "geolocation",
    "geoproximity",
    "multivalue",
    "ip-based",
)


def _key(record: DnsRecord) -> object | None:
    """What another record set of the group may not have, too; None: anything."""
    if record.failover:
        return record.failover
    if record.region:
        return record.region
    if record.geolocation is not None:
        return record.geolocation
    if record.cidr is not None:
        return record.cidr.location
    return None


def _check_area(record: DnsRecord, where: str, problems: Problems) -> None:
    area = record.geolocation
    assert area is not None
    if bool(area.continent) == bool(area.country):
        problems.add(where, "says either a continent or a country")
    elif area.continent and area.continent not in CONTINENTS:
        problems.add(f"{where}.continent", f"{quoted(area.continent)} is no continent's code")
    elif area.country in UNKNOWN_COUNTRIES:
        problems.add(f"{where}.country", f"{area.country}: no address is known to be there")
    elif area.country and area.country != "*" and not COUNTRY.fullmatch(area.country):
        problems.add(f"{where}.country", f'{quoted(area.country)} is not a country, or "*"')
    if area.subdivision and (not area.country or area.country == "*"):
        problems.add(f"{where}.subdivision", "is of a country")
