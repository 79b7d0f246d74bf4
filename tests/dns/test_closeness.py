"""What is close to a client: milliseconds, kilometers, countries; and blocks of addresses."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from edgecache.config.dns import CONTINENTS, UNKNOWN_COUNTRIES
from edgecache.dns.closeness import AddressBlocks, DnsClient, LatencyTable, Position, closeness
from edgecache.dns.geography import CONTINENT_OF, distance_km
from edgecache.rules.viewer.geo import GeoPlace

BERLIN = GeoPlace(country="DE", latitude="52.50000", longitude="13.40000")
LONDON, TOKYO = (51.5, -0.1), (35.7, 139.7)


def of(address: str, bits: int = 0, place: GeoPlace = BERLIN) -> DnsClient:
    own = ip_address(address)
    return DnsClient(own.packed, bits or own.max_prefixlen, place)


def closest(client: DnsClient, table: LatencyTable, *positions: Position) -> list[str]:
    ordered = sorted(positions, key=lambda one: closeness(client, one, table.of(client)))
    return [one.names[0] for one in ordered]


NEAR = Position(("near",), LONDON, "GB")
FAR = Position(("far",), TOKYO, "JP")
UNKNOWN = Position(("unknown",))


def test_kilometers_count_where_no_latency_is_known() -> None:
    assert closest(of("203.0.113.7"), LatencyTable(), UNKNOWN, FAR, NEAR) == [
        "near", "far", "unknown",
    ]  # fmt: skip


def test_milliseconds_count_first_and_the_longest_network_before_areas() -> None:
    table = LatencyTable(
        AddressBlocks([("203.0.113.0/24", {"far": 1}), ("203.0.0.0/8", {"near": 1})]),
        {"EU": {"near": 2}, "*": {"far": 3}},
        {"FR": {"far": 4}},
    )
    assert closest(of("203.0.113.7"), table, NEAR, FAR)[0] == "far"
    assert closest(of("203.0.9.9"), table, FAR, NEAR)[0] == "near"
    assert closest(of("198.51.100.1"), table, FAR, NEAR)[0] == "near"
    assert closest(of("198.51.100.1", 0, GeoPlace(country="FR")), table, NEAR, FAR)[0] == "far"
    assert closest(of("198.51.100.1", 0, GeoPlace()), table, NEAR, FAR)[0] == "far"


def test_countries_and_continents_count_where_no_coordinates_are_known() -> None:
    german = of("203.0.113.7", 0, GeoPlace(country="DE"))
    one, two, three = (Position((name,), None, name) for name in ("JP", "FR", "DE"))
    assert closest(german, LatencyTable(), one, two, three) == ["DE", "FR", "JP"]


@pytest.mark.parametrize(
    ("address", "bits", "value"),
    [
        ("203.0.113.7", 32, "c"),
        ("203.0.113.7", 24, "c"),
        ("203.0.113.7", 23, "b"),
        ("203.0.113.7", 7, None),
        ("198.51.100.1", 32, None),
        ("2001:db8::1", 128, "v6"),
        ("2001:db9::1", 128, None),
    ],
)
def test_the_longest_block_holds_an_address(address: str, bits: int, value: str | None) -> None:
    blocks = AddressBlocks(
        [("203.0.0.0/8", "a"), ("203.0.0.0/16", "b"), ("203.0.113.0/24", "c"),
         ("2001:db8::/32", "v6")]
    )  # fmt: skip
    assert blocks.find(ip_address(address).packed, bits) == value


def test_distances() -> None:
    assert distance_km(LONDON, TOKYO) == pytest.approx(9_560, rel=0.01)
    assert distance_km(LONDON, LONDON) == 0


def test_every_country_is_of_one_continent() -> None:
    wanted = {"TR": "EU", "CY": "EU", "EG": "AF", "AM": "AS", "XK": "EU", "GL": "NA", "UM": "OC"}
    assert {country: CONTINENT_OF[country] for country in wanted} == wanted
    assert not UNKNOWN_COUNTRIES & CONTINENT_OF.keys()
    assert {*CONTINENT_OF.values()} == CONTINENTS
