"""Replay windows: which sequence numbers of each sender were used. Law: each is taken once.

A sender numbers what it signs; its receiver keeps a window behind the highest number it has met
(RFC 4303 §3.4.3), as a ring of bits (RFC 6479), so that a number costs no memory of its own. What
is older than the window is refused, and so is a sender for whom there is no room.
"""

from __future__ import annotations

from enum import StrEnum

WINDOW = 32_768  # numbers: ten seconds at 3,000 a second, and a lost packet is sent again in one
WINDOW_BYTES = WINDOW // 8
SENDER_BYTES = WINDOW_BYTES + 400  # with its object, its name and its place in the table
SENDERS_MAX = 1_024  # runs of processes: four times the workers of 64 locations


class ReplayVerdict(StrEnum):
    """Verdict on a sender's number."""

    FIRST = "first"
    REPLAYED = "replayed"  # used before, or older than the window tells
    FULL = "full"  # a new sender, and no room for one


class ReplayWindow:
    """Numbers of one sender. `newest_at`: the latest time any of them names, epoch seconds."""

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
    """Replay windows by sender, each kept while anything it may hold could still be accepted.

    `lasts_s`: for how long after the time it names a number is accepted at most.
    """

    def __init__(self, lasts_s: float, senders_max: int = SENDERS_MAX) -> None:
        self._lasts_s = lasts_s
        self._senders_max = senders_max
        self._windows: dict[bytes, ReplayWindow] = {}

    def take(self, sender: bytes, number: int, at: float, now: float) -> ReplayVerdict:
        """Take a number of a sender that is authentic. `at`: the time it names; `now`: ours."""
        window = self._windows.get(sender)
        if window is None:
            self._forget(now)
            if len(self._windows) >= self._senders_max:
                return ReplayVerdict.FULL
            window = self._windows[sender] = ReplayWindow()
        if not window.take(number):
            return ReplayVerdict.REPLAYED
        if at > window.newest_at:
            window.newest_at = at
        return ReplayVerdict.FIRST

    def _forget(self, now: float) -> None:
        """Drop the senders of whom nothing would be accepted any more."""
        ended = now - self._lasts_s
        for sender in [one for one, window in self._windows.items() if window.newest_at < ended]:
            del self._windows[sender]

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def size_bytes(self) -> int:
        """About what it holds, in bytes."""
        return len(self._windows) * SENDER_BYTES
