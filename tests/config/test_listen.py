"""Addresses to listen on, and the ports of a location as viewers meet them."""

from __future__ import annotations

import msgspec
import pytest

from edgecache.config.checks.configuration import check
from edgecache.config.listen import (
    ViewerPorts,
    advertised,
    control_names,
    names_no_machine,
    speaks_tls,
    viewer_ports,
)
from edgecache.config.model import Cluster, Config, Control, Location, RegionalCache
from edgecache.config.problems import Problems


@pytest.mark.parametrize(
    ("listen", "listen_tls", "redirect_port", "ports"),
    [
        ("127.0.0.1:8080", "", 0, ViewerPorts(8080, 443, 0)),
        ("[::1]:8080", "[::1]:8443", 0, ViewerPorts(8080, 8443, 0)),
        ("127.0.0.1:80", "127.0.0.1:8443", 443, ViewerPorts(80, 8443, 443)),
        ("unix:edge.sock", "", 0, ViewerPorts(80, 443, 0)),
    ],
)
def test_the_ports_of_a_location(
    listen: str, listen_tls: str, redirect_port: int, ports: ViewerPorts
) -> None:
    location = Location(name="a", listen=listen, listen_tls=listen_tls, redirect_port=redirect_port)
    assert viewer_ports(location) == ports


@pytest.mark.parametrize(
    ("part", "reached", "nowhere"),
    [
        (Control(listen="10.0.0.5:8090"), "10.0.0.5:8090", False),
        (Control(listen="0.0.0.0:8090"), "127.0.0.1:8090", True),
        (Control(listen="[::]:8090"), "[::1]:8090", True),
        (Control(listen="0.0.0.0:8090", advertise="control:80"), "control:80", False),
        (RegionalCache(), "unix:state/regional.sock", False),
        (RegionalCache(advertise="[fd00::5]:7000"), "[fd00::5]:7000", False),
        (
            Location(name="A", listen="0.0.0.0:80", advertise="10.0.0.6:8080"),
            "10.0.0.6:8080",
            False,
        ),
    ],
)
def test_where_others_reach_a_part(
    part: Control | RegionalCache | Location, reached: str, nowhere: bool
) -> None:
    assert str(advertised(part, "state")) == reached
    assert names_no_machine(part) == nowhere


@pytest.mark.parametrize(
    ("control", "names"),
    [
        (Control(), ("127.0.0.1", "vm")),
        (Control(listen="0.0.0.0:1", advertise="edgecache:1"), ("edgecache", "vm")),
        (Control(listen="h:1", names=("control.internal",)), ("h", "vm", "control.internal")),
    ],
)
def test_the_names_control_is_asked_by(control: Control, names: tuple[str, ...]) -> None:
    assert control_names(Config(control=control), "vm") == names


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (
            {"control": {"listen": "0.0.0.0:1", "advertise": "0.0.0.0:1"}},
            'control.advertise: "0.0.0.0:1" is every address: say one, or a name, of this machine',
        ),
        (
            {"regional": {"advertise": "unix:r.sock"}},
            'regional.advertise: "unix:r.sock" is not HOST:PORT',
        ),
        (
            {"control": {"advertise": "control"}},
            'control.advertise: "control" is not HOST:PORT',
        ),
        (
            {"control": {"names": ["control", "edge:80"]}},
            'control.names[1]: "edge:80" is not a host name (no port)',
        ),
    ],
)
def test_what_nobody_could_be_reached_by_is_refused(table: dict[str, object], problem: str) -> None:
    problems = Problems()
    check(msgspec.convert(table, Config), problems)
    assert [str(one) for one in problems.found] == [problem]


@pytest.mark.parametrize(
    ("mutual_tls", "listen", "secured"),
    [
        (True, "0.0.0.0:1", True),
        (True, "10.0.0.5:1", True),
        (True, "control.test:1", True),
        (True, "127.0.0.1:1", False),
        (True, "[::1]:1", False),
        (True, "unix:regional.sock", False),
        (False, "0.0.0.0:1", False),
        (None, "0.0.0.0:1", False),
    ],
)
def test_who_speaks_tls_to_other_machines(
    mutual_tls: bool | None, listen: str, secured: bool
) -> None:
    regional = RegionalCache(listen=listen)
    config = Config(cluster=Cluster(mutual_tls=mutual_tls), regional=regional)
    assert speaks_tls(regional, config) is secured


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (Config(regional=RegionalCache(listen="10.0.0.5:1")), "cluster.mutual_tls: missing"),
        (Config(regional=RegionalCache(listen="127.0.0.1:1")), ""),
        (
            Config(regional=RegionalCache(listen="10.0.0.5:1"), cluster=Cluster(mutual_tls=False)),
            "",
        ),
        (Config(control=Control(listen="10.0.0.5:1")), ""),
        (
            Config(
                control=Control(listen="10.0.0.5:1", canary_s=1), cluster=Cluster(mutual_tls=True)
            ),
            "control.canary_s",
        ),
    ],
)
def test_what_is_between_machines_has_to_be_decided(config: Config, told: str) -> None:
    problems = Problems()
    check(config, problems)
    assert [str(one)[: len(told)] for one in problems.found] == ([told] if told else [])
