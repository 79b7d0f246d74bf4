"""A story: what befalls a world, drawn from a seed. Law: the seed says all of it.

Each story has a *temper*: calm (nothing fails, so what stays must stay), shaky (links lose and
delay, the origin is slow), rough (anything is cut, frozen, killed).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from edgecache.control.barrier import LEASE_S
from edgecache.rules.invalidation import Item, Kind
from tests.simulation.control import PLACE
from tests.simulation.links import Weather
from tests.simulation.nodes import REGIONAL
from tests.simulation.objects import OBJECTS, PATTERNS, TAGS, TOKEN_BYTES, TOKENS, Object
from tests.simulation.origin import PLACE as ORIGIN
from tests.simulation.origin import Mood
from tests.simulation.register import Tally, Violation
from tests.simulation.world import Scene, World

GETS = 2_000  # of one story
STEP_S = 0.02  # between two deeds, on average
WARM_S = LEASE_S + 0.5  # until a new database has waited for whoever it may have forgotten
MEND_S = 4.0  # all is mended for so long at the end
SHM = Path("/dev/shm")
Deed = Callable[[World, Random], None]


@dataclass(frozen=True, slots=True)
class Told:
    """How a story went."""

    tally: Tally
    steps: int
    seconds: float  # of virtual time
    digest: int


def scene_of(random: Random, temper: str) -> Scene:
    """A world for a story."""
    calm = temper == "calm"
    return Scene(
        semantics=random.choice(("cloudfront", "rfc9111")),
        edges=random.choice((2, 3)),
        memory_bytes=random.choice((64 * 1024 * 1024, 12_000)) if not calm else 64 * 1024 * 1024,
        when_down=random.choice(("origin", "stale")),
        drift=0.0 if calm else 0.012,
    )


def temper_of(seed: int) -> str:
    """A quarter of all stories is calm."""
    return ("calm", "shaky", "rough", "rough")[seed % 4]


def weather_of(random: Random, temper: str) -> Weather:
    if temper == "calm":
        return Weather(0.0005, 0.001)
    latency = random.choice((0.0005, 0.005, 0.03))
    loss, twice = random.choice((0.0, 0.02, 0.1)), random.choice((0.0, 0.1))
    return Weather(latency, latency * random.choice((1, 4)), loss, twice)


class Story:
    """One world and what befalls it."""

    def __init__(self, seed: int, gets: int, folder: Path) -> None:
        self.seed = seed
        self.temper = temper_of(seed)
        self._random = Random(f"story {seed}")
        self.world = World(f"world {seed}", scene_of(self._random, self.temper), folder)
        self._gets = gets
        self._deeds, self._weights = zip(*DEEDS[self.temper], strict=True)

    def run(self) -> Told:
        """Violation when a promise is broken."""
        world, random = self.world, self._random
        world.links.weather = weather_of(random, self.temper)
        world.origin.mood = Mood(work_s=random.choice((0.002, 0.02, 0.1)))
        if self.temper != "calm":
            world.origin.mood.slow = random.choice((0.0, 0.02))
        world.pass_time(WARM_S)
        tally = world.register.tally
        while tally.gets < self._gets:
            world.pass_time(random.expovariate(1 / STEP_S))
            for _ in range(random.choice((1, 1, 2, 4))):
                _get(world, random, calm=self.temper == "calm")
            (deed,) = random.choices(self._deeds, self._weights)
            deed(world, random)
        self._mend()
        return Told(tally, world.machine.steps, world.machine.now, world.register.digest)

    def _mend(self) -> None:
        """All is well again: what was accepted is Completed, and all can be had."""
        world, random = self.world, self._random
        _mended(world)
        for _ in range(20):
            world.pass_time(MEND_S / 20)
            _get(world, random, calm=False)
        world.pass_time(MEND_S)
        if world.register.waiting:
            world.register.fail("not Completed though all is well")


def play(seed: int, gets: int = GETS) -> Told:
    """The story of `seed`. Violation says how to have it told again."""
    with _folder() as folder:
        story = Story(seed, gets, folder)
        try:
            return story.run()
        except Violation as broken:
            again = f"python -m tests.simulation --seed {seed} --stories 1"
            if gets != GETS:
                again += f" --story-gets {gets}"
            raise Violation(f"seed {seed} ({story.temper}): {broken}\nagain: {again}") from None
        finally:
            story.world.close()


@contextmanager
def _folder() -> Iterator[Path]:
    """A place for a database, in memory where there is one."""
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as name:
        yield Path(name) / "state"


# What may be done.


def _nothing(world: World, random: Random) -> None:
    pass


def _get(world: World, random: Random, *, calm: bool) -> None:
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
        fields, how = b"Cache-Control: max-age=0\r\n", "reload"
    world.get(
        random.choice(world.edges), thing, variant, fields, calm=calm and how != "reload", how=how
    )


def _bump(world: World, random: Random) -> None:
    world.bump(random.choice(OBJECTS))


def _item(random: Random) -> Item:
    kind = random.random()
    if kind < 0.5:
        return Kind.PATH, random.choice(OBJECTS).target
    if kind < 0.8:
        return Kind.PATH, random.choice(PATTERNS)
    if kind < 0.9:
        return Kind.TAG, random.choice(TAGS)
    return random.choice(((Kind.GLOB, "/?/*2"), (Kind.GLOB, "/*b*"), (Kind.PREFIX, "/b/")))


def _invalidate(world: World, random: Random) -> None:
    items = tuple(_item(random) for _ in range(random.choice((1, 1, 2))))
    world.invalidate(items, soft=random.random() < 0.2)


def _publish_version(world: World, random: Random) -> None:
    """What operators do: a new version, and at once its invalidation."""
    thing: Object = random.choice(OBJECTS)
    world.bump(thing)
    world.invalidate(((Kind.PATH, thing.target),), soft=random.random() < 0.1)


def _cut(world: World, random: Random) -> None:
    places = [PLACE, REGIONAL, ORIGIN, *world.edges]
    one = random.choice([REGIONAL, *world.edges])
    other = random.choice([place for place in places if place != one and one != place])
    if one in world.edges and other in world.edges:
        other = PLACE
    world.cut(one, other, both=random.random() < 0.6)
    _later(world, random, 6.0, world.heal)


def _kill(world: World, random: Random) -> None:
    name = random.choice([REGIONAL, *world.edges])
    world.kill(name)
    _later(world, random, 4.0, lambda: _restart(world, name))


def _restart(world: World, name: str) -> None:
    if name not in world.nodes:
        world.start(name)


def _kill_control(world: World, random: Random) -> None:
    world.kill_control()
    _later(world, random, 4.0, lambda: _restart_control(world))


def _restart_control(world: World) -> None:
    if world.control is None:
        world.start_control()


def _control_dies_next(world: World, random: Random) -> None:
    if world.control is not None:
        world.control.deeds.dies_before_answer = 1.0
    _later(world, random, 4.0, lambda: _control_is_well(world))


def _control_is_well(world: World) -> None:
    control = world.control
    if control is not None and control.process.alive:
        control.deeds.dies_before_answer = 0.0
        return
    world.kill_control()
    world.start_control()


def _freeze(world: World, random: Random) -> None:
    name = random.choice([*world.nodes])
    process = world.process_of(name)
    if not process.frozen:
        world.freeze(name)
        _later(world, random, 6.0, lambda: world.thaw_process(process))


def _sick(world: World, random: Random) -> None:
    world.origin.mood.sick = random.choice((0.3, 1.0))
    world.register.note("the origin is sick")
    _later(world, random, 3.0, lambda: _well(world))


def _down(world: World, random: Random) -> None:
    world.origin.mood.down = True
    world.register.note("the origin is down")
    _later(world, random, 3.0, lambda: _well(world))


def _well(world: World) -> None:
    world.origin.mood.sick, world.origin.mood.down = 0.0, False
    world.register.note("the origin is well")


def _set_clock(world: World, random: Random) -> None:
    name = random.choice([PLACE, REGIONAL, *world.edges])
    world.set_clock(name, random.choice((-3600.0, -20.0, 20.0, 3600.0)))


def _lose_database(world: World, random: Random) -> None:
    world.lose_database()


def _change_policy(world: World, random: Random) -> None:
    world.publish(random.choice((1, 3, 31_536_000)))


def _later(world: World, random: Random, most_s: float, deed: Callable[[], object]) -> None:
    machine = world.machine
    machine.at(machine.now + random.uniform(0.05, most_s), None, deed)


def _mended(world: World) -> None:
    world.heal()
    _well(world)
    world.origin.mood.slow = 0.0
    world.set_clocks_right()
    for name in (REGIONAL, *world.edges):
        if name in world.nodes and world.nodes[name].process.frozen:
            world.thaw(name)
        _restart(world, name)
    _control_is_well(world)


_COMMON: tuple[tuple[Deed, float], ...] = (
    (_nothing, 60),
    (_bump, 15),
    (_invalidate, 5),
    (_publish_version, 10),
)
_SHAKY: tuple[tuple[Deed, float], ...] = (
    *_COMMON,
    (_sick, 0.4),
    (_down, 0.3),
    (_change_policy, 0.2),
)
DEEDS: dict[str, tuple[tuple[Deed, float], ...]] = {
    "calm": _COMMON,
    "shaky": _SHAKY,
    "rough": (
        *_SHAKY,
        (_cut, 0.8),
        (_kill, 0.3),
        (_kill_control, 0.15),
        (_control_dies_next, 0.15),
        (_freeze, 0.5),
        (_set_clock, 0.1),
        (_lose_database, 0.07),
    ),
}
