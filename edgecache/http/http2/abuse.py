"""Abuse of a connection: what costs its peer nothing and us something, counted and bounded.

Law: each kind has a number that it may have at once and a rate at which it comes back; above it the
connection ends with ENHANCE_YOUR_CALM (RFC 9113 §10.5). Both are far above what browsers, curl and
load generators do, and below what a core serves.

- resets: requests given up before they were answered, by RST_STREAM (CVE-2023-44487) or by an error
  that makes us reset them (CVE-2025-8671): each has been decided, and perhaps asked upstream
- frames that ask for nothing: PING, SETTINGS, PRIORITY, PRIORITY_UPDATE, unknown ones, DATA without
  bytes, RST_STREAM of what has ended (CVE-2019-9512, -9513, -9515, -9518)
- WINDOW_UPDATE: a few for each frame of DATA sent (CVE-2019-9511)
"""

from __future__ import annotations

from edgecache.http.http2.frames import ErrorCode, Http2ConnectionError

RESETS_AT_ONCE = 200  # a page that is left has its hundred requests given up at once
RESETS_PER_S = 20.0
IDLE_FRAMES_AT_ONCE = 1_000  # nghttp2's bound for answers that wait
IDLE_FRAMES_PER_S = 100.0
WINDOW_FRAMES_AT_ONCE = 1_000
WINDOW_FRAMES_PER_S = 100.0
WINDOW_FRAMES_PER_DATA = 10  # Envoy's max_inbound_window_update_frames_per_data_frame_sent


class Allowance:
    """A number that is used up and comes back with time."""

    __slots__ = ("_at_once", "_left", "_per_s", "_since", "_what")

    def __init__(self, at_once: int, per_s: float, what: str) -> None:
        self._at_once, self._per_s, self._what = at_once, per_s, what
        self._left = float(at_once)
        self._since = 0.0

    def use(self, now: float, count: float = 1) -> None:
        """Use up `count`. Http2ConnectionError when there are not so many."""
        self._left -= count
        if self._left < 0:
            back = (now - self._since) * self._per_s if self._since else 0.0
            self._left = min(self._left + back, self._at_once)
            self._since = now
            if self._left < 0:
                raise Http2ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, self._what)
        elif not self._since:
            self._since = now

    def give_back(self, count: float) -> None:
        """So many more may be used, up to as many as at first."""
        self._left = min(self._left + count, self._at_once)


class Allowances:
    """Those of one connection."""

    __slots__ = ("idle_frames", "resets", "window_frames")

    def __init__(self) -> None:
        self.resets = Allowance(RESETS_AT_ONCE, RESETS_PER_S, "too many requests given up")
        self.idle_frames = Allowance(
            IDLE_FRAMES_AT_ONCE, IDLE_FRAMES_PER_S, "too many frames that ask for nothing"
        )
        self.window_frames = Allowance(
            WINDOW_FRAMES_AT_ONCE, WINDOW_FRAMES_PER_S, "too many window updates"
        )
