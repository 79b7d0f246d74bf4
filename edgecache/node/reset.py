"""Reset of a node in dev mode: it has stored, counted and remembered nothing.

Law: what was under way is not stored either, and while control sets the clock back no lease is
taken: one that was asked for by the former time would last for as long as that was ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgecache.cache.tier import Tier
from edgecache.cluster.log_entries import LogEntry, LogEntryKind, ResetBody, read_body
from edgecache.observe.counters import Counters
from edgecache.server.listener import Listener


@dataclass(slots=True)
class NodeReset:
    """What of one process begins anew. `forget` is called for what else it remembers."""

    tier: Tier
    counters: Counters
    forget: Sequence[Callable[[], None]] = ()
    number: int = 0  # in control's log, of the newest
    _goes_back: bool = False  # the clock is about to be set back
    _was_asked_before: bool = False  # the next lease was asked for by the former time

    def _start_over(self, number: int, *, back: bool) -> None:
        """Begin anew, with the entry of this number in control's log."""
        marks = self.tier.world.marks
        marks.begin(marks.epoch, number)  # what is stored or under way can be judged no more
        marks.trim(marks.floor)
        if back:
            self._goes_back = True
            marks.lease_until = 0.0
        self.tier.forget()
        for forget in self.forget:
            forget()
        self.counters.start_over()
        self.number = number

    def apply(self, entry: LogEntry, listener: Listener) -> bool:
        """Take over an entry of a kind that dev mode alone knows; whether it was a reset.

        What head caches have answered is counted before, and gauges are of afterwards: control is
        told of them at once.
        """
        if entry.kind == LogEntryKind.RESET:
            listener.settle()
            self._start_over(entry.seq, back=read_body(entry, ResetBody).back)
            listener.sweep()
            return True
        if entry.kind == LogEntryKind.CLOCK:  # it has been moved
            self._was_asked_before, self._goes_back = self._goes_back, False
        return False

    def set_back(self) -> None:
        """The clock has been set back: no lease is left, nor taken that was asked for before.

        A process that was stopped all the while, and was waited for no more, sees it by itself.
        """
        self.tier.world.marks.lease_until = 0.0
        self._was_asked_before = True

    def takes_lease(self) -> bool:
        """Whether a lease may be taken that comes now."""
        was_asked_before, self._was_asked_before = self._was_asked_before, False
        return not (self._goes_back or was_asked_before)
