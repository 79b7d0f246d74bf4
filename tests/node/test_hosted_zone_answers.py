"""Zones of the API as a name server answers them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from edgecache.cluster.dns_zones import DnsZoneContent, DnsZoneIndex
from edgecache.config.dns import DnsRecord, DnsVpc, DnsZoneSettings
from edgecache.config.model import Config, DnsSettings
from edgecache.dns.names import absolute_wire
from edgecache.dns.zone import DnsZone
from edgecache.node.dns_zones import zones_of
from edgecache.node.hosted_zone_answers import AWAY_S, HostedZoneAnswers
from edgecache.node.hosted_zones import HeldZone

SETTINGS = DnsSettings(listen=("127.0.0.1:53",), zone="cdn.test", name_servers=("ns.test",))
SOA = DnsRecord(name="api.test.", type="SOA", values=("ns.test. h.test. 1 7200 900 1209600 86400",))
NS = DnsRecord(name="api.test.", type="NS", values=("ns.test.",))
WWW = DnsRecord(name="www.api.test.", type="A", values=("192.0.2.1",))
VPC = DnsVpc(id="vpc-1", clients=("10.0.0.0/8",))


def held(version: int, *records: DnsRecord, id: str = "ZA", private: bool = False) -> HeldZone:
    vpcs = ("vpc-1",) if private else ()
    return HeldZone(DnsZoneContent(id, version, "api.test.", (SOA, NS, *records), private, vpcs))


def zones_by(
    answers: HostedZoneAnswers, config: Config, zones: list[HeldZone], declared: list[DnsZone]
) -> list[DnsZone]:
    answers.follower.zones = {one.id: one for one in zones}
    return answers.zones(config, declared)


def test_a_zone_of_the_api_has_the_serial_of_its_version() -> None:
    answers, config = HostedZoneAnswers(None), Config(dns=SETTINGS)
    (made,) = zones_by(answers, config, [held(40, WWW)], [])
    assert (made.apex, made.serial) == (absolute_wire("api.test"), 40)
    (kept,) = zones_by(answers, config, [held(40, WWW)], [])
    assert kept is made  # what has not changed is not made anew
    (again,) = zones_by(answers, Config(dns=SETTINGS, brand="other"), [held(40, WWW)], [])
    assert again is not made  # aliases lead to what the configuration has
    given = replace(SOA, values=("ns.test. h.test. 2026010100 7200 900 1209600 86400",))
    one = HeldZone(DnsZoneContent("ZB", 41, "api.test.", (given, NS)))
    assert zones_by(answers, config, [one], [])[0].serial == 2026010099 + 41
    assert answers.answered(99) == 99


def test_one_that_cannot_be_answered_is_not_acknowledged(caplog: pytest.LogCaptureFixture) -> None:
    answers, config = HostedZoneAnswers(None), Config(dns=SETTINGS)
    (former,) = zones_by(answers, config, [held(40, WWW)], [])
    broken = held(41, replace(WWW, values=("nothing",)))
    assert zones_by(answers, config, [broken], []) == [former]
    assert "the hosted zone ZA api.test. is answered as it was" in caplog.text
    assert answers.answered(99) == 40
    assert zones_by(answers, config, [held(42, WWW)], []) != [former]
    assert answers.answered(99) == 99


def test_a_zone_of_the_file_comes_before_one_of_the_api(caplog: pytest.LogCaptureFixture) -> None:
    declared = DnsZoneSettings(name="api.test")
    config = Config(dns=replace(SETTINGS, zones=(declared,)))
    answers = HostedZoneAnswers(None)
    assert zones_by(answers, config, [held(40, WWW)], zones_of(config, 1)) == []
    assert "another zone of its name" in caplog.text
    assert answers.answered(99) == 39


def test_a_private_zone_is_seen_from_its_vpcs_and_from_nowhere_without_them() -> None:
    answers = HostedZoneAnswers(None)
    with_vpc = Config(dns=replace(SETTINGS, vpcs=(VPC,)))
    zones = zones_by(answers, with_vpc, [held(40, private=True), held(41, WWW, id="ZB")], [])
    assert [zone.clients for zone in zones] == [("10.0.0.0/8",), ()]
    assert (
        zones_by(HostedZoneAnswers(None), Config(dns=SETTINGS), [held(40, private=True)], []) == []
    )


def test_zones_are_made_aside_as_they_are_at_once() -> None:
    answers, config = HostedZoneAnswers(None), Config(dns=SETTINGS)
    answers.follower.zones = {"ZA": held(40, WWW)}
    (made,) = asyncio.run(answers.zones_aside(config, []))
    assert answers.zones(config, []) == [made]
    assert asyncio.run(answers.zones_aside(Config(), [])) == []


def test_control_that_was_away_for_long_is_asked_which_zones_there_are() -> None:
    asked: list[str] = []

    async def ask(target: str, fields: Mapping[str, str]) -> httpx.Response | None:
        asked.append(target)
        index = msgspec.json.encode(DnsZoneIndex(()))
        return None if len(asked) == 1 else httpx.Response(200, content=index)

    answers = HostedZoneAnswers(ask)
    answers.follower.zones = {"ZA": held(40, WWW)}
    answers.confirm(10.0)
    assert not asyncio.run(answers.list_zones(40))  # no answer: it is answered as it was
    assert asyncio.run(answers.list_zones(40))
    assert answers.zones(Config(dns=SETTINGS), []) == []
    for at, count in ((10 + AWAY_S, 2), (11 + 2 * AWAY_S, 3)):
        answers.confirm(at)
        asyncio.run(answers.list_zones(41))
        assert len(asked) == count
