"""Marks. Law: nothing outside this file says that a stored response outlived an invalidation.

A *mark* is the number of the newest invalidation a response is known to be newer than: taken before
its fill asked the origin, raised whenever it is checked. A response stands while no invalidation
above its mark names it. A process is *confirmed* while control's lease lasts: beyond it there may
be invalidations it has not heard of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edgecache.rules.invalidation.items import Item, subject_of
from edgecache.rules.invalidation.matcher import LiveInvalidations
from edgecache.store.entry import Entry

UNKNOWN = -1  # a mark of another log: nothing can be said of it


@dataclass(frozen=True, slots=True)
class Invalidation:
    """What control's log says of one: its number, when it was accepted (epoch s), what it names."""

    seq: int
    at: float
    distribution: str
    items: tuple[Item, ...]
    soft: bool = False


class InvalidationState:
    """The invalidations one process knows.

    `last` is the mark of the newest one applied, `floor` the lowest mark that can be judged, as
    what was named before may be forgotten. `lease_until` is in the tier's clock; without control
    there is nothing to hear of, and it never ends. Marks only grow: those of another log, should
    control have lost its own, begin above all that were given before.
    """

    __slots__ = ("_base", "_live", "_soft_at", "epoch", "floor", "last", "lease_until")

    def __init__(self, lease_until: float = float("inf")) -> None:
        self.last = 0
        self.floor = 0
        self.epoch = ""
        self.lease_until = lease_until
        self._base = 0  # the mark of this log's number 0
        self._live = LiveInvalidations()
        self._soft_at: dict[int, float] = {}

    def begin(self, epoch: str, floor: int) -> None:
        """Follow the log `epoch`, in which nothing up to number `floor` is told any more."""
        if epoch != self.epoch:
            self._base = self.last + 1 if self.epoch else 0
            self.epoch = epoch
            self.last = self.floor = self._base
            self._live = LiveInvalidations()
            self._soft_at = {}
        self.floor = max(self.floor, self._base + floor)
        self.last = max(self.last, self.floor)

    def apply(self, one: Invalidation) -> None:
        """Take over the next entry of the log. What was applied before is passed over."""
        mark = self._base + one.seq
        if mark <= self.last:
            return
        self._live.add(mark, one.distribution, one.items, soft=one.soft)
        if one.soft:
            self._soft_at[mark] = one.at
        self.last = mark

    def number(self, mark: int) -> int:
        """The number in the log that a mark stands for."""
        return max(0, mark - self._base)

    def spell(self, mark: int) -> bytes:
        """A mark as tiers tell it to each other, and as it is kept on disk."""
        return b"%b:%d" % (self.epoch.encode(), self.number(mark))

    def read(self, spelled: bytes | None) -> int:
        """The mark another tier told; UNKNOWN when it follows another log, or told nothing."""
        epoch, colon, number = (spelled or b"").partition(b":")
        if not colon or epoch != self.epoch.encode() or not number.isdigit() or len(number) > 18:
            return UNKNOWN
        return self._base + int(number)

    def trim(self, upto: int) -> None:
        """Forget invalidations up to `upto`: nothing stored or under way has a lower mark."""
        self.floor = max(self.floor, upto)
        self._live.trim(upto)
        self._soft_at = {seq: at for seq, at in self._soft_at.items() if seq > upto}

    def confirmed(self, asked_mark: int, now: float) -> bool:
        """Whether what stands here stands for who asks, who may know newer invalidations."""
        return now < self.lease_until and 0 <= asked_mark <= self.last

    def stands(self, entry: Entry) -> bool:
        """Whether no invalidation above its mark names `entry`, whose mark is raised if so.

        A soft one makes it stale from when it was accepted.
        """
        if entry.mark == self.last:
            return True
        if not self.floor <= entry.mark <= self.last:
            return False
        subject = subject_of(entry.key, entry.tags)
        if self._live.hard_match(subject, entry.mark):
            return False
        soft = self._live.soft_match(subject, entry.mark)
        if soft:
            entry.make_stale(self._soft_at[soft])
        entry.mark = self.last
        return True

    def passes(self, key: bytes, mark: int, tags: tuple[bytes, ...] | None = None) -> bool:
        """Whether what began at `mark` is as good as what begins now: nothing has named it since.

        `tags` None: not known yet.
        """
        if mark == self.last:
            return True
        if not self.floor <= mark <= self.last:
            return False
        subject = subject_of(key, tags)
        return not (self._live.hard_match(subject, mark) or self._live.soft_match(subject, mark))

    @staticmethod
    def named(
        entries: Iterable[Entry], distribution: str, items: tuple[Item, ...]
    ) -> Iterator[Entry]:
        """Which of the entries an invalidation of a distribution would name: a dry run."""
        trial = LiveInvalidations()
        trial.add(1, distribution, items, soft=False)
        for entry in entries:
            if trial.hard_match(subject_of(entry.key, entry.tags), 0):
                yield entry

    @property
    def live(self) -> int:
        """How many patterns are kept."""
        return len(self._live)
