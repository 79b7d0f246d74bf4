"""Changes of record sets: all of a batch, or nothing (ChangeResourceRecordSets).

Law: rules are asked of what the batch leads to, not of its steps, and every change that cannot be
is told. Messages are AWS's where tools read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace as replace_struct

from edgecache.cluster.dns_zones import RecordKey
from edgecache.config.checks.dns_zones import check_record_sets
from edgecache.config.dns import DnsRecord, DnsSettings, DnsZoneSettings
from edgecache.config.problems import Problems
from edgecache.control.route53.call import Document, Route53Call, Run, change_info, plain_id
from edgecache.control.route53.declared_zones import changeable_zone
from edgecache.control.route53.model import (
    BATCH_CHARS_MAX,
    BATCH_RECORDS_MAX,
    RECORD_SETS_MAX,
    invalid_batch,
)
from edgecache.control.route53.record_sets import (
    RecordSetRefusedError,
    RecordSetWorld,
    owner_name,
    read_record_set,
    words,
)
from edgecache.control.state.hosted_zones import HostedRecordSet, HostedZone

CREATE, DELETE, UPSERT = "CREATE", "DELETE", "UPSERT"
MESSAGES_MAX = 100  # of one refusal
_IN_ORDER = {(CREATE,), (DELETE,), (UPSERT,), (DELETE, CREATE)}
"""The actions that a batch may have for one record set."""

Group = tuple[str, str]
"""A name and a type."""


def operations() -> dict[str, Run]:
    """The operation, by name."""
    return {"ChangeResourceRecordSets": change_record_sets}


def change_record_sets(call: Route53Call) -> Document:
    zone = changeable_zone(call, plain_id(call.input["HostedZoneId"]))
    batch = call.input["ChangeBatch"]
    _check_size(batch["Changes"])
    changed = _Batch(call, zone)
    changed.take(batch["Changes"])
    changed.check()
    if changed.messages:
        raise invalid_batch(changed.messages[:MESSAGES_MAX])
    by = call.by(f"{zone.id} {zone.name} {_summarized(batch['Changes'])}")
    zone = call.zones.change_records(zone, changed.puts, changed.deletes, by)
    change = call.zones.note_change(zone.id, zone.version, batch.get("Comment", ""))
    return {"ChangeInfo": change_info(call, change)}


def _summarized(changes: list[Document]) -> str:
    first = changes[0]
    more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
    one = first["ResourceRecordSet"]
    return f"{first['Action']} {one['Name']} {one['Type']}{more}"


def _check_size(changes: list[Document]) -> None:
    """InvalidChangeBatch: more than one batch may have."""
    records = chars = 0
    for one in changes:
        values = one["ResourceRecordSet"].get("ResourceRecords", ())
        times = 2 if one["Action"] == UPSERT else 1
        records += times * max(1, len(values))
        chars += times * sum(len(value["Value"]) for value in values)
    if records > BATCH_RECORDS_MAX:
        raise invalid_batch([f"Number of records limit of {BATCH_RECORDS_MAX} exceeded."])
    if chars > BATCH_CHARS_MAX:
        raise invalid_batch([f"Number of characters limit of {BATCH_CHARS_MAX} exceeded."])


@dataclass(slots=True)
class _Batch:
    """What a zone's record sets would be: those of the names that a batch is about."""

    call: Route53Call
    zone: HostedZone
    messages: list[str] = field(default_factory=list)
    _before: dict[str, dict[RecordKey, HostedRecordSet]] = field(default_factory=dict)
    _sets: dict[RecordKey, HostedRecordSet] = field(default_factory=dict)
    _actions: dict[RecordKey, list[str]] = field(default_factory=dict)

    @property
    def puts(self) -> list[HostedRecordSet]:
        """What is to be written."""
        return [
            one for key, one in self._sets.items() if self._before[one.served.name].get(key) != one
        ]

    @property
    def deletes(self) -> list[RecordKey]:
        """What is to be removed."""
        return [key for held in self._before.values() for key in held if key not in self._sets]

    def take(self, changes: list[Document]) -> None:
        """Make the changes, one after the other."""
        world = RecordSetWorld(self.call, self.zone)
        for change in changes:
            try:
                self._take(world, change["Action"], change["ResourceRecordSet"])
            except RecordSetRefusedError as error:
                self.messages.append(str(error))
        for (name, type, _), actions in self._actions.items():
            if tuple(actions) not in _IN_ORDER:
                self.messages.append(
                    "The request contains an invalid set of changes for a resource record set"
                    f" '{type} {name}'"
                )

    def _take(self, world: RecordSetWorld, action: str, given: Document) -> None:
        name = owner_name(self.zone, given["Name"])
        self._load(name)
        key = name, given["Type"], given.get("SetIdentifier", "")
        held = self._sets.get(key)
        self._actions.setdefault(key, []).append(action)
        if action == DELETE:
            tried = f"Tried to delete resource record set {words(given)} but"
            if held is None:
                raise RecordSetRefusedError(f"{tried} it was not found")
            if _comparable(given) != _comparable(held.document):
                raise RecordSetRefusedError(
                    f"{tried} the values provided do not match the current values"
                )
            del self._sets[key]
            return
        if action == CREATE and held is not None:
            raise RecordSetRefusedError(
                f"Tried to create resource record set {words(given)} but it already exists"
            )
        self._sets[key] = read_record_set(world, action, given)
        if self._sets[key].served.multivalue:
            self._share_ttl(self._sets[key])

    def _share_ttl(self, given: HostedRecordSet) -> None:
        """Those of one name and type are one answer: the TTL that was given last counts."""
        served = given.served
        for key, one in self._sets.items():
            if key[:2] == (served.name, served.type) and one.served.multivalue:
                document = {**one.document, "TTL": served.ttl_s}
                self._sets[key] = HostedRecordSet(
                    document, replace_struct(one.served, ttl_s=served.ttl_s)
                )

    def _load(self, name: str) -> None:
        if name not in self._before:
            held = {one.key: one for one in self.call.zones.of_name(self.zone.id, name)}
            self._before[name] = held
            self._sets |= held

    def check(self) -> None:
        """The rules of what there would be. Each message once."""
        found = [*self._apex_problems()]
        for name in self._before:
            found += self._name_problems(name)
        found += self._alias_problems()
        if not (found or self.messages):
            found += self._group_problems()
        added = sum(1 for key in self._sets if key not in self._before[key[0]])
        total = self.call.zones.count(self.zone.id) + added - len(self.deletes)
        if total > RECORD_SETS_MAX:
            found.append(f"Number of records limit of {RECORD_SETS_MAX} exceeded.")
        self.messages += dict.fromkeys(found)

    def _apex_problems(self) -> Iterator[str]:
        apex = self.zone.name
        if apex in self._before:
            if (apex, "SOA", "") not in self._sets:
                yield "A HostedZone must contain exactly one SOA record."
            if (apex, "NS", "") not in self._sets:
                yield "A HostedZone must contain at least one NS record for the zone itself."

    def _name_problems(self, name: str) -> Iterator[str]:
        """CNAME is alone at its name; SOA is the zone's; a wildcard is no delegation."""
        zone = self.zone.name
        types = {key[1] for key in self._sets if key[0] == name}
        place = f"is not permitted in zone {zone}"
        if "CNAME" in types:
            if name == zone:
                yield (
                    f"RRSet of type CNAME with DNS name {name} is not permitted at apex in zone"
                    f" {zone}"
                )
            elif len(types) > 1:
                yield (
                    f"RRSet of type CNAME with DNS name {name} is not permitted as it conflicts"
                    f" with other records with the same DNS name in zone {zone}"
                )
        if "SOA" in types and name != zone:
            yield f"RRSet of type SOA with DNS name {name} {place}"
        if name.startswith("*") and types & {"NS", "DS"}:
            yield f"RRSet of type NS with DNS name {name} {place}: a wildcard is no delegation"
        if name == zone and "DS" in types:
            yield f"RRSet of type DS with DNS name {name} {place}: it is the parent zone's"

    def _alias_problems(self) -> Iterator[str]:
        """What an alias leads to is there, before and after."""
        gone = {key[:2] for key in self.deletes} - {key[:2] for key in self._sets}
        aliases = [one for one in self._sets.values() if one.served.alias is not None]
        if gone:
            changed = {*self.deletes, *self._sets}
            held = self.call.zones.aliases(self.zone.id)
            aliases += [one for one in held if one.key not in changed]
        for one in aliases:
            alias = one.served.alias
            if alias is None or not alias.name:
                continue
            if not self._group((alias.name, one.served.type)):
                yield (
                    f"Tried to create an alias that targets {alias.name}, type {one.served.type}"
                    f" in zone {self.zone.id}, but that target was not found"
                )

    def _group(self, group: Group) -> list[HostedRecordSet]:
        """What a name and type would have."""
        if group[0] in self._before:
            return [one for key, one in self._sets.items() if key[:2] == group]
        held = self.call.zones.of_name(self.zone.id, group[0])
        return [one for one in held if one.served.type == group[1]]

    def _group_problems(self) -> list[str]:
        """The rules of routing policies, which are those of the file, too."""
        names = {*self._before, *self._targets()}
        records: list[DnsRecord] = []
        for name in names:
            if name in self._before:
                records += [one.served for key, one in self._sets.items() if key[0] == name]
            else:
                records += [one.served for one in self.call.zones.of_name(self.zone.id, name)]
        found = [*_ttl_problems(records)]
        problems = Problems()
        zone = DnsZoneSettings(
            name=self.zone.name, records=tuple(records), name_servers=("ns.invalid",),
            clients=("192.0.2.0/24",) if self.zone.is_private else (),
        )  # fmt: skip
        check_record_sets(self._settings(), zone, problems)
        for one in problems.found:
            found.append(f"{_place(one.where, records)}: {one.message}")
        if self.zone.is_private:
            found += _private_problems(records)
        return found

    def _targets(self) -> set[str]:
        """Names that aliases lead to, however far."""
        known: set[str] = set()
        ahead = [*self._sets.values()]
        while ahead:
            alias = ahead.pop().served.alias
            if alias is None or not alias.name or alias.name in known:
                continue
            known.add(alias.name)
            if alias.name not in self._before:
                ahead += self.call.zones.of_name(self.zone.id, alias.name)
        return known

    def _settings(self) -> DnsSettings:
        settings = self.call.catalog.published.dns  # with the API's health checks
        assert settings is not None
        collections = tuple(one.served for one in self.call.zones.collections.all())
        return replace_struct(settings, cidr_collections=collections)


def _comparable(document: Document) -> Any:
    """What two record sets are compared by: values in any order, names with a dot or without."""
    shown = {name: value for name, value in document.items() if value is not None}
    shown["Name"] = _folded(document["Name"])
    if "ResourceRecords" in document:
        shown["ResourceRecords"] = sorted(one["Value"] for one in document["ResourceRecords"])
    if "AliasTarget" in document:
        alias = document["AliasTarget"]
        name, zone = _folded(alias["DNSName"]), plain_id(alias["HostedZoneId"])
        shown["AliasTarget"] = {**alias, "DNSName": name, "HostedZoneId": zone}
    if not shown.get("MultiValueAnswer"):
        shown.pop("MultiValueAnswer", None)
    return shown


def _folded(name: str) -> str:
    return name.rstrip(".").lower().replace("*", "\\052")


def _ttl_problems(records: Iterable[DnsRecord]) -> Iterator[str]:
    """Weighted record sets of one name and type have one TTL (API reference)."""
    ttls: dict[Group, set[int]] = {}
    for one in records:
        if one.weight is not None and one.alias is None:
            ttls.setdefault((one.name, one.type), set()).add(one.ttl_s)
    for (name, type), found in ttls.items():
        if len(found) > 1:
            yield (
                f"RRSet with DNS name {name}, type {type}: all weighted record sets of a group"
                " must have the same TTL"
            )


def _private_problems(records: Iterable[DnsRecord]) -> Iterator[str]:
    for one in records:
        if one.geoproximity is not None or one.cidr is not None:
            yield (
                f"RRSet with DNS name {one.name}, type {one.type}: a private hosted zone has no"
                f" {one.policies[0]} records"
            )


def _place(where: str, records: list[DnsRecord]) -> str:
    """The record set that a place like `.records[3].values` is of."""
    index = where.partition("[")[2].partition("]")[0]
    if not index.isdecimal() or int(index) >= len(records):
        return "The batch"
    one = records[int(index)]
    identifier = f", SetIdentifier {one.id}" if one.id else ""
    return f"RRSet with DNS name {one.name}, type {one.type}{identifier}"
