"""The name server in a file: what is refused, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecache.config.load import load
from edgecache.config.problems import ConfigError

FILE = """
[control]
listen = "127.0.0.1:8090"
[[locations]]
name = "LHR50"
listen = "127.0.0.1:8080"
[dns]
%s
"""
GOOD = """
listen = ["127.0.0.1:53", "[::1]:53"]
zone = "cdn.test"
name_servers = ["ns1.cdn.test"]
server_addresses = { "ns1.cdn.test" = ["192.0.2.53"] }
locations = [{ name = "LHR50", addresses = ["192.0.2.1"], weight = 0, country = "GB" }]
latencies = [{ clients = ["10.0.0.0/8", "DE", "continent:EU", "*"], ms = { LHR50 = 3 } }]
"""


def problems(folder: Path, lines: str) -> list[str]:
    file = folder / "edgecache.toml"
    file.write_text(FILE % lines)
    try:
        load(file)
    except ConfigError as error:
        return [str(one) for one in error.problems]
    return []


def test_a_name_server_is_read(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('["127.0.0.1:53", "[::1]:53"]', "[]", "dns.listen: empty"),
        ('"[::1]:53"', '"0.0.0.0:53"', 'dns.listen[1]: "0.0.0.0:53" has another of them in it'),
        ('"[::1]:53"', '"ns1:53"', 'dns.listen[1]: "ns1:53" has a name: say an address'),
        ('"[::1]:53"', '"unix:dns"', 'dns.listen[1]: "unix:dns" is not HOST:PORT'),
        ('zone = "cdn.test"', "dnssec = true", "dns.dnssec: there is no dns.zone that it could be"),
        ('zone = "cdn.test"', 'certificate_file = "a"', "dns.certificate_file: there is no dns.zo"),
        ('zone = "cdn.test"', 'zone = "cdn.test"\nkey_file = "a"', "dns.certificate_file: missing"),
        ('"cdn.test"', '"cdn..test"', 'dns.zone: "cdn..test" is not a domain name'),
        ('name_servers = ["ns1.cdn.test"]', "", "dns.name_servers: missing"),
        ('= ["192.0.2.53"]', '= ["192.0.2"]', 'dns.server_addresses."ns1.cdn.test": "192.0.2" is'),
        ('"ns1.cdn.test" = ["192.0.2.53"]', "", 'dns.server_addresses: "ns1.cdn.test" is missing'),
        ('{ "ns1.cdn.test" =', '{ "a.b" =', 'dns.server_addresses."a.b": is no name server in'),
        ('name = "LHR50", a', 'name = "NRT57", a', 'dns.locations[0].name: "NRT57" is not a loca'),
        ('["192.0.2.1"]', '["host"]', 'dns.locations[0].addresses[0]: "host" is not an address'),
        ('["192.0.2.1"]', "[]", "dns.locations[0].addresses: empty"),
        ("weight = 0", "weight = 101", "dns.locations[0].weight: 101 is outside 0 to 100 percent"),
        ("weight = 0", "coordinates = [91, 0]", "dns.locations[0].coordinates: is not [latitude"),
        ('"GB"', '"gb"', 'dns.locations[0].country: "gb" is not a country'),
        ('"10.0.0.0/8"', '"10.0.0.1/8"', 'dns.latencies[0].clients[0]: "10.0.0.1/8" is not a netw'),
        ("LHR50 = 3", "LHR50 = -1", "dns.latencies[0].ms.LHR50: -1 is outside 0 to 60000"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in GOOD
    found = problems(tmp_path, GOOD.replace(old, new))
    assert any(one.startswith(problem) for one in found), found
