"""Several controls on one database: each law, by what befalls whoever would need it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgecache.cluster.lease import LEASE_S
from edgecache.rules.invalidation.items import ItemKind
from tests.simulation.completion import THING, completed_after
from tests.simulation.nodes import REGIONAL
from tests.simulation.objects import OBJECTS
from tests.simulation.register import COMPLETED_S_MAX
from tests.simulation.scenario import SHM
from tests.simulation.scene import Scene
from tests.simulation.world import World

ONE, OTHER = "control-1", "control-2"
BOTH = (ONE, OTHER)
SERVERS = ("db-1", "db-2")
SCENE = Scene(controls=BOTH, edges=2)
ITEM = (ItemKind.PATH, THING.target)
ANOTHER = (ItemKind.PATH, OBJECTS[2].target)
WARM_S = 4.5  # until both have read the database, and have waited for nodes of a control before
AGAIN_S = 30.0  # after a failover: a connection is given up, the controls begin anew, nodes follow
Befalling = Callable[[World], object]


@pytest.fixture(params=[SCENE])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as name:
        world = World("several", request.param, Path(name) / "state")
        world.pass_time(WARM_S)
        world.follow("edge-1", ONE)
        for edge in ("edge-2", REGIONAL):
            world.follow(edge, OTHER)
        world.pass_time(LEASE_S + 0.5)  # which they had from others
        ask_all(world)
        world.pass_time(0.5)
        yield world
        world.close()


def ask_all(world: World) -> None:
    for edge in world.edges:
        world.get(edge, THING)


def cut_off(world: World, *places: str, of: str) -> None:
    for place in places:
        world.cut(of, place)


def test_at_once_when_all_are_well(world: World) -> None:
    assert completed_after(world, ONE) < 0.3
    assert completed_after(world, OTHER) < 0.3


@pytest.mark.parametrize(
    "befall",
    [
        lambda world: world.controls.kill(ONE),
        lambda world: world.freeze(ONE),
        lambda world: cut_off(world, *SERVERS, of=ONE),
        lambda world: cut_off(world, "edge-1", *SERVERS, of=ONE),
        lambda world: world.freeze("edge-1"),
        lambda world: cut_off(world, ONE, OTHER, of="edge-1"),
        lambda world: cut_off(world, ONE, OTHER, of=REGIONAL),
        lambda world: world.follow("edge-1", OTHER),
    ],
    ids=["control-killed", "control-stopped", "control-without-database", "control-cut-off",
         "edge-stopped", "edge-cut-off", "regional-cut-off", "edge-moves"],
)  # fmt: skip
def test_within_the_lease_when_anybody_is_away(world: World, befall: Befalling) -> None:
    befall(world)
    assert completed_after(world, OTHER) <= COMPLETED_S_MAX


def test_who_follows_a_silent_control_is_waited_for(world: World) -> None:
    """It has the lease that the control gave it, and no longer than the control's own."""
    cut_off(world, OTHER, REGIONAL, of="edge-1")
    cut_off(world, *SERVERS, of=ONE)
    assert 1.0 < completed_after(world, OTHER) <= COMPLETED_S_MAX


def test_who_left_a_control_with_its_lease_is_waited_for(world: World) -> None:
    """It asks the other one, and cannot hear it: what it has is of the former one."""
    world.cut(OTHER, "edge-1", both=False)
    world.follow("edge-1", OTHER)
    world.cut(ONE, "edge-1")
    assert 1.0 < completed_after(world, OTHER) <= COMPLETED_S_MAX


FAST, SLOW = 1.0149, 0.9851
DRIFTING = Scene(
    controls=BOTH, edges=2, rates=((ONE, SLOW), ("edge-1", SLOW), (OTHER, FAST), (REGIONAL, FAST))
)


@pytest.mark.parametrize("world", [DRIFTING], indirect=True)
def test_clocks_may_differ_by_three_percent(world: World) -> None:
    for control in BOTH:
        world.follow("edge-1", control)
        world.pass_time(1.5)
        cut_off(world, *BOTH, of="edge-1")
        assert completed_after(world, OTHER) <= COMPLETED_S_MAX
        world.heal()
        world.pass_time(2 * LEASE_S)


def test_nothing_accepted_is_lost_with_the_primary(world: World) -> None:
    for number in range(20):
        world.invalidate((ANOTHER,), at=BOTH[number % 2])
        world.pass_time(0.02)
    world.controls.kill_primary()
    world.controls.fail_over()  # which looks
    world.pass_time(1.0)
    world.controls.mend_database()
    assert completed_after(world, most_s=AGAIN_S) < AGAIN_S


def test_a_deposed_primary_lets_nobody_serve(world: World) -> None:
    """Who is connected to it can read, and grants no lease; the other one finds the new one."""
    cut_off(world, "db-1", of=OTHER)
    cut_off(world, OTHER, of="edge-1")
    world.controls.fail_over(alone=True)
    for _ in range(15):
        world.pass_time(1.0)
        ask_all(world)
    completed_after(world, OTHER, AGAIN_S)


def test_a_cancelled_wait_is_not_accepted(world: World) -> None:
    world.cut(*SERVERS)
    world.invalidate((ITEM,), at=ONE)
    world.pass_time(0.5)
    world.controls.cancel_waits()
    world.pass_time(0.1)
    world.controls.fail_over()
    assert not world.register.tally.accepted
    world.heal()
    world.controls.mend_database()
    world.pass_time(AGAIN_S)
    assert world.register.tally.completed == 1


def test_a_number_of_another_history_is_no_number(world: World) -> None:
    """Nodes have applied what is gone; what has its number now is not what they have."""
    world.cut(*SERVERS)
    order = world.invalidate((ANOTHER,), at=ONE)
    world.pass_time(0.5)
    order.give_up()
    world.controls.cancel_waits()
    world.pass_time(0.4)
    assert all(running.marks.last for running in world.nodes.values())
    for control in BOTH:
        world.controls.kill(control)
    world.controls.kill_primary()
    world.controls.fail_over()
    world.heal()
    world.controls.mend_database()
    world.pass_time(0.5)
    for control in BOTH:
        world.controls.start(control)
    completed_after(world, OTHER, AGAIN_S)


def test_what_another_control_wrote_is_read_before_anything_is_written(world: World) -> None:
    """Both write at once, again and again: neither misses what the other has."""
    things = (THING, OBJECTS[2])
    for number in range(20):
        for at, thing in enumerate(things):
            world.bump(thing)
            world.invalidate(((ItemKind.PATH, thing.target),), at=BOTH[(number + at) % 2])
        asked = world.machine.now
        while world.ordered:
            world.pass_time(0.01)
            assert world.machine.now < asked + AGAIN_S
        for edge in world.edges:
            for thing in things:
                world.get(edge, thing)
        world.pass_time(0.1)


@pytest.mark.parametrize("world", [Scene(controls=BOTH, edges=2, serves=True)], indirect=True)
def test_who_serves_without_a_lease_is_taken_over(world: World) -> None:
    """Its control dies: the other one waits for it from then on, however long."""
    cut_off(world, *BOTH, REGIONAL, of="edge-1")
    world.controls.kill(ONE)
    world.pass_time(2 * LEASE_S)
    world.bump(THING)
    world.invalidate((ITEM,), at=OTHER)
    for _ in range(40):
        world.pass_time(0.25)
        ask_all(world)
    assert not world.register.tally.completed
    world.heal()
    world.pass_time(2 * COMPLETED_S_MAX)
    assert world.register.tally.completed
