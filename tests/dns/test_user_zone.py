"""Zones of users as they are answered: record sets, routing policies, aliases, what is made."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import dns.edns
import dns.message
import dns.rdatatype
import pytest

from edgecache.config.dns import (
    DnsAlias,
    DnsCidrCollection,
    DnsCidrLocation,
    DnsGeolocation,
    DnsGeoproximity,
    DnsRecord,
    DnsZoneSettings,
)
from edgecache.config.zone_records import rdata_wire
from edgecache.dns.closeness import LatencyTable
from edgecache.dns.records import A, record_data
from edgecache.dns.responder import Responder, ResponderWorld
from edgecache.dns.routing import Candidate, RecordGroup, RoutingPolicy
from edgecache.dns.user_zone import ZoneContext, user_zone
from edgecache.rules.viewer.geo import GeoPlace
from tests.dns.zones import packed

EUROPE, JAPAN = GeoPlace("DE", latitude="50.0", longitude="10.0"), GeoPlace("JP")
PLACES = {"192.0.2.200": EUROPE, "198.51.100.0": JAPAN}
OFFICES = DnsCidrCollection(name="offices", locations={"berlin": ("203.0.113.0/24",)})


def location(id: str, address: str) -> Candidate:
    data = record_data(A, 60, packed(address))
    return Candidate(id, data, check=f"location:{id}", weight=100)


CLOSEST = RecordGroup(
    RoutingPolicy.CLOSEST,
    [location("FRA", "192.0.2.10"), location("NRT", "192.0.2.20")],
)
CONTEXT = ZoneContext(
    rdata_wire, {A: CLOSEST}, {"ESITE"}, (OFFICES,), ("ns1.other.test", "ns2.other.test"), 41
)


def a(id: str, value: str, name: str = "www", **members: Any) -> DnsRecord:
    return DnsRecord(name=name, type="A", values=(value,), id=id, **members)


def answered(*records: DnsRecord, down: tuple[str, ...] = ()) -> Responder:
    table = LatencyTable(areas={"*": {"us-east-1": 90.0, "eu-west-1": 10.0}})
    world = ResponderWorld(
        random.Random(5).random, lambda address: PLACES.get(address, GeoPlace()), table, {*down}
    )
    responder = Responder(world)
    responder.use([user_zone(DnsZoneSettings(name="users.test", records=records), CONTEXT)])
    return responder


def asked(
    responder: Responder, name: str = "www.users.test", type: str = "A", subnet: str = ""
) -> dns.message.Message:
    options: list[dns.edns.Option] = []
    if subnet:
        options.append(dns.edns.ECSOption(subnet.partition("/")[0], int(subnet.partition("/")[2])))
    query = dns.message.make_query(name, type, use_edns=0, options=options)
    answer = responder.answer(query.to_wire(), "192.0.2.200")
    assert answer is not None
    return dns.message.from_wire(answer)


def values(message: dns.message.Message) -> list[str]:
    return sorted(str(value) for rrset in message.answer for value in rrset)


def test_a_zone_without_its_own_has_the_records_that_are_made_with_it() -> None:
    responder = answered(a("", "192.0.2.1"))
    soa = asked(responder, "users.test", "SOA").answer[0][0]
    assert str(soa) == "ns1.other.test. hostmaster.users.test. 41 7200 900 1209600 86400"
    assert values(asked(responder, "users.test", "NS")) == ["ns1.other.test.", "ns2.other.test."]


def test_a_zone_keeps_its_own_records() -> None:
    soa = "ns.x.test. h.x.test. 7 1 2 3 60"
    responder = answered(
        DnsRecord(name="@", type="SOA", values=(soa,), ttl_s=30),
        DnsRecord(name="@", type="NS", values=("ns.x.test.",)),
    )
    assert values(asked(responder, "users.test", "SOA")) == [soa]
    assert values(asked(responder, "users.test", "NS")) == ["ns.x.test."]
    assert asked(responder, "no.users.test").authority[0].ttl == 30


def test_an_alias_at_the_apex_has_the_closest_location_s_addresses() -> None:
    apex = DnsRecord(name="@", type="A", alias=DnsAlias(distribution="ESITE"))
    answer = asked(answered(apex), "users.test", subnet="203.0.113.0/24")
    assert values(answer) == ["192.0.2.10"]
    assert answer.answer[0].ttl == 60
    assert answer.options[0].scopelen == 24
    assert values(asked(answered(apex, down=("location:FRA",)), "users.test")) == ["192.0.2.20"]


def test_an_alias_of_a_distribution_that_is_not_there_has_no_records() -> None:
    gone = DnsRecord(name="@", type="A", alias=DnsAlias(distribution="EGONE"))
    answer = asked(answered(gone), "users.test")
    assert (values(answer), answer.authority[0].rdtype) == ([], dns.rdatatype.SOA)


def test_an_alias_that_evaluates_backs_out_of_a_distribution_that_is_down() -> None:
    alias = DnsAlias(distribution="ESITE", evaluate_target_health=True)
    primary = DnsRecord(name="www", type="A", id="one", failover="primary", alias=alias)
    records = primary, a("two", "192.0.2.99", failover="secondary")
    assert values(asked(answered(*records))) == ["192.0.2.10"]
    down = ("location:FRA", "location:NRT")
    assert values(asked(answered(*records, down=down))) == ["192.0.2.99"]


def test_an_alias_of_a_name_has_its_records_and_ttl() -> None:
    target = DnsRecord(name="real", type="A", values=("192.0.2.7",), ttl_s=77)
    alias = DnsRecord(name="www", type="A", alias=DnsAlias(name="real"))
    answer = asked(answered(target, alias))
    assert (values(answer), answer.answer[0].ttl) == (["192.0.2.7"], 77)
    assert answer.answer[0].name.to_text() == "www.users.test."


def test_weights() -> None:
    responder = answered(a("x", "192.0.2.1", weight=1), a("y", "192.0.2.2", weight=3))
    found = Counter(values(asked(responder))[0] for _ in range(400))
    assert found["192.0.2.2"] / 400 == pytest.approx(0.75, abs=0.08)


def test_an_answer_by_weight_does_not_depend_on_the_client() -> None:
    responder = answered(a("x", "192.0.2.1", weight=1), a("y", "192.0.2.2", weight=3))
    assert asked(responder, subnet="203.0.113.0/24").options[0].scopelen == 0


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ({"region": "us-east-1"}, {"region": "eu-west-1"}, "192.0.2.2"),
        (
            {"geolocation": DnsGeolocation(country="*")},
            {"geolocation": DnsGeolocation(continent="EU")},
            "192.0.2.2",
        ),
        (
            {"geoproximity": DnsGeoproximity(region="us-east-1")},
            {"geoproximity": DnsGeoproximity(coordinates=(51.0, 10.0))},
            "192.0.2.2",
        ),
        (
            {"cidr": DnsCidrLocation(collection="offices", location="*")},
            {"cidr": DnsCidrLocation(collection="offices", location="berlin")},
            "192.0.2.1",
        ),
        ({"failover": "secondary"}, {"failover": "primary"}, "192.0.2.2"),
    ],
)
def test_each_policy(one: dict[str, Any], other: dict[str, Any], wanted: str) -> None:
    responder = answered(a("x", "192.0.2.1", **one), a("y", "192.0.2.2", **other))
    assert values(asked(responder)) == [wanted]


def test_blocks_go_by_the_client_s_subnet() -> None:
    responder = answered(
        a("x", "192.0.2.1", cidr=DnsCidrLocation(collection="offices", location="*")),
        a("y", "192.0.2.2", cidr=DnsCidrLocation(collection="offices", location="berlin")),
    )
    assert values(asked(responder, subnet="203.0.113.0/24")) == ["192.0.2.2"]
    assert values(asked(responder, subnet="203.0.113.0/24")) == ["192.0.2.2"]
    assert values(asked(responder, subnet="203.0.112.0/23")) == ["192.0.2.1"]


def test_many_values_of_multivalue_records_come_as_one_set() -> None:
    records = [a(str(n), f"192.0.2.{n}", multivalue=True) for n in range(1, 13)]
    answer = asked(answered(*records))
    assert len(values(answer)) == 8


def test_a_name_without_an_area_for_a_client_has_no_records() -> None:
    record = a("x", "192.0.2.1", geolocation=DnsGeolocation(continent="AS"))
    answer = asked(answered(record))
    assert (values(answer), answer.rcode()) == ([], 0)
    assert values(asked(answered(record), subnet="198.51.100.0/24")) == ["192.0.2.1"]


def test_a_value_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"."):
        answered(a("", "nothing"))


def test_an_alias_of_what_is_not_there_is_backed_out_of() -> None:
    gone = DnsAlias(distribution="EGONE", evaluate_target_health=True)
    primary = DnsRecord(name="www", type="A", id="one", failover="primary", alias=gone)
    second = a("two", "192.0.2.99", failover="secondary")
    assert values(asked(answered(primary, second))) == ["192.0.2.99"]
