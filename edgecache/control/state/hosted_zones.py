"""Hosted zones that the API made, in control's state. Law: a change is one transaction, one number.

The number is the zone's version, and the entry of that number tells name servers what has changed.
Zones are no part of the configuration: a record that changes composes nothing anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from edgecache.cluster.dns_zones import DnsZoneChange, DnsZoneContent, RecordKey
from edgecache.cluster.log_entries import LogEntryKind
from edgecache.config.dns import DnsCidrCollection, DnsRecord
from edgecache.control.state.cidr_collections import CidrCollection, CidrCollections
from edgecache.control.state.database import UNASKED, Authorship, StateDatabase
from edgecache.control.state.log import ControlLog
from edgecache.control.state.resources import Random, random_id

CHANGES_KEPT_S = 60.0  # of former versions, in the log; who comes later asks for all of a zone
CHANGES_LISTED_MAX = 10_000  # whose status is told, the newest
_ZONE = "id, name, version, created_at, reference, comment, private, vpcs, tags"
_ROW = "document, served"
_ORDER = "ORDER BY place, type, identifier"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HostedZone:
    """A zone. `name` has its final dot; `vpcs` by id, with their regions; `created_at` epoch s."""

    id: str
    name: str
    version: int
    created_at: float
    reference: str
    comment: str = ""
    is_private: bool = False
    vpcs: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HostedRecordSet:
    """A record set: as the API has it, and as name servers are told."""

    document: Document
    served: DnsRecord

    @property
    def key(self) -> RecordKey:
        """Its name, type and identifier."""
        return self.served.name, self.served.type, self.served.id

    @property
    def position(self) -> RecordKey:
        """Where it stands in a list."""
        return list_position(self.key)


@dataclass(frozen=True, slots=True)
class ZoneChangeRecord:
    """A change that was accepted: with the number `seq` it is at every name server."""

    id: str
    zone: str
    seq: int
    at: float
    comment: str = ""


def list_position(key: RecordKey) -> RecordKey:
    """What record sets are listed by: labels from the right, then type and identifier.

    Route 53 sorts names as text, `org.example.www.` with its final dot.
    """
    name, type, identifier = key
    labels = shown_name(name).rstrip(".").split(".")
    return ".".join(reversed(labels)) + ".", type, identifier


def shown_name(name: str) -> str:
    """A name as the API shows it: `*` is written in octal."""
    return name.replace("*", "\\052")


class HostedZones:
    """Tables of zones and their record sets. Changed inside `StateDatabase.writing`."""

    def __init__(self, state: StateDatabase, log: ControlLog, random: Random) -> None:
        self._state = state
        self._log = log
        self._random = random
        self.collections = CidrCollections(state)

    def all(self) -> list[HostedZone]:
        """Every zone, by id."""
        rows = self._state.execute(f"SELECT {_ZONE} FROM dns_zones ORDER BY id")
        return [_zone(row) for row in rows]

    def get(self, id: str) -> HostedZone | None:
        row = self._state.execute(f"SELECT {_ZONE} FROM dns_zones WHERE id = ?", (id,)).fetchone()
        return None if row is None else _zone(row)

    def count(self, id: str) -> int:
        """How many record sets a zone has."""
        query = "SELECT count(*) FROM dns_records WHERE zone = ?"
        return int(self._state.execute(query, (id,)).fetchone()[0])

    def record_sets(self, id: str, start: RecordKey, most: int) -> list[HostedRecordSet]:
        """So many from the position `start` on, in the order of lists."""
        place, type, identifier = start
        rows = self._state.execute(
            f"SELECT {_ROW} FROM dns_records WHERE zone = ? AND (place > ? OR"
            f" (place = ? AND (type > ? OR (type = ? AND identifier >= ?)))) {_ORDER} LIMIT ?",
            (id, place, place, type, type, identifier, most),
        )
        return [_record_set(row) for row in rows]

    def of_name(self, id: str, name: str) -> list[HostedRecordSet]:
        """All of a name."""
        rows = self._state.execute(
            f"SELECT {_ROW} FROM dns_records WHERE zone = ? AND place = ? {_ORDER}",
            (id, list_position((name, "", ""))[0]),
        )
        return [_record_set(row) for row in rows]

    def aliases(self, id: str) -> list[HostedRecordSet]:
        """Those that are aliases of another name's records."""
        rows = self._state.execute(
            f"SELECT {_ROW} FROM dns_records WHERE zone = ? AND target <> ''", (id,)
        )
        return [_record_set(row) for row in rows]

    def content(self, id: str) -> DnsZoneContent | None:
        """All of a zone, for a name server."""
        zone = self.get(id)
        if zone is None:
            return None
        rows = self._state.execute("SELECT served FROM dns_records WHERE zone = ?", (id,))
        records = tuple(msgspec.json.decode(text, type=DnsRecord) for (text,) in rows)
        wanted = {one.cidr.collection for one in records if one.cidr is not None}
        return DnsZoneContent(
            id, zone.version, zone.name, records, zone.is_private, tuple(sorted(zone.vpcs)),
            tuple(self._collections(wanted)),
        )  # fmt: skip

    def _collections(self, ids: Collection[str]) -> Iterable[DnsCidrCollection]:
        return (one.served for one in self.collections.all() if one.id in ids)

    def change_collection(self, changed: CidrCollection, by: Authorship) -> int:
        """Keep a collection, and tell of each zone that names it; the newest of their numbers."""
        self.collections.put(changed)
        seq = self._log.record(by)
        for id in self.users_of_collection(changed.id):
            zone = self.get(id)
            if zone is not None:
                seq = self.update(zone, by).version
        return seq

    def users_of_collection(self, id: str) -> list[str]:
        """The zones that have records by this collection."""
        return self._users(f'"collection":"{id}"')

    def users_of_health_check(self, id: str) -> list[str]:
        """The zones that have records by this health check."""
        return self._users(f'"health_check":"{id}"')

    def _users(self, member: str) -> list[str]:
        """The zones of records that have such a member; ids have no letter that LIKE knows."""
        rows = self._state.execute(
            "SELECT DISTINCT zone FROM dns_records WHERE served LIKE ? ORDER BY zone",
            (f"%{member}%",),
        )
        return [id for (id,) in rows]

    def put(
        self, zone: HostedZone, records: Sequence[HostedRecordSet], by: Authorship
    ) -> HostedZone:
        """A new zone with these record sets."""
        for one in records:
            self._insert(zone.id, one)
        return self._numbered(zone, DnsZoneChange(zone.id, whole=True), by)

    def update(self, zone: HostedZone, by: Authorship) -> HostedZone:
        """A zone of which something else than records has changed."""
        return self._numbered(zone, DnsZoneChange(zone.id, whole=True), by)

    def annotate(self, zone: HostedZone) -> None:
        """Keep the comment and the tags of a zone, of which name servers know nothing."""
        self._write(zone)

    def change_records(
        self,
        zone: HostedZone,
        puts: Sequence[HostedRecordSet],
        deletes: Collection[RecordKey],
        by: Authorship,
    ) -> HostedZone:
        """The zone with these record sets put and these deleted."""
        for key in {*deletes, *(one.key for one in puts)}:
            self._state.execute(
                "DELETE FROM dns_records"
                " WHERE zone = ? AND place = ? AND type = ? AND identifier = ?",
                (zone.id, *list_position(key)),
            )
        for one in puts:
            self._insert(zone.id, one)
        served = tuple(one.served for one in puts)
        change = DnsZoneChange(zone.id, zone.version, served, tuple(sorted(deletes)))
        return self._numbered(zone, change, by)

    def remove(self, id: str, by: Authorship = UNASKED) -> int:
        """A zone is gone with its record sets; the number of that."""
        self._state.execute("DELETE FROM dns_records WHERE zone = ?", (id,))
        self._state.execute("DELETE FROM dns_zones WHERE id = ?", (id,))
        return self._append(DnsZoneChange(id, gone=True), by)

    def note_change(self, zone: str, seq: int, comment: str = "") -> ZoneChangeRecord:
        """Keep that a change was accepted, whose status is asked for."""
        made = ZoneChangeRecord(random_id("C", self._random), zone, seq, self._log.now(), comment)
        row = (made.id, zone, seq, made.at, comment)
        self._state.execute("INSERT INTO dns_changes VALUES (?, ?, ?, ?, ?)", row)
        self._state.execute(
            "DELETE FROM dns_changes WHERE seq <="
            " (SELECT seq FROM dns_changes ORDER BY seq DESC LIMIT 1 OFFSET ?)",
            (CHANGES_LISTED_MAX,),
        )
        return made

    def get_change(self, id: str) -> ZoneChangeRecord | None:
        query = "SELECT id, zone, seq, at, comment FROM dns_changes WHERE id = ?"
        row = self._state.execute(query, (id,)).fetchone()
        return None if row is None else ZoneChangeRecord(*row)

    def _insert(self, zone: str, one: HostedRecordSet) -> None:
        place, type, identifier = one.position
        alias = one.served.alias
        self._state.execute(
            "INSERT INTO dns_records VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                zone, place, type, identifier, "" if alias is None else alias.name,
                msgspec.json.encode(one.document).decode(),
                msgspec.json.encode(one.served).decode(),
            ),
        )  # fmt: skip

    def _numbered(self, zone: HostedZone, change: DnsZoneChange, by: Authorship) -> HostedZone:
        version = self._append(change, by)
        numbered = replace(zone, version=version)
        self._write(numbered)
        return numbered

    def _write(self, zone: HostedZone) -> None:
        row = (
            zone.id, zone.name, zone.version, zone.created_at, zone.reference, zone.comment,
            int(zone.is_private), msgspec.json.encode(zone.vpcs).decode(),
            msgspec.json.encode(zone.tags).decode(),
        )  # fmt: skip
        self._state.execute("DELETE FROM dns_zones WHERE id = ?", (zone.id,))
        marks = ", ".join("?" * len(row))
        self._state.execute(f"INSERT INTO dns_zones ({_ZONE}) VALUES ({marks})", row)

    def _append(self, change: DnsZoneChange, by: Authorship) -> int:
        former = (
            "DELETE FROM log WHERE kind = ? AND at < ?"
            " AND seq NOT IN (SELECT version FROM dns_zones)"
        )
        kind = LogEntryKind.DNS_ZONE
        self._state.execute(former, (kind, self._log.now() - CHANGES_KEPT_S))
        body: Document = msgspec.to_builtins(change)
        return self._log.append(kind, body, None, by)


def _zone(row: Sequence[Any]) -> HostedZone:
    id, name, version, created_at, reference, comment, private, vpcs, tags = row
    return HostedZone(
        id, name, version, created_at, reference, comment, bool(private),
        msgspec.json.decode(vpcs, type=dict[str, str]),
        msgspec.json.decode(tags, type=dict[str, str]),
    )  # fmt: skip


def _record_set(row: Sequence[Any]) -> HostedRecordSet:
    document, served = row
    return HostedRecordSet(
        msgspec.json.decode(document, type=Document),
        msgspec.json.decode(served, type=DnsRecord),
    )
