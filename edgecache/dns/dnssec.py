"""DNSSEC records on the wire: what is signed of a record set, and the records that carry it.

RFC 4034 (records, canonical form), RFC 6605 (ECDSA P-256, algorithm 13), RFC 9824 (compact denial:
the one NSEC record of a name that does not exist says so by the type NXNAME). No keys are here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from struct import Struct

from edgecache.dns.names import NAME_BYTES_MAX, ROOT, WILDCARD, parent, split
from edgecache.dns.records import CNAME, NS, SOA, TYPES

RRSIG, NSEC, DNSKEY, CDS, CDNSKEY, NXNAME = 46, 47, 48, 59, 60, 128
ALGORITHM = 13  # ECDSAP256SHA256
SIGNATURE_BYTES = 64
ZONE_FLAG, ENTRY_FLAG = 0x0100, 0x0001  # of any key of a zone; of one that parents name
_PROTOCOL, _SHA_256 = 3, 2
_DNSKEY = Struct("!HBB")
_DS = Struct("!HBB")
_RRSIG = Struct("!HBBIIIH")
_RECORD = Struct("!HHIH")
_IN = 1
_NAMES_ALONE = frozenset({NS, CNAME, TYPES["PTR"]})
_BYTES_BEFORE_NAME = {TYPES["MX"]: 2, TYPES["SRV"]: 6}
_NAPTR, _NAPTR_TEXTS = TYPES["NAPTR"], 3
_UPPER = range(0x41, 0x5B)


def dnskey_data(public: bytes, flags: int) -> bytes:
    """The data of a DNSKEY record: `public` is both coordinates, 64 bytes (RFC 6605 §4)."""
    return _DNSKEY.pack(flags, _PROTOCOL, ALGORITHM) + public


def key_tag(dnskey: bytes) -> int:
    """What signatures name a key by (RFC 4034 appendix B)."""
    total = sum(byte << 8 if at % 2 == 0 else byte for at, byte in enumerate(dnskey))
    return (total + (total >> 16)) & 0xFFFF


def ds_data(owner: bytes, dnskey: bytes) -> bytes:
    """The data of the DS record that a parent has of a key (SHA-256, RFC 4509)."""
    return _DS.pack(key_tag(dnskey), ALGORITHM, _SHA_256) + sha256(owner + dnskey).digest()


def rrsig_head(
    type: int, owner: bytes, ttl_s: int, times: tuple[int, int], tag: int, signer: bytes
) -> bytes:
    """The data of an RRSIG record but for its signature; `times`: its begin and end."""
    labels = len(split(owner)) - owner.startswith(WILDCARD)
    begins, ends = (at & 0xFFFFFFFF for at in times)  # serial numbers (RFC 4034 §3.1.5)
    return _RRSIG.pack(type, ALGORITHM, labels, ttl_s, ends, begins, tag) + signer


def signed_data(head: bytes, owner: bytes, type: int, ttl_s: int, values: Iterable[bytes]) -> bytes:
    """What a signature is made of: the head of its record, and the records in canonical form."""
    lines = [head]
    for value in sorted({canonical_data(type, value) for value in values}):
        lines.append(owner + _RECORD.pack(type, _IN, ttl_s, len(value)) + value)
    return b"".join(lines)


def canonical_data(type: int, value: bytes) -> bytes:
    """A value whose names are in lower case, of the types where that counts (RFC 4034 §6.2).

    The length of a label is below `A`, so that a name is lowered as a whole.
    """
    if type in _NAMES_ALONE:
        return value.lower()
    if type == SOA:
        return value[:-20].lower() + value[-20:]
    if type in _BYTES_BEFORE_NAME:
        at = _BYTES_BEFORE_NAME[type]
        return value[:at] + value[at:].lower()
    if type == _NAPTR:
        at = 4
        for _ in range(_NAPTR_TEXTS):
            at += 1 + value[at]
        return value[:at] + value[at:].lower()
    return value


def next_name(name: bytes) -> bytes:
    """The name right after it in canonical order (RFC 4471 §3.1.2, RFC 9824 §3.4)."""
    if len(name) + 2 <= NAME_BYTES_MAX:
        return b"\x01\0" + name
    while name[0]:  # what is below it has no room: the next one beside it
        label, name = bytearray(name[1 : 1 + name[0]]), parent(name)
        while label and label[-1] == 0xFF:
            label.pop()
        if label:
            label[-1] += 1
            if label[-1] in _UPPER:  # the same as in lower case, which comes later
                label[-1] = _UPPER.stop
            return bytes([len(label)]) + bytes(label) + name
    return ROOT


def type_bitmap(types: Iterable[int]) -> bytes:
    """Types as windows of bits (RFC 4034 §4.1.2)."""
    windows: dict[int, bytearray] = {}
    for type in sorted(types):
        window = windows.setdefault(type >> 8, bytearray())
        at = (type & 0xFF) >> 3
        window.extend(bytes(at + 1 - len(window)))
        window[at] |= 0x80 >> (type & 7)
    return b"".join(bytes((number, len(bits))) + bits for number, bits in windows.items())


def merged_values(sets: Sequence[tuple[bytes, ...]]) -> tuple[bytes, ...]:
    """The values of several record sets as those of one, always in one order."""
    return tuple(sorted({value for values in sets for value in values}))
