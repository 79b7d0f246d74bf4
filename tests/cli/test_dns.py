"""Commands of DNS: zone files in and out, explanations, shares."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgecache.cli.main import app
from edgecache.config.dns import made_label

ZONE = """$TTL 300
@ IN SOA ns1 hostmaster 2026120101 7200 900 1209600 86400
@ NS ns1
ns1 A 192.0.2.53
www 60 A 192.0.2.1
*.wild TXT "one" "two"
"""
FILE = """
geo_database = ""
[[locations]]
name = "FRA1"
listen = "127.0.0.1:8080"
[[locations]]
name = "NRT1"
listen = "127.0.0.1:8081"
[dns]
listen = ["127.0.0.1:53"]
zone = "cdn.test"
name_servers = ["ns.other.test"]
[[dns.locations]]
name = "FRA1"
addresses = ["192.0.2.1"]
[[dns.locations]]
name = "NRT1"
addresses = ["192.0.2.2"]
[[dns.latencies]]
clients = ["203.0.113.0/24"]
ms = { NRT1 = 5 }
[[dns.zones]]
name = "file.test"
file = "file.zone"
[[dns.zones]]
name = "users.test"
[[dns.zones.records]]
name = "@"
type = "A"
alias = { distribution = "ESITE" }
[[dns.zones.records]]
name = "api"
type = "A"
id = "small"
weight = 1
values = ["192.0.2.11"]
[[dns.zones.records]]
name = "api"
type = "A"
id = "large"
weight = 3
values = ["192.0.2.12"]
[[distributions]]
id = "ESITE"
aliases = ["users.test"]
origins = [{ id = "o", domain_name = "origin.test" }]
default_behavior = { origin = "o" }
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "file.zone").write_text(ZONE)
    (tmp_path / "edgecache.toml").write_text(FILE)
    return tmp_path / "edgecache.toml"


def told(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*map(str, words)], prog_name="edgecache")
    assert result.exit_code == code, result.output
    return str(result.output)


def test_a_name_is_explained(config: Path) -> None:
    name = f"{made_label('ESITE')}.cdn.test"
    lines = told("dns", "explain", name, "--from", "203.0.113.7", "--config", config).splitlines()
    assert lines == [
        "client: address 203.0.113.7/32",
        "closest location (closest): NRT1",
        "answer: 192.0.2.2",
    ]
    found = json.loads(
        told("dns", "explain", "users.test", "--from", "192.0.2.0/24", "-c", config, "--json")
    )
    assert found["values"] == ["192.0.2.1"]
    assert [step["policy"] for step in found["steps"]] == ["simple", "closest"]
    told("dns", "explain", "api.users.test", "--from", "x", "-c", config, code=2)
    told("dns", "explain", "api.other.test", "--from", "192.0.2.1", "-c", config, code=2)
    told("dns", "explain", "gone.users.test", "--from", "192.0.2.1", "-c", config, code=2)


def test_shares_are_simulated(config: Path, tmp_path: Path) -> None:
    clients = tmp_path / "clients.txt"
    clients.write_text("192.0.2.1\n198.51.100.0/24\n")
    command = ("dns", "simulate", "api.users.test", "--clients", clients, "-c", config)
    found = json.loads(told(*command, "--rounds", 500, "--json"))["shares"]
    assert found["192.0.2.12"] == pytest.approx(0.75, abs=0.05)
    assert "192.0.2.12" in told(*command)
    told(*command, "--rounds", 1_000_000, code=2)


def test_a_zone_goes_out_and_comes_in_again(config: Path, tmp_path: Path) -> None:
    text = told("dns", "export", "file.test", "-c", config)
    assert text.startswith("file.test. 300 IN SOA ns1.file.test. hostmaster.file.test. 2026120101 ")
    assert '\n*.wild.file.test. 300 IN TXT "one" "two"' in text
    written = tmp_path / "out.zone"
    written.write_text(text)
    if program := shutil.which("named-checkzone", path="/usr/bin:/usr/sbin"):
        checked = subprocess.run((program, "file.test", written), capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout
        assert "loaded serial 2026120101" in checked.stdout
    table = tomllib.loads(told("dns", "import", written, "--zone", "file.test"))
    (zone,) = table["dns"]["zones"]
    assert len(zone["records"]) == 5
    again = tmp_path / "again.toml"
    tables = told("dns", "import", written, "--zone", "file.test")
    again.write_text(f'[dns]\nlisten = ["127.0.0.1:53"]\n{tables}')
    assert told("dns", "export", "file.test", "-c", again) == text


def test_what_cannot_be_exported_or_imported_is_refused(config: Path, tmp_path: Path) -> None:
    assert "is an alias or has a routing" in told(
        "dns", "export", "users.test", "-c", config, code=2
    )
    assert "known: file.test, users.test" in told("dns", "export", "x.test", "-c", config, code=2)
    broken = tmp_path / "broken.zone"
    broken.write_text(ZONE + "a A 1\nb A 2\n")
    text = told("dns", "import", broken, "--zone", "file.test", code=2)
    assert f"{broken}:7:" in text
    assert f"{broken}:8:" in text
    assert "no such file" in told("dns", "import", "/x/y", "--zone", "a.test", code=1).lower()


def test_what_the_parent_is_to_have_of_a_signed_zone(config: Path, tmp_path: Path) -> None:
    assert "users.test is no zone with dnssec = true (those are: none)" in told(
        "dns", "ds", "users.test", "-c", config, code=2
    )
    text = config.read_text().replace('name = "users.test"', 'name = "Users.test"\ndnssec = true')
    text = f'state_dir = "{tmp_path}/state"\n{text}'
    config.write_text(text.replace('zone = "cdn.test"', 'zone = "cdn.test"\ndnssec = true'))
    first = told("dns", "ds", "users.test.", "-c", config)
    assert re.fullmatch(r"users\.test\. 3600 IN DS \d+ 13 2 [0-9a-f]{64}\n", first)
    assert told("dns", "ds", "users.test", "-c", config) == first  # by the secret that is kept
    assert told("dns", "ds", "cdn.test", "-c", config).startswith("cdn.test. 3600 IN DS ")
    assert stat.S_IMODE((tmp_path / "state" / "secrets.json").stat().st_mode) == 0o600
    assert told("secrets", "rotate", "dnssec", "--step", "add", "-c", config)
    both = told("dns", "ds", "users.test", "-c", config, "--json")
    assert len(json.loads(both)["values"]) == 2
    assert "DNSKEY" not in told("dns", "export", "file.test", "-c", config)
