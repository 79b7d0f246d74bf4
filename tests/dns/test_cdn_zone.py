"""The operator's zone: a name for each distribution, locations with weights, regions, latencies."""

from __future__ import annotations

from msgspec.structs import replace

from edgecache.config.dns import distribution_label, made_label
from edgecache.config.model import (
    Behavior,
    Config,
    Distribution,
    DnsLatency,
    DnsLocation,
    DnsSettings,
    Location,
)
from edgecache.control.state.resources import default_domain_name
from edgecache.dns.cdn_zone import cdn_zone, latency_table, location_groups
from edgecache.dns.names import absolute_wire
from edgecache.dns.records import AAAA, NS, SOA, A

SETTINGS = DnsSettings(
    listen=("127.0.0.1:53",),
    zone="cdn.test",
    name_servers=("ns1.cdn.test", "ns.other.test"),
    server_addresses={"ns1.cdn.test": ("192.0.2.53", "2001:db8::53")},
    locations=(
        DnsLocation(name="LHR50", addresses=("192.0.2.1", "2001:db8::1"), weight=40),
        DnsLocation(name="NRT57", addresses=("192.0.2.2",), coordinates=(35.0, 139.0)),
    ),
    latencies=(
        DnsLatency(clients=("203.0.113.0/24", "DE", "continent:AS", "*"), ms={"LHR50": 5.0}),
    ),
)
SITE = Distribution(id="E1", origins=(), default_behavior=Behavior(origin="o"))
CONFIG = Config(
    locations=(
        Location(name="LHR50", listen="127.0.0.1:80", region="eu-west-2"),
        Location(name="NRT57", listen="127.0.0.1:81"),
    ),
    dns=SETTINGS,
    distributions=(
        replace(SITE, id="E1", domain_name="d1.cloudfront.net"),
        replace(SITE, id="E2"),
        replace(SITE, id="E3", enabled=False),
    ),
)


def test_every_distribution_has_the_same_groups() -> None:
    zone = cdn_zone(CONFIG, 9)
    one, two = (
        zone.names[absolute_wire(f"{label}.cdn.test")] for label in ("d1", made_label("E2"))
    )
    assert absolute_wire(f"{made_label('E3')}.cdn.test") not in zone.names  # it is not enabled
    assert one.groups[A] is two.groups[A]
    assert [c.id for c in one.groups[A].candidates] == ["LHR50", "NRT57"]
    assert [c.id for c in one.groups[AAAA].candidates] == ["LHR50"]
    assert zone.serial == 9
    assert {SOA, NS} <= zone.names[zone.apex].groups.keys()
    assert zone.names[absolute_wire("ns1.cdn.test")].groups.keys() == {A, AAAA}
    assert absolute_wire("ns.other.test") not in zone.names


def test_locations_have_their_weights_and_places() -> None:
    london, tokyo = location_groups(CONFIG)[A].candidates
    assert (london.weight, london.check) == (40, "location:LHR50")
    assert london.position.names == ("LHR50", "eu-west-2")
    assert london.position.coordinates == (51.5, -0.1)  # of the region
    assert tokyo.position.coordinates == (35.0, 139.0)


def test_a_type_that_no_location_has_is_not_there() -> None:
    settings = replace(SETTINGS, locations=SETTINGS.locations[1:])
    zone = cdn_zone(replace(CONFIG, dns=settings), 1)
    assert zone.names[absolute_wire("d1.cdn.test")].groups.keys() == {A}


def test_the_latency_table_has_a_row_for_each_kind_of_client() -> None:
    table = latency_table(SETTINGS)
    assert table.countries.keys() == {"DE"}
    assert table.areas.keys() == {"AS", "*"}
    assert table.blocks.find(bytes([203, 0, 113, 9]), 32) == {"LHR50": 5.0}


def test_the_label_is_that_of_the_distribution_s_own_name() -> None:
    assert distribution_label("E1", "D111.cloudfront.net") == "d111"
    assert distribution_label("E1", "www.example.org") == made_label("E1")
    assert default_domain_name("E1") == f"{made_label('E1')}.cloudfront.net"
