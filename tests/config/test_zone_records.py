"""Zone files and values, by dnspython: what is read, and each line that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecache.config.load import load
from edgecache.config.problems import BrokenLinesError, ConfigError
from edgecache.config.zone_records import rdata_wire, read_zone_file

ZONE = """$TTL 300
@ IN SOA ns1 hostmaster 2026120101 7200 900 1209600 86400
@ NS ns1
ns1 A 192.0.2.53
www 60 A 192.0.2.1
www 60 A 192.0.2.2
*.wild TXT "one" "two"
mail MX 10 mx.example.net.
"""


def test_a_zone_file_is_read() -> None:
    records = {(one.name, one.type): one for one in read_zone_file(ZONE, "example.test.")}
    assert records["www.example.test.", "A"].values == ("192.0.2.1", "192.0.2.2")
    assert records["www.example.test.", "A"].ttl_s == 60
    assert records["*.wild.example.test.", "TXT"].values == ('"one" "two"',)
    assert records["example.test.", "NS"].values == ("ns1.example.test.",)
    assert len(records) == 6


def test_each_line_that_is_wrong_is_told() -> None:
    text = ZONE + "bad A 192.0.2\nworse TYP 1\nlast A 192.0.2.9\n"
    with pytest.raises(BrokenLinesError) as caught:
        read_zone_file(text, "example.test.")
    assert [number for number, _ in caught.value.lines] == [9, 10]


@pytest.mark.parametrize(
    ("type", "value", "wire"),
    [
        ("A", "192.0.2.1", bytes([192, 0, 2, 1])),
        ("MX", "10 mx", b"\0\x0a\x02mx\x04test\0"),
        ("TXT", '"hi"', b"\x02hi"),
        ("CAA", '0 issue "ca.test"', b"\0\x05issueca.test"),
        ("SRV", "1 2 443 @", b"\0\x01\0\x02\x01\xbb\x04test\0"),
        ("SPF", '"v=spf1 -all"', b"\x0bv=spf1 -all"),
        ("HTTPS", '1 . alpn="h2"', b"\0\x01\0\0\x01\0\x03\x02h2"),
    ],
)
def test_values_become_bytes(type: str, value: str, wire: bytes) -> None:
    assert rdata_wire(type, value, "test.") == wire


@pytest.mark.parametrize(("type", "value"), [("A", "1.2.3"), ("MX", "mx"), ("AAAA", "1.2.3.4")])
def test_what_is_no_value_is_refused(type: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        rdata_wire(type, value, "test.")


FILE = """
[control]
listen = "127.0.0.1:8090"
[dns]
listen = ["127.0.0.1:53"]
[[dns.zones]]
name = "example.test"
file = "zones/example.test.zone"
records = [{ name = "api", type = "A", values = ["192.0.2.7"] }]
"""


def test_a_file_of_a_configuration_joins_the_records_beside_it(tmp_path: Path) -> None:
    (tmp_path / "edgecache.toml").write_text(FILE)
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones" / "example.test.zone").write_text(ZONE)
    settings = load(tmp_path / "edgecache.toml").dns
    assert settings is not None
    assert len(settings.zones[0].records) == 7


@pytest.mark.parametrize(
    ("content", "why"), [(None, "no such file"), (b"\xff", "not text"), (b"a A 1\n", "line 1:")]
)
def test_a_file_that_cannot_be_used_is_told(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    (tmp_path / "edgecache.toml").write_text(FILE)
    if content is not None:
        (tmp_path / "zones").mkdir()
        (tmp_path / "zones" / "example.test.zone").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "edgecache.toml")
    assert f"dns.zones[0].file: {tmp_path}/zones/example.test.zone: {why}" in str(caught.value)
