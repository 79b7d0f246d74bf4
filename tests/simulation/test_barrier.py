"""How long Completed takes, by what has befallen whom: never earlier than true, never too late."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgecache.cluster.lease import LEASE_S
from edgecache.control.nodes.barrier import DRIFT_S
from edgecache.rules.invalidation.items import ItemKind
from tests.simulation.completion import THING, completed_after
from tests.simulation.control import PLACE
from tests.simulation.nodes import REGIONAL
from tests.simulation.objects import OBJECTS
from tests.simulation.register import COMPLETED_S_MAX
from tests.simulation.scenario import SHM
from tests.simulation.scene import Scene
from tests.simulation.world import World

ITEM = (ItemKind.PATH, THING.target)
Befalling = Callable[[World], object]


@pytest.fixture(params=[Scene()])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as name:
        world = World("barrier", request.param, Path(name) / "state")
        world.pass_time(LEASE_S + DRIFT_S)
        for edge in world.edges:
            world.get(edge, THING)
        world.pass_time(0.5)
        yield world
        world.close()


def test_at_once_when_all_are_well(world: World) -> None:
    assert completed_after(world) < 0.1


@pytest.mark.parametrize(
    "befall",
    [
        lambda world: world.kill("edge-1"),
        lambda world: world.kill(REGIONAL),
        lambda world: world.freeze("edge-1"),
        lambda world: world.freeze(REGIONAL),
        lambda world: world.cut("edge-1", PLACE),
        lambda world: world.cut("edge-1", PLACE, both=False),
        lambda world: world.cut(PLACE, "edge-1", both=False),
        lambda world: world.cut(REGIONAL, PLACE),
    ],
    ids=["killed", "regional-killed", "stopped", "regional-stopped", "cut-off", "cannot-ask",
         "cannot-hear", "regional-cut-off"],
)  # fmt: skip
def test_within_the_lease_when_a_node_is_away(world: World, befall: Befalling) -> None:
    befall(world)
    assert 0.1 < completed_after(world) <= COMPLETED_S_MAX


@pytest.mark.parametrize(
    "world", [Scene(rates=((PLACE, 1.0149), ("edge-1", 0.9851)))], indirect=True
)
def test_clocks_may_differ_by_three_percent(world: World) -> None:
    """An edge's lease is as long as may be when it was answered as soon as it had asked."""
    for _ in range(2):
        world.invalidate(((ItemKind.PATH, OBJECTS[2].target),))
        world.pass_time(0.03)
    for other in (PLACE, REGIONAL):
        world.cut("edge-1", other)
    assert LEASE_S - 0.1 < completed_after(world) <= COMPLETED_S_MAX


def test_a_stopped_edge_goes_on_without_its_lease(world: World) -> None:
    world.freeze("edge-1")
    completed_after(world)
    world.thaw("edge-1")
    for _ in range(20):
        world.get("edge-1", THING)
        world.pass_time(0.01)


def test_killed_between_the_disk_and_its_answer_control_has_accepted(world: World) -> None:
    assert world.control is not None
    world.control.deeds.dies_before_answer = 1.0
    world.bump(THING)
    world.invalidate((ITEM,))
    world.pass_time(0.1)
    assert world.register.waiting
    world.control_is_well()
    world.pass_time(COMPLETED_S_MAX)
    assert not world.register.waiting


def test_a_lost_database_does_not_forget_leases(world: World) -> None:
    world.cut("edge-1", PLACE)
    world.lose_database()
    assert completed_after(world) > LEASE_S / 2


@pytest.mark.parametrize("ahead_s", [-3600.0, 25.0])
def test_a_soft_one_counts_where_clocks_are_set_apart(world: World, ahead_s: float) -> None:
    world.set_clock(PLACE, ahead_s)
    world.bump(THING)
    world.invalidate((ITEM,), soft=True)
    world.pass_time(COMPLETED_S_MAX)
    assert world.register.tally.completed
    for edge in world.edges:
        world.get(edge, THING)
    world.pass_time(0.5)


@pytest.mark.parametrize("world", [Scene(serves=True)], indirect=True)
def test_who_goes_on_serving_asks_nobody_and_is_waited_for(world: World) -> None:
    for place in (PLACE, REGIONAL):
        world.cut("edge-1", place)
    world.pass_time(2 * LEASE_S)
    asked = world.origin.asked
    world.get("edge-1", THING)
    world.pass_time(15)  # beyond what asking a regional cache that is away may take
    assert world.origin.asked == asked, "it has what it serves, and needs no lease"
    world.bump(THING)
    world.invalidate((ITEM,))
    world.pass_time(4 * COMPLETED_S_MAX)
    assert not world.register.tally.completed
    world.heal("edge-1", PLACE)
    world.pass_time(COMPLETED_S_MAX)
    assert world.register.tally.completed
