"""Records of DNSSEC on the wire, beside dnspython's."""

from __future__ import annotations

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.DNSKEY
import dns.rrset
import pytest

from edgecache.dns.dnssec import (
    CDS,
    DNSKEY,
    ENTRY_FLAG,
    NSEC,
    NXNAME,
    RRSIG,
    ZONE_FLAG,
    canonical_data,
    dnskey_data,
    ds_data,
    key_tag,
    merged_values,
    next_name,
    rrsig_head,
    signed_data,
    type_bitmap,
)
from edgecache.dns.names import absolute_wire
from edgecache.dns.records import SOA, TYPES, A

PUBLIC = bytes(range(64))
ZONE = absolute_wire("example.test")


def read(type: int, data: bytes) -> dns.rdata.Rdata:
    return dns.rdata.from_wire("IN", dns.rdatatype.RdataType(type), data, 0, len(data))


@pytest.mark.parametrize("flags", [ZONE_FLAG, ZONE_FLAG | ENTRY_FLAG])
def test_a_key_its_tag_and_what_the_parent_has_of_it(flags: int) -> None:
    data = dnskey_data(PUBLIC, flags)
    key = read(DNSKEY, data)
    assert isinstance(key, dns.rdtypes.ANY.DNSKEY.DNSKEY)
    assert (key.flags, key.protocol, key.algorithm, key.key) == (flags, 3, 13, PUBLIC)
    assert key_tag(data) == dns.dnssec.key_id(key)
    assert read(TYPES["DS"], ds_data(ZONE, data)) == dns.dnssec.make_ds(
        "example.test.", key, "SHA256"
    )


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "A NS SOA RRSIG NSEC DNSKEY CDS",
        "TXT CAA TYPE1234",
        "NS DS RRSIG NSEC",
        "RRSIG NSEC TYPE128",
    ],
)
def test_types_are_windows_of_bits(text: str) -> None:
    data = dns.rdata.from_text("IN", "NSEC", f"a.example.test. {text}").to_wire()
    types = [int(dns.rdatatype.from_text(one)) for one in text.split()]
    assert data == absolute_wire("a.example.test") + type_bitmap(reversed(types))


LONGEST = "a" * 63 + "." + "b" * 63 + "." + "c" * 63


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("example.test", b"\x01\0" + ZONE),
        ("www.example.test", b"\x01\0\x03www" + ZONE),
        (f"{'d' * 61}.{LONGEST}", b"\x3d" + b"d" * 60 + b"e"),  # 255 bytes: none is below it
        (f"{'@' * 61}.{LONGEST}", b"\x3d" + b"@" * 60 + b"["),  # not A, which is a
        (f"{'d' * 60}\\377.{LONGEST}", b"\x3c" + b"d" * 59 + b"e"),
    ],
)
def test_the_name_right_after_another(name: str, wanted: bytes) -> None:
    wire = absolute_wire(name)
    found = next_name(wire)
    assert found.startswith(wanted)
    assert len(found) <= 255
    after, before = (dns.name.from_wire(one, 0)[0] for one in (found, wire))
    assert after > before


def test_the_last_of_all_names_is_followed_by_the_first() -> None:
    label = bytes([63]) + b"\xff" * 63
    assert next_name(label * 3 + b"\x3d" + b"\xff" * 61 + b"\0") == b"\0"


def test_a_name_that_is_not_there_has_one_record() -> None:
    data = read(
        NSEC, next_name(absolute_wire("x.example.test")) + type_bitmap({NXNAME, RRSIG, NSEC})
    )
    assert data.to_text() == r"\000.x.example.test. RRSIG NSEC TYPE128".replace(
        "TYPE128", dns.rdatatype.to_text(dns.rdatatype.RdataType(128))
    )


@pytest.mark.parametrize(
    ("type", "text"),
    [
        ("MX", "10 Mail.Example.TEST."),
        ("NS", "NS1.Example.TEST."),
        ("CNAME", "WWW.Example.TEST."),
        ("PTR", "WWW.Example.TEST."),
        ("SRV", "1 2 443 WWW.Example.TEST."),
        ("SOA", "NS.Example.TEST. Host.Example.TEST. 1145258561 2 3 4 5"),  # the serial is DCBA
        ("NAPTR", '1 2 "S" "SIP+D2U" "" _SIP._UDP.Example.TEST.'),
        ("TXT", '"Text Stays"'),
        ("CAA", '0 issue "CA.Example.TEST"'),
        ("SVCB", "1 WWW.Example.TEST. alpn=h2"),
        ("DS", "1 13 2 " + "AB" * 32),
    ],
)
def test_names_in_values_are_lowered_where_that_counts(type: str, text: str) -> None:
    value = dns.rdata.from_text("IN", type, text)
    wanted = value.to_digestable(dns.name.root)
    wire = value.to_wire()
    assert wire is not None
    assert canonical_data(TYPES[type], wire) == wanted


@pytest.mark.parametrize(
    ("owner", "labels"), [("www.example.test", 3), ("*.example.test", 2), ("example.test", 2)]
)
def test_what_is_signed_is_what_dnspython_would_verify(owner: str, labels: int) -> None:
    name, values = absolute_wire(owner), [b"\xc0\0\2\2", b"\xc0\0\2\1", b"\xc0\0\2\2"]
    head = rrsig_head(A, name, 300, (1_000, 2_000), 7, ZONE)
    record = read(RRSIG, head + bytes(64))
    assert record.to_text().startswith(f"A 13 {labels} 300 19700101003320 19700101001640 7 ")
    rrset = dns.rrset.from_text(f"{owner}.", 300, "IN", "A", "192.0.2.1", "192.0.2.2")
    wanted = dns.dnssec._make_rrsig_signature_data(rrset, record)  # type: ignore[arg-type]
    assert signed_data(head, name, A, 300, values) == wanted


def test_several_record_sets_have_one_order() -> None:
    assert (
        merged_values([(b"b",), (b"a", b"b")]) == merged_values([(b"a",), (b"b",)]) == (b"a", b"b")
    )


def test_numbers_are_iana_s() -> None:
    numbers = {"RRSIG": RRSIG, "NSEC": NSEC, "DNSKEY": DNSKEY, "CDS": CDS, "SOA": SOA}
    assert {name: int(dns.rdatatype.from_text(name)) for name in numbers} == numbers
