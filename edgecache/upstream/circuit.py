"""When an origin is left alone. Law: an origin that fails mostly is asked by probes only.

Closed: everyone may ask. Open: nobody, for a while. Half-open: one may ask, and what comes of it
decides. The rule is Hystrix's (half of at least 20 requests in 10 seconds), its pause of 5 seconds
shortened to 1: a probe a second burdens no origin, and one that is well again is soon asked by all.
Pure: `now` is any clock in seconds that does not step back.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

WINDOW_S = 10.0
REQUESTS_MIN = 20
FAILED_SHARE = 0.5
OPEN_S = 1.0
_SLICES = 10


class Admission(StrEnum):
    """What one who wants to ask is told."""

    ASK = "ask"
    PROBE = "probe"  # ask, and tell what came of it: others wait for that
    LEAVE = "leave"  # do not ask


class Circuit:
    """The state of one origin."""

    __slots__ = ("_opened_at", "_probing", "_slices")

    def __init__(self) -> None:
        # Of each second: its number, requests that succeeded, requests that failed.
        self._slices: deque[tuple[int, int, int]] = deque(maxlen=_SLICES)
        self._opened_at: float | None = None
        self._probing = False

    @property
    def closed(self) -> bool:
        """Whether everyone may ask."""
        return self._opened_at is None

    def admit(self, now: float) -> Admission:
        """Whether to ask."""
        if self._opened_at is None:
            return Admission.ASK
        if self._probing or now - self._opened_at < OPEN_S:
            return Admission.LEAVE
        self._probing = True
        return Admission.PROBE

    def succeeded(self, now: float) -> None:
        """An origin answered as origins do that are well."""
        if self._opened_at is None:
            self._count(now, 1, 0)
        elif self._probing:
            self._opened_at, self._probing = None, False
            self._slices.clear()

    def failed(self, now: float) -> None:
        """It gave no answer, or said that it is not well."""
        if self._opened_at is None:
            self._count(now, 0, 1)
            if self._mostly_failed(now):
                self._opened_at = now
        elif self._probing:
            self._opened_at, self._probing = now, False

    def unknown(self) -> None:
        """A probe was given up before there was an answer: the next one may probe."""
        self._probing = False

    def _count(self, now: float, well: int, ill: int) -> None:
        second = int(now)
        if self._slices and self._slices[-1][0] == second:
            _, before, after = self._slices.pop()
            well, ill = well + before, ill + after
        self._slices.append((second, well, ill))

    def _mostly_failed(self, now: float) -> bool:
        recent = [one for one in self._slices if one[0] > now - WINDOW_S]
        well, ill = sum(one[1] for one in recent), sum(one[2] for one in recent)
        return well + ill >= REQUESTS_MIN and ill >= FAILED_SHARE * (well + ill)
