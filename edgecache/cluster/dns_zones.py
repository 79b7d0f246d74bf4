"""Zones that the API made, as control tells name servers of them: by the log, or whole.

Law: a version of a zone is a number of the log. Who holds the version before it takes the changed
record sets from the entry; who does not asks for all of the zone.
"""

from __future__ import annotations

import msgspec

from edgecache.config.dns import DnsCidrCollection, DnsRecord

ZONES_PATH = "/dns-zones"  # the ids of all; below it each by its id; `?after=`: the number it has

RecordKey = tuple[str, str, str]
"""The name of a record set, absolute and in lower case, its type and its identifier."""


class DnsZoneChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an entry: the zone of an id has a new version, the number of the entry.

    From the version `before` it leads by `puts` and `deletes`. `whole`: something else of it has
    changed, too; `gone`: there is none any more.
    """

    zone: str
    before: int = 0
    puts: tuple[DnsRecord, ...] = ()
    deletes: tuple[RecordKey, ...] = ()
    whole: bool = False
    gone: bool = False


class DnsZoneContent(msgspec.Struct, frozen=True):
    """All of a zone as of the number `version`; `name` has its final dot.

    A private one is seen from the networks of `vpcs`, by their ids. `collections` are those that
    its records name, each by its id.
    """

    zone: str
    version: int
    name: str
    records: tuple[DnsRecord, ...]
    is_private: bool = False
    vpcs: tuple[str, ...] = ()
    collections: tuple[DnsCidrCollection, ...] = ()


class DnsZoneIndex(msgspec.Struct, frozen=True):
    """The ids of all zones that the API made."""

    zones: tuple[str, ...]


def key_of(record: DnsRecord) -> RecordKey:
    """What tells a record set from all others of its zone."""
    return record.name, record.type, record.id
