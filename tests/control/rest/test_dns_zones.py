"""Zones of the API, as name servers ask control for them; what all of these have acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgecache.cluster.dns_zones import DnsZoneContent, DnsZoneIndex
from edgecache.config.dns import DnsRecord
from edgecache.control.nodes.registry import SILENT_S, acknowledged
from edgecache.control.rest.dns_zones import ZoneContents
from edgecache.control.rest.routes import starlette_routes
from edgecache.control.state.database import UNASKED
from edgecache.control.state.database_thread import run_inline
from edgecache.control.state.hosted_zones import HostedRecordSet, HostedZone, HostedZones
from tests.control.rest.test_app import Place

NAME = "nameserver-1"
WWW = DnsRecord(name="www.a.test.", type="A", values=("192.0.2.1",))


def zones_of(place: Place) -> HostedZones:
    return HostedZones(place.state, place.log, bytes)


def zone_contents(place: Place) -> ZoneContents:
    return ZoneContents(zones_of(place), place.log.live, place.control.admission, run_inline)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    place.app.router.routes += starlette_routes(zone_contents(place).handlers())
    yield place
    place.state.close()


def make(place: Place, *records: DnsRecord) -> HostedZone:
    zone = HostedZone("ZA", "a.test.", 0, place.now, "one")
    with place.state.writing():
        return zones_of(place).put(zone, [HostedRecordSet({}, one) for one in records], UNASKED)


def test_a_name_server_is_given_all_of_a_zone_as_it_is_now(place: Place) -> None:
    zone = make(place, WWW)
    answer = place.hear("GET", "/dns-zones?after=1", node=NAME)
    assert msgspec.json.decode(answer.content, type=DnsZoneIndex).zones == ("ZA",)
    told = DnsZoneContent("ZA", zone.version, "a.test.", (WWW,))
    for _ in range(2):
        answer = place.hear("GET", f"/dns-zones/ZA?after={zone.version}", node=NAME)
        assert msgspec.json.decode(answer.content, type=DnsZoneContent) == told
    with place.state.writing():
        newer = zones_of(place).change_records(zone, [], [("www.a.test.", "A", "")], UNASKED)
    answer = place.hear("GET", "/dns-zones/ZA", node=NAME)
    content = msgspec.json.decode(answer.content, type=DnsZoneContent)
    assert (content.version, content.records) == (newer.version, ())


@pytest.mark.parametrize(
    ("target", "status"),
    [("/ZB", 404), ("/ZA?after=99", 503), ("/ZA?after=x", 400), ("?after=99", 503)],
)
def test_what_is_not_given(place: Place, target: str, status: int) -> None:
    make(place)
    answer = place.hear("GET", f"/dns-zones{target}", node=NAME)
    assert (answer.status_code, bool(answer.json()["error"])) == (status, True)


def test_others_are_given_no_zones(place: Place) -> None:
    assert place.hear("GET", "/dns-zones").status_code == 403


def server(applied: int, **more: Any) -> dict[str, Any]:
    return {"role": "nameserver", "applied": applied, **more}


@pytest.mark.parametrize(
    ("nodes", "running_s", "number"),
    [
        ([], 60, 9),
        ([], SILENT_S, 0),  # it may not have heard of them yet
        ([server(7), server(5), {"role": "edge", "applied": 0}], 60, 5),
        ([server(7), {"role": "nameserver"}], 60, 0),  # of a former release
        ([server(7), server(3, alive=False)], 60, 3),  # it may go on answering
    ],
)
def test_what_every_name_server_has_acknowledged(
    nodes: list[dict[str, Any]], running_s: float, number: int
) -> None:
    assert acknowledged(nodes, running_s, 9) == number
