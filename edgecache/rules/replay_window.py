"""Replay windows: which sequence numbers of each sender were used. Law: each is taken once.

A sender numbers what it signs; its receiver keeps a window behind the highest number it has met
(RFC 4303 §3.4.3), as a ring of bits (RFC 6479), so that a number costs no memory of its own. What
is older than the window is refused, and so is a sender's run for which there is no room. A sender
has so few runs at most that it takes the room of no other.
"""

from __future__ import annotations

from enum import StrEnum

WINDOW = 32_768  # numbers: ten seconds at 3,000 a second, and a lost packet is sent again in one
WINDOW_BYTES = WINDOW // 8
RUN_BYTES = WINDOW_BYTES + 400  # with its object, its name and its place in the table
RUNS_MAX = 8_192  # of processes: 37 MB, taken as they come; a control keeps up with fewer
RUNS_PER_SENDER_MAX = 128  # a location has 64 workers at most, and as many successors


class ReplayVerdict(StrEnum):
    """Verdict on a sender's number."""

    FIRST = "first"
    REPLAYED = "replayed"  # used before, or older than the window tells
    FULL = "full"  # a new run, and no room for one


class ReplayWindow:
    """Numbers of one run. `newest_at`: the latest time any of them names, epoch seconds."""

    __slots__ = ("_newest", "_ring", "newest_at")

    def __init__(self) -> None:
        self.newest_at = 0.0
        self._newest = 0
        self._ring = bytearray(WINDOW_BYTES)

    def take(self, number: int) -> bool:
        """Whether `number` (1 or more) is used for the first time; then it is used."""
        ring, newest = self._ring, self._newest
        if number > newest:
            first, last = (newest >> 3) + 1, number >> 3
            for block in range(max(first, last - WINDOW_BYTES + 1), last + 1):
                ring[block % WINDOW_BYTES] = 0
            self._newest = number
        elif number < 1 or newest - number > WINDOW - 8:  # its byte may be that of newer ones
            return False
        at, bit = (number >> 3) % WINDOW_BYTES, 1 << (number & 7)
        if ring[at] & bit:
            return False
        ring[at] |= bit
        return True


class ReplayMemory:
    """Replay windows by sender and run, kept while anything a run may hold could still be accepted.

    `lasts_s`: for how long after the time it names a number is accepted at most. `runs_max` of all
    senders together, `per_sender_max` of each.
    """

    def __init__(
        self,
        lasts_s: float,
        runs_max: int = RUNS_MAX,
        per_sender_max: int = RUNS_PER_SENDER_MAX,
    ) -> None:
        self._lasts_s = lasts_s
        self._runs_max = runs_max
        self._per_sender_max = per_sender_max
        self._windows: dict[bytes, dict[bytes, ReplayWindow]] = {}
        self._count = 0

    def take(self, sender: bytes, run: bytes, number: int, at: float, now: float) -> ReplayVerdict:
        """Take a number of a run that is authentic. `at`: the time it names; `now`: ours."""
        window = self._windows.get(sender, {}).get(run) or self._new_window(sender, run, now)
        if window is None:
            return ReplayVerdict.FULL
        if not window.take(number):
            return ReplayVerdict.REPLAYED
        if at > window.newest_at:
            window.newest_at = at
        return ReplayVerdict.FIRST

    def _new_window(self, sender: bytes, run: bytes, now: float) -> ReplayWindow | None:
        """A window for a new run; None where its sender, or all together, have too many."""
        self._forget(sender, now)
        if len(self._windows.get(sender, ())) >= self._per_sender_max:
            return None
        if self._count >= self._runs_max:
            for other in [*self._windows]:
                self._forget(other, now)
        if self._count >= self._runs_max:
            return None
        self._count += 1
        window = self._windows.setdefault(sender, {})[run] = ReplayWindow()
        return window

    def _forget(self, sender: bytes, now: float) -> None:
        """Drop the runs of a sender of which nothing would be accepted any more."""
        runs, ended = self._windows.get(sender, {}), now - self._lasts_s
        for run in [one for one, window in runs.items() if window.newest_at < ended]:
            del runs[run]
            self._count -= 1
        if not runs:
            self._windows.pop(sender, None)

    def __len__(self) -> int:
        return self._count

    @property
    def size_bytes(self) -> int:
        """About what it holds, in bytes."""
        return self._count * RUN_BYTES
