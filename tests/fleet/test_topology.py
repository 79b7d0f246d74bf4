"""The file of hosts: each has an address, each place a port, and sites a distance."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import msgspec
import pytest

from tests.fleet.topology import NINE, read_topology


def test_every_two_hosts_have_a_distance_and_addresses_of_their_own() -> None:
    topology = read_topology()
    for one, other in combinations(topology.hosts, 2):
        assert topology.round_trip_ms(one, other) in (1, 40, 120)
    assert len({topology.address(host) for host in topology.hosts}) == len(topology.hosts)
    assert topology.farthest_ms == 120


def test_hosts_of_a_location_share_its_port_and_nobody_else_does() -> None:
    topology = read_topology()
    ports = {host.location or host.name: topology.port(host) for host in topology.hosts}
    assert len(set(ports.values())) == len(ports)
    health = {topology.health_port(host) for host in topology.hosts}
    assert not health & set(ports.values())
    assert len({topology.port(host) for host in topology.of("edge")}) == 2


def test_a_file_that_says_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text(NINE.read_text().replace('role = "edge"', 'role = "oracle"'))
    with pytest.raises(msgspec.ValidationError, match="oracle"):
        read_topology(path)
