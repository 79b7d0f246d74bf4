"""Signed answers: signatures beside records, and proofs of what is not there (RFC 4035 §3.1).

What is not there is denied compactly (RFC 9824): the name is said to exist and to have none but the
types in its one NSEC record; where it does not exist, NXNAME is among them and the response code is
NOERROR, unless the resolver says that it takes the true one. A name that a wildcard stands for is
signed as if it were there. So an answer needs one signature, or two with the SOA record's, which is
kept; and no other name of the zone is given away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from edgecache.dns.dnssec import NSEC, NXNAME, RRSIG, merged_values, next_name, type_bitmap
from edgecache.dns.message import Query, Rcode, Sections
from edgecache.dns.records import CNAME, DS, NS, RecordData, record_data
from edgecache.dns.zone import DnsZone, ZoneName
from edgecache.dns.zone_signer import ZoneSigner

NOTHING = type_bitmap((NXNAME, RRSIG, NSEC))  # of a name that does not exist


@dataclass(slots=True, eq=False)
class SignedName:
    """A name of a signed zone that an answer meets: as it is asked for, and what holds for it.

    `held` None: it does not exist; `made_up`: it is one of as many as anybody likes.
    """

    zone: DnsZone
    signer: ZoneSigner
    name: bytes
    held: ZoneName | None
    made_up: bool

    def types(self, without: Collection[int] = ()) -> set[int]:
        """The types that it has, but for those."""
        assert self.held is not None
        types = {*self.held.groups}
        if self.held.cut:  # what else is there is the child's
            types &= {NS, DS}
        return (types | {RRSIG, NSEC}).difference(without)

    def nsec(self, without: Collection[int] = ()) -> RecordData:
        """The record that says which types it has."""
        bits = type_bitmap(self.types(without)) if self.held is not None else NOTHING
        value = next_name(self.name) + bits
        return record_data(NSEC, self.zone.missing.ttl_s, [value])

    def sign(self, sections: Sections, owner: bytes, data: RecordData) -> None:
        """Add the signatures of records that are in the answer, where they have this `owner`."""
        tails = self.signer.signatures(self.name, data, made_up=self.made_up)
        sections.answers += len(tails)
        sections.answer += b"".join(owner + tail for tail in tails)

    def answer_nsec(self, sections: Sections, owner: bytes) -> None:
        """Answer a query for the NSEC record itself (RFC 9824 §3.5)."""
        data = self.nsec()
        sections.answers += 1
        sections.answer += data.owned(owner)
        self.sign(sections, owner, data)

    def deny(self, query: Query, sections: Sections) -> None:
        """Say that there is nothing of the type; of the name, where it does not exist."""
        apex, soa = self.zone.apex, self.zone.missing
        _add(sections, apex, [soa.tails, self.signer.signatures(apex, soa)])
        self._add_nsec(
            sections, {query.type, CNAME}
        )  # one that had led further would have been taken
        sections.compact = True
        if self.held is None:
            sections.rcode = Rcode.NXDOMAIN if query.compact else Rcode.NOERROR

    def refer(self, sections: Sections) -> None:
        """Say by which keys the delegation goes on, or that it is not signed."""
        assert self.held is not None
        group = self.held.groups.get(DS)
        data = None if group is None else group.candidates[0].data
        if data is None:
            self._add_nsec(sections)
        else:
            _add(sections, self.name, [data.tails, self.signer.signatures(self.name, data)])

    def _add_nsec(self, sections: Sections, without: Collection[int] = ()) -> None:
        data = self.nsec(without)
        tails = self.signer.signatures(self.name, data, made_up=self.made_up)
        _add(sections, self.name, [data.tails, tails])


def one_set(chosen: Sequence[RecordData]) -> RecordData:
    """Several record sets as the one that a signature is of: their values, and the least TTL."""
    if len(chosen) == 1:
        return chosen[0]
    values = merged_values([data.values for data in chosen])
    return record_data(chosen[0].type, min(data.ttl_s for data in chosen), values)


def _add(sections: Sections, owner: bytes, parts: Iterable[Sequence[bytes]]) -> None:
    for tails in parts:
        sections.authorities += len(tails)
        sections.authority += b"".join(owner + tail for tail in tails)
