"""Nodes that report to other controls: asked for, merged, and who does not tell is named."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from edgecache.cluster.node_status import NodeStatus
from edgecache.control.nodes.control_group import ControlGroup, ControlIdentity, OtherControl
from edgecache.control.nodes.other_controls import InstallationNodes
from edgecache.control.nodes.registry import NodeRegistry
from edgecache.observe.counters import Counters

ME = ControlIdentity("c1", "c1.1", "c1:8090")
NEIGHBOR = ControlIdentity("c2", "c2.1", "c2:8090")


class Pair(ControlGroup):
    """A group of this control and one other, which may be gone."""

    def __init__(self) -> None:
        self.me = ME
        self.there = True
        self.at = 100.0

    @property
    def others(self) -> list[OtherControl]:
        return [OtherControl(NEIGHBOR, 1, self.at, 0, 0)] if self.there else []

    @property
    def now(self) -> float:
        return self.at


class Place:
    """This control, and what the other one answers."""

    def __init__(self) -> None:
        self.group = Pair()
        self.own = NodeRegistry(lambda: self.group.at)
        self.other = NodeRegistry(lambda: self.group.at)
        self.asked: list[str] = []
        self.failure: Exception | None = None
        self.nodes = InstallationNodes(self.own, self.group, self.ask)

    async def ask(self, address: str, target: str) -> bytes:
        assert target == "/nodes?own=1"
        self.asked.append(address)
        if self.failure is not None:
            raise self.failure
        return msgspec.json.encode({"nodes": self.other.listing(), "generation": 1})

    def look(self) -> list[tuple[str, float]]:
        asyncio.run(self.nodes.once())
        return [(one["name"], one["seen_s_ago"]) for one in self.nodes.listing()]


def status(run: str = "m.1") -> NodeStatus:
    sample = Counters().snapshot()
    return NodeStatus(
        role="edge", location="LHR50", instance=run, pid=1, generation=1, sample=sample
    )


@pytest.fixture
def place() -> Place:
    return Place()


def test_nodes_of_all_controls_are_listed(place: Place) -> None:
    place.own.report("edge-LHR50-2", status(), "10.0.0.2:80")
    place.other.report("edge-LHR50-1", status(), "10.0.0.1:80")
    assert place.look() == [("edge-LHR50-1", 0.0), ("edge-LHR50-2", 0.0)]
    assert place.asked == ["c2:8090"]
    assert [one.address for one in place.nodes.reporting()] == ["10.0.0.1:80", "10.0.0.2:80"]


def test_one_that_went_over_is_as_the_control_says_that_heard_of_it_last(place: Place) -> None:
    place.own.report("edge-LHR50-1", status())
    place.group.at += 12.0
    place.other.report("edge-LHR50-1", status())
    assert place.look() == [("edge-LHR50-1", 0.0)]
    assert place.nodes.listing()[0]["alive"]


def test_what_was_said_grows_old(place: Place) -> None:
    place.other.report("edge-LHR50-1", status())
    place.look()
    place.failure = TimeoutError()
    place.group.at += 11.0
    assert place.look() == [("edge-LHR50-1", 11.0)]
    assert not place.nodes.reporting()
    place.group.there = False
    assert place.look() == []


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (TimeoutError(), "no answer within 1 s"),
        (OSError("answered 503"), "answered 503"),
    ],
)
def test_who_does_not_answer_is_named(place: Place, failure: Exception, why: str) -> None:
    place.failure = failure
    place.look()
    assert [*place.nodes.problems(["c1:8090", "c2:8090"])] == [
        f"control c2: does not tell of its nodes: {why}"
    ]
    place.failure = None
    place.look()
    assert [*place.nodes.problems(["c1:8090", "c2:8090"])] == []


def test_one_that_is_not_there_is_named_where_it_is_expected(place: Place) -> None:
    place.group.there = False
    place.look()
    assert [*place.nodes.problems(["c1:8090", "c2:8090"])] == ["control at c2:8090: is not there"]


@pytest.mark.parametrize("nodes", [1, [1], [{}], [{"name": 1}]])
def test_what_cannot_be_read_is_a_problem(place: Place, nodes: Any) -> None:
    async def ask(_: str, target: str) -> bytes:
        return msgspec.json.encode({"nodes": nodes})

    place.nodes._ask = ask
    place.look()
    assert len([*place.nodes.problems([])]) == 1
    assert place.nodes.listing() == []


def test_the_only_control_asks_nobody() -> None:
    own = NodeRegistry(lambda: 1.0)
    nodes = InstallationNodes(own)
    own.report("edge-LHR50-1", status())
    assert nodes.listing() == own.listing()
    assert nodes.reporting() == own.reporting()
    assert nodes.controls() == []
    assert [*nodes.problems(["c1:8090"])] == []
