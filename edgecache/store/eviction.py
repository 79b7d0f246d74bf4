"""Who leaves. Law: pure bookkeeping; it hears what comes and goes, names victims, deletes nothing.

S3-FIFO (Yang et al., "FIFO Queues are All You Need for Cache Eviction", SOSP 2023), told apart by
size. What is new is on *trial* in a small queue; what was used there moves to the *main* one when
its turn comes; the rest leaves, remembered as a *ghost* for a while, so that its second coming goes
to the main queue at once. Both are queues by size, and the one gives whose oldest is worth least a
byte. A hit moves nothing: it adds to `uses`. Figures and the choice: docs/stores.md.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Generic, TypeVar

TRIAL_SHARE = 0.04  # of the budget; 0.1 in the paper, and worse here on every trace but drift
CREDIT_MAX = 3  # the paper's two bits
SMALL_WORTH = 0.4  # of an average object's bytes: what it is worth to save a request, whatever size
REPRIEVES_MAX = 64  # while one victim is sought: the longest anybody waits for room
MEAN_ARRIVALS = 2_048  # what the average size is taken over
GHOST_SHARE = 0.9  # of the budget, in bytes of what ghosts were: so far back they are remembered
BIG_GHOST_SHARE = 0.3  # for what is too big for a trial: it must come again sooner
GHOST_BYTES = 8
ENTRY_BYTES_LEAST = 1_024  # about what the smallest entry takes: as many ghosts are remembered
_MOMENTS = 4_096  # in a budget's worth of ghosts
_WORD = 0xFFFF_FFFF


class Leaving(StrEnum):
    """Why an entry left. From the second to the fourth: what leaves before anything else."""

    SIZE = "size"  # it made room
    EXPIRED = "expired"
    INVALIDATED = "invalidated"
    OLD_RELEASE = "old-release"
    REPLACED = "replaced"
    VARIANTS = "variants"  # its key has newer ones, as many as are kept


class Refused(StrEnum):
    """Why something new is not taken in."""

    TOO_BIG = "too-big"  # for the whole budget
    UNPROVEN = "unproven"  # too big to be tried out at the cost of others; its next time counts


class Resident:
    """Something that takes room. Whoever uses it adds to `uses`."""

    __slots__ = ("_next", "_previous", "_queue", "_seen", "_since", "key", "size_bytes", "uses")

    def __init__(self, key: bytes, size_bytes: int) -> None:
        self.key = key
        self.size_bytes = size_bytes
        self.uses = 0
        self._seen = 0  # uses that its place has taken into account
        self._since = 0  # when it came to its place
        self._queue: Any = None
        self._next: Any = None
        self._previous: Any = None


R = TypeVar("R", bound=Resident)
Victims = list[tuple[R, Leaving]]


class Eviction(Generic[R]):
    """The order in which residents leave, within a budget of bytes."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._trial_bytes_max = int(budget_bytes * TRIAL_SHARE)
        self._trial = _Sizes[R]()
        self._main = _Sizes[R]()
        self._leaving = {why: _Queue[R]() for why in LEAVING_FIRST}
        self._ghosts = _Ghosts(budget_bytes)
        self._clock = 0  # counts arrivals, in steps of a thousandth of the residents
        self._arrivals_to_step = 0
        self._arrivals = 0
        self._mean_bytes = 0.0

    def admit(self, new: R) -> Victims[R] | Refused:
        """Take in `new`; who leaves for it."""
        size = new.size_bytes
        if size > self.budget_bytes:
            return Refused.TOO_BIG
        self._arrived(size)
        ghost = hash(new.key)
        big = size > self._trial_bytes_max
        known = self._ghosts.take(ghost, BIG_GHOST_SHARE if big else GHOST_SHARE)
        if big and not known and self.size_bytes + size > self.budget_bytes:
            self._ghosts.add(ghost, size)
            return Refused.UNPROVEN
        victims = self._make_room(size)
        (self._main if known else self._trial).append(new, self._clock)
        return victims

    def replace(self, old: R, new: R) -> Victims[R] | Refused:
        """Take in `new` in the place of `old`, of which it was one more use; who leaves for it."""
        sizes = old._queue.sizes
        proven = sizes is self._main or (sizes is None and old.uses > 0)
        self.forget(old)
        if new.size_bytes > self.budget_bytes:
            return Refused.TOO_BIG
        new.uses, new._seen = old.uses + 1, old._seen
        victims = self._make_room(new.size_bytes)
        (self._main if proven else self._trial).append(new, self._clock)
        return victims

    def first(self, resident: R, why: Leaving) -> None:
        """Let it be among those that leave before all others (one of LEAVING_FIRST)."""
        self.forget(resident)
        self._leaving[why].append(resident)

    def leaves_first(self, resident: R) -> bool:
        """Whether it is among those that leave before all others."""
        queue: _Queue[R] = resident._queue
        return queue.sizes is None

    def forget(self, resident: R) -> None:
        """It has left for a reason of its own."""
        queue: _Queue[R] = resident._queue
        queue.remove(resident)

    @property
    def size_bytes(self) -> int:
        """What the residents take."""
        leaving = sum(queue.size_bytes for queue in self._leaving.values())
        return self._trial.size_bytes + self._main.size_bytes + leaving

    def __iter__(self) -> Iterator[R]:
        for queue in self._queues():
            yield from queue

    def check(self) -> None:
        """The bookkeeping proves itself: links agree, bytes add up, the budget holds."""
        for queue in self._queues():
            queue.check()
        for sizes in (self._trial, self._main):
            assert sizes.size_bytes == sum(queue.size_bytes for queue in sizes.queues.values())
        assert self.size_bytes <= self.budget_bytes

    def _queues(self) -> list[_Queue[R]]:
        by_size = (*self._trial.queues.values(), *self._main.queues.values())
        return [*self._leaving.values(), *by_size]

    def _arrived(self, size: int) -> None:
        self._arrivals += 1
        weight = max(1 / self._arrivals, 1 / MEAN_ARRIVALS)
        self._mean_bytes += (size - self._mean_bytes) * weight
        self._arrivals_to_step -= 1
        if self._arrivals_to_step < 0:  # seldom, so that a million residents share few numbers
            self._clock += 1
            self._arrivals_to_step = int(self.size_bytes / self._mean_bytes) >> 10

    def _make_room(self, size: int) -> Victims[R]:
        victims: Victims[R] = []
        while self.size_bytes + size > self.budget_bytes:
            victim, why = self._victim()
            self.forget(victim)
            victims.append((victim, why))
        return victims

    def _victim(self) -> tuple[R, Leaving]:
        for why, queue in self._leaving.items():
            if queue.first is not None:
                return queue.first, why
        on_trial = self._trial_victim()
        return self._main_victim() if on_trial is None else on_trial, Leaving.SIZE

    def _trial_victim(self) -> R | None:
        """The first that was not used on trial; those that were move on. None: main's turn."""
        for _ in range(REPRIEVES_MAX):
            if self._trial.size_bytes <= self._trial_bytes_max and self._main.size_bytes:
                return None
            resident = self._trial.least_worth(self._clock, self._mean_bytes)
            if resident.uses == resident._seen:
                self._ghosts.add(hash(resident.key), resident.size_bytes)
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
            queue: _Queue[R] = resident._queue
            queue.to_end(resident)
        return self._main.least_worth(self._clock, self._mean_bytes)


LEAVING_FIRST = (Leaving.INVALIDATED, Leaving.OLD_RELEASE, Leaving.EXPIRED)


class _Queue(Generic[R]):
    """Residents in the order they came, linked through themselves: each can leave at once."""

    __slots__ = ("first", "last", "size_bytes", "sizes", "typical_bytes")

    def __init__(self, sizes: _Sizes[R] | None = None, typical_bytes: float = 1.0) -> None:
        self.first: R | None = None
        self.last: R | None = None
        self.size_bytes = 0
        self.sizes = sizes
        self.typical_bytes = typical_bytes

    def append(self, resident: R) -> None:
        resident._queue, resident._previous = self, self.last
        if self.last is None:
            self.first = resident
        else:
            self.last._next = resident
        self.last = resident
        self._count(resident.size_bytes)

    def remove(self, resident: R) -> None:
        before, after = resident._previous, resident._next
        if before is None:
            self.first = after
        else:
            before._next = after
        if after is None:
            self.last = before
        else:
            after._previous = before
        resident._queue = resident._next = resident._previous = None
        self._count(-resident.size_bytes)

    def to_end(self, resident: R) -> None:
        if resident is not self.last:
            self.remove(resident)
            self.append(resident)

    def _count(self, size: int) -> None:
        self.size_bytes += size
        if self.sizes is not None:
            self.sizes.size_bytes += size

    def __iter__(self) -> Iterator[R]:
        resident = self.first
        while resident is not None:
            yield resident
            resident = resident._next

    def check(self) -> None:
        total, before = 0, None
        for resident in self:
            assert resident._queue is self
            assert resident._previous is before
            assert resident._seen <= resident.uses
            total, before = total + resident.size_bytes, resident
        assert self.last is before
        assert self.size_bytes == total


class _Sizes(Generic[R]):
    """A queue for each size: residents of one differ by less than a factor of four."""

    __slots__ = ("queues", "size_bytes")

    def __init__(self) -> None:
        self.queues: dict[int, _Queue[R]] = {}
        self.size_bytes = 0

    def append(self, resident: R, clock: int) -> None:
        resident._since = clock
        size_class = (resident.size_bytes.bit_length() - 1) // 2
        queue = self.queues.get(size_class)
        if queue is None:
            queue = self.queues[size_class] = _Queue(self, 1.4 * 4.0**size_class)
        queue.append(resident)

    def least_worth(self, clock: int, mean_bytes: float) -> R:
        """Who leaves next, of the first in each queue.

        The longer since one came to its place, the rarer it is thought to be used; what that is
        worth a byte is the byte itself and its share of a request saved.
        """
        longest, least = -1.0, None
        for queue in self.queues.values():
            first = queue.first
            if first is not None:
                worth = 1.0 + SMALL_WORTH * mean_bytes / queue.typical_bytes
                waited = (clock - first._since + 1) / worth
                if waited > longest:
                    longest, least = waited, first
        assert least is not None
        return least


class _Ghosts:
    """Who left after a trial, by hash: a table that forgets by age, and by chance when full.

    A word has 32 bits of the hash and the moment it was written.
    """

    def __init__(self, budget_bytes: int) -> None:
        slots = 1 << max(6, (budget_bytes // ENTRY_BYTES_LEAST).bit_length() - 1)
        self._words = array("Q", [0]) * slots
        self._last_slot = slots - 1
        self._moment_bytes = max(1, budget_bytes // _MOMENTS)
        self._seen_bytes = self._moment_bytes  # a word of zeros is nobody's

    def add(self, ghost: int, size: int) -> None:
        self._seen_bytes += size
        moment = self._seen_bytes // self._moment_bytes & _WORD
        self._words[ghost & self._last_slot] = (ghost >> 32 & _WORD) << 32 | moment

    def take(self, ghost: int, share: float) -> bool:
        """Whether it left within `share` of a budget's worth of ghosts; it is then forgotten."""
        slot = ghost & self._last_slot
        word = self._words[slot]
        if word >> 32 != ghost >> 32 & _WORD or not word:
            return False
        self._words[slot] = 0
        now = self._seen_bytes // self._moment_bytes
        return (now - word) & _WORD <= share * _MOMENTS
