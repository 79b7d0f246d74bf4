"""The sweep: what invalidations have named is freed, and the log may forget them.

Law: a step is short, since hits wait for it; `low` never says more than is true.
"""

from __future__ import annotations

from collections import deque

from edgecache.store.marks import Marks
from edgecache.store.standing import Standing
from edgecache.tier.flight import Flights

KEYS_PER_STEP = 500  # about a millisecond


class Sweep:
    """Walks over a store whenever there is something newer than the last walk."""

    def __init__(self, standing: Standing, flights: Flights, marks: Marks) -> None:
        self._standing = standing
        self._flights = flights
        self._marks = marks
        self._keys: deque[bytes] = deque()
        self._began_at = 0  # the mark that all have when the walk is over
        self._low = 0

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
        self._low = self._began_at
        self._marks.trim(self._low)
        return False
