"""What an operator wants of control, and goes on wanting until it is so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecache.control.state.invalidations import InvalidationRecord, InvalidationRequest
from tests.simulation.control import Plane
from tests.simulation.scene import SITE

if TYPE_CHECKING:
    from tests.simulation.world import World


class Order:
    """One invalidation an operator wants, until it is Completed."""

    RETRY_S = 0.5

    def __init__(self, world: World, wanted: InvalidationRequest) -> None:
        self._world = world
        self._wanted = wanted
        self._record: InvalidationRecord | None = None
        self._plane: Plane | None = None
        self._done = False

    def ask(self) -> None:
        """Ask the control there is; look again later whether that one still lives."""
        world = self._world
        if self._done:
            return
        if world.control is not self._plane:
            self._plane = world.control
            world.reach_control(self._create)
        machine = world.machine
        machine.at(machine.now + self.RETRY_S, None, self.ask)

    def _create(self, plane: Plane) -> None:
        plane.create(self._wanted, lambda record: self._wait(plane, record))

    def _wait(self, plane: Plane, record: InvalidationRecord) -> None:
        plane.wait(SITE, record.id, self._completed)

    def _completed(self, record: InvalidationRecord) -> None:
        self._done = True
