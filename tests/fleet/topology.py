"""Topology of a fleet: its hosts, the sites they stand at, and how far these are apart."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

NINE = Path(__file__).resolve().parent / "nine.toml"
NETWORK = "198.19.{site}.{host}"  # RFC 2544: of benchmarks, and so in nobody's way
PREFIX_BITS = 16
PORT_FIRST = 8_100
Role = Literal["control", "database", "regional", "edge", "origin"]


class Host(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A machine and what runs on it. `location` is an edge's."""

    name: str
    role: Role
    site: str
    location: str = ""


class Distance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far two sites are apart."""

    sites: tuple[str, str]
    round_trip_ms: float


class Topology(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All hosts, in the order in which they start."""

    within_site_ms: float
    distances: tuple[Distance, ...]
    hosts: tuple[Host, ...]

    def of(self, role: Role) -> tuple[Host, ...]:
        """The hosts with a role."""
        return tuple(host for host in self.hosts if host.role == role)

    def address(self, host: Host) -> str:
        """The host's IPv4 address."""
        sites = list(dict.fromkeys(one.site for one in self.hosts))
        return NETWORK.format(site=sites.index(host.site) + 1, host=self.hosts.index(host) + 1)

    def port(self, host: Host) -> int:
        """Where its role listens; one file is for all, so each place has its own."""
        places = list(dict.fromkeys(one.location or one.name for one in self.hosts))
        return PORT_FIRST + places.index(host.location or host.name)

    def health_port(self, host: Host) -> int:
        """Where its role says whether it is ready, on loopback."""
        return self.port(host) + len(self.hosts)

    def round_trip_ms(self, one: Host, other: Host) -> float:
        """Milliseconds from one host to another and back. KeyError where nobody says it."""
        if one.site == other.site:
            return self.within_site_ms
        said = {frozenset(distance.sites): distance.round_trip_ms for distance in self.distances}
        return said[frozenset({one.site, other.site})]

    @property
    def farthest_ms(self) -> float:
        """The longest round trip between a control and a process that follows it."""
        followers = (*self.of("edge"), *self.of("regional"))
        return max(self.round_trip_ms(c, f) for c in self.of("control") for f in followers)


def read_topology(path: Path = NINE) -> Topology:
    """The topology of a file. msgspec.ValidationError."""
    return msgspec.toml.decode(path.read_bytes(), type=Topology)
