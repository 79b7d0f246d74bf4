"""Answers of a zone, read by dnspython: RFC 1034 §4.3.2, 2308, 4592, 7871, 8482."""

from __future__ import annotations

import random
import tracemalloc

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.tsig
import pytest

from edgecache.dns import responder as responder_module
from edgecache.dns import route_memo
from edgecache.dns.closeness import Position
from edgecache.dns.message import ClientSubnet
from edgecache.dns.records import A, record_data
from edgecache.dns.responder import Responder, ResponderWorld, client_of, no_place
from edgecache.dns.routing import Candidate, RecordGroup, RoutingPolicy
from edgecache.dns.zone import DnsZone
from edgecache.rules.viewer.geo import GeoPlace
from tests.dns.fuzz import check, mutated, seeds
from tests.dns.zones import a, example_zone, packed, zone_with

RESOLVER = "192.0.2.200"


def responder_of(*zones: DnsZone, world: ResponderWorld | None = None) -> Responder:
    made = Responder(world or ResponderWorld(random.Random(1).random))
    made.use(zones or [example_zone()])
    return made


def asked(
    responder: Responder, name: str, type: str = "A", subnet: str = "", payload: int = 0
) -> dns.message.Message:
    options: list[dns.edns.Option] = []
    if subnet:
        options.append(dns.edns.ECSOption(*_subnet(subnet)))
    query = dns.message.make_query(
        name, type, use_edns=0 if subnet or payload else None, payload=payload or 1_232,
        options=options,
    )  # fmt: skip
    answer = responder.answer(query.to_wire(), RESOLVER)
    assert answer is not None
    return dns.message.from_wire(answer)


def _subnet(text: str) -> tuple[str, int]:
    address, _, bits = text.partition("/")
    return address, int(bits)


def told(message: dns.message.Message) -> tuple[str, list[str]]:
    """The rcode, and each answer as `owner TYPE value`, the values in order."""
    lines = [
        f"{rrset.name} {dns.rdatatype.to_text(rrset.rdtype)} {value}"
        for rrset in message.answer
        for value in sorted(map(str, rrset))
    ]
    return dns.rcode.to_text(message.rcode()), lines


WWW = ["www A 192.0.2.1", "www A 192.0.2.2"]
SOA = "ns1.example.test. hostmaster.example.test. 7 7200 900 1209600 86400"
TOLD = [
    ("www.example.test", "A", "NOERROR", WWW),
    ("WwW.eXample.test", "A", "NOERROR", WWW),
    ("www.example.test", "AAAA", "NOERROR", []),
    ("down.tree.example.test", "A", "NOERROR", []),  # it exists: something is below
    ("x.tree.example.test", "A", "NXDOMAIN", []),
    ("a.wild.example.test", "A", "NOERROR", ["a.wild A 192.0.2.4"]),
    ("a.b.wild.example.test", "A", "NOERROR", ["a.b.wild A 192.0.2.4"]),
    ("host.wild.example.test", "A", "NOERROR", []),  # an exact name wins
    ("wild.example.test", "A", "NOERROR", []),
    ("alias.example.test", "A", "NOERROR", ["alias CNAME www.example.test.", *WWW]),
    ("alias.example.test", "CNAME", "NOERROR", ["alias CNAME www.example.test."]),
    ("outside.example.test", "A", "NOERROR", ["outside CNAME www.other.test."]),
    ("gone.example.test", "A", "NXDOMAIN", ["gone CNAME nothing.example.test."]),
    ("other.test", "A", "REFUSED", []),
    ("www.example.test", "TYPE249", "NOTIMP", []),
    ("www.example.test", "AXFR", "REFUSED", []),
    ("example.test", "SOA", "NOERROR", [f"example.test. SOA {SOA}"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "type", "rcode", "lines"), TOLD)
def test_answers(name: str, type: str, rcode: str, lines: list[str]) -> None:
    answer = asked(responder_of(), name, type)
    wanted = []
    for line in lines:
        owner, rest = line.split(" ", 1)
        wanted.append(f"{owner if owner.endswith('.') else owner + '.example.test.'} {rest}")
    found_rcode, found = told(answer)
    assert (found_rcode, [line.lower() for line in found]) == (
        rcode, [line.lower() for line in wanted],
    )  # fmt: skip
    assert bool(answer.flags & dns.flags.AA) == (rcode in ("NOERROR", "NXDOMAIN"))


def test_what_is_not_there_is_told_with_the_lesser_ttl_of_the_soa() -> None:
    for name in ("nothing.example.test", "down.tree.example.test"):
        (soa,) = asked(responder_of(), name).authority
        assert (soa.rdtype, soa.ttl) == (dns.rdatatype.SOA, 900)


def test_a_chain_that_leads_to_itself_ends() -> None:
    answer = asked(responder_of(), "loop.example.test")
    assert sum(map(len, answer.answer)) == 1
    assert answer.rcode() == dns.rcode.NOERROR


@pytest.mark.parametrize(
    "name", ["sub.example.test", "a.b.sub.example.test", "ns.sub.example.test"]
)
def test_below_a_delegation_its_servers_are_told_with_their_addresses(name: str) -> None:
    answer = asked(responder_of(), name)
    assert not answer.flags & dns.flags.AA
    assert not answer.answer
    assert [str(one) for one in answer.authority] == [
        "sub.example.test. 300 IN NS ns.sub.example.test."
    ]
    assert [str(one) for one in answer.additional] == ["ns.sub.example.test. 300 IN A 192.0.2.99"]


def test_the_ds_of_a_delegation_is_ours_to_answer() -> None:
    answer = asked(responder_of(), "sub.example.test", "DS")
    assert answer.flags & dns.flags.AA
    assert answer.authority[0].rdtype == dns.rdatatype.SOA


def test_any_is_answered_by_the_least() -> None:
    answer = asked(responder_of(), "www.example.test", "ANY")
    assert [str(one) for one in answer.answer] == ['www.example.test. 3789 IN HINFO "RFC8482" ""']


def test_a_large_answer_is_truncated_to_what_the_query_allows() -> None:
    responder = responder_of()
    assert asked(responder, "large.example.test").flags & dns.flags.TC
    assert asked(responder, "large.example.test", payload=4_096).flags & dns.flags.TC
    query = dns.message.make_query("large.example.test", "A").to_wire()
    whole = responder.answer(query, RESOLVER, 65_535)
    assert whole is not None
    assert len(dns.message.from_wire(whole).answer[0]) == 100


def test_the_most_specific_zone_answers() -> None:
    inner = zone_with({("www", A): a("198.51.100.1")}, "sub.example.test")
    responder = responder_of(example_zone(), inner)
    assert told(asked(responder, "www.sub.example.test"))[1] == [
        "www.sub.example.test. A 198.51.100.1"
    ]
    assert asked(responder, "sub.example.test", "SOA").flags & dns.flags.AA
    assert asked(responder, "sub.example.test", "DS").authority[0].name.to_text() == "example.test."


def test_values_come_in_every_order() -> None:
    responder = responder_of()
    first = {str(asked(responder, "www.example.test").answer[0][0]) for _ in range(50)}
    assert first == {"192.0.2.1", "192.0.2.2"}


def closest_zone_group() -> RecordGroup:
    places = {"EUROPE": ("192.0.2.10", "DE"), "ASIA": ("192.0.2.20", "JP")}
    candidates = [
        Candidate(name, record_data(A, 60, packed(address)), check=f"location:{name}", weight=100,
                  position=Position((name,), None, country))
        for name, (address, country) in places.items()
    ]  # fmt: skip
    return RecordGroup(RoutingPolicy.CLOSEST, candidates, "closest")


def closest_zone() -> DnsZone:
    return zone_with({("d1", A): closest_zone_group(), ("www", A): a("192.0.2.1")})


COUNTRIES = {"203.0.113.0": "JP", "198.51.100.0": "DE", RESOLVER: "FR", "2001:db8::": "CN"}


def place_of(address: str) -> GeoPlace:
    return GeoPlace(country=COUNTRIES.get(address, ""))


@pytest.mark.parametrize(
    ("subnet", "address", "scope"),
    [
        ("203.0.113.0/24", "192.0.2.20", 24),
        ("198.51.100.0/24", "192.0.2.10", 24),
        ("2001:db8::/32", "192.0.2.20", 32),
        ("0.0.0.0/0", "192.0.2.10", 0),  # a resolver that speaks for itself
        ("", "192.0.2.10", None),
    ],
)
def test_the_client_decides_and_the_scope_says_how_much(
    subnet: str, address: str, scope: int | None
) -> None:
    world = ResponderWorld(random.Random(1).random, place_of)
    answer = asked(responder_of(closest_zone(), world=world), "d1.example.test", subnet=subnet)
    assert [str(one) for one in answer.answer[0]] == [address]
    option = next((one for one in answer.options if isinstance(one, dns.edns.ECSOption)), None)
    assert (None if option is None else option.scopelen) == scope


def test_an_answer_for_everybody_has_scope_0() -> None:
    world = ResponderWorld(random.Random(1).random, place_of)
    responder = responder_of(closest_zone(), world=world)
    (option,) = asked(responder, "www.example.test", subnet="203.0.113.0/24").options
    assert isinstance(option, dns.edns.ECSOption)
    assert option.scopelen == 0


def test_a_location_that_is_away_is_passed_over_unless_all_are() -> None:
    world = ResponderWorld(random.Random(1).random, place_of, down={"location:ASIA"})
    responder = responder_of(closest_zone(), world=world)
    asia = "203.0.113.0/24"
    assert str(asked(responder, "d1.example.test", subnet=asia).answer[0][0]) == "192.0.2.10"
    world.down = {"location:ASIA", "location:EUROPE"}
    assert str(asked(responder, "d1.example.test", subnet=asia).answer[0][0]) == "192.0.2.20"


def test_a_signed_query_is_not_taken_by_datagram() -> None:
    query = dns.message.make_query("www.example.test", "A")
    query.use_tsig(dns.tsig.Key("key.", "c2VjcmV0"))
    answer = responder_of().answer(query.to_wire(), RESOLVER)
    assert answer is not None
    assert answer[3] & 0xF == dns.rcode.NOTAUTH


def test_a_client_is_the_subnet_or_the_resolver() -> None:
    subnet = ClientSubnet(1, 20, bytes([203, 0, 112]))
    assert client_of(subnet, RESOLVER, no_place).address == bytes([203, 0, 112, 0])
    assert client_of(None, "2001:db8::1%eth0", no_place).bits == 128


def test_fuzzed_queries_are_answered_or_passed_over() -> None:
    responder, dice = responder_of(), random.Random(8)
    for _ in range(10_000):
        check(responder, mutated(dice, seeds()))


def private_zone(address: str, *clients: str) -> DnsZone:
    made = zone_with({("www", A): a(address), ("d1", A): closest_zone_group()})
    made.clients = clients
    return made


def test_one_name_in_three_views() -> None:
    responder = responder_of(
        example_zone(),
        private_zone("10.0.0.1", "10.0.0.0/8", "2001:db8::/32"),
        private_zone("10.0.0.2", "172.16.0.0/12"),
    )
    query = dns.message.make_query("www.example.test", "A").to_wire()

    def seen(address: str) -> list[str]:
        answer = responder.answer(query, address)
        assert answer is not None
        return sorted(map(str, dns.message.from_wire(answer).answer[0]))

    for _ in range(2):
        assert seen("10.1.2.3") == seen("2001:db8::9") == ["10.0.0.1"]
        assert seen("172.16.0.9") == ["10.0.0.2"]
        assert seen("192.0.2.9") == ["192.0.2.1", "192.0.2.2"]
    # What the private zone does not have is not looked for in the public one.
    alias = dns.message.make_query("alias.example.test", "A").to_wire()
    answer = responder.answer(alias, "10.1.2.3")
    assert answer is not None
    assert dns.message.from_wire(answer).rcode() == dns.rcode.NXDOMAIN


def test_a_subnet_is_not_believed_where_private_zones_are_seen() -> None:
    world = ResponderWorld(random.Random(1).random, place_of)
    responder = responder_of(private_zone("10.0.0.1", "192.0.2.0/24"), world=world)
    answer = asked(responder, "d1.example.test", subnet="203.0.113.0/24")  # of Asia
    assert str(answer.answer[0][0]) == "192.0.2.10"
    assert answer.options[0].scopelen == 0


def test_views_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responder_module, "ADDRESSES_MAX", 4)
    responder = responder_of(private_zone("10.0.0.1", "10.0.0.0/8"))
    for number in range(20):
        responder.view_of(f"10.0.0.{number}")
        assert len(responder._view_of) <= 4


def test_clients_that_were_met_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route_memo, "ROUTES_MAX", 4)
    responder = responder_of(closest_zone())
    for number in range(20):
        asked(responder, "d1.example.test", subnet=f"10.0.{number}.0/24")
        assert len(responder._routes) <= 4


def test_what_is_remembered_of_who_asks_is_counted() -> None:
    responder = responder_of(closest_zone(), private_zone("10.0.0.1", "10.0.0.0/8"))
    assert responder.remembered_bytes == 0
    zones_bytes = responder.zones_bytes
    query = dns.message.make_query("d1.example.test", "A").to_wire()
    for number in range(10):
        responder.answer(query, f"10.0.0.{number}")
    assert responder.remembered_bytes >= 10 * (responder_module.ADDRESS_BYTES + 100)
    assert responder.zones_bytes > zones_bytes  # there is a view of these clients


def test_views_of_sets_of_networks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responder_module, "VIEWS_MAX", 4)
    responder = responder_of(*(private_zone(f"10.0.0.{n}", f"10.0.{n}.0/24") for n in range(20)))
    query = dns.message.make_query("www.example.test", "A").to_wire()
    for number in range(20):
        answer = responder.answer(query, f"10.0.{number}.9")
        assert answer is not None
        assert str(dns.message.from_wire(answer).answer[0][0]) == f"10.0.0.{number}"
        assert len(responder._views) <= 4


def test_the_size_of_a_zone_is_about_what_it_takes() -> None:
    names = [f"name-{number}" for number in range(2_000)]
    tracemalloc.start()
    try:
        responder = responder_of(zone_with({(name, A): a("192.0.2.1") for name in names}))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / 1.5 < responder.zones_bytes < taken * 1.5
