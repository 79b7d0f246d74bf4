"""What may befall a world in a story, and how often."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from edgecache.rules.invalidation.items import Item, ItemKind
from tests.simulation import database_faults
from tests.simulation.nodes import REGIONAL
from tests.simulation.objects import OBJECTS, PATTERNS, TAGS, TOKEN_BYTES, TOKENS
from tests.simulation.origin import PLACE as ORIGIN
from tests.simulation.world import World

Deed = Callable[[World, Random], None]


def get_something(world: World, random: Random, *, calm: bool) -> None:
    """A viewer asks for something. `calm`: nothing fails, so what is stored must be a hit."""
    thing = random.choice(OBJECTS)
    variant = random.choice(("en", "de")) if thing.varies else "en"
    fields, how = b"", "get"
    kind = random.random()
    if kind < 0.15:
        first = random.randrange(TOKENS)
        last = random.randrange(first, TOKENS)
        span = (first * TOKEN_BYTES, (last + 1) * TOKEN_BYTES - 1)
        fields, how = b"Range: bytes=%d-%d\r\n" % span, f"range {span[0]}-{span[1]}"
    elif kind < 0.2 and thing.etag:
        version = world.origin.versions[thing.number]
        fields, how = b'If-None-Match: "%d-%d"\r\n' % (thing.number, version), f"if not {version}"
    elif kind < 0.23 and world.scene.semantics == "rfc9111":
        fields, how, calm = b"Cache-Control: max-age=0\r\n", "reload", False
    world.get(random.choice(world.edges), thing, variant, fields, calm=calm, how=how)


def _nothing(world: World, random: Random) -> None:
    pass


def _bump(world: World, random: Random) -> None:
    world.bump(random.choice(OBJECTS))


def _item(random: Random) -> Item:
    kind = random.random()
    if kind < 0.5:
        return ItemKind.PATH, random.choice(OBJECTS).target
    if kind < 0.8:
        return ItemKind.PATH, random.choice(PATTERNS)
    if kind < 0.9:
        return ItemKind.TAG, random.choice(TAGS)
    return random.choice(
        ((ItemKind.GLOB, "/?/*2"), (ItemKind.GLOB, "/*b*"), (ItemKind.PREFIX, "/b/"))
    )


def _invalidate(world: World, random: Random) -> None:
    items = tuple(_item(random) for _ in range(random.choice((1, 1, 2))))
    world.invalidate(items, soft=random.random() < 0.2)


def _publish_version(world: World, random: Random) -> None:
    """What operators do: a new version, and at once its invalidation."""
    thing = random.choice(OBJECTS)
    world.bump(thing)
    world.invalidate(((ItemKind.PATH, thing.target),), soft=random.random() < 0.1)


def _change_policy(world: World, random: Random) -> None:
    world.publish(random.choice((1, 3, 31_536_000)))


def _hold(world: World, random: Random) -> None:
    world.origin.mood.held = True
    _later(world, random, 1.0, world.origin.release)


def _sick(world: World, random: Random) -> None:
    world.origin.mood.sick = random.choice((0.3, 1.0))
    world.register.note("the origin is sick")
    _later(world, random, 2.0, world.origin_is_well)


def _down(world: World, random: Random) -> None:
    world.origin.mood.down = True
    world.register.note("the origin is down")
    _later(world, random, 1.0, world.origin_is_well)


def _cut(world: World, random: Random) -> None:
    one = random.choice([REGIONAL, *world.edges])
    others = (*world.scene.controls, ORIGIN)
    if one != REGIONAL:
        others += (REGIONAL,)
    other = random.choice(others)
    world.cut(one, other, both=random.random() < 0.6)
    _later(world, random, 8.0, lambda: world.heal(one, other))


def _kill(world: World, random: Random) -> None:
    name = random.choice([REGIONAL, *world.edges])
    world.kill(name)
    _later(world, random, 2.0, lambda: world.restart(name))


def _freeze(world: World, random: Random) -> None:
    name = random.choice([*world.scene.controls, REGIONAL, *world.edges])
    process = world.process_of(name)
    if process is not None and process.alive and not process.frozen:
        world.freeze(name)
        _later(world, random, 6.0, lambda: world.thaw_process(process))


def _kill_control(world: World, random: Random) -> None:
    world.controls.kill(random.choice(world.scene.controls))
    _later(world, random, 3.0, world.control_is_well)


def _control_dies_next(world: World, random: Random) -> None:
    plane = world.controls.plane(random.choice(world.scene.controls))
    if plane is not None:
        plane.deeds.dies_before_answer = 1.0
    _later(world, random, 4.0, world.control_is_well)


def _lose_database(world: World, random: Random) -> None:
    world.lose_database()


def _set_clock(world: World, random: Random) -> None:
    places = [*world.scene.controls, REGIONAL, *world.edges]
    if random.random() < 0.5:
        places = [random.choice(places)]
    by_s = random.choice((-3600.0, -20.0, 20.0, 3600.0))
    for name in places:
        world.set_clock(name, by_s)
    _later(world, random, 3.0, world.set_clocks_right)


def _later(world: World, random: Random, most_s: float, deed: Callable[[], object]) -> None:
    machine = world.machine
    machine.at(machine.now + random.uniform(0.05, most_s), None, deed)


_COMMON: tuple[tuple[Deed, float], ...] = (
    (_nothing, 60),
    (_bump, 15),
    (_invalidate, 5),
    (_publish_version, 10),
)
_SHAKY: tuple[tuple[Deed, float], ...] = (
    *_COMMON,
    (_hold, 0.3),
    (_sick, 0.4),
    (_down, 0.2),
    (_change_policy, 0.2),
)
_ROUGH: tuple[tuple[Deed, float], ...] = (
    *_SHAKY,
    (_cut, 1.0),
    (_kill, 0.4),
    (_freeze, 0.6),
    (_kill_control, 0.3),
    (_control_dies_next, 0.3),
    (_lose_database, 0.06),
    (_set_clock, 0.3),
)
_SEVERAL: tuple[tuple[Deed, float], ...] = (
    *_SHAKY,
    (_cut, 0.4),
    (_kill, 0.15),
    (_freeze, 0.3),
    (_kill_control, 0.15),
    (_control_dies_next, 0.1),
    (_set_clock, 0.05),
    (database_faults.cut_from_database, 0.25),
    (database_faults.cut_replication, 0.3),
    (database_faults.kill_primary, 0.15),
    (database_faults.depose_primary, 0.2),
    (database_faults.stop_server, 0.1),
    (database_faults.lose_standby, 0.1),
    (database_faults.move_node, 2.0),
)
DEEDS = {"calm": _COMMON, "shaky": _SHAKY, "rough": _ROUGH, "several": _SEVERAL}
"""By temper: each deed, and its weight among all."""
