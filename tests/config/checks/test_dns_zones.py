"""Zones and records in a file: what is refused, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecache.config.load import load
from edgecache.config.problems import ConfigError

FILE = """
[control]
listen = "127.0.0.1:8090"
[dns]
listen = ["127.0.0.1:53"]
name_servers = ["ns1.other.test"]
transfer_keys = [{ name = "key", secret = "env:KEY" }]
cidr_collections = [{ name = "offices", locations = { berlin = ["203.0.113.0/24"] } }]
[[dns.zones]]
name = "example.test"
%s
"""
W = '[[dns.zones.records]]\nname = "www"\ntype = "A"\nvalues = ["192.0.2.1"]\n'
ANYWHERE = 'geolocation = { country = "*" }'
DUBLIN = 'geoproximity = { region = "eu-west-1" }'
OTHERS = 'cidr = { collection = "offices", location = "*" }'
X = W.replace("192.0.2.1", "192.0.2.2")


def problems(folder: Path, lines: str) -> list[str]:
    file = folder / "edgecache.toml"
    file.write_text(FILE % lines)
    try:
        load(file)
    except ConfigError as error:
        return [str(one) for one in error.problems]
    return []


def several(one: str, other: str, ids: tuple[str, str] = ("a", "b")) -> str:
    return f'{W}id = "{ids[0]}"\n{one}\n{X}id = "{ids[1]}"\n{other}\n'


def alias(what: str, type: str = "A", name: str = "api") -> str:
    return f'[[dns.zones.records]]\nname = "{name}"\ntype = "{type}"\nalias = {{ {what} }}\n'


@pytest.mark.parametrize(
    "lines",
    [
        W,
        W.replace('"www"', '"@"'),
        W.replace('"www"', r'"\\052.x"'),
        several("weight = 0", "weight = 255"),
        several('failover = "primary"', 'failover = "secondary"'),
        several('region = "eu-west-1"', 'region = "us-east-1"'),
        several(ANYWHERE, 'geolocation = { country = "US", subdivision = "CA" }'),
        several("geoproximity = { coordinates = [1, 2], bias = -99 }", DUBLIN),
        several("multivalue = true", "multivalue = true"),
        several('cidr = { collection = "offices", location = "berlin" }', OTHERS),
        W + alias('name = "www", evaluate_target_health = true'),
        alias('distribution = "ESITE"', name="@"),
        'transfer_to = ["10.0.0.0/8"]\ntransfer_key = "key"\nnotify = ["127.0.0.1:53"]\n' + W,
        "dnssec = true\n" + W,
        'dnssec = true\nclients = ["10.0.0.0/8"]\n' + W,
    ],
)
def test_what_is_right_is_taken(tmp_path: Path, lines: str) -> None:
    assert problems(tmp_path, lines) == []


R = "dns.zones[0].records[0]"
SECOND = "dns.zones[0].records[1]"
WWW = "www.example.test."


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            W.replace('"www"', '"www.other.test."'),
            f'{R}.name: "www.other.test." is not in example.test.',
        ),
        (W.replace('"www"', '"a*b"'), f'{R}.name: "a*b" has a * that is not the whole first label'),
        (W.replace('"A"', '"LOC"'), f'{R}.type: "LOC" is not one of'),
        (W.replace("192.0.2.1", "192.0.2"), f'{R}.values[0]: "192.0.2" is no A value'),
        (W.replace('["192.0.2.1"]', "[]"), f"{R}.values: empty"),
        (W.replace('"192.0.2.1"', '"192.0.2.1", "192.0.2.1"'), f"{R}.values: names a value twice"),
        (W + X, f"{R}: www.example.test. A has several record sets: of one routing policy"),
        (
            several("weight = 1", "multivalue = true"),
            f"{R}: www.example.test. A has several record",
        ),
        (
            several("weight = 1", "weight = 1", ("a", "a")),
            "dns.zones[0].records[1].id: is missing, or",
        ),
        (several("weight = 256", "weight = 1"), f"{R}.weight: 256 is outside 0 to 255 parts"),
        (
            several('weight = 1\nregion = "eu-west-1"', "weight = 1"),
            f"{R}: is of several routing pol",
        ),
        (
            several('failover = "primary"', 'failover = "primary"'),
            "dns.zones[0].records[1]: www.example.test. A: another has the same failover member",
        ),
        (
            several('region = "moon"', 'region = "us-east-1"'),
            f'{R}: "moon": nobody knows where that is',
        ),
        (
            several('geolocation = { country = "BV" }', ANYWHERE),
            f"{R}.geolocation.country: BV: no address",
        ),
        (
            several('geolocation = { continent = "XX" }', ANYWHERE),
            f'{R}.geolocation.continent: "XX" is no',
        ),
        (
            several('geolocation = { continent = "EU", country = "DE" }', ANYWHERE),
            f"{R}.geolocation: says either",
        ),
        (several("geoproximity = { bias = 3 }", DUBLIN), f"{R}.geoproximity: says either"),
        (
            several("geoproximity = { coordinates = [1, 2], bias = 100 }", ""),
            f"{R}.geoproximity.bias: 100 is outside",
        ),
        (
            several(
                'cidr = { collection = "x", location = "y" }',
                'cidr = { collection = "x", location = "*" }',
            ),
            f"{R}.cidr.collection: is no coll",
        ),
        (
            several('cidr = { collection = "offices", location = "y" }', OTHERS),
            f"{R}.cidr.location: is not",
        ),
        (
            W.replace('"A"', '"CNAME"').replace("192.0.2.1", "a.test.").replace('"www"', '"@"'),
            f"{R}.type: CNAME cannot be at the zone itself: use an alias",
        ),
        (
            W.replace('"A"', '"CNAME"').replace("192.0.2.1", "a.test.") + W,
            f"{R}.type: CNAME is beside A of www.example.test.",
        ),
        (alias('name = "www"'), f"{R}.alias.name: www.example.test. has no A records"),
        (
            alias('name = "api"'),
            f"{R}.alias.name: api.example.test. leads back to api.example.test.",
        ),
        (
            alias('name = "b"', name="a") + alias('name = "a"', name="b"),
            f"{R}.alias.name: b.example.test. leads back",
        ),
        (
            alias('distribution = "E", name = "a"'),
            f"{R}.alias: says either a distribution or a name",
        ),
        (alias('distribution = "E"', "TXT"), f"{R}.type: a distribution has addresses: A or AAAA"),
        (
            W + "[[dns.zones]]\nname = 'Example.test.'",
            'dns.zones[1].name: "Example.test." is there twice',
        ),
        (
            'transfer_to = ["10.0.0.0/8"]\n' + alias('distribution = "E"'),
            "dns.zones[0].transfer_to: a secondary cannot decide as",
        ),
        (
            'transfer_to = ["10.0.0.0/8"]\ndnssec = true\n' + W,
            "dns.zones[0].dnssec: a secondary cannot sign as we do",
        ),
        ('transfer_key = "other"\n' + W, 'dns.zones[0].transfer_key: "other" is no transfer key'),
        ('transfer_to = ["here"]\n' + W, 'dns.zones[0].transfer_to[0]: "here" is not a network'),
        ('notify = ["here"]\n' + W, 'dns.zones[0].notify[0]: "here" is not HOST:PORT'),
        (W + 'health_check = "h"\n', f'{R}.health_check: "h" is no health check'),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, lines: str, problem: str) -> None:
    found = problems(tmp_path, lines)
    assert any(one.startswith(problem) for one in found), found


def test_a_zone_needs_name_servers(tmp_path: Path) -> None:
    file = tmp_path / "edgecache.toml"
    file.write_text((FILE % W).replace('name_servers = ["ns1.other.test"]', ""))
    with pytest.raises(ConfigError, match=r"dns.zones\[0\].name_servers: missing"):
        load(file)


@pytest.mark.parametrize("block", ["203.0.113.0/25", "2001:db8::/49", "0.0.0.0/0", "x"])
def test_blocks_have_bounds(tmp_path: Path, block: str) -> None:
    file = tmp_path / "edgecache.toml"
    file.write_text((FILE % W).replace("203.0.113.0/24", block))
    with pytest.raises(ConfigError, match="is not /1 to /24, /1 to /48"):
        load(file)


PRIVATE = '[[dns.zones]]\nname = "example.test"\nclients = ["10.0.0.0/8", "2001:db8::/32"]\n'


def test_one_name_may_be_public_and_private(tmp_path: Path) -> None:
    other = PRIVATE.replace("10.0.0.0/8", "172.16.0.0/12").replace("2001:db8::/32", "fd00::/8")
    assert problems(tmp_path, W + PRIVATE + W + other + X) == []


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (W + PRIVATE + PRIVATE, "dns.zones[2].clients: another zone of this name has some"),
        (W + PRIVATE.replace("10.0.0.0/8", "x"), 'dns.zones[1].clients[0]: "x" is not a network'),
        (W + PRIVATE + 'notify = ["127.0.0.1:53"]', "dns.zones[1].clients: a private zone is not"),
        (
            W + PRIVATE + W + 'id = "a"\n' + DUBLIN,
            "dns.zones[1].records[0]: a private zone has no geoproximity records",
        ),
    ],
)
def test_what_private_zones_do_not_have_is_refused(
    tmp_path: Path, lines: str, problem: str
) -> None:
    found = problems(tmp_path, lines)
    assert any(one.startswith(problem) for one in found), found
