"""Whose connections a location takes: at the accept, behind a header, behind a proxy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgecache.config.access_lists import AccessList, AccessRule
from edgecache.config.model import FlowLogSettings
from edgecache.config.networks import parse_network, ranges_of
from edgecache.observe.counters import Counters
from edgecache.observe.flow_log import FlowLog
from edgecache.rules.viewer.trusted_proxies import TrustedProxies
from edgecache.server.flow_monitor import FlowMonitor
from edgecache.server.location_access import LocationAccess
from tests.plays.test_access_lists import Stage
from tests.server.test_accepted_socket import Port, plays
from tests.server.test_flow_monitor import NoFile
from tests.world.clock import FakeClock
from tests.world.play import Play

BALANCER, OFFICE, STRANGER = "10.0.0.1", "192.0.2.9", "198.51.100.7"
LISTED = AccessList(
    rules=(AccessRule(number=1, action="allow", sources=("192.0.2.0/24", "set:friends")),)
)
FRIENDS = {"friends": ranges_of([parse_network("203.0.113.0/24")])}
HEADER = b"PROXY TCP4 %b 192.0.2.1 51000 443\r\n"


def location_access(
    access_list: AccessList | None = LISTED, *, proxied: bool = False, proxies: str = ""
) -> LocationAccess:
    made = LocationAccess("LHR50", Counters(), access_list)
    made.proxied = proxied
    made.proxies = TrustedProxies([proxies]) if proxies else None
    made.flows = FlowMonitor(
        FlowLog(NoFile(), "edge-A-1", FakeClock()), FlowLogSettings(), FakeClock()
    )
    made.use(FRIENDS)
    return made


def denied(access: LocationAccess) -> dict[str, int]:
    return {
        key.replace("\t", " "): series.value
        for key, series in access.counters.labeled["access_denied"].items()
    }


def told(access: LocationAccess) -> list[tuple[str, str]]:
    assert access.flows is not None
    lines = access.flows.log.lines().decode().splitlines()
    return [(line.split()[3], line.split()[-2]) for line in lines]


@pytest.mark.parametrize(
    ("proxied", "proxies", "peer", "admitted"),
    [
        (False, "", OFFICE, True),
        (False, "", STRANGER, False),
        (False, "", "203.0.113.5", True),  # of the set
        (False, "", "", False),
        (False, BALANCER, BALANCER, True),  # its viewers are asked for by request
        (False, BALANCER, STRANGER, False),
        (True, "", STRANGER, True),  # anybody's header is taken: it says who is asked for
        (True, BALANCER, BALANCER, True),
        (True, BALANCER, STRANGER, False),  # whose header would not be taken
        (True, BALANCER, OFFICE, True),
    ],
)
def test_who_connects_is_asked_for_unless_it_stands_for_others(
    proxied: bool, proxies: str, peer: str, admitted: bool
) -> None:
    access = location_access(proxied=proxied, proxies=proxies)
    assert access.admits_peer(None, (peer, 40_000)) is admitted
    assert denied(access) == ({} if admitted else {"LHR50 peer": 1})
    assert told(access) == ([] if admitted else [(peer or "-", "REJECT")])


def test_a_viewer_whom_a_header_names_is_asked_for() -> None:
    access = location_access(proxied=True, proxies=BALANCER)
    assert access.admits("c", (OFFICE, 1), named=True)
    assert access.admits("c", (BALANCER, 1), named=True)  # a proxy behind one: asked by request
    assert not access.admits("c", (STRANGER, 1), named=True)
    assert not access.admits("c", (BALANCER, 1), named=False)  # a check of the balancer itself
    assert access.admits("c", (OFFICE, 1), named=False)
    assert denied(access) == {"LHR50 viewer": 2}


def test_a_set_counts_as_soon_as_it_is_known() -> None:
    access = location_access()
    access.use({})
    assert not access.admits_peer(None, (OFFICE, 1))  # nothing is known of one that is named
    access.use(FRIENDS)
    assert access.admits_peer(None, (OFFICE, 1))


def test_without_a_list_everybody_is_let_in() -> None:
    access = location_access(None)
    assert access.admits_peer(None, ("", 0))
    assert access.admits_request("")
    assert not access.has_list


def scene_of(
    tmp_path: Path, access: LocationAccess, *first: bytes, tls: bool, proxied: bool = False
) -> list[bytes]:
    """What a viewer that says this hears, at a port of ours on loopback."""
    heard: list[bytes] = []

    async def scene(port: Port) -> None:
        reader = await port.says(*first)
        try:
            heard.append(await reader.read(5))
        except ConnectionResetError:
            heard.append(b"")

    plays(tmp_path, scene, tls=tls, proxied=proxied, access=access)
    return heard


LOOPBACK = AccessList(rules=(AccessRule(number=1, action="allow", sources=("127.0.0.0/8",)),))
NOBODY = AccessList(rules=(AccessRule(number=1, action="deny", sources=("127.0.0.0/8",)),))


def test_who_is_not_let_in_is_closed_before_tls(tmp_path: Path) -> None:
    access = location_access(NOBODY)
    assert scene_of(tmp_path, access, b"", tls=True) == [b""]
    assert denied(access) == {"LHR50 peer": 1}
    assert told(access) == [("127.0.0.1", "REJECT")]


def test_the_viewer_of_a_header_is_asked_for_before_anything_else(tmp_path: Path) -> None:
    for viewer, heard in ((OFFICE, b"hello"), (STRANGER, b"")):
        access = location_access(LISTED, proxied=True, proxies="127.0.0.1")
        line = HEADER % viewer.encode()
        assert scene_of(tmp_path, access, line, tls=False, proxied=True) == [heard]
        assert denied(access) == ({} if heard else {"LHR50 viewer": 1})
        if not heard:
            assert told(access) == [(STRANGER, "REJECT")]


def test_a_handshake_that_fails_is_a_flow_that_was_let_in(tmp_path: Path) -> None:
    access = location_access(LOOPBACK)
    scene_of(tmp_path, access, b"GET / HTTP/1.1\r\n\r\n", tls=True)
    assert told(access) == [("127.0.0.1", "ACCEPT")]
    assert access.flows is not None
    assert (len(access.flows), access.flows.descriptors) == (0, 0)


def listed(stage: Stage, access: LocationAccess, **scene: Any) -> Play:
    play = stage(**scene)
    play.listener.access = access
    return play


def test_a_plain_connection_is_closed_at_its_accept(stage: Stage) -> None:
    play = listed(stage, location_access())
    play.address = STRANGER
    viewer = play.viewer("out")
    assert viewer.transport.aborted
    assert not viewer.transport.written
    assert len(play.listener.connections) == 0
    play.address = OFFICE
    play.viewer("in").asks("/a")
    play.origin.answers(200, "one")
    play.viewer("in").gets(200, "one")


def test_viewers_of_a_trusted_proxy_are_asked_for_by_request(stage: Stage) -> None:
    play = listed(stage, location_access(proxies=BALANCER), trusted_proxies=(BALANCER,))
    play.address = BALANCER
    viewer = play.viewer()
    for _ in range(3):
        viewer.asks("/a", x_forwarded_for=OFFICE)
        if _ == 0:
            play.origin.hears("/a")
            play.origin.answers(200, "one", cache="max-age=60")
        viewer.gets(200, "one")
    for _ in range(3):
        got = viewer.asks("/a", x_forwarded_for=STRANGER).gets(403)
        assert b"Request blocked." in got.body
    for named in ({"x_forwarded_for": "unknown"}, {"x_forwarded_for": BALANCER}, {}):
        viewer.asks("/a", **named).gets(403)  # then it is the proxy's own, which no list names
    viewer.asks("/a", x_forwarded_for=OFFICE).gets(200, "one", x_cache="Hit")
    play.origin.hears_nothing()
    assert denied(play.listener.access or location_access()) == {"LHR50 viewer": 6}


def test_the_flow_of_a_plain_connection_is_told_at_its_end(stage: Stage) -> None:
    access = location_access(None)
    play = listed(stage, access)
    play.address = OFFICE
    play.viewer("a").asks("/a")
    play.origin.answers(200, "one")
    play.viewer("a").gets(200, "one")
    assert told(access) == []
    play.viewer("a").leaves()
    play.viewer("a").connection.connection_lost(None)
    assert told(access) == [(OFFICE, "ACCEPT")]
