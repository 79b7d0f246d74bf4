"""Several regional caches: who is asked, and who is asked next."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from edgecache.http.message import Request, Response
from edgecache.rules.rendezvous import object_key
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Call, Reply, WholeBody
from edgecache.upstream.peer.regional_tier import DrainedCaches, RegionalPeer, RegionalTier
from tests.rules.pieces import asks, site_of
from tests.upstream.loopback import until

ROUTE = site_of()


class Asked:
    """An upstream that answers with its name, or fails as told."""

    def __init__(self, name: str, heard: list[str]) -> None:
        self.name, self.heard = name, heard
        self.fault: UpstreamError | None = None
        self.held: asyncio.Event | None = None

    async def fetch(self, call: Call) -> Reply:
        self.heard.append(self.name)
        if self.held is not None:
            await self.held.wait()
        if self.fault is not None:
            raise self.fault.again()
        if call.body is not None:
            while await call.body.read():
                pass
        return Reply(Response(200, b"OK", ((b"server", self.name.encode()),)), WholeBody(b""))


class Scene:
    """Three caches of one region, two of another, and the origin."""

    def __init__(self, factor: int = 0, *, when_down: str = "origin") -> None:
        self.heard: list[str] = []
        self.origin = Asked("origin", self.heard)
        fallback = self.origin if when_down == "origin" else None
        self.caches = {
            name: Asked(name, self.heard) for name in ("eu-1", "eu-2", "eu-3", "us-1", "us-2")
        }
        peers = [RegionalPeer(name, one, fallback) for name, one in self.caches.items()]
        self.drained = DrainedCaches()
        self.tier = RegionalTier(peers[:3], peers[3:], self.drained, factor)

    def asks(self, request: Request, body: bytes | None = None) -> str:
        return asyncio.run(self.fetch(request, body))

    async def fetch(self, request: Request, body: bytes | None = None) -> str:
        call = Call(request, ROUTE, None if body is None else WholeBody(body))
        reply = await self.tier.fetch(call)
        return reply.head.fields[0][1].decode()

    def order(self, request: Request) -> list[str]:
        """All that are asked for an object while none answers."""
        for one in self.caches.values():
            one.fault = UpstreamError(Fault.REFUSED, one.name, sent=False)
        self.heard.clear()
        self.asks(request)
        for one in self.caches.values():
            one.fault = None
        return [*self.heard]


def test_an_object_has_one_place_whatever_is_asked_of_it() -> None:
    scene = Scene()
    found = {
        scene.asks(asks("/a", *lines, method=method))
        for lines in ((), ("range: bytes=0-9",), ("accept-encoding: gzip",), ("cookie: a=1",))
        for method in ("GET", "HEAD")
    }
    assert len(found) == 1


def test_objects_are_spread_over_the_own_region() -> None:
    scene = Scene()
    found = Counter(scene.asks(asks(f"/{number}")) for number in range(300))
    assert {*found} == {"eu-1", "eu-2", "eu-3"}
    assert len(scene.heard) == 300, "each was asked of one alone"


def test_others_come_next_and_the_origin_last() -> None:
    scene = Scene()
    order = scene.order(asks("/a"))
    assert {*order[:3]} == {"eu-1", "eu-2", "eu-3"}
    assert {*order[3:5]} == {"us-1", "us-2"}
    assert order[5:] == ["origin"]


@pytest.mark.parametrize("fault", [
    Fault.REFUSED, Fault.CONNECT_TIMEOUT, Fault.CLOSED, Fault.RESPONSE_TIMEOUT, Fault.TLS,
    Fault.PEER, Fault.SHIELD,
])  # fmt: skip
def test_one_that_is_gone_leaves_its_objects_to_the_next(fault: Fault) -> None:
    scene = Scene()
    first, second, *_ = scene.order(asks("/a"))
    scene.caches[first].fault = UpstreamError(fault, first)
    assert scene.asks(asks("/a")) == second
    scene.caches[first].fault = None
    assert scene.asks(asks("/a")) == first


@pytest.mark.parametrize("fault", [Fault.MALFORMED, Fault.BUSY, Fault.NAME, Fault.OPEN])
def test_what_an_origin_or_we_are_to_blame_for_is_asked_of_nobody_else(fault: Fault) -> None:
    scene = Scene()
    first, *_ = scene.order(asks("/a"))
    scene.heard.clear()
    scene.caches[first].fault = UpstreamError(fault, first)
    with pytest.raises(UpstreamError) as caught:
        scene.asks(asks("/a"))
    assert (caught.value.fault, scene.heard) == (fault, [first])


def test_a_body_is_sent_again_while_nothing_of_it_was_read() -> None:
    scene = Scene()
    first, second, *_ = scene.order(asks("/a"))
    scene.caches[first].fault = UpstreamError(Fault.REFUSED, first, sent=False)
    assert scene.asks(asks("/a", method="POST"), b"written") == second
    scene.caches[first].fault = UpstreamError(Fault.CLOSED, first, sent=True)
    with pytest.raises(UpstreamError):
        scene.asks(asks("/a", method="POST"), b"written")


def test_without_the_origin_the_failure_is_that_of_its_own_cache() -> None:
    scene = Scene(when_down="stale")
    for name, one in scene.caches.items():
        one.fault = UpstreamError(Fault.REFUSED, name, sent=False)
    with pytest.raises(UpstreamError) as caught:
        scene.asks(asks("/a"))
    assert caught.value.where == scene.heard[0]
    assert "origin" not in scene.heard


def test_a_drained_one_is_asked_when_no_other_answers() -> None:
    scene = Scene()
    first, second, *_ = scene.order(asks("/a"))
    scene.drained.names = frozenset({first})
    assert scene.asks(asks("/a")) == second
    order = scene.order(asks("/a"))
    assert order[4:] == [first, "origin"]
    scene.drained.names = frozenset()
    assert scene.asks(asks("/a")) == first


def in_a_loop(play: Callable[[], object]) -> None:
    async def run() -> None:
        async with asyncio.timeout(20):
            await play()  # type: ignore[misc]

    asyncio.run(run())


def test_a_bound_sends_what_is_too_much_to_the_next() -> None:
    scene = Scene(factor=125)
    first, *_ = scene.order(asks("/a"))

    async def play() -> None:
        gate = asyncio.Event()
        for one in scene.caches.values():
            one.held = gate
        scene.heard.clear()
        waiting = [asyncio.create_task(scene.fetch(asks("/a"))) for _ in range(30)]
        await until(lambda: len(scene.heard) == 30)
        gate.set()
        await asyncio.gather(*waiting)

    in_a_loop(play)
    found = Counter(scene.heard)
    assert {*found} == {"eu-1", "eu-2", "eu-3"}
    assert found[first] == max(found.values()) <= 14  # ceil(1.25 · 30 / 3) = 13, and one more
    assert scene.asks(asks("/a")) == first, "nothing is under way"


def test_without_a_bound_one_cache_has_all_of_it() -> None:
    scene = Scene()

    async def play() -> None:
        await asyncio.gather(*(scene.fetch(asks("/a")) for _ in range(30)))

    in_a_loop(play)
    assert len({*scene.heard}) == 1


def test_who_knows_the_same_chooses_the_same() -> None:
    one, other = Scene(), Scene()
    for number in range(50):
        request = asks(f"/{number}")
        assert one.asks(request) == other.asks(request)
        assert object_key(request, ROUTE)
