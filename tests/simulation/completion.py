"""How long Completed takes, while viewers ask every edge all the time."""

from __future__ import annotations

from edgecache.rules.invalidation.items import ItemKind
from tests.simulation.objects import OBJECTS
from tests.simulation.register import COMPLETED_S_MAX
from tests.simulation.world import World

THING = OBJECTS[0]


def completed_after(world: World, at: str = "", most_s: float = 2 * COMPLETED_S_MAX) -> float:
    """Seconds of virtual time until a new version's invalidation is Completed."""
    world.bump(THING)
    world.invalidate(((ItemKind.PATH, THING.target),), at=at)
    asked, before = world.machine.now, world.register.tally.completed
    while world.register.tally.completed == before:
        assert world.machine.now - asked < most_s, "it never is"
        for edge in world.edges:
            world.get(edge, THING)
        world.pass_time(0.01)
    took = world.machine.now - asked
    for _ in range(50):
        for edge in world.edges:
            world.get(edge, THING)
        world.pass_time(0.1)
    return took
