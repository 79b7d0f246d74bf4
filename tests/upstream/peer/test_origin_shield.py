"""Origin shield: who asks the origin, and that nobody asks in a circle."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from edgecache.cluster.credentials import is_regional
from edgecache.config.model import Origin, OriginShield
from edgecache.rules.routing import Route
from edgecache.upstream.interface import Call
from edgecache.upstream.peer.origin_shield import ShieldedOrigins
from tests.rules.pieces import asks, site_of
from tests.upstream.peer.test_regional_tier import Asked


def route_with(shield: OriginShield | None) -> Route:
    origin = Origin(id="o", domain_name="origin.test", origin_shield=shield)
    return replace(site_of(), origin=origin, origins=(origin,))


EU, ELSEWHERE, OFF = OriginShield(region="eu"), OriginShield(region="x"), None
DISABLED = OriginShield(enabled=False, region="eu")


@pytest.mark.parametrize(("shield", "own", "peer", "asked"), [
    (EU, False, "edge-LHR50-1", "eu"),
    (EU, True, "edge-LHR50-1", "origin"),  # it is of the shield's region itself
    (EU, True, "regional-us-1", "origin"),
    (EU, False, "regional-us-1", "origin"),  # who is asked by a regional cache asks no other
    (ELSEWHERE, False, "edge-LHR50-1", "origin"),  # no regional cache is called so any more
    (DISABLED, False, "edge-LHR50-1", "origin"),
    (OFF, False, "edge-LHR50-1", "origin"),
])  # fmt: skip
def test_who_is_asked(shield: OriginShield | None, own: bool, peer: str, asked: str) -> None:
    heard: list[str] = []
    upstream = ShieldedOrigins(Asked("origin", heard), is_regional)
    upstream.shields = {"eu": None if own else Asked("eu", heard)}
    request = replace(asks("/a"), peer=peer)
    asyncio.run(upstream.fetch(Call(request, route_with(shield))))
    assert heard == [asked]


@pytest.mark.parametrize(("shield", "own", "is_one"), [
    (EU, True, True), (EU, False, False), (ELSEWHERE, True, False), (DISABLED, True, False),
    (OFF, True, False),
])  # fmt: skip
def test_who_is_a_shield(shield: OriginShield | None, own: bool, is_one: bool) -> None:
    upstream = ShieldedOrigins(Asked("origin", []), is_regional)
    upstream.shields = {"eu": None if own else Asked("eu", [])}
    assert upstream.is_shield(route_with(shield)) is is_one
