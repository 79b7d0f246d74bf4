"""The regional caches a process asks, by the newest configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
from msgspec.structs import replace

from edgecache.cluster.credentials import is_regional
from edgecache.config.model import Cluster, Config, Location, RegionalCache
from edgecache.node.regional_peers import PeerWorld, RegionalPeers
from edgecache.store.invalidation import InvalidationState
from edgecache.upstream.interface import Call, Reply
from edgecache.upstream.peer.peer import PeerUpstream
from edgecache.upstream.peer.regional_tier import RegionalTier
from edgecache.upstream.pool import Pool
from edgecache.upstream.tunnel import TunnelsDirect
from tests.upstream.loopback import network

EU_1 = RegionalCache(name="eu-1", region="eu", listen="127.0.0.1:7001")
EU_2 = RegionalCache(name="eu-2", region="eu", listen="127.0.0.1:7002", when_down="stale")
US_1 = RegionalCache(name="us-1", region="us", listen="127.0.0.1:7003")
FILE = Config(
    state_dir="/here",
    regional_caches=(EU_1, EU_2, US_1),
    locations=(Location(name="LHR50", listen="127.0.0.1:1", region="eu"),),
)


class Origins:
    async def fetch(self, call: Call) -> Reply:
        raise AssertionError(call)


ORIGINS = Origins()


def peers(file: Config, signed_for: list[str] | None = None) -> RegionalPeers:
    def signer(place: str) -> Callable[[bytes], bytes]:
        if signed_for is not None:
            signed_for.append(place)
        return bytes

    pool = Pool(network(), lambda: 0.0)
    return RegionalPeers(PeerWorld(pool, signer, InvalidationState(), None), file)


def inner(upstream: TunnelsDirect) -> RegionalTier:
    return cast(RegionalTier, upstream.inner)


def names(upstream: TunnelsDirect) -> tuple[list[str], list[str]]:
    tier = inner(upstream)
    return [one.name for one in tier._near], [one.name for one in tier._far]


@pytest.mark.parametrize(("region", "near", "far"), [
    ("eu", ["eu-1", "eu-2"], ["us-1"]),
    ("us", ["us-1"], ["eu-1", "eu-2"]),
    ("", ["eu-1", "eu-2", "us-1"], []),
    ("asia", ["eu-1", "eu-2", "us-1"], []),  # its caches were taken away
])  # fmt: skip
def test_those_of_the_own_region_come_first(region: str, near: list[str], far: list[str]) -> None:
    signed_for: list[str] = []
    found = peers(FILE, signed_for)
    upstream = found.edge_upstream(region, ORIGINS)
    found.use(FILE)
    assert names(upstream) == (near, far)
    assert {*signed_for} == {"regional-eu-1", "regional-eu-2", "regional-us-1"}
    fallbacks = {one.name: one.fallback for one in (*inner(upstream)._near, *inner(upstream)._far)}
    assert fallbacks == {"eu-1": ORIGINS, "eu-2": None, "us-1": ORIGINS}
    assert len(found.probes) == 3


def test_members_are_what_control_published_last() -> None:
    found = peers(FILE)
    upstream = found.edge_upstream("eu", ORIGINS)
    found.use(FILE)
    before = {one.name: one.upstream for one in inner(upstream)._near}
    less = replace(FILE, regional_caches=(EU_1, US_1), state_dir="/of/control")
    found.use(less)
    assert names(upstream) == (["eu-1"], ["us-1"])
    assert inner(upstream)._near[0].upstream is before["eu-1"], (
        "who is asked already stays as found"
    )
    found.use(replace(FILE, regional_caches=(EU_1,)))
    assert isinstance(upstream.inner, PeerUpstream), "one alone needs no choice"
    found.use(replace(FILE, regional_caches=()))
    assert id(upstream.inner) == id(ORIGINS)


def test_what_changes_nothing_here_changes_nothing() -> None:
    """Requests under way are counted on."""
    found = peers(FILE)
    upstream = found.edge_upstream("eu", ORIGINS)
    found.use(FILE)
    before = upstream.inner
    found.use(replace(FILE, brand="other"))
    assert upstream.inner is before
    found.use(replace(FILE, hash_balance_factor=125))
    assert upstream.inner is not before


def test_the_only_one_is_where_the_file_of_the_machine_says() -> None:
    """As ever: an edge may reach it by another address than control does."""
    own = RegionalCache(listen="0.0.0.0:7000", advertise="10.0.0.9:7000")
    told = RegionalCache(listen="0.0.0.0:7000", advertise="192.0.2.1:7000")
    found = peers(Config(state_dir="/here", regional=own))
    upstream = found.edge_upstream("", ORIGINS)
    found.use(Config(state_dir="/of/control", regional=told))
    assert isinstance(upstream.inner, PeerUpstream)
    assert upstream.inner._endpoint.where == "10.0.0.9:7000"


def test_socket_files_are_of_this_state_dir() -> None:
    file = Config(
        state_dir="/here", regional_caches=(RegionalCache(name="a", listen="unix:a.sock"),)
    )
    found = peers(file)
    upstream = found.edge_upstream("", ORIGINS)
    found.use(replace(file, state_dir="/of/control"))
    assert isinstance(upstream.inner, PeerUpstream)
    assert upstream.inner._endpoint.path == "/here/a.sock"


def test_shields_are_known_by_region_and_by_name() -> None:
    found = peers(FILE)
    upstream = found.shielded(EU_1, ORIGINS, is_regional)
    found.use(FILE)
    assert {*upstream.shields} == {"eu", "eu-1", "eu-2", "us", "us-1"}
    assert [upstream.shields[name] for name in ("eu", "eu-1")] == [None, None], "that is us"
    for name, members in (("eu-2", ["eu-2"]), ("us", ["us-1"]), ("us-1", ["us-1"])):
        shield = upstream.shields[name]
        assert isinstance(shield, RegionalTier)
        assert [one.name for one in shield._near] == members
        assert {one.fallback for one in shield._near} == {ORIGINS}


def test_a_cache_by_tls_is_not_asked_without_a_certificate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would refuse plain HTTP; the operator hears of it, once."""
    far = replace(EU_1, listen="10.0.0.1:7000")
    config = replace(FILE, regional_caches=(far, EU_2), cluster=Cluster(mutual_tls=True))
    lines: list[str] = []
    monkeypatch.setattr("edgecache.node.regional_peers.warn", lines.append)
    found = peers(FILE)
    upstream = found.edge_upstream("eu", ORIGINS)
    found.use(config)
    assert isinstance(upstream.inner, PeerUpstream)
    assert upstream.inner._endpoint.port == 7002
    (line,) = lines
    assert line.startswith("regional-eu-1 is not asked")
