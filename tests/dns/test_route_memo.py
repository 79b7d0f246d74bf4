"""Routes that are remembered: for whom, how long, how many, and that chance is not among it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection

import pytest

from edgecache.dns import route_memo
from edgecache.dns.closeness import DnsClient, LatencyTable, Position
from edgecache.dns.records import A, record_data
from edgecache.dns.route_memo import RouteMemo
from edgecache.dns.routing import Candidate, RecordGroup, RoutingPolicy, RoutingWorld
from tests.dns.test_routing import client, leaf

NEAR_FIRST = LatencyTable(areas={"*": {"near": 1, "far": 9}})
FAR_FIRST = LatencyTable(areas={"*": {"near": 9, "far": 1}})


class Asker:
    """A client that counts how often it is worked out."""

    def __init__(self) -> None:
        self.asked = 0

    @property
    def client(self) -> DnsClient:
        self.asked += 1
        return client()


def world_of(*down: str, latencies: LatencyTable = NEAR_FIRST) -> RoutingWorld:
    return RoutingWorld(random.Random(1).random, {*down}, latencies)


def group_of() -> RecordGroup:
    return RecordGroup(
        RoutingPolicy.LATENCY,
        [leaf("near", position=Position(("near",))), leaf("far", position=Position(("far",)))],
    )


def given(memo: RouteMemo, group: RecordGroup, who: Asker, key: object = "a") -> str:
    (data,), _ = memo.choose(group, key, who)
    return data.values[0].decode()


def test_a_client_is_worked_out_once() -> None:
    memo, group, who = RouteMemo(world_of()), group_of(), Asker()
    assert [given(memo, group, who) for _ in range(3)] == ["near"] * 3
    assert who.asked == 1
    given(memo, group, who, "another")
    assert who.asked == 2


@pytest.mark.parametrize(
    ("down", "latencies", "wanted"),
    [(("near",), NEAR_FIRST, "far"), ((), FAR_FIRST, "far"), (("far",), NEAR_FIRST, "near")],
)
def test_what_has_changed_counts_at_once(
    down: Collection[str], latencies: LatencyTable, wanted: str
) -> None:
    world, group, who = world_of(), group_of(), Asker()
    memo = RouteMemo(world)
    assert given(memo, group, who) == "near"
    world.down, world.latencies = {*down}, latencies
    assert given(memo, group, who) == wanted


def test_the_same_told_again_is_no_change() -> None:
    world, group, who = world_of("near"), group_of(), Asker()
    memo = RouteMemo(world)
    for _ in range(3):
        world.down = {"near"}
        assert given(memo, group, who) == "far"
    assert who.asked == 1


def test_chance_is_drawn_for_each_query() -> None:
    inner = RecordGroup(RoutingPolicy.WEIGHTED, [leaf("a", weight=1), leaf("b", weight=3)])
    outer = RecordGroup(RoutingPolicy.SIMPLE, [Candidate("up", alias=inner, evaluates=True)])
    memo, who = RouteMemo(world_of()), Asker()
    found = Counter(given(memo, outer, who) for _ in range(4_000))
    assert found["b"] / 4_000 == pytest.approx(0.75, abs=0.03)
    assert who.asked == 1


def test_whether_the_client_matters_is_remembered_too() -> None:
    memo, who = RouteMemo(world_of()), Asker()
    plain = RecordGroup(RoutingPolicy.SIMPLE, [Candidate(data=record_data(A, 60, [b"1234"]))])
    for _ in range(2):
        assert memo.choose(group_of(), "a", who)[1]
        assert not memo.choose(plain, "a", who)[1]


def test_an_alias_that_leads_to_itself_ends() -> None:
    loop = RecordGroup(RoutingPolicy.SIMPLE, [Candidate("x")])
    loop.candidates[0].alias = loop
    assert RouteMemo(world_of()).choose(loop, "a", Asker()) == ((), False)


def test_strangers_fill_no_more_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route_memo, "ROUTES_MAX", 4)
    memo, group, who = RouteMemo(world_of()), group_of(), Asker()
    for number in range(20):
        given(memo, group, who, number)
        assert len(memo) <= 4
        assert memo.size_bytes > 0
    memo.clear()
    assert memo.size_bytes == 0
