"""A zone in memory: its names, and what is found under one (RFC 1034 §4.3.2, RFC 4592).

Law: what a name holds is settled when the zone is made. A name that exists without records (there
is something below it) is no NXDOMAIN; a wildcard covers what does not exist below its parent, at
any depth; below a delegation nothing is ours but glue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from edgecache.config.dns import EXPIRE_S, MINIMUM_S, REFRESH_S, RETRY_S
from edgecache.dns.names import WILDCARD, parent
from edgecache.dns.records import NS, SOA, RecordData, record_data
from edgecache.dns.routing import Candidate, RecordGroup, RoutingPolicy
from edgecache.dns.zone_signer import ZoneSigner

NAME_BYTES, ENTRY_BYTES, GROUP_BYTES, CANDIDATE_BYTES = 450, 170, 90, 160
DATA_BYTES, TEXT_BYTES = 200, 45  # of a record set beside its texts, and of a text beside its bytes


@dataclass(slots=True, eq=False)
class ZoneName:
    """What a name holds: groups by type. `cut`: the delegation that it is at, or below."""

    groups: dict[int, RecordGroup] = field(default_factory=dict)
    cut: bytes = b""


@dataclass(slots=True, eq=False)
class DnsZone:
    """A zone: its apex and what its names hold, each name on the wire in lower case."""

    apex: bytes
    names: Mapping[bytes, ZoneName]
    serial: int
    negative: bytes  # its SOA record, with the TTL of what is not there
    missing: RecordData  # the same as a record set
    signer: ZoneSigner | None = None
    clients: tuple[str, ...] = ()  # networks that see it; none: everybody does
    size_bytes: int = 0  # of all of it, as estimated

    def find(self, name: bytes) -> tuple[ZoneName | None, bytes]:
        """What holds for a name of this zone, and whose it is: its own, or a wildcard's.

        None: it does not exist. Where the name is at or below a delegation, that is what is given.
        """
        held = self.names.get(name)
        if held is not None:
            if held.cut and held.cut != name:
                return self.names[held.cut], held.cut
            return held, name
        encloser = parent(name)
        while (above := self.names.get(encloser)) is None:
            encloser = parent(encloser)
        if above.cut:
            return self.names[above.cut], above.cut
        wildcard = WILDCARD + encloser
        return self.names.get(wildcard), wildcard


def soa_rdata(primary: bytes, mailbox: bytes, serial: int) -> bytes:
    """The data of a zone's SOA record, as Route 53 makes it."""
    numbers = (serial & 0xFFFFFFFF, REFRESH_S, RETRY_S, EXPIRE_S, MINIMUM_S)
    return primary + mailbox + b"".join(number.to_bytes(4, "big") for number in numbers)


def make_zone(apex: bytes, groups: Mapping[tuple[bytes, int], RecordGroup]) -> DnsZone:
    """The zone of these groups, by name and type; those of the apex have SOA and NS."""
    names: dict[bytes, ZoneName] = {}
    for (name, type), group in groups.items():
        for one in _up_to(name, apex):
            names.setdefault(one, ZoneName())
        names[name].groups[type] = group
    for name, held in names.items():
        cuts = [
            one
            for one in _up_to(name, apex)
            if one != apex and one in names and NS in names[one].groups
        ]
        held.cut = cuts[-1] if cuts else b""  # the highest counts
    soa = _only(names[apex].groups[SOA])
    serial_at = len(soa.values[0]) - 20
    serial = int.from_bytes(soa.values[0][serial_at : serial_at + 4], "big")
    missing = _missing(soa)
    negative = missing.owned(apex)
    return DnsZone(apex, names, serial, negative, missing, size_bytes=_size_bytes(names))


def sign_zone(zone: DnsZone, signer: ZoneSigner) -> None:
    """Sign answers of the zone from now on; its keys stand at its apex."""
    for data in signer.key_records():
        group = RecordGroup(RoutingPolicy.SIMPLE, (Candidate(data=data),))
        zone.names[zone.apex].groups[data.type] = group
    zone.signer = signer


def _size_bytes(names: Mapping[bytes, ZoneName]) -> int:
    """What names and groups hold, each group once; with the entry of its name among the answers."""
    groups = {id(group): group for held in names.values() for group in held.groups.values()}
    entries = sum(len(held.groups) for held in names.values())
    size = sum(map(len, names)) + NAME_BYTES * len(names) + ENTRY_BYTES * entries
    for group in groups.values():
        size += GROUP_BYTES + CANDIDATE_BYTES * len(group.candidates)
        for one in group.candidates:
            if one.data is not None:
                texts = (*one.data.values, *one.data.tails, *one.data.orders)
                size += DATA_BYTES + TEXT_BYTES * len(texts) + sum(map(len, texts))
    return size


def _only(group: RecordGroup) -> RecordData:
    data = group.candidates[0].data
    assert data is not None
    return data


def _missing(soa: RecordData) -> RecordData:
    """RFC 2308 §3: the TTL of what is not there is the lesser of SOA's TTL and its minimum."""
    minimum = int.from_bytes(soa.values[0][-4:], "big")
    return record_data(SOA, min(minimum, soa.ttl_s), soa.values)


def _up_to(name: bytes, apex: bytes) -> Iterator[bytes]:
    """The name, and those above it up to the apex."""
    while name != apex:
        yield name
        name = parent(name)
    yield apex
