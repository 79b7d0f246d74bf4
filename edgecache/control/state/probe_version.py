"""Version of the staleness probe's object, which every control gives as its origin.

Law: no control gives an old version once an invalidation of it may be known: both are one commit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from edgecache.control.state.database import StateDatabase

VERSION = "canary"  # in `told`
TASK = "canary"  # which one control does

T = TypeVar("T")


class ProbeVersion:
    """The version, in the state's database."""

    def __init__(self, state: StateDatabase) -> None:
        self._state = state
        self.number = 0
        self._read()
        state.on_change(("told",), self._read)

    def is_mine(self) -> bool:
        """Whether it is for this control to change it, and to look for it."""
        return self._state.holds(TASK)

    def change(self, beside: Callable[[], T]) -> tuple[int, T]:
        """The next version, with what `beside` writes, or neither; what that gives."""
        with self._state.writing():
            self.number += 1  # here before anybody hears of it: one that is too new is never stale
            self._state.execute(
                "INSERT INTO told VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (VERSION, str(self.number)),
            )
            return self.number, beside()

    def _read(self) -> None:
        row = self._state.execute("SELECT value FROM told WHERE name = ?", (VERSION,)).fetchone()
        self.number = max(self.number, int(row[0]) if row else 0)
