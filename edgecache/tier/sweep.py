"""The sweep: what invalidations have named is freed, and the log may forget them.

Law: a step is short, since hits wait for it; `low` never says more than is true.
"""

from __future__ import annotations

from collections import deque

from edgecache.store.disk import DiskStore
from edgecache.store.disk_walk import DiskWalk
from edgecache.store.marks import Marks
from edgecache.store.standing import Standing
from edgecache.tier.flight import Flights

PATTERNS_MAX = 100_000  # remembered for a disk that does not answer; 20 MB at 200 bytes each
KEYS_PER_STEP = 500  # about a millisecond


class Sweep:
    """Walks over a store whenever there is something newer than the last walk."""

    def __init__(
        self, standing: Standing, flights: Flights, marks: Marks, disk: DiskStore | None = None
    ) -> None:
        self._standing = standing
        self._flights = flights
        self._marks = marks
        self._keys: deque[bytes] = deque()
        self._began_at = 0  # the mark that all have when the walk is over
        self._low = 0
        self._walk = None if disk is None else DiskWalk(disk, marks)

    @property
    def low(self) -> int:
        """The number in the log that nothing stored or under way is older than."""
        return self._marks.number(self._low)

    def step(self) -> bool:
        """Look at the next keys; False when there is nothing to do for now."""
        if not self._keys:
            target = self._flights.lowest_mark(self._marks.last)
            if target <= self._low:
                return False
            self._began_at = target
            self._keys.extend(self._standing.keys())
        for _ in range(min(KEYS_PER_STEP, len(self._keys))):
            self._standing.sift(self._keys.popleft())
        if self._keys:
            return True
        if self._walk is None:
            self._finish()
        return False

    async def go_deeper(self) -> None:
        """Look at what is on disk, once memory has been walked over.

        While the disk does not help, nothing is forgotten: what is on it would be lost.
        """
        if self._walk is None or self._began_at <= self._low or self._keys:
            return
        if await self._walk.check(self._began_at) or self._marks.live > PATTERNS_MAX:
            self._finish()

    def _finish(self) -> None:
        self._low = self._began_at
        self._marks.trim(self._low)
