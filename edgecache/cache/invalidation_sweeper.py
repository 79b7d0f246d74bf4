"""Background sweep: frees what invalidations and releases leave behind, then trims the log.

Law: a step is short, since hits wait for it; `low` never says more than is true.

What is in a reserve nobody walks over: where there is one, what the log still tells is remembered,
and control says for how long that is (`control.state.log`).
"""

from __future__ import annotations

from collections import deque

from edgecache.cache.coalescing import Flights
from edgecache.rules.caching.key import read_key
from edgecache.rules.invalidation.releases import Patterns, release_state
from edgecache.rules.invalidation.releases import ReleaseState as Becoming
from edgecache.rules.routing import RouteTable
from edgecache.store.disk.store import DiskStore
from edgecache.store.disk.walk import DiskWalk
from edgecache.store.invalidation import FilteredStore, InvalidationState

PATTERNS_MAX = 100_000  # remembered for a disk that does not answer; 20 MB at 200 bytes each
KEYS_PER_STEP = 500  # about a millisecond

Releases = dict[str, Patterns]


class InvalidationSweeper:
    """Walks over the store whenever an invalidation is newer than the last walk."""

    def __init__(
        self,
        store: FilteredStore,
        flights: Flights,
        marks: InvalidationState,
        disk: DiskStore | None = None,
    ) -> None:
        self._store = store
        self._flights = flights
        self._marks = marks
        self._keys: deque[bytes] = deque()
        self._began_at = 0  # the mark that all have when the walk is over
        self._low = 0
        self._releases: Releases = {}  # the patterns of each distribution that has any
        self._unjudged = False  # they have changed since the last walk over memory began
        self._unjudged_deep = False  # ... and over the disk
        self.has_reserve = False
        self._walk = None if disk is None else DiskWalk(disk, marks, self._becomes)

    @property
    def low(self) -> int:
        """The number in the log that nothing stored or under way is older than."""
        return self._marks.number(self._low)

    def use(self, table: RouteTable) -> None:
        """Judge what is stored by the releases of this configuration from the next walk on."""
        every = {id: site.behaviors[-1][1].releases for id, site in table.by_id.items()}
        of_each = {id: releases for id, releases in every.items() if releases}
        if spelled(of_each) != spelled(self._releases):
            self._unjudged = self._unjudged_deep = True
        self._releases = of_each

    def step(self) -> bool:
        """Check the next keys; False when there is nothing to do for now."""
        if not self._keys:
            target = self._flights.lowest_mark(self._marks.last)
            if target <= self._low and not self._unjudged:
                return False
            self._began_at, self._unjudged = max(target, self._low), False
            self._keys.extend(self._store.keys())
        for _ in range(min(KEYS_PER_STEP, len(self._keys))):
            self._look_at(self._keys.popleft())
        if self._keys:
            return True
        if self._walk is None:
            self._finish()
        return False

    async def check_disk(self) -> None:
        """Check the entries on disk, once memory has been walked over.

        While the disk does not help, nothing is forgotten: what is on it would be lost.
        """
        if self._walk is None or self._keys:
            return
        if self._began_at <= self._low and not self._unjudged_deep:
            return
        releases, self._unjudged_deep = self._unjudged_deep, False
        target = max(self._began_at, self._low)
        checked = await self._walk.check(target, releases=releases)
        self._unjudged_deep = self._unjudged_deep or (releases and not checked)
        if target > self._low and (checked or self._marks.live > PATTERNS_MAX):
            self._finish()

    def _look_at(self, key: bytes) -> None:
        self._store.sift(key)
        match self._becomes(key):
            case Becoming.DELETED:
                self._store.leave(key)
            case Becoming.FORMER:
                self._store.leaves_first(key)
            case Becoming.CURRENT:
                self._store.leaves_in_turn(key)

    def _becomes(self, key: bytes) -> Becoming:
        if not self._releases:
            return Becoming.CURRENT
        parts = read_key(key)
        patterns = self._releases.get(parts.distribution, ())
        return release_state(parts.path, parts.release, patterns)

    def _finish(self) -> None:
        self._low = self._began_at
        self._marks.trim(self._marks.floor if self.has_reserve else self._low)


def spelled(releases: Releases) -> list[tuple[str, list[tuple[bytes, int, frozenset[int]]]]]:
    """Releases as values: those of two configurations that say the same are equal."""
    return sorted(
        (id, [(one.text, one.current, one.kept) for one in patterns])
        for id, patterns in releases.items()
    )
