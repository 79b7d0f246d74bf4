"""The control processes of a world, what starts them again, and what they write to."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from math import inf
from pathlib import Path
from random import Random

from edgecache.config.model import Config
from tests.simulation.clocks import Clocks
from tests.simulation.control import PLACE, Plane, SharedState
from tests.simulation.database import Role
from tests.simulation.database_pair import NAMES, DatabasePair
from tests.simulation.driver import SimulatedDriver
from tests.simulation.links import Links
from tests.simulation.machine import Process
from tests.simulation.register import Register

RESTART_S = 0.5  # a supervisor's, for a control that ended


class Controls:
    """One control on a file, or several on a database of two servers.

    `clocks` are those of each place, `config` what is published by who starts.
    """

    def __init__(
        self,
        places: tuple[str, ...],
        links: Links,
        register: Register,
        folder: Path,
        clocks: dict[str, Clocks],
        config: Callable[[], Config],
        random: Random,
    ) -> None:
        self.places = places
        self.planes: dict[str, Plane] = {}
        self.processes: list[Process] = []  # of all that ever ran
        self.pair: DatabasePair | None = None
        self.epoch = ""
        self._links = links
        self._machine = links.machine
        self._register = register
        self._folder = folder
        self._clocks = clocks
        self._config = config
        self._random = random
        self._driver: SimulatedDriver | None = None
        self._kept_down: set[str] = set()
        if len(places) > 1:
            self.pair = DatabasePair(links, Random(f"{random.random()}"))
            links.near_places = frozenset(NAMES)
            self._driver = SimulatedDriver(links, self.pair)

    def plane(self, place: str) -> Plane | None:
        """The run there is at `place`; it may be dead."""
        return self.planes.get(place)

    def listening(self, place: str) -> Plane | None:
        """As a kernel finds it for who connects."""
        plane = self.planes.get(place)
        return plane if plane is not None and plane.process.alive and plane.listens else None

    def living(self) -> list[Plane]:
        """Those that answer, or would if they were not stopped."""
        return [plane for place in self.places if (plane := self.listening(place)) is not None]

    def start(self, place: str = PLACE) -> None:
        """Start control, on what there is on disk."""
        self._kept_down.discard(place)
        random = Random(f"{self._random.random()}")
        plane = Plane(self._machine, random, self._register, place)
        self.planes[place] = plane
        self.processes.append(plane.process)
        self._register.note(f"{place} starts")
        if self._driver is None:
            plane.open(self._folder, self._config(), self._clocks[place])
            self.epoch = plane.log.epoch
            self._register.control_began = self._machine.now
        else:
            shared = SharedState(self._driver, self._ended)
            plane.open_shared(shared, self._config(), self._clocks[place])

    def _ended(self, plane: Plane, why: str) -> None:
        """It ended by itself: it is started again, unless an operator stopped it meanwhile."""
        if not plane.process.alive:
            return
        self._register.note(f"{plane.process.name} ends: {why}")
        plane.process.kill()
        machine = self._machine
        machine.at(machine.now + RESTART_S, None, self._start_again, plane)

    def _start_again(self, plane: Plane) -> None:
        place = plane.process.name
        if self.planes.get(place) is plane and place not in self._kept_down:
            self.start(place)

    def kill(self, place: str = PLACE) -> None:
        """kill -9; nothing starts it again."""
        self._kept_down.add(place)
        plane = self.planes.pop(place, None)
        if plane is None:
            return
        if plane.process.alive:
            plane.process.kill()
        self._register.note(f"{place} is killed")
        self._register.control_began = inf

    def make_well(self, place: str = PLACE) -> None:
        """It runs, and will not die by itself."""
        plane = self.planes.get(place)
        if plane is None or not plane.process.alive:
            self.kill(place)
            self.start(place)
        self.planes[place].deeds.dies_before_answer = 0.0

    def lose_file(self) -> None:
        """The one control is killed, and starts with nothing."""
        self.kill()
        shutil.rmtree(self._folder)
        self._register.control_lost(self.epoch)
        self._register.note("control's database is lost")
        self.start()

    # The database of several.

    def kill_primary(self) -> None:
        assert self.pair is not None
        self.pair.primary.kill()
        self._register.note(f"{self.pair.primary.name}, the primary, is killed")

    def kill_standby(self) -> None:
        assert self.pair is not None
        self.pair.other.kill()
        self._register.note(f"{self.pair.other.name}, the standby, is killed")

    def fail_over(self, *, alone: bool = False) -> None:
        """The standby is promoted, if it is one; what was accepted is there."""
        pair = self.pair
        assert pair is not None
        if pair.fail_over(alone=alone):
            self._register.note(f"{pair.primary.name} is promoted")
            self.require_kept()

    def require_kept(self) -> None:
        """All that was ever accepted is in the database. Violation."""
        if self.pair is not None:
            rows = self.pair.primary.read("SELECT seq, id FROM invalidations")
            self._register.require_kept(dict(rows))

    def cancel_waits(self) -> None:
        """Whatever waits for a standby, at either server, waits no more."""
        for server in self.pair or ():
            if server.process.alive and server.cancel_waits():
                self._register.note(f"{server.name}: the wait for the standby is cancelled")

    def mend_database(self) -> None:
        """There are a primary and a standby."""
        pair = self.pair
        if pair is None:
            return
        for server in pair:
            if server.process.frozen:
                server.process.thaw()
        if not pair.primary.process.alive:
            pair.restart_primary()
            self._register.note(f"{pair.primary.name}, the primary, is started again")
        elif pair.other.role is not Role.STANDBY or not pair.other.process.alive:
            pair.follow()
            self._register.note(f"{pair.other.name} is the standby")

    def close(self) -> None:
        """The end of the world."""
        for process in self.processes:
            process.bury()
        for server in self.pair or ():
            server.process.bury()
        shutil.rmtree(self._folder, ignore_errors=True)
