"""A clock that moves when told, and an event loop that lives by it."""

from __future__ import annotations

import asyncio
import selectors

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
        super().__init__(selectors.DefaultSelector())

    def time(self) -> float:
        return self._clock.now

    def settle(self, turns: int = 60) -> None:
        """Run what is ready, and what that makes ready, for so many turns of the loop."""
        for _ in range(turns):
            self.call_soon(self.stop)
            self.run_forever()
