"""Queues of S3-FIFO by size of entry, and its ghosts. Pure bookkeeping of `eviction`."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from msgspec import Struct

SMALL_WORTH = 0.2  # of an average object's bytes: what it is worth to save a request of any size
GHOST_BYTES = 8
ENTRY_BYTES_LEAST = 1_024  # about what the smallest entry takes: as many ghosts are remembered
_WORD = 0xFFFF_FFFF


class Resident(Struct, eq=False, gc=False, kw_only=True):
    """Something that takes room. Whoever uses it adds to `uses`.

    The garbage collector never looks at one, nor through it: whoever holds them unties them.
    """

    key: bytes
    size_bytes: int = 0
    uses: int = 0
    _seen: int = 0  # uses that its place has taken into account
    _since: int = 0  # when it came to its place
    _queue: Any = None
    _next: Any = None
    _previous: Any = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key!r}, {self.size_bytes} bytes)"


R = TypeVar("R", bound=Resident)


class Queue(Generic[R]):
    """Residents in the order they came, linked through themselves: each can leave at once."""

    __slots__ = ("first", "last", "size_bytes", "sizes")

    def __init__(self, sizes: Sizes[R] | None = None) -> None:
        self.first: R | None = None
        self.last: R | None = None
        self.size_bytes = 0
        self.sizes = sizes

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


class Sizes(Generic[R]):
    """A queue for each size: residents of one differ by less than a factor of four."""

    __slots__ = ("queues", "size_bytes")

    def __init__(self) -> None:
        self.queues: dict[int, Queue[R]] = {}
        self.size_bytes = 0

    def append(self, resident: R, clock: int) -> None:
        resident._since = clock
        size_class = (resident.size_bytes.bit_length() - 1) // 2
        queue = self.queues.get(size_class)
        if queue is None:
            queue = self.queues[size_class] = Queue(self)
        queue.append(resident)

    def least_worth(self, clock: int, mean_bytes: float) -> R:
        """Who leaves next, of the first in each queue.

        The longer since one came to its place, the rarer it is thought to be used.
        """
        longest, least = -1.0, None
        for queue in self.queues.values():
            first = queue.first
            if first is not None:
                waited = (clock - first._since + 1) / worth(first.size_bytes, mean_bytes)
                if waited > longest:
                    longest, least = waited, first
        assert least is not None
        return least


def worth(size: int, mean_bytes: float) -> float:
    """What a byte of something so big is worth: itself, and its share of a request saved."""
    return 1.0 + SMALL_WORTH * mean_bytes / size


class Ghosts:
    """When who left after a trial, by hash: a table that forgets by chance when it is full.

    A word has 32 bits of the hash and the moment it was written.
    """

    def __init__(self, budget_bytes: int) -> None:
        slots = 1 << max(6, (budget_bytes // ENTRY_BYTES_LEAST).bit_length() - 1)
        self._words = array("Q", [0]) * slots
        self._last_slot = slots - 1

    def __len__(self) -> int:
        """How many it has room for."""
        return len(self._words)

    def add(self, ghost: int, moment: int) -> None:
        self._words[ghost & self._last_slot] = (ghost >> 32 & _WORD) << 32 | (moment & _WORD)

    def take(self, ghost: int, moment: int) -> int | None:
        """How long ago it left, if that is known; it is then forgotten."""
        slot = ghost & self._last_slot
        word = self._words[slot]
        if word >> 32 != ghost >> 32 & _WORD or not word:
            return None
        self._words[slot] = 0
        return (moment - word) & _WORD
