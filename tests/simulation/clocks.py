"""The clocks of a process: one that never steps but may run fast or slow, one that is set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.machine import START, Machine

Clock = Callable[[], float]


@dataclass(slots=True)
class Clocks:
    """Those of one machine. Both give epoch seconds."""

    machine: Machine
    rate: float = 1.0  # of the monotonic clock: quartz, off by some parts in a million; here more
    set_by_s: float = 0.0  # how far the wall clock is from the truth

    def wall(self) -> float:
        return START + self.machine.now + self.set_by_s

    def steady(self) -> Clock:
        """As `server.world.steady_clock`, for a process that starts now."""
        machine, rate = self.machine, self.rate
        offset = self.wall() - machine.now * rate
        return lambda: offset + machine.now * rate
