"""Where the processes of each location are asked, machine by machine."""

from __future__ import annotations

import pytest

from edgecache.config.listen import TcpAddress, UnixAddress
from edgecache.config.model import Config, Location, RegionalCache
from edgecache.control.nodes.registry import ReportingNode
from edgecache.control.nodes.workers import WorkerGroup, reported_address, worker_groups

CONFIG = Config(
    state_dir="/state",
    regional=RegionalCache(),
    locations=(Location(name="A", listen="0.0.0.0:80", workers=2),),
)
SOCKET = UnixAddress("/state/regional.sock")


def node(number: int, machine: str, address: str, location: str = "A") -> ReportingNode:
    return ReportingNode(f"edge-{location}-{number}", machine, address)


@pytest.mark.parametrize(
    ("reporting", "edges"),
    [
        ([], [("A", "127.0.0.1:80", 2, "")]),
        ([node(1, "", "")], [("A", "127.0.0.1:80", 2, "")]),  # a former version
        ([node(1, "vm1", "10.0.0.1:80")], [("A", "10.0.0.1:80", 2, "vm1")]),
        (
            [
                node(1, "vm1", "10.0.0.1:80"),
                node(2, "vm1", "10.0.0.1:80"),
                node(1, "vm2", "10.0.0.2:8080"),
            ],
            [("A", "10.0.0.1:80", 2, "vm1"), ("A", "10.0.0.2:8080", 1, "vm2")],
        ),
        ([node(1, "vm1", "")], [("A", "None", 2, "vm1")]),
        (
            [node(1, "vm1", "10.0.0.1:80", "B")],
            [("A", "127.0.0.1:80", 2, ""), ("B", "10.0.0.1:80", 1, "vm1")],
        ),
    ],
)
def test_each_machine_of_a_location_is_asked(
    reporting: list[ReportingNode], edges: list[tuple[str, str, int, str]]
) -> None:
    *found, regional = worker_groups(CONFIG, reporting)
    assert [(one.name, str(one.address), one.workers, one.machine) for one in found] == edges
    assert regional == WorkerGroup("regional", "regional", SOCKET, 1)


def test_a_socket_file_is_where_the_file_says() -> None:
    """A node that could name a path could have control ask whatever listens there."""
    told = ReportingNode("regional", "vm1", "")
    assert worker_groups(CONFIG, [told])[-1].address == SOCKET


def test_a_regional_cache_elsewhere() -> None:
    config = Config(regional=RegionalCache(listen="0.0.0.0:7000", advertise="regional:7000"))
    (group,) = worker_groups(config)
    assert group.address == TcpAddress("regional", 7000)


@pytest.mark.parametrize(
    ("told", "peer", "address"),
    [
        ("10.0.0.1:80", "10.0.0.9", "10.0.0.1:80"),
        ("edge.internal:80", "10.0.0.9", "edge.internal:80"),
        ("0.0.0.0:80", "10.0.0.9", "10.0.0.9:80"),
        ("[::]:80", "fd00::9", "[fd00::9]:80"),
        ("127.0.0.1:80", "127.0.0.1", "127.0.0.1:80"),
        ("127.0.0.1:80", "10.0.0.9", ""),
        ("localhost:80", "10.0.0.9", ""),
        ("169.254.169.254:80", "10.0.0.9", ""),
        ("unix:/run/docker.sock", "127.0.0.1", ""),
        ("nonsense", "10.0.0.9", ""),
        ("", "10.0.0.9", ""),
        ("10.0.0.1:80", "", ""),
    ],
)
def test_where_a_node_that_told_this_is_asked(told: str, peer: str, address: str) -> None:
    assert reported_address(told, peer) == address
