"""Record types, and the bytes of a record set made beforehand: its records for any owner.

Types are those of Route 53, numbers IANA's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct

TYPES = {
    "A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33,
    "NAPTR": 35, "DS": 43, "SSHFP": 44, "TLSA": 52, "SVCB": 64, "HTTPS": 65, "SPF": 99, "CAA": 257,
}  # fmt: skip
A, NS, CNAME, SOA, AAAA, DS = (TYPES[one] for one in ("A", "NS", "CNAME", "SOA", "AAAA", "DS"))
HINFO, OPT, IXFR, AXFR, ANY = 13, 41, 251, 252, 255
TYPE_NAMES = {number: name for name, number in TYPES.items()}
QUESTION_NAME = b"\xc0\x0c"  # a pointer to the name in the question (RFC 1035 §4.1.4)
ROTATIONS_MAX = 8  # orders of a record set that are made beforehand
_FIXED = Struct("!HHIH")
_IN = 1


def record_tail(type: int, ttl_s: int, rdata: bytes) -> bytes:
    """A record without its owner."""
    return _FIXED.pack(type, _IN, ttl_s, len(rdata)) + rdata


@dataclass(frozen=True, slots=True, eq=False)
class RecordData:
    """A record set as bytes: `tails` are its records without their owner.

    `orders` are the records in several orders, owned by the name in the question.
    """

    type: int
    ttl_s: int
    values: tuple[bytes, ...]
    tails: tuple[bytes, ...]
    orders: tuple[bytes, ...]

    def owned(self, owner: bytes) -> bytes:
        """The records, of `owner`."""
        return b"".join(owner + tail for tail in self.tails)


def record_data(type: int, ttl_s: int, values: Sequence[bytes]) -> RecordData:
    """The record set with these values on the wire."""
    tails = tuple(record_tail(type, ttl_s, value) for value in values)
    owned = [QUESTION_NAME + tail for tail in tails]
    count = min(len(owned), ROTATIONS_MAX)
    orders = tuple(b"".join(owned[at:] + owned[:at]) for at in range(count))
    return RecordData(type, ttl_s, tuple(values), tails, orders)
