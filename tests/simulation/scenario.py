"""A story: what befalls a world, drawn from a seed. Law: the seed says all of it.

Each story has a *temper*: calm (nothing fails, so what stays must stay), shaky (links lose and
delay, the origin is slow), rough (anything is cut, frozen, killed), or the like with several
controls, whose database fails over (`database_faults`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from edgecache.cluster.lease import LEASE_S
from tests.simulation.control import PLACE
from tests.simulation.faults import DEEDS, get_something
from tests.simulation.links import Weather
from tests.simulation.origin import Mood
from tests.simulation.register import Tally, Violation
from tests.simulation.scene import Scene
from tests.simulation.world import World

GETS = 2_000  # of one story
STEP_S = 0.02  # between two deeds, on average
SEVERAL_STEP_S = 0.06  # what befalls a database lasts longer than what befalls a node
WARM_S = LEASE_S + 0.5  # until a new database has waited for whoever it may have forgotten
MEND_S = 4.0  # all is mended for so long at the end
LATEST_S = 10.0  # until the last fault that was planned is over
SETTLED_S_MAX = 60.0  # a database that failed over has much to catch up with
CONTROLS = (("control-1", "control-2"), ("control-1", "control-2", "control-3"))
SHM = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Told:
    """How a story went."""

    tally: Tally
    steps: int
    seconds: float  # of virtual time
    digest: int


def scene_of(random: Random, temper: str) -> Scene:
    """A world for a story."""
    calm, several = temper == "calm", temper == "several"
    return Scene(
        semantics=random.choice(("cloudfront", "rfc9111")),
        edges=random.choice((2, 3)),
        memory_bytes=random.choice((64 * 1024 * 1024, 12_000)) if not calm else 64 * 1024 * 1024,
        when_down=random.choice(("origin", "stale")),
        disk=random.random() < 0.5,
        failures_s=random.choice((0, 0, 1, 10)),
        drift=0.0 if calm else 0.0145 if several else 0.012,
        controls=random.choice(CONTROLS) if several else (PLACE,),
        serves=several and random.random() < 0.25,
    )


def temper_of(seed: int) -> str:
    """A quarter of all stories is calm, and a quarter of several controls."""
    return ("calm", "shaky", "rough", "several")[seed % 4]


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
        self._step_s = SEVERAL_STEP_S if self.temper == "several" else STEP_S
        self._deeds, self._weights = zip(*DEEDS[self.temper], strict=True)

    def run(self) -> Told:
        """Violation when a promise is broken."""
        world, random = self.world, self._random
        world.links.weather = weather_of(random, self.temper)
        if self.temper == "several":
            world.links.near = Weather(
                random.choice((0.0003, 0.002)), 0.001, random.choice((0.0, 0.01))
            )
        world.origin.mood = Mood(work_s=random.choice((0.002, 0.02, 0.1)))
        if self.temper != "calm":
            world.origin.mood.slow = random.choice((0.0, 0.02))
        world.pass_time(WARM_S)
        tally = world.register.tally
        while tally.gets < self._gets:
            world.pass_time(random.expovariate(1 / self._step_s))
            for _ in range(random.choice((2, 4, 4, 8))):
                get_something(world, random, calm=self.temper == "calm")
            (deed,) = random.choices(self._deeds, self._weights)
            deed(world, random)
        self._mend()
        return Told(tally, world.machine.steps, world.machine.now, world.register.digest)

    def _mend(self) -> None:
        """All is well again: what was accepted is Completed, and all can be had."""
        world, random = self.world, self._random
        world.mend()
        for _ in range(20):
            world.pass_time(MEND_S / 20)
            get_something(world, random, calm=False)
        world.pass_time(MEND_S)
        if self.temper == "several":
            self._settle()
        if world.register.waiting:
            world.register.fail("not Completed though all is well")

    def _settle(self) -> None:
        """Several controls have more to get over, and what befell them may still befall."""
        world = self.world
        world.pass_time(LATEST_S)
        world.mend()
        until = world.machine.now + SETTLED_S_MAX
        while world.machine.now < until and world.ordered:
            world.pass_time(0.5)
        if world.ordered:
            world.register.fail("not accepted though all is well")
        world.controls.require_kept()


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
