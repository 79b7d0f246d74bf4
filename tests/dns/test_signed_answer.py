"""Signed answers, verified by dnspython: every record set, and what is said not to be there."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import dns.dnssec
import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.node
import dns.rcode
import dns.rdataset
import dns.rdatatype
import pytest

from edgecache.dns import zone_signer as zone_signer_module
from edgecache.dns.cdn_zone import simple_group
from edgecache.dns.dnssec import NXNAME
from edgecache.dns.names import absolute_wire, to_wire
from edgecache.dns.records import CNAME, DS, NS, TYPES, A, record_data
from edgecache.dns.responder import Responder, ResponderWorld
from edgecache.dns.routing import Candidate, RecordGroup, RoutingPolicy
from edgecache.dns.zone import DnsZone, make_zone, sign_zone
from edgecache.dns.zone_signer import SignatureMemo
from edgecache.node.zone_keys import zone_signer
from edgecache.rules.viewer.geo import GeoPlace
from tests.dns.fuzz import check, mutated, seeds
from tests.dns.test_responder import closest_zone_group
from tests.dns.zones import APEX, a, example_zone, packed, zone_with

SECRETS = {"k1": "one secret of a test, long enough"}
COMPACT = 0x4000
RESOLVER = "192.0.2.200"
PLACES = {"203.0.113.0": "JP", "198.51.100.0": "DE"}


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Signed:
    """A name server of signed zones, and a resolver that trusts their keys."""

    zones: list[DnsZone]
    secrets: dict[str, str] = field(default_factory=lambda: dict(SECRETS))
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.memo = SignatureMemo(self.clock, random.Random(1).random)
        place_of = lambda address: GeoPlace(country=PLACES.get(address, "FR"))  # noqa: E731
        self.responder = Responder(ResponderWorld(random.Random(1).random, place_of))
        self.keys: dict[dns.name.Name, dns.node.Node | dns.rdataset.Rdataset] = {}
        for zone in self.zones:
            sign_zone(zone, zone_signer(zone.apex, self.secrets, self.memo))
        self.responder.use(self.zones)
        for zone in self.zones:
            apex = dns.name.from_wire(zone.apex, 0)[0]
            (keys, _) = self.ask(apex.to_text(), "DNSKEY").answer
            self.keys[apex] = keys

    def ask(
        self, name: str, type: str = "A", subnet: str = "", flags: int = dns.flags.DO,
        address: str = RESOLVER,
    ) -> dns.message.Message:  # fmt: skip
        options: list[dns.edns.Option] = [dns.edns.ECSOption(subnet, 24)] if subnet else []
        query = dns.message.make_query(
            name, type, use_edns=0, ednsflags=flags, payload=4_096, options=options
        )
        answer = self.responder.answer(query.to_wire(), address, 65_535)
        assert answer is not None
        return dns.message.from_wire(answer)

    def verified(self, name: str, type: str = "A", subnet: str = "") -> dns.message.Message:
        """An answer of which every record set is signed and good now."""
        answer = self.ask(name, type, subnet)
        self.verify(answer)
        return answer

    def verify(self, answer: dns.message.Message) -> None:
        for section in (answer.answer, answer.authority):
            sets = [one for one in section if one.rdtype != dns.rdatatype.RRSIG]
            signatures = {
                (one.name, one.covers): one for one in section if one.rdtype == dns.rdatatype.RRSIG
            }
            delegation = answer.flags & dns.flags.AA == 0
            for one in sets:
                if delegation and one.rdtype == dns.rdatatype.NS:
                    assert (one.name, NS) not in signatures  # it is the child's
                    continue
                signature = signatures.pop((one.name, one.rdtype))
                dns.dnssec.validate(one, signature, self.keys, now=self.clock.now)
            assert not signatures, "signatures of nothing"


def types_of(answer: dns.message.Message) -> tuple[str, set[str]]:
    """Of whom the one NSEC record is, and which types it tells."""
    (record,) = (one for one in answer.authority if one.rdtype == dns.rdatatype.NSEC)
    (value,) = record
    assert value.next == dns.name.Name((b"\0", *record.name.labels))
    types = {dns.rdatatype.to_text(dns.rdatatype.RdataType(window * 256 + at * 8 + bit))
             for window, bits in value.windows
             for at, byte in enumerate(bits) for bit in range(8) if byte & 0x80 >> bit}  # fmt: skip
    return record.name.to_text(), types


NOT_THERE = {"RRSIG", "NSEC", dns.rdatatype.to_text(dns.rdatatype.RdataType(NXNAME))}


def rich_zone() -> DnsZone:
    """The zone of the other tests, with policies, and a delegation that is signed."""
    zone = example_zone()
    groups = {(name, type): group for name, held in zone.names.items()
              for type, group in held.groups.items()}  # fmt: skip
    europe = Candidate("eu", record_data(A, 60, packed("192.0.2.10")), area=("EU", "", ""))
    many = [Candidate(str(n), record_data(A, 60 + n, packed(f"192.0.2.{n}"))) for n in range(12)]
    more = {
        ("only-europe", A): RecordGroup(RoutingPolicy.GEOLOCATION, [europe]),
        ("many", A): RecordGroup(RoutingPolicy.MULTIVALUE, many),
        ("closest", A): closest_zone_group(),
        ("Mixed", TYPES["MX"]): simple_group(TYPES["MX"], 300, [b"\0\x0a\x04Mail\x07Example\0"]),
        ("safe", NS): simple_group(NS, 300, [absolute_wire("ns.other.test")]),
        ("safe", DS): simple_group(DS, 300, [b"\x12\x34\x0d\x02" + bytes(32)]),
    }
    groups |= {(to_wire(name.lower(), APEX), type): group for (name, type), group in more.items()}
    return make_zone(APEX, groups)


@pytest.fixture
def signed() -> Signed:
    return Signed([rich_zone()])


@pytest.mark.parametrize(
    ("name", "type"),
    [
        ("www", "A"), ("WwW", "A"), ("@", "SOA"), ("@", "NS"), ("@", "DNSKEY"), ("@", "CDS"),
        ("@", "CDNSKEY"), ("mixed", "MX"), ("a.b.wild", "A"), ("host.wild", "TXT"), ("large", "A"),
        ("alias", "A"), ("alias", "CNAME"), ("many", "A"), ("safe", "DS"), ("www", "ANY"),
        ("outside", "A"),
    ],
)  # fmt: skip
def test_what_is_there_is_signed(signed: Signed, name: str, type: str) -> None:
    whole = "example.test" if name == "@" else f"{name}.example.test"
    for _ in range(3):  # in another order, by the signature that is kept
        answer = signed.verified(whole, type)
        assert answer.rcode() == dns.rcode.NOERROR
        assert answer.answer
        assert answer.flags & dns.flags.AA


@pytest.mark.parametrize(
    ("name", "type", "owner", "types"),
    [
        ("nothing", "A", "nothing", NOT_THERE),
        ("a.b.nothing", "A", "a.b.nothing", NOT_THERE),
        ("x.tree", "A", "x.tree", NOT_THERE),
        ("gone", "A", "nothing", NOT_THERE),  # the end of a chain
        ("www", "AAAA", "www", {"A", "RRSIG", "NSEC"}),
        ("www", "NSEC3", "www", {"A", "RRSIG", "NSEC"}),
        ("down.tree", "A", "down.tree", {"RRSIG", "NSEC"}),  # something is below it
        ("a.b.wild", "AAAA", "a.b.wild", {"A", "RRSIG", "NSEC"}),
        ("host.wild", "A", "host.wild", {"TXT", "RRSIG", "NSEC"}),
        ("sub", "DS", "sub", {"NS", "RRSIG", "NSEC"}),
        ("", "TXT", "", {"NS", "SOA", "DNSKEY", "CDS", "CDNSKEY", "RRSIG", "NSEC"}),
        ("", "DS", "", {"NS", "SOA", "DNSKEY", "CDS", "CDNSKEY", "RRSIG", "NSEC"}),
        ("only-europe", "A", "only-europe", {"RRSIG", "NSEC"}),  # for this client
    ],
)
def test_what_is_not_there_is_denied(
    signed: Signed, name: str, type: str, owner: str, types: set[str]
) -> None:
    subnet = "203.0.113.0" if name == "only-europe" else ""
    answer = signed.verified(f"{name}.example.test".lstrip("."), type, subnet)
    assert answer.rcode() == dns.rcode.NOERROR
    assert types_of(answer) == (f"{owner}.example.test.".lstrip("."), types)
    assert {one.rdtype for one in answer.authority} >= {dns.rdatatype.SOA}


def test_who_takes_the_true_response_code_is_told_it(signed: Signed) -> None:
    flags = dns.flags.DO | COMPACT
    answer = signed.ask("nothing.example.test", flags=flags)
    assert (answer.rcode(), answer.ednsflags & flags) == (dns.rcode.NXDOMAIN, flags)
    assert signed.ask("www.example.test", "AAAA", flags=flags).rcode() == dns.rcode.NOERROR
    assert signed.ask("nothing.example.test").ednsflags & COMPACT == 0


def test_the_record_that_denies_can_be_asked_for(signed: Signed) -> None:
    for name in ("www.example.test", "nothing.example.test"):
        record, _ = signed.verified(name, "NSEC").answer
        assert record.rdtype == dns.rdatatype.NSEC


def test_the_type_that_says_that_nothing_is_there_is_no_question(signed: Signed) -> None:
    assert signed.ask("www.example.test", "TYPE128").rcode() == dns.rcode.FORMERR


@pytest.mark.parametrize("name", ["sub.example.test", "a.b.sub.example.test"])
def test_a_delegation_without_keys_is_said_to_have_none(signed: Signed, name: str) -> None:
    answer = signed.verified(name)
    assert types_of(answer) == ("sub.example.test.", {"NS", "RRSIG", "NSEC"})
    assert [str(one) for one in answer.additional] == ["ns.sub.example.test. 300 IN A 192.0.2.99"]


def test_a_delegation_with_keys_names_them(signed: Signed) -> None:
    answer = signed.verified("www.safe.example.test")
    assert [one.rdtype for one in answer.authority] == [
        dns.rdatatype.NS, dns.rdatatype.DS, dns.rdatatype.RRSIG,
    ]  # fmt: skip


def test_who_does_not_ask_for_signatures_gets_none(signed: Signed) -> None:
    for name in ("www", "nothing", "alias", "sub", "many", "a.wild"):
        answer = signed.ask(f"{name}.example.test", flags=0)
        records = [*answer.answer, *answer.authority]
        assert not {one.rdtype for one in records} & {dns.rdatatype.RRSIG, dns.rdatatype.NSEC}
    assert signed.ask("nothing.example.test", flags=0).rcode() == dns.rcode.NXDOMAIN


def test_a_chain_into_another_zone_is_signed_by_each() -> None:
    other = zone_with({("www", A): a("198.51.100.1")}, "other.test")
    signed = Signed([rich_zone(), other])
    answer = signed.verified("outside.example.test")
    assert [one.name.to_text() for one in answer.answer if one.rdtype == CNAME] == [
        "outside.example.test."
    ]
    assert any(one.rdtype == A for one in answer.answer)


def test_an_unsigned_zone_stays_as_it_was() -> None:
    plain = zone_with({("www", A): a("198.51.100.1")}, "other.test")
    signed = Signed([rich_zone()])
    signed.responder.use([*signed.zones, plain])
    answer = signed.ask("www.other.test")
    assert [one.rdtype for one in answer.answer] == [A]
    assert signed.ask("x.other.test").rcode() == dns.rcode.NXDOMAIN
    chain = signed.ask("outside.example.test")
    assert [one.rdtype for one in chain.answer] == [CNAME, dns.rdatatype.RRSIG, A]


@pytest.mark.parametrize(("subnet", "address"), [("203.0.113.0", "20"), ("198.51.100.0", "10")])
def test_each_client_s_records_are_signed(signed: Signed, subnet: str, address: str) -> None:
    for _ in range(2):
        answer = signed.verified("closest.example.test", "A", subnet)
        assert str(answer.answer[0][0]) == f"192.0.2.{address}"


def test_values_of_several_sets_are_one_set_with_the_least_ttl(signed: Signed) -> None:
    for _ in range(20):
        values, _ = signed.verified("many.example.test").answer
        assert len(values) == 8
        assert values.ttl == min(60 + int(str(one).rpartition(".")[2]) for one in values)


def test_an_old_and_a_new_key_sign_side_by_side() -> None:
    old = Signed([rich_zone()])
    both = Signed([rich_zone()], {"k1": SECRETS["k1"], "k2": "another secret of a test, as long"})
    assert len(both.keys[dns.name.from_text("example.test")]) == 4
    answer = both.verified("www.example.test")
    assert [len(one) for one in answer.answer] == [2, 2]
    both.keys = old.keys  # a resolver that has not heard of the new one
    both.verify(answer)


def test_what_is_too_large_comes_by_tcp(signed: Signed) -> None:
    query = dns.message.make_query("large.example.test", "A", want_dnssec=True, payload=4_096)
    answer = signed.responder.answer(query.to_wire(), RESOLVER)
    assert answer is not None
    assert dns.message.from_wire(answer).flags & dns.flags.TC


def test_names_of_strangers_displace_no_signature_of_ours(
    signed: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zone_signer_module, "MADE_UP_MAX", 40)
    signed.verified("www.example.test")
    kept = dict(signed.memo._kept)
    for number in range(60):
        signed.ask(f"made-up-{number}.example.test")
        signed.ask(f"made-up-{number}.wild.example.test")
    assert len(signed.memo._made_up) == 40
    assert kept.keys() <= signed.memo._kept.keys()
    assert len(signed.memo._kept) <= len(kept) + 1  # the SOA record of what is not there


def test_fuzzed_queries_of_a_signed_zone(signed: Signed) -> None:
    dice = random.Random(13)
    known = (*seeds(), *(dns.message.make_query(f"{name}.example.test", "A", want_dnssec=True)
                         .to_wire() for name in ("www", "nothing", "sub", "many")))  # fmt: skip
    for _ in range(2_000):
        check(signed.responder, mutated(dice, known))
