"""Releases on disk: cut, listed, activated, deleted. Law: a number is given once.

Cutting one deletes nothing: the objects of former releases stay stored until room is needed, and
are served again when theirs is activated.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgecache.config.model import Release
from edgecache.control.state.database import StateDatabase

KEPT_MAX = 100  # of one pattern: a page of CloudFront's lists
PATTERNS_MAX = 25  # of one distribution: CloudFront's former quota for cache behaviors


class NoSuchReleaseError(Exception):
    """The message says which, and which there are."""


class ReleaseInUseError(Exception):
    """The current one is not deleted; nor are more kept than is allowed."""


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """One release; 0 stands for all before the first was cut. Time: epoch seconds."""

    distribution: str
    pattern: str
    number: int
    created_at: float
    current: bool


class Releases:
    """The releases of an installation. Changes are part of a transaction of the caller's."""

    def __init__(self, state: StateDatabase) -> None:
        self._database = state

    def of(self, distribution: str) -> list[ReleaseRecord]:
        """All of a distribution, by pattern, the newest first."""
        rows = self._database.execute(
            "SELECT * FROM releases WHERE distribution = ? ORDER BY pattern, number DESC",
            (distribution,),
        )
        return [ReleaseRecord(row[0], row[1], row[2], row[3], bool(row[4])) for row in rows]

    def current(self) -> dict[str, tuple[Release, ...]]:
        """Releases for nodes: by distribution, of each pattern the current one and those kept."""
        found: dict[str, dict[str, tuple[int, list[int]]]] = {}
        rows = self._database.execute("SELECT distribution, pattern, number, current FROM releases")
        for distribution, pattern, number, current in rows:
            patterns = found.setdefault(distribution, {})
            now, kept = patterns.get(pattern, (0, []))
            patterns[pattern] = (number if current else now, [*kept, number])
        return {
            distribution: tuple(
                Release(pattern=pattern, current=now, kept=tuple(sorted(kept)))
                for pattern, (now, kept) in sorted(patterns.items())
            )
            for distribution, patterns in found.items()
        }

    def cut(self, distribution: str, pattern: str, now: float) -> ReleaseRecord:
        """The next one, current from now on. ReleaseInUseError when too many are kept."""
        known = [one for one in self.of(distribution) if one.pattern == pattern]
        if len(known) >= KEPT_MAX:
            raise ReleaseInUseError(f"{KEPT_MAX} releases of {pattern} are kept: delete some")
        if not known:
            if len({one.pattern for one in self.of(distribution)}) >= PATTERNS_MAX:
                raise ReleaseInUseError(f"releases of {PATTERNS_MAX} patterns are kept already")
            self._insert(ReleaseRecord(distribution, pattern, 0, now, current=False))
        number = max((one.number for one in known), default=0) + 1
        made = ReleaseRecord(distribution, pattern, number, now, current=True)
        self._insert(made)
        self._make_current(made)
        return made

    def activate(self, distribution: str, pattern: str, number: int) -> ReleaseRecord:
        """Make one that is kept the current one. NoSuchReleaseError."""
        release = self._find(distribution, pattern, number)
        self._make_current(release)
        return self._find(distribution, pattern, number)

    def delete(self, distribution: str, pattern: str, number: int) -> None:
        """Let its objects go. NoSuchReleaseError, ReleaseInUseError when it is the current one.

        The newest number stays known by being kept or current, so that it is not given again.
        """
        found = self._find(distribution, pattern, number)
        newest = max(x.number for x in self.of(distribution) if x.pattern == pattern)
        if found.current or number == newest:
            why = "current" if found.current else "the newest"
            raise ReleaseInUseError(f"release {number} of {pattern} is {why}")
        self._database.execute(
            "DELETE FROM releases WHERE distribution = ? AND pattern = ? AND number = ?",
            (distribution, pattern, number),
        )

    def _find(self, distribution: str, pattern: str, number: int) -> ReleaseRecord:
        known = [one for one in self.of(distribution) if one.pattern == pattern]
        for one in known:
            if one.number == number:
                return one
        numbers = ", ".join(str(one.number) for one in known) or "none"
        raise NoSuchReleaseError(f"release {number} of {pattern} is not kept (kept: {numbers})")

    def _insert(self, one: ReleaseRecord) -> None:
        row = (one.distribution, one.pattern, one.number, one.created_at, int(one.current))
        self._database.execute("INSERT INTO releases VALUES (?, ?, ?, ?, ?)", row)

    def _make_current(self, one: ReleaseRecord) -> None:
        self._database.execute(
            "UPDATE releases SET current = CASE WHEN number = ? THEN 1 ELSE 0 END"
            " WHERE distribution = ? AND pattern = ?",
            (one.number, one.distribution, one.pattern),
        )
