"""When entries expire, in steps. Law: an entry is told of once, not before its time, nor when gone.

Nothing waits for it: what has expired only makes room before the rest. So a step is as long as a
sixteenth of the time there is, and few steps hold whatever comes.
"""

from __future__ import annotations

from heapq import heappop, heappush

from edgecache.store.entry import Entry

STEP_S = 16
STEPS = 16  # at least, to the time an entry expires


class ExpiryWheel:
    """Entries by the time they expire."""

    def __init__(self) -> None:
        self._entries: dict[int, set[Entry]] = {}
        self._times: list[int] = []  # a heap

    def note(self, entry: Entry, now: float) -> None:
        """`entry` expires when it says it does (epoch seconds, as `now`)."""
        ahead_s = max(0, int(entry.expires_at - now))
        step_s = STEP_S << (ahead_s // (STEP_S * STEPS)).bit_length()
        time = (int(entry.expires_at) // step_s + 1) * step_s
        found = self._entries.get(time)
        if found is None:
            found = self._entries[time] = set()
            heappush(self._times, time)
        found.add(entry)
        entry.due = found

    def strike(self, entry: Entry) -> None:
        """`entry` has left before its time."""
        if entry.due is not None:
            entry.due.discard(entry)
            entry.due = None

    def due(self, now: float) -> set[Entry]:
        """What has expired, and was not told of."""
        due: set[Entry] = set()
        while self._times and self._times[0] <= now:
            due |= self._entries.pop(heappop(self._times))
        for entry in due:
            entry.due = None
        return due

    def __len__(self) -> int:
        return sum(map(len, self._entries.values()))
