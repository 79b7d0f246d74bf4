"""When entries expire, in steps. Law: an entry is told of once, not before its time."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

STEP_S = 16  # nothing waits for it: what has expired only makes room before the rest
SLACK = 1_024  # keys of what left before its time, beyond as many as there are entries


class Calendar:
    """Keys by the time their entries expire.

    What leaves before its time is not struck out: its key is told of too, unless `rebuild` came.
    """

    def __init__(self) -> None:
        self._keys: dict[int, list[bytes]] = {}
        self._steps: list[int] = []  # a heap
        self._count = 0

    def note(self, key: bytes, expires_at: float) -> None:
        """`key` has an entry that expires at `expires_at` (epoch seconds)."""
        step = int(expires_at) // STEP_S + 1
        keys = self._keys.get(step)
        if keys is None:
            keys = self._keys[step] = []
            heappush(self._steps, step)
        keys.append(key)
        self._count += 1

    def due(self, now: float) -> list[bytes]:
        """The keys whose time has come."""
        due: list[bytes] = []
        while self._steps and self._steps[0] * STEP_S <= now:
            due += self._keys.pop(heappop(self._steps))
        self._count -= len(due)
        return due

    def is_overgrown(self, entries: int) -> bool:
        """Whether most of what stands here has left already."""
        return self._count > 2 * entries + SLACK

    def rebuild(self, times: Iterable[tuple[bytes, float]]) -> None:
        """Hold only these keys and times."""
        self._keys, self._steps, self._count = {}, [], 0
        for key, expires_at in times:
            self.note(key, expires_at)

    def __len__(self) -> int:
        return self._count
