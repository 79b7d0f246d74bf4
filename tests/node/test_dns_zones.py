"""Zones of a configuration: all of them, and what stays where one cannot be made."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from edgecache.config.dns import DnsRecord, DnsZoneSettings
from edgecache.config.model import Config, DnsSettings
from edgecache.dns.names import absolute_wire
from edgecache.node import dns_zones
from edgecache.node.dns_zones import zones_of

ONE, TWO = (
    DnsZoneSettings(
        name=name, records=(DnsRecord(name="www", type="A", values=("192.0.2.1",)),)
    )
    for name in ("one.test", "two.test")
)  # fmt: skip
SETTINGS = DnsSettings(
    listen=("127.0.0.1:53",), zone="cdn.test", name_servers=("ns.test",), zones=(ONE, TWO)
)
BROKEN = replace(ONE, records=(DnsRecord(name="www", type="A", values=("nothing",)),))


def test_every_zone_is_made() -> None:
    zones = zones_of(Config(dns=SETTINGS), 7)
    assert [zone.apex for zone in zones] == [
        absolute_wire(name) for name in ("cdn.test", "one.test", "two.test")
    ]
    assert {zone.serial for zone in zones} == {7}
    assert zones_of(Config(), 7) == []


def test_one_that_cannot_be_made_stays_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    before = zones_of(Config(dns=SETTINGS), 7)
    former = {zone.apex: zone for zone in before}
    broken = Config(dns=replace(SETTINGS, zones=(BROKEN, TWO)))
    zones = {zone.apex: zone for zone in zones_of(broken, 8, before)}
    assert zones[absolute_wire("one.test")] is former[absolute_wire("one.test")]
    assert zones[absolute_wire("two.test")].serial == 8
    assert "the zone one.test is answered as it was" in caplog.text
    assert len(zones_of(broken, 8)) == 2
    assert "the zone one.test is not answered" in caplog.text


def test_without_the_extra_the_cdn_s_own_zone_is_answered(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dns_zones, "has_extra", lambda: False)
    assert [zone.apex for zone in zones_of(Config(dns=SETTINGS), 1)] == [absolute_wire("cdn.test")]
    assert "pip install 'edgecache[dns]'" in caplog.text
