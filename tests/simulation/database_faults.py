"""What may befall several controls, and the database they share, in a story."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.simulation.world import World

PLACES = ("db-1", "db-2")


def _later(world: World, random: Random, most_s: float, deed: Callable[[], object]) -> None:
    machine = world.machine
    machine.at(machine.now + random.uniform(0.05, most_s), None, deed)


def cut_from_database(world: World, random: Random) -> None:
    """Longer than a connection is believed in, sometimes: a commit's end is not heard."""
    control, server = random.choice(world.scene.controls), random.choice(PLACES)
    one, other = random.choice(((control, server), (server, control)))
    world.cut(one, other, both=random.random() < 0.5)
    _later(world, random, random.choice((1.0, 4.0, 10.0)), lambda: world.heal(one, other))


def cut_replication(world: World, random: Random) -> None:
    """Commits wait. Somebody may cancel the wait, and the standby be promoted without them."""
    world.cut(*PLACES, both=random.random() < 0.7)
    if random.random() < 0.5:
        _later(world, random, 1.0, world.controls.cancel_waits)
        if random.random() < 0.6:
            _later(world, random, 2.0, world.controls.fail_over)
    _later(world, random, 4.0, lambda: world.heal(*PLACES))
    _later(world, random, 6.0, world.controls.mend_database)


def kill_primary(world: World, random: Random) -> None:
    """It is promoted over, or started again with all that its disk has."""
    world.controls.kill_primary()
    then = random.choice((world.controls.fail_over, world.controls.fail_over, lambda: None))
    _later(world, random, 2.0, then)
    _later(world, random, 5.0, world.controls.mend_database)


def depose_primary(world: World, random: Random) -> None:
    """The standby is promoted, and who was primary does not hear of it for a while."""
    world.controls.fail_over(alone=random.random() < 0.5)
    if random.random() < 0.5:
        _later(world, random, 1.0, world.controls.cancel_waits)
    _later(world, random, random.choice((0.5, 6.0)), world.controls.mend_database)


def stop_server(world: World, random: Random) -> None:
    """SIGSTOP for a while, of whichever."""
    pair = world.controls.pair
    assert pair is not None
    process = random.choice([*pair]).process
    if process.alive and not process.frozen:
        process.freeze()
        world.register.note(f"{process.name} is stopped")
        _later(world, random, 3.0, lambda: world.thaw_process(process))


def lose_standby(world: World, random: Random) -> None:
    """No commit ends until there is one again."""
    world.controls.kill_standby()
    _later(world, random, 3.0, world.controls.mend_database)


def move_node(world: World, random: Random) -> None:
    """A node goes over to another control, with its lease in hand, or back to its first choice."""
    running = world.nodes.get(random.choice([*world.nodes] or [""]))
    if running is not None:
        if random.random() < 0.4:
            running.controls._return_at = 0.0  # else in half a minute, which most stories have not
        else:
            running.controls.move()
        world.register.note(f"{running.process.name} follows another control")
