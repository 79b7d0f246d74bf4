"""Dev mode over HTTP: ready, reset and the clock, with nodes that ask as they do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from edgecache.cluster.lease import LEASE_S, Instance
from edgecache.cluster.log_entries import LogEntryKind
from edgecache.cluster.node_status import NodeStatus
from edgecache.control.nodes.registry import NodeRegistry
from edgecache.control.rest.access_keys import KeyAdmission
from edgecache.control.rest.dev import DevHandlers
from edgecache.control.rest.routes import starlette_routes
from edgecache.control.state.database_thread import run_inline
from edgecache.control.state.reset import StateReset
from edgecache.observe.counters import Counters
from edgecache.runtime.dev_mode import make_dev_mode
from tests.control.cloudfront.desk import ENDPOINT, Desk, open_desk, site

EDGE = Instance("edge-A-1", "m.1")


async def turn() -> None:
    """Let the others go."""
    loop = asyncio.get_running_loop()
    passed = loop.create_future()
    loop.call_soon(passed.set_result, None)
    await passed


class Place:
    """A control in dev mode, whose barrier and nodes go by the clock that is moved."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.mode = make_dev_mode()
        desk.callers.admits_all = True
        desk.barrier._clock = self.clock
        self.nodes = NodeRegistry(lambda: desk.now)
        self.reset = StateReset(desk.state, desk.log, desk.catalog, desk.keys, lambda: None)
        self.between: Callable[[], None] = lambda: None  # while it is waited for nodes
        self.dev = DevHandlers(
            self.mode, self.reset, desk.log.live, self.nodes, desk.barrier, desk.tokens,
            run_inline, [EDGE.name], self.pause,
        )  # fmt: skip
        handlers = self.dev.handlers()
        self.app = Starlette(routes=starlette_routes(handlers, KeyAdmission(desk.callers)))

    def clock(self) -> float:
        return self.desk.now + self.mode.moved_s()

    async def pause(self, seconds: float) -> None:
        self.between()
        await turn()

    def polls(self) -> None:
        """The node asks, having applied all there is, and is answered."""
        barrier, seq = self.desk.barrier, self.desk.log.live.last_seq
        barrier.acknowledge(EDGE, seq, 0)
        barrier.grant(EDGE, seq, barrier.now)

    def reports(self, reset: int = 0) -> None:
        generation = self.desk.log.live.generation
        status = NodeStatus(
            role="edge", location="A", instance=EDGE.instance, pid=1, generation=generation,
            sample=Counters().snapshot(), reset=reset,
        )  # fmt: skip
        self.nodes.report(EDGE.name, status)

    def ask(self, method: str, path: str, body: bytes = b"") -> httpx.Response:
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=("127.0.0.1", 4_000))
            async with httpx.AsyncClient(transport=transport, base_url=ENDPOINT) as client:
                return await client.request(method, path, content=body)

        return asyncio.run(once())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with open_desk(tmp_path) as desk:
        yield Place(desk)


def test_it_is_ready_once_every_node_runs_what_there_is(place: Place) -> None:
    place.mode.prepared()
    waits = {"ready": False, "waiting_for": [EDGE.name]}
    answer = place.ask("GET", "/_edgecache/ready")
    assert (answer.status_code, answer.json()) == (503, waits)
    place.reports()
    assert place.ask("GET", "/_edgecache/ready").json() == waits  # without a lease
    place.polls()
    place.polls()
    answer = place.ask("GET", "/_edgecache/ready")
    assert (answer.status_code, answer.json()) == (200, {"ready": True})


def test_it_is_not_ready_before_it_is_prepared(place: Place) -> None:
    place.reports()
    place.polls()
    place.polls()
    told = place.ask("GET", "/_edgecache/ready").json()
    assert told["waiting_for"] == ["what is to be done at the start"]


def test_the_clock_moves_and_nodes_have_leases_again_before_it_is_answered(place: Place) -> None:
    place.polls()
    place.polls()
    before = place.clock()
    polled: list[float] = []

    def between() -> None:
        polled.append(place.clock())
        place.polls()

    place.between = between
    answer = place.ask("POST", "/_edgecache/clock", b'{"advance_s": 3600}')
    assert answer.status_code == 200
    assert answer.json()["offset_s"] == 3_600
    assert set(polled) == {before + 3_600}
    assert len(polled) == 2  # the second says that the first was answered
    assert EDGE in place.desk.barrier.leased(LEASE_S / 3)
    assert place.desk.log.newest(LogEntryKind.CLOCK) is not None


def test_a_node_that_is_silent_holds_the_clock_up_for_a_while_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecache.control.rest.dev.LEASES_S_MAX", 0.01)
    place.polls()
    place.polls()
    answer = place.ask("POST", "/_edgecache/clock", b'{"advance_s": 60}')
    assert (answer.status_code, place.mode.moved_s()) == (200, 60)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"advance_s": -1}', "is negative"),
        (b'{"advance_s": 400000000}', "more than ten years"),
        (b'{"advance_s": 1e999}', ""),
        (b"{}", "missing required field `advance_s`"),
        (b"advance", "malformed"),
    ],
)
def test_what_no_clock_can_do_is_refused(place: Place, body: bytes, why: str) -> None:
    answer = place.ask("POST", "/_edgecache/clock", body)
    assert answer.status_code == 400
    assert why in answer.json()["error"]
    assert place.mode.moved_s() == 0


def test_ten_years_are_counted_in_all(place: Place) -> None:
    half = b'{"advance_s": 200000000}'
    assert place.ask("POST", "/_edgecache/clock", half).status_code == 200
    assert place.ask("POST", "/_edgecache/clock", half).status_code == 400


def test_a_reset_is_done_once_every_node_has_applied_it(place: Place) -> None:
    desk = place.desk
    place.polls()
    place.reports()
    desk.client().create_distribution(DistributionConfig=site("r"))

    async def scene() -> httpx.Response:
        transport = httpx.ASGITransport(place.app, client=("127.0.0.1", 4_000))
        async with httpx.AsyncClient(transport=transport, base_url=ENDPOINT) as client:
            asked = asyncio.ensure_future(client.post("/_edgecache/reset"))
            await until(lambda: desk.log.newest(LogEntryKind.RESET) is not None)
            assert not asked.done()
            assert place.nodes.listing() == []
            place.reports()  # late on its way: what it counted before
            assert place.nodes.listing() == []
            place.polls()
            return await asked

    assert asyncio.run(scene()).status_code == 204
    assert len(desk.catalog.published.distributions) == 1  # the file's
    place.reports(desk.log.live.last_seq)
    assert [one["name"] for one in place.nodes.listing()] == [EDGE.name]


async def until(done: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if done():
            return
        await turn()
    raise AssertionError("not done")


def test_a_reset_that_a_node_has_not_applied_names_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecache.control.rest.dev.ANSWERS_S_MAX", 0.01)
    place.polls()
    place.mode.move(60)
    place.polls()
    answer = place.ask("POST", "/_edgecache/reset")
    assert answer.status_code == 503
    assert answer.json() == {"error": f"not reset everywhere: {EDGE.name}"}
    assert place.mode.moved_s() == 60  # its lease may be of that time


def test_a_reset_sets_the_clock_back_once_nobody_has_a_lease(place: Place) -> None:
    desk = place.desk
    place.mode.move(3_600)
    place.polls()

    async def scene() -> int:
        transport = httpx.ASGITransport(place.app, client=("127.0.0.1", 4_000))
        async with httpx.AsyncClient(transport=transport, base_url=ENDPOINT) as client:
            asked = asyncio.ensure_future(client.post("/_edgecache/reset"))
            await until(lambda: desk.log.newest(LogEntryKind.RESET) is not None)
            entry = desk.log.newest(LogEntryKind.RESET)
            assert entry is not None
            assert (entry.body, place.mode.moved_s()) == ({"back": True}, 3_600)
            place.polls()
            place.between = place.polls
            return (await asked).status_code

    assert asyncio.run(scene()) == 204
    assert place.mode.moved_s() == 0
    assert desk.log.newest(LogEntryKind.CLOCK) is not None
    seq = desk.log.live.last_seq + 1
    assert desk.barrier.waiting_for(seq) == [EDGE.name]
    desk.now += LEASE_S + 1  # no lease is left of the time that was ahead
    assert desk.barrier.waiting_for(seq) == []


def test_nobody_needs_a_proof(place: Place) -> None:
    assert place.ask("POST", "/_edgecache/reset").status_code == 204
    key: Any = place.desk.client()
    assert key.list_distributions()["DistributionList"]["Quantity"] == 1


def test_origins_are_mapped_until_the_next_reset(place: Place) -> None:
    desk = place.desk
    desk.client().create_distribution(DistributionConfig=named_site("b.s3.eu-west-1.amazonaws.com"))

    def connected() -> list[str]:
        sites = desk.catalog.published.distributions
        return [origin.connect_to for site in sites for origin in site.origins]

    assert connected() == ["", ""]
    to = "http://127.0.0.1:4566"
    body = f'{{"origin_map": {{"*.s3.*.amazonaws.com": "{to}"}}}}'.encode()
    answer = place.ask("PUT", "/_edgecache/origin-map", body)
    assert (answer.status_code, answer.json()) == (
        200,
        {"origin_map": {"*.s3.*.amazonaws.com": to}},
    )
    assert sorted(connected()) == ["", to]
    assert place.ask("GET", "/_edgecache/origin-map").json() == answer.json()
    config = desk.client().list_distributions()["DistributionList"]["Items"]
    assert "connect_to" not in str(config)
    assert place.ask("POST", "/_edgecache/reset").status_code == 204
    assert place.ask("GET", "/_edgecache/origin-map").json() == {"origin_map": {}}
    assert connected() == [""]


def named_site(name: str) -> dict[str, Any]:
    made = site("s3")
    made["Origins"]["Items"][0]["DomainName"] = name
    return made


def test_a_map_that_leads_nowhere_is_refused(place: Place) -> None:
    answer = place.ask("PUT", "/_edgecache/origin-map", b'{"origin_map": {"A": "x", "b": "y"}}')
    assert answer.status_code == 400
    assert answer.json()["error"].count("is not") == 2
