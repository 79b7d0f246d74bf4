"""What an operator wants of control, and goes on wanting until it is so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecache.control.state.invalidations import InvalidationRecord, InvalidationRequest
from tests.simulation.control import Plane
from tests.simulation.scene import SITE

if TYPE_CHECKING:
    from tests.simulation.world import World


class Order:
    """One invalidation an operator wants, until it is Completed.

    Control may die, or its answer be lost: what is asked again has the same reference.
    """

    RETRY_S = 0.5
    PATIENCE_S = 3.0  # until another control is asked, where there is one

    def __init__(self, world: World, wanted: InvalidationRequest, at: str = "") -> None:
        self._world = world
        self._wanted = wanted
        self._versions = list(world.origin.versions)  # that it is about
        self._at = at
        self._plane: Plane | None = None
        self._asked_at = 0.0
        self._done = False

    def ask(self) -> None:
        """Ask a control there is; look again later whether that one still lives."""
        world, now = self._world, self._world.machine.now
        if self._done:
            return
        known = self._plane
        dead = known is None or world.controls.plane(known.process.name) is not known
        late = len(world.controls.places) > 1 and now - self._asked_at > self.PATIENCE_S
        if dead or late:
            self._plane, self._asked_at = self._another(), now
            world.reach_control(self._create, self._plane)
        world.machine.at(now + self.RETRY_S, None, self.ask)

    def _another(self) -> Plane | None:
        """Any control, if possible not the one that was asked last."""
        world = self._world
        if len(world.controls.places) == 1:
            return world.control
        planes = world.controls.living()
        first = [plane for plane in planes if plane.process.name == self._at]
        self._at = ""
        if first:
            return first[0]
        others = [plane for plane in planes if plane is not self._plane]
        return world.random.choice(others or planes) if planes else None

    def _create(self, plane: Plane) -> None:
        plane.create(self._wanted, self._versions, lambda record: self._wait(plane, record))

    def _wait(self, plane: Plane, record: InvalidationRecord) -> None:
        plane.wait(SITE, record.id, self._completed)

    def give_up(self) -> None:
        """Ask no more."""
        self._world.ordered -= not self._done
        self._done = True

    def _completed(self, record: InvalidationRecord) -> None:
        self.give_up()
