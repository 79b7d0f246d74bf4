"""A world: control, a regional cache, edges, an origin, links and viewers, all in virtual time.

What can be done in it are its methods; `story` does them at random, `test_machine` as Hypothesis
chooses. Whatever breaks a promise raises register.Violation from wherever it is noticed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from edgecache.control.state.invalidations import InvalidationRequest
from edgecache.rules.invalidation.items import Item
from tests.simulation.clocks import Clocks
from tests.simulation.control import PLACE, Plane
from tests.simulation.control_line import ControlLine
from tests.simulation.controls import Controls
from tests.simulation.links import Accept, Dialer, Links, Pipe
from tests.simulation.machine import Machine, Process
from tests.simulation.nodes import REGIONAL, Running, Surroundings
from tests.simulation.objects import Object
from tests.simulation.orders import Order
from tests.simulation.origin import ModelOrigin, OriginLine
from tests.simulation.register import Register
from tests.simulation.scene import SITE, Scene, config_of
from tests.simulation.viewers import Viewer

FAILURE_S = 12.0  # beyond the time failures are remembered: ErrorCachingMinTTL is 10 s
VIEWERS_MAX = 12  # of one edge


class World:
    """All of it. `folder` is for control's database."""

    def __init__(self, seed: str, scene: Scene, folder: Path) -> None:
        self.random = Random(seed)
        self.scene = scene
        self.machine = Machine()
        self.links = Links(self.machine, Random(f"{seed}:links"))
        self.origin = ModelOrigin(self.links, Random(f"{seed}:origin"))
        self.register = Register(self.machine, self.origin.versions)
        self.register.bounded = not scene.serves and len(scene.controls) == 1
        self.register.keeps = len(scene.controls) > 1
        self.nodes: dict[str, Running] = {}
        self.edges = [f"edge-{number}" for number in range(1, scene.edges + 1)]
        self._folder = folder
        self._clocks: dict[str, Clocks] = {}
        self._runs = 0
        self._viewers: dict[str, list[Viewer]] = {}
        self._asked = 0
        self.ordered = 0  # of those, how many operators still wait for
        self._config = config_of(scene)
        self._processes: list[Process] = []
        for name in (*scene.controls, REGIONAL, *self.edges):
            rate = 1 + self.random.uniform(-scene.drift, scene.drift)
            self._clocks[name] = Clocks(self.machine, dict(scene.rates).get(name, rate))
        self.controls = Controls(
            scene.controls, self.links, self.register, folder, self._clocks,
            lambda: self._config, self.random,
        )  # fmt: skip
        for name in scene.controls:
            self.controls.start(name)
        for name in (REGIONAL, *self.edges):
            self.start(name)

    # Time.

    def pass_time(self, seconds: float) -> None:
        """All that happens in so many seconds."""
        if self.troubled:
            self.register.troubled_until = self.machine.now + seconds + FAILURE_S
        self.machine.run_until(self.machine.now + seconds)
        if self.register.broken is not None:
            raise self.register.broken
        self._look_at_due()
        if self.machine.failures:
            self.register.fail("; ".join(self.machine.failures))

    @property
    def troubled(self) -> bool:
        """Whether anybody may find what is upstream of it away, or slow."""
        mood, regional = self.origin.mood, self.nodes.get(REGIONAL)
        well = regional is not None and not regional.process.frozen and not self.links.cuts
        return mood.sick > 0 or mood.down or mood.held or not well

    def _look_at_due(self) -> None:
        """Invalidations that have to be Completed by now are: control says so when asked."""
        control = self.control
        if control is None or control.process.frozen or not control.process.alive:
            return
        for record in self.register.due():
            control.process.meet(control.tell, record)
        for record in self.register.due():
            self.register.fail(f"invalidation {record.seq} is not Completed in time")

    def close(self) -> None:
        """The end of the world."""
        for process in self._processes:
            process.bury()
        self.controls.close()
        shutil.rmtree(self._folder.parent / "disk", ignore_errors=True)

    # Processes.

    @property
    def control(self) -> Plane | None:
        """The only one, or the first."""
        return self.controls.plane(self.scene.controls[0])

    def start_control(self) -> None:
        self.controls.start()

    def kill_control(self) -> None:
        self.controls.kill()

    def control_is_well(self) -> None:
        """Control runs, and will not die by itself."""
        for place in self.scene.controls:
            self.controls.make_well(place)

    def lose_database(self) -> None:
        """Control is killed, and starts with nothing."""
        self.controls.lose_file()

    def start(self, name: str) -> None:
        """Start a node."""
        process = Process(self.machine, name)
        self._processes.append(process)
        clocks = self._clocks[name]
        told: set[str] = set()
        around = Surroundings(
            self._lines(process, told),
            told,
            Dialer(self.links, process, self._listening),
            OriginLine(self.origin, process, clocks.steady()),
            clocks,
            Random(f"{self.random.random()}"),
            self._folder.parent / "disk" if self.scene.disk and name == REGIONAL else None,
        )
        self._runs += 1
        self.register.note(f"{name} starts as run {self._runs}")
        running = Running(process, self._config, around)
        self.nodes[name] = running
        self._viewers[name] = [
            Viewer(running, self.register, self._runs) for _ in range(VIEWERS_MAX)
        ]
        self.register.forget_stored()

    def restart(self, name: str) -> None:
        """Start a node, unless it runs."""
        if name not in self.nodes:
            self.start(name)

    def kill(self, name: str) -> None:
        """Kill a node; all it had is gone."""
        running = self.nodes.pop(name, None)
        if running is None:
            return
        running.process.kill()
        for viewer in self._viewers.pop(name):
            viewer.gone()
        self.register.note(f"{name} is killed")
        self.register.forget_stored()

    def freeze(self, name: str) -> None:
        """SIGSTOP."""
        process = self.process_of(name)
        if process is None or not process.alive:
            return
        process.freeze()
        self.register.note(f"{name} is stopped")
        self.register.forget_stored()
        if name == PLACE:
            self.register.control_began = float("inf")

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        process = self.process_of(name)
        if process is not None:
            self.thaw_process(process)

    def thaw_process(self, process: Process) -> None:
        if process.frozen:
            self.register.note(f"{process.name} goes on")
            process.thaw()
            if process.name == PLACE:
                self.register.control_began = self.machine.now

    def process_of(self, name: str) -> Process | None:
        """The process of that name, if it runs."""
        if name in self.scene.controls:
            plane = self.controls.plane(name)
            return None if plane is None else plane.process
        running = self.nodes.get(name)
        return None if running is None else running.process

    def set_clock(self, name: str, seconds: float) -> None:
        """Somebody sets the wall clock of a machine."""
        self._clocks[name].set_by_s += seconds
        self.register.note(f"{name}: the wall clock is set by {seconds:+.0f} s")

    def set_clocks_right(self) -> None:
        for clocks in self._clocks.values():
            clocks.set_by_s = 0.0

    # Links.

    def cut(self, one: str, other: str, *, both: bool = True) -> None:
        """Nothing passes from `one` to `other`, nor back if `both`."""
        self.links.cut(one, other)
        if both:
            self.links.cut(other, one)
        self.register.note(f"cut: {one} {'and' if both else 'to'} {other}")
        self.register.forget_stored()

    def follow(self, name: str, control: str) -> None:
        """A node asks this control from now on."""
        self.nodes[name].follow(control)

    def heal(self, *places: str) -> None:
        """All links between these places (none given: all there are) are whole again."""
        for source, target in self.links.cuts:
            if not places or (source in places and target in places):
                self.links.heal(source, target)
        self.register.note(f"whole: {' and '.join(places) or 'all links'}")

    def mend(self) -> None:
        """All is well again."""
        self.heal()
        self.controls.mend_database()
        self.origin_is_well()
        self.origin.mood.slow = 0.0
        self.set_clocks_right()
        self.control_is_well()
        for name in (*self.scene.controls, REGIONAL, *self.edges):
            process = self.process_of(name)
            if process is None:
                self.restart(name)
            else:
                self.thaw_process(process)

    # The origin and the operator.

    def origin_is_well(self) -> None:
        """It answers everybody."""
        self.origin.mood.sick, self.origin.mood.down = 0.0, False
        self.origin.release()
        self.register.note("the origin is well")

    def bump(self, thing: Object) -> None:
        """The origin has a new version."""
        self.register.note(f"version {self.origin.bump(thing)} at the origin", thing)

    def invalidate(self, items: tuple[Item, ...], *, soft: bool = False, at: str = "") -> Order:
        """An operator asks for one and waits until it is Completed; again, when control dies.

        The control at the place `at` is asked first, or any.
        """
        self._asked += 1
        self.ordered += 1
        order = Order(self, InvalidationRequest(SITE, items, f"r{self._asked}", soft), at)
        order.ask()
        return order

    def publish(self, ttl_s_max: int) -> None:
        """An operator changes the cache policy."""
        self.scene.ttl_s_max = ttl_s_max
        self._config = config_of(self.scene)
        self.register.note(f"ttl_s_max = {ttl_s_max}")
        self.register.forget_stored()
        body = msgspec.json.decode(msgspec.json.encode(self._config))
        for plane in self.controls.living()[:1]:
            plane.process.meet(plane.publish, body)

    # Viewers.

    def get(
        self, edge: str, thing: Object, variant: str = "en", fields: bytes = b"", *,
        calm: bool = False, how: str = "get",
    ) -> bool:  # fmt: skip
        """A viewer asks; False when nobody is free to, or the edge is gone."""
        viewer = next((x for x in self._viewers.get(edge, ()) if not x.busy), None)
        if viewer is None:
            return False
        marks = viewer.running.marks
        self.register.applied(
            viewer.run, marks.epoch, marks.number(marks.last), viewer.running.told
        )
        get = self.register.begins(thing, edge, viewer.run, variant, calm=calm)
        self.register.asks(get, how, variant)
        viewer.asks(get, variant, fields, monotonic=calm)
        return True

    # Who is where.

    def _listening(self, name: str) -> tuple[Process, Accept] | None:
        running = self.nodes.get(name)
        return None if running is None else (running.process, running.accept)

    def _lines(self, process: Process, told: set[str]) -> tuple[ControlLine, ...]:
        """The way to every control."""
        places, find = self.scene.controls, self.controls.listening
        return tuple(ControlLine(self.links, process, place, find, told) for place in places)

    def reach_control(self, deed: Callable[[Plane], Any], plane: Plane | None) -> bool:
        """Have control do something, over the operator's link; False when there is none."""
        if plane is None:
            return False
        pipe = Pipe(self.links, "operator", plane.process.name, plane.process)
        pipe.send(deed, plane)
        return True
