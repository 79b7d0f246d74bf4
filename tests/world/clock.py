"""A clock that moves when told, and an event loop that lives by it."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable

START = 1_800_000_000.0  # 2027-01-15, a whole number of seconds


class FakeClock:
    """Epoch seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class FakeLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers fire by the fake clock, and which never waits."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.awaited: list[Callable[[], object]] = []  # what is on its way until somebody looks
        super().__init__(selectors.DefaultSelector())

    def time(self) -> float:
        return self._clock.now

    def look(self) -> None:
        """Let what is on its way come, and run what that makes ready."""
        self.settle()
        while self.awaited:
            self.awaited.pop(0)()
            self.settle()

    def settle(self, turns: int = 60) -> None:
        """Run what is ready, and what that makes ready, for at most so many turns of the loop."""
        for _ in range(turns):
            self.call_soon(self.stop)
            self.run_forever()
            if self._is_idle():
                return

    def _is_idle(self) -> bool:
        """Whether another turn would do nothing: nothing is ready, and no timer is due."""
        timers = self._scheduled  # type: ignore[attr-defined]
        due = bool(timers) and timers[0].when() <= self.time()
        return not due and not self._ready  # type: ignore[attr-defined]
