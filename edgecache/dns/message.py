"""DNS messages: queries read strictly, answers written. Law: no input costs more than its length.

RFC 1035 §4, EDNS(0) by RFC 6891, client subnets by RFC 7871. A message that is no query gets no
answer (an answer to an answer would go on for ever); one that cannot be read is told FORMERR.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from edgecache.dns.names import NAME_BYTES_MAX

PAYLOAD = 1_232  # what crosses any path whole: DNS Flag Day 2020
PLAIN_PAYLOAD = 512  # RFC 1035 §4.2.1
HEADER_BYTES = 12
QR, AA, TC, RD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0010
OPCODE = 0x7800
DO, CO = 0x8000, 0x4000  # flags of EDNS (RFC 6891 §6.1.4)
_HEADER = Struct("!HHHHHH")
_FIXED = Struct("!HHIH")  # of a record: type, class, TTL, length
_OPT, _TSIG, _SUBNET = 41, 250, 8
_IN, _ANY_CLASS = 1, 255
_ADDRESS_BITS = {1: 32, 2: 128}  # by family (RFC 7871 §6)
_ADDITIONAL_MAX = 4  # OPT, a signature, and room
_OPTIONS_MAX = 32
_VERSION_0_OPT = b"\0\0\x29\x04\xd0"  # the root, OPT, PAYLOAD


class Rcode(IntEnum):
    """Response codes (RFC 1035 §4.1.1, RFC 2136, RFC 6891)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    NOTAUTH = 9
    BADVERS = 16


class ClientSubnet(NamedTuple):
    """Whom a resolver asks for: the family (1 IPv4, 2 IPv6), bits that count, and the address.

    `address` has the bytes that hold these bits, others are not told.
    """

    family: int
    bits: int
    address: bytes

    def option(self, scope: int) -> bytes:
        """The option of an answer that depends on `scope` bits."""
        body = bytes((0, self.family, self.bits, scope)) + self.address
        return b"\0\x08" + len(body).to_bytes(2, "big") + body

    @property
    def whole(self) -> bytes:
        """The address with zeros for the bytes that are not told: 4 or 16 bytes."""
        return self.address.ljust(_ADDRESS_BITS[self.family] // 8, b"\0")


@dataclass(slots=True)
class Query:
    """A query: its question as it came, and in lower case; what its OPT record says.

    `rcode` is not NOERROR where it is to be told so, and nothing else of it counts.
    """

    id: int
    flags: int
    question: bytes = b""  # as received: name, type and class
    name: bytes = b""  # in lower case
    type: int = 0
    has_edns: bool = False
    payload: int = PLAIN_PAYLOAD
    dnssec: bool = False  # the DO bit
    compact: bool = False  # the CO bit: NXDOMAIN beside a compact denial (RFC 9824 §5.1)
    subnet: ClientSubnet | None = None
    rcode: Rcode = Rcode.NOERROR
    is_signed: bool = False  # there is a TSIG record
    has_authority: bool = False  # an IXFR's SOA record

    @property
    def recursion(self) -> int:
        """The flags that an answer repeats."""
        return self.flags & (RD | CD)


class _MalformedError(Exception):
    pass


def read_query(data: bytes) -> Query | None:
    """The query in a datagram or TCP message; None: it is to be passed over in silence."""
    if len(data) < HEADER_BYTES:
        return None
    id, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(data)
    if flags & QR:
        return None
    query = Query(id, flags)
    if flags & OPCODE:
        query.rcode = Rcode.NOTIMP
        return query
    try:
        if questions != 1 or answers or authorities > 1 or additionals > _ADDITIONAL_MAX:
            raise _MalformedError
        end = _read_question(data, query)
        if authorities:  # an IXFR has its zone's SOA here (RFC 1995 §3)
            query.has_authority = True
            end = _after_record(data, _name_end(data, end, compressed=True))
        for _ in range(additionals):
            end = _read_additional(data, end, query)
        if end != len(data):
            raise _MalformedError
    except (_MalformedError, IndexError):
        query.rcode = Rcode.FORMERR
    return query


def _read_question(data: bytes, query: Query) -> int:
    end = _name_end(data, HEADER_BYTES, compressed=False)
    if end + 4 > len(data):
        raise _MalformedError
    query.name = data[HEADER_BYTES:end].lower()
    query.type = data[end] << 8 | data[end + 1]
    query.question = data[HEADER_BYTES : end + 4]
    if data[end + 2 : end + 4] not in (b"\0\x01", b"\0\xff"):
        query.rcode = Rcode.REFUSED  # of no class do we know anything but of IN
    return end + 4


def _name_end(data: bytes, at: int, *, compressed: bool) -> int:
    """Where the name at `at` ends. A pointer ends it where it is allowed, and is not followed."""
    begin = at
    while length := data[at]:
        if length >= 0xC0 and compressed:
            return at + 2
        if length > 63:
            raise _MalformedError
        at += 1 + length
        if at - begin >= NAME_BYTES_MAX:
            raise _MalformedError
    return at + 1


def _after_record(data: bytes, at: int) -> int:
    if at + _FIXED.size > len(data):
        raise _MalformedError
    end = at + _FIXED.size + (data[at + 8] << 8 | data[at + 9])
    if end > len(data):
        raise _MalformedError
    return end


def _read_additional(data: bytes, begin: int, query: Query) -> int:
    at = _name_end(data, begin, compressed=True)
    end = _after_record(data, at)
    kind, payload, ttl, _ = _FIXED.unpack_from(data, at)
    if kind == _TSIG:
        query.is_signed = True
    if kind != _OPT:
        return end
    if query.has_edns or data[begin]:  # one, of the root's name (RFC 6891 §6.1.1)
        raise _MalformedError
    query.has_edns = True
    query.payload = max(payload, PLAIN_PAYLOAD)
    query.dnssec, query.compact = bool(ttl & DO), bool(ttl & CO)
    if ttl >> 16 & 0xFF:
        query.rcode = Rcode.BADVERS
        return end
    _read_options(data, at + _FIXED.size, end, query)
    return end


def _read_options(data: bytes, at: int, end: int, query: Query) -> None:
    for _ in range(_OPTIONS_MAX):
        if at == end:
            return
        if at + 4 > end:
            raise _MalformedError
        code, length = data[at] << 8 | data[at + 1], data[at + 2] << 8 | data[at + 3]
        at += 4
        if at + length > end:
            raise _MalformedError
        if code == _SUBNET:
            if query.subnet is not None:
                raise _MalformedError
            query.subnet = _subnet(data[at : at + length])
        at += length
    raise _MalformedError


def _subnet(option: bytes) -> ClientSubnet:
    """RFC 7871 §6: no more bytes than its bits need, and no bit beyond them."""
    if len(option) < 4:
        raise _MalformedError
    family, bits, scope = option[1], option[2], option[3]
    most = _ADDRESS_BITS.get(family, 0)
    address = option[4:]
    if option[0] or scope or not most or bits > most or len(address) != (bits + 7) // 8:
        raise _MalformedError
    if bits % 8 and address[-1] & (0xFF >> bits % 8):
        raise _MalformedError
    return ClientSubnet(family, bits, address)


@dataclass(slots=True)
class Sections:
    """The sections of an answer as bytes, and how many records each has."""

    rcode: Rcode = Rcode.NOERROR
    authoritative: bool = True
    answers: int = 0
    answer: bytes = b""
    authorities: int = 0
    authority: bytes = b""
    additionals: int = 0
    additional: bytes = b""
    scope: int = 0  # bits of the client's address that it depends on
    compact: bool = False  # of a zone whose denials are compact


def write_answer(query: Query, sections: Sections, bytes_max: int) -> bytes:
    """The message. One that is larger than `bytes_max` says so by TC, and has no records."""
    flags = QR | query.recursion | (sections.rcode & 0xF)
    if sections.authoritative:
        flags |= AA
    opt = _opt(query, sections)
    question = query.question
    size = HEADER_BYTES + len(question) + len(sections.answer) + len(sections.authority)
    if size + len(opt) > bytes_max:
        return _HEADER.pack(query.id, flags | TC, 1, 0, 0, bool(opt)) + question + opt
    count, additional = sections.additionals, sections.additional
    if size + len(additional) + len(opt) > bytes_max:
        count, additional = 0, b""  # glue that does not fit is asked for
        if sections.additional and not sections.authoritative:
            flags |= TC  # a referral may be no use without (RFC 9471 §2.1)
    header = _HEADER.pack(
        query.id, flags, bool(question), sections.answers, sections.authorities, count + bool(opt)
    )
    return header + question + sections.answer + sections.authority + additional + opt


def _opt(query: Query, sections: Sections) -> bytes:
    if not query.has_edns:
        return b""
    options = b"" if query.subnet is None else query.subnet.option(sections.scope)
    ttl = sections.rcode >> 4 << 24 | (DO if query.dnssec else 0)
    if sections.compact and query.compact:
        ttl |= CO
    return _VERSION_0_OPT + ttl.to_bytes(4, "big") + len(options).to_bytes(2, "big") + options


def write_error(query: Query, rcode: Rcode) -> bytes:
    """An answer that says no more than why there is none."""
    return write_answer(query, Sections(rcode, authoritative=False), PLAIN_PAYLOAD)


def write_truncated(query: Query) -> bytes:
    """The least answer: ask again by TCP. It is no longer than the query was."""
    flags = QR | TC | query.recursion
    return _HEADER.pack(query.id, flags, bool(query.question), 0, 0, 0) + query.question
