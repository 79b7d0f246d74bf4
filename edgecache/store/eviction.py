"""Eviction order: S3-FIFO told apart by size, and the wheel of expiry times.

Law: pure bookkeeping; it hears what comes and goes, names victims, deletes nothing.

S3-FIFO (Yang et al., "FIFO Queues are All You Need for Cache Eviction", SOSP 2023), told apart by
size. What is new is on *trial* in a small queue; what was used there moves to the *main* one when
its turn comes; the rest leaves, remembered as a *ghost* for a while. A second coming goes to the
main queue at once, unless it stayed away longer than what is there waits for its next use (LIRS,
Jiang and Zhang, SIGMETRICS 2002). Both are queues by size, and the one gives whose oldest is worth
least a byte. A hit moves nothing: it adds to `uses`. Figures and the choice: docs/stores.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from heapq import heappop, heappush
from typing import Generic

from edgecache.store.entry import Entry
from edgecache.store.s3fifo_queues import Ghosts, Queue, R, Sizes, worth

TRIAL_SHARE = 0.05  # of the budget; 0.1 in the paper, and worse here in scans and for mixed sizes
CREDIT_MAX = 3  # the paper's two bits
REPRIEVES_MAX = 64  # while one victim is sought: the longest anybody waits for room
MEAN_ARRIVALS = 2_048  # what the average size is taken over
GHOST_SHARE = 1.2  # budgets' worth of arrivals for which a ghost is remembered
AGAIN_SHARE = 0.45  # of a trial: what is larger must come again the sooner, as it drives out more
PATIENCE = 0.8  # of what main's next victim has waited: who stayed away longer is tried again
MOMENTS = 4_096  # in a budget's worth of arrivals: few numbers, which residents share


class EvictionReason(StrEnum):
    """Why an entry left. From the second to the fourth: what leaves before anything else."""

    SIZE = "size"  # it made room
    EXPIRED = "expired"
    INVALIDATED = "invalidated"
    OLD_RELEASE = "old-release"
    REPLACED = "replaced"
    VARIANTS = "variants"  # its key has newer ones, as many as are kept


LEAVING_FIRST = (EvictionReason.INVALIDATED, EvictionReason.OLD_RELEASE, EvictionReason.EXPIRED)


class EvictionRefused(StrEnum):
    """Why something new is not taken in."""

    TOO_BIG = "too-big"  # for the whole budget
    UNPROVEN = "unproven"  # too big to be tried out at the cost of others; its next time counts


Victims = list[tuple[R, EvictionReason]]


class Eviction(Generic[R]):
    """The order in which residents leave, within a budget of bytes."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.room_bytes = budget_bytes  # what others leave of it for now
        self._trial_bytes_max = int(budget_bytes * TRIAL_SHARE)
        self._trial = Sizes[R]()
        self._main = Sizes[R]()
        self._leaving = {why: Queue[R]() for why in LEAVING_FIRST}
        self._ghosts = Ghosts(budget_bytes)
        self._clock = 1  # in MOMENTS
        self._arrivals = 0
        self._arrived_bytes = 0
        self._mean_bytes = 0.0

    def admit(self, new: R) -> Victims[R] | EvictionRefused:
        """Take in `new`; who leaves for it."""
        size = new.size_bytes
        if size > self.room_bytes:
            return EvictionRefused.TOO_BIG
        ghost = hash(new.key)
        away = self._ghosts.take(ghost, self._clock)
        self._arrived(size)
        tight = self.size_bytes + size > self.room_bytes
        known = self._is_known(size, away, tight)
        if tight and not known and size > self._trial_bytes_max:
            self._ghosts.add(ghost, self._clock)
            return EvictionRefused.UNPROVEN
        victims = self._make_room(size) if tight else []
        (self._main if known else self._trial).append(new, self._clock)
        return victims

    def replace(self, old: R, new: R) -> Victims[R] | EvictionRefused:
        """Take in `new` in the place of `old`, of which it was one more use; who leaves for it."""
        sizes = old._queue.sizes
        proven = sizes is self._main or (sizes is None and old.uses > 0)
        self.forget(old)
        if new.size_bytes > self.room_bytes:
            return EvictionRefused.TOO_BIG
        new.uses, new._seen = old.uses + 1, old._seen
        victims = self._make_room(new.size_bytes)
        (self._main if proven else self._trial).append(new, self._clock)
        return victims

    def give_way(self, room_bytes: int) -> Victims[R]:
        """Keep to so much of the budget from now on; who leaves for that."""
        self.room_bytes = min(room_bytes, self.budget_bytes)
        return self._make_room(0)

    def first(self, resident: R, why: EvictionReason) -> None:
        """Let it be among those that leave before all others (one of LEAVING_FIRST)."""
        self.forget(resident)
        self._leaving[why].append(resident)

    def recall(self, resident: R, why: EvictionReason) -> bool:
        """It no longer leaves before others because of `why`; False when that was not so."""
        queue: Queue[R] = resident._queue
        if queue is not self._leaving.get(why):
            return False
        self.forget(resident)
        self._main.append(resident, self._clock)
        return True

    def leaves_first(self, resident: R) -> bool:
        """Whether it is among those that leave before all others."""
        queue: Queue[R] = resident._queue
        return queue.sizes is None

    def forget(self, resident: R) -> None:
        """It has left for a reason of its own."""
        queue: Queue[R] = resident._queue
        queue.remove(resident)

    @property
    def size_bytes(self) -> int:
        """What the residents take."""
        total = self._trial.size_bytes + self._main.size_bytes
        for queue in self._leaving.values():  # asked with every arrival: no generator
            total += queue.size_bytes
        return total

    def __iter__(self) -> Iterator[R]:
        for queue in self._queues():
            yield from queue

    def check(self) -> None:
        """The bookkeeping proves itself: links agree, bytes add up, the budget holds."""
        for queue in self._queues():
            queue.check()
        for sizes in (self._trial, self._main):
            assert sizes.size_bytes == sum(queue.size_bytes for queue in sizes.queues.values())
        assert self.size_bytes <= self.room_bytes <= self.budget_bytes

    def _queues(self) -> list[Queue[R]]:
        by_size = (*self._trial.queues.values(), *self._main.queues.values())
        return [*self._leaving.values(), *by_size]

    def _arrived(self, size: int) -> None:
        self._arrivals += 1
        weight = max(1 / self._arrivals, 1 / MEAN_ARRIVALS)
        self._mean_bytes += (size - self._mean_bytes) * weight
        self._arrived_bytes += size
        moment = self._arrived_bytes * MOMENTS // self.budget_bytes + 1
        if moment != self._clock:  # else the very number that residents already have
            self._clock = moment

    def _is_known(self, size: int, away: int | None, tight: bool) -> bool:
        """Whether what was `away` for so long needs no trial (None: it is new)."""
        share = min(1.0, AGAIN_SHARE * self._trial_bytes_max / size)
        if away is None or away > share * GHOST_SHARE * MOMENTS:
            return False
        if not tight or not self._main.size_bytes:
            return True
        first = self._main.least_worth(self._clock, self._mean_bytes)
        waited = (self._clock - first._since + 1) / worth(first.size_bytes, self._mean_bytes)
        return away / worth(size, self._mean_bytes) <= PATIENCE * waited

    def _make_room(self, size: int) -> Victims[R]:
        victims: Victims[R] = []
        while self.size_bytes + size > self.room_bytes:
            victim, why = self._victim()
            self.forget(victim)
            victims.append((victim, why))
        return victims

    def _victim(self) -> tuple[R, EvictionReason]:
        for why, queue in self._leaving.items():
            if queue.first is not None:
                return queue.first, why
        on_trial = self._trial_victim()
        return self._main_victim() if on_trial is None else on_trial, EvictionReason.SIZE

    def _trial_victim(self) -> R | None:
        """The first that was not used on trial; those that were move on. None: main's turn."""
        for _ in range(REPRIEVES_MAX):
            if self._trial.size_bytes <= self._trial_bytes_max and self._main.size_bytes:
                return None
            resident = self._trial.least_worth(self._clock, self._mean_bytes)
            if resident.uses == resident._seen:
                self._ghosts.add(hash(resident.key), self._clock)
                return resident
            resident._seen = resident.uses
            self.forget(resident)
            self._main.append(resident, self._clock)
        return None

    def _main_victim(self) -> R:
        """The first without credit; the others lose one and go to the end."""
        for _ in range(REPRIEVES_MAX):
            resident = self._main.least_worth(self._clock, self._mean_bytes)
            credit = min(resident.uses - resident._seen, CREDIT_MAX)
            if credit <= 0:
                return resident
            resident._seen = resident.uses - credit + 1
            resident._since = self._clock
            queue: Queue[R] = resident._queue
            queue.to_end(resident)
        return self._main.least_worth(self._clock, self._mean_bytes)


STEP_S = 16
STEPS = 16  # at least, to the time an entry expires


class ExpiryWheel:
    """Entries by the time they expire, in steps.

    An entry is told of once, not before its time, nor when gone. Nothing waits for it: what has
    expired only makes room before the rest. So a step is as long as a sixteenth of the time there
    is, and few steps hold whatever comes.
    """

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
