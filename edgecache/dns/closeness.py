"""Closeness of clients: their areas, distances, latencies and blocks of addresses.

What a policy goes by is a number to sort by; what is not known of a client sorts last, and among
equals the order of the file counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_network
from math import inf

from edgecache.dns.geography import CONTINENT_OF, Coordinates, distance_km
from edgecache.rules.viewer.geo import NOWHERE, GeoPlace

Area = tuple[str, str, str]
"""Continent, country and subdivision, each empty where it does not matter."""

ANYWHERE: Area = ("", "*", "")
IPV4_BITS, IPV6_BITS = 32, 128


@dataclass(frozen=True, slots=True)
class DnsClient:
    """Whom an answer is for: an address of 4 or 16 bytes of which `bits` are known; its place."""

    address: bytes
    bits: int
    place: GeoPlace = NOWHERE

    @property
    def areas(self) -> tuple[Area, ...]:
        """The areas it is in, the smallest first, with the one that is everywhere."""
        country = self.place.country
        found: list[Area] = []
        if country and self.place.region:
            found.append(("", country, self.place.region))
        if country:
            found.append(("", country, ""))
        if country in CONTINENT_OF:
            found.append((CONTINENT_OF[country], "", ""))
        return (*found, ANYWHERE)

    @property
    def coordinates(self) -> Coordinates | None:
        """Where it is, in degrees; None: nobody knows."""
        if not (self.place.latitude and self.place.longitude):
            return None
        return float(self.place.latitude), float(self.place.longitude)


class AddressBlocks:
    """Blocks of addresses, each with a value; the longest that holds an address counts."""

    def __init__(self, blocks: Iterable[tuple[str, object]]) -> None:
        """`blocks` are networks as text. ValueError."""
        self._values: dict[tuple[int, int, int], object] = {}  # by family's bits, length, prefix
        for text, value in blocks:
            network = ip_network(text)
            bits = IPV4_BITS if isinstance(network, IPv4Network) else IPV6_BITS
            length = network.prefixlen
            prefix = int(network.network_address) >> (bits - length)
            self._values.setdefault((bits, length, prefix), value)
        found = {(bits, length) for bits, length, _ in self._values}
        self._lengths = {
            bits: sorted((n for b, n in found if b == bits), reverse=True)
            for bits in (IPV4_BITS, IPV6_BITS)
        }

    def find(self, address: bytes, bits: int) -> object | None:
        """What the longest block says that `bits` of `address` are in. One longer says nothing."""
        whole = len(address) * 8
        number = int.from_bytes(address, "big")
        for length in self._lengths[whole]:
            if length <= bits:
                value = self._values.get((whole, length, number >> (whole - length)))
                if value is not None:
                    return value
        return None


@dataclass(frozen=True, slots=True)
class LatencyTable:
    """Milliseconds from clients to locations and regions by name, as they were given.

    A client is looked for by its address, then by its country and its continent, then by `*`.
    """

    blocks: AddressBlocks = field(default_factory=lambda: AddressBlocks(()))
    areas: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    countries: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def of(self, client: DnsClient) -> Mapping[str, float]:
        """The row of a client; empty where there is none."""
        row = self.blocks.find(client.address, client.bits)
        if isinstance(row, dict):
            return row
        country = client.place.country
        for rows, key in (
            (self.countries, country),
            (self.areas, CONTINENT_OF.get(country, "")),
            (self.areas, "*"),
        ):
            if key in rows:
                return rows[key]
        return _NO_ROW


_NO_ROW: Mapping[str, float] = {}
NO_LATENCIES = LatencyTable()


@dataclass(frozen=True, slots=True)
class Position:
    """Where a location or a region is: its names in the latency table, coordinates, country."""

    names: tuple[str, ...] = ()
    coordinates: Coordinates | None = None
    country: str = ""


def closeness(
    client: DnsClient, position: Position, row: Mapping[str, float]
) -> tuple[float, float, int]:
    """What to sort by: milliseconds, then kilometers, then whether the country is the client's.

    Where the table has a `row` for a client it counts for those it names, and others come after.
    """
    ms = next((row[name] for name in position.names if name in row), inf)
    here, there = client.coordinates, position.coordinates
    km = distance_km(here, there) if here is not None and there is not None else inf
    return ms, km, _areas_apart(client.place.country, position.country)


def _areas_apart(one: str, other: str) -> int:
    if one and one == other:
        return 0
    continent = CONTINENT_OF.get(one)
    return 1 if continent is not None and continent == CONTINENT_OF.get(other) else 2
