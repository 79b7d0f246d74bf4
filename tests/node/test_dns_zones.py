"""Zones of a configuration: all of them, and what stays where one cannot be made."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from edgecache.config.dns import DnsRecord, DnsZoneSettings
from edgecache.config.model import Config, DnsSettings
from edgecache.dns.names import absolute_wire
from edgecache.dns.zone_signer import SignatureMemo
from edgecache.node import dns_zones
from edgecache.node.dns_zones import zones_of
from edgecache.node.zone_keys import ZoneKeys

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


def signed_settings() -> DnsSettings:
    return replace(SETTINGS, dnssec=True, zones=(replace(ONE, dnssec=True), TWO))


def keys_of(**secrets: str) -> ZoneKeys:
    keys = ZoneKeys(SignatureMemo(lambda: 1_800_000_000.0, lambda: 0.5))
    keys.use(secrets)
    return keys


def test_zones_are_signed_that_are_to_be() -> None:
    keys = keys_of(k1="a secret that is long enough, of a test")
    zones = zones_of(Config(dns=signed_settings()), 7, (), keys.signer)
    assert [zone.signer is not None for zone in zones] == [True, True, False]
    assert all(zone.signer is None for zone in zones_of(Config(dns=signed_settings()), 7))


def test_one_that_cannot_be_signed_is_not_answered_unsigned(
    caplog: pytest.LogCaptureFixture,
) -> None:
    zones = zones_of(Config(dns=signed_settings()), 7, (), keys_of().signer)
    assert [zone.apex for zone in zones] == [absolute_wire("two.test")]
    assert "the zone cdn.test is not answered: there is no key to sign it by" in caplog.text
    before = zones_of(Config(dns=SETTINGS), 7)
    after = zones_of(Config(dns=signed_settings()), 8, before, keys_of().signer)
    assert [zone.serial for zone in after] == [7, 7, 8]
