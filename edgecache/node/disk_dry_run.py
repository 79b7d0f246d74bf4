"""Dry runs over a disk: begun by who asks first, told to who asks again. Law: nobody waits here.

A look reads a few rows at a time in threads that look, so that viewers go before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgecache.cache.tier import Tier
from edgecache.cluster.inspection import DiskNamed, DryRunReport
from edgecache.store.disk.store import DiskStore
from edgecache.store.disk.walk import ROWS_PER_STEP
from edgecache.store.entry import Entry

LOOKS_MAX = 4  # at once: people ask, one or two of them
ROWS_LOOKED_AT = 100_000  # as of memory; in a second or two, viewers in between
TOLD_S_MAX = 60.0  # what nobody came back for by then is looked for anew


@dataclass(slots=True)
class _Look:
    began_at: float
    found: DiskNamed | None = None


class DiskDryRun:
    """The looks of one process."""

    def __init__(self) -> None:
        self._looks: dict[DryRunReport, _Look] = {}

    def ask(self, tier: Tier, trial: DryRunReport, now: float) -> DiskNamed | None:
        """What its disk has of it; None: come again, it is being looked for."""
        if tier.disk is None:
            return DiskNamed()
        late = [one for one, look in self._looks.items() if now - look.began_at > TOLD_S_MAX]
        for one in late:
            del self._looks[one]
        look = self._looks.get(trial)
        if look is None:
            if len(self._looks) < LOOKS_MAX:
                look = self._looks[trial] = _Look(now)
                tier.world.spawn(_look(look, tier.disk, tier, trial))
        elif look.found is not None:
            del self._looks[trial]
        return None if look is None else look.found


async def _look(look: _Look, disk: DiskStore, tier: Tier, trial: DryRunReport) -> None:
    entries = size_bytes = looked_at = after = 0
    while looked_at < ROWS_LOOKED_AT:
        rows = await disk.heads(after, min(ROWS_PER_STEP, ROWS_LOOKED_AT - looked_at))
        if not rows:
            break
        heads = [row.entry for row in rows if row.entry is not None]
        for entry in tier.world.marks.named(heads, trial.distribution, trial.items):
            entries += 1
            size_bytes += _size(entry)
        looked_at, after = looked_at + len(rows), rows[-1].id
    look.found = DiskNamed(entries, size_bytes, looked_at, disk.shelf.totals.objects)


def _size(entry: Entry) -> int:
    return entry.size_bytes + (0 if entry.stored is None else entry.stored.length)
