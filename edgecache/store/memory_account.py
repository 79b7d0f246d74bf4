"""Memory account of a process: bytes held beside the store, by kind. Law: all within the budget.

Bodies on their way, bytes that wait for slow viewers and request bodies are added when they come
and taken off when they go; the store has what they leave of `memory_bytes`. As they grow, arrival
first waits for readers, then bodies pass through without being kept, then newcomers are refused.
What viewers send has shares of its own, so that no flood of it is at the cost of who only reads.
Pure bookkeeping: it stops nobody, others ask it. `divide_memory` shares out `memory_bytes`: the
parts add up to what the operator gave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from edgecache.store.s3fifo_queues import ENTRY_BYTES_LEAST, GHOST_BYTES

LEAST_BYTES = 16 * 1024 * 1024  # a process without it serves nobody, however little it may store
READS_WAIT_SHARE = 1 / 4  # of the budget: beyond it a body runs no further ahead of its readers
KEEPS_SHARE = 1 / 2  # beyond it bodies pass through, and nothing more of them is kept
ADMITS_SHARE = 3 / 4  # beyond it who asks for what is not in memory is refused
TOLD_BYTES = 262_144  # of growth, before the store is asked to give way once more
BEHIND_BYTES = 262_144  # upstream.response's bound for a body that is not read on
LARGE_BYTES = 65_536  # a body that is told apart; smaller ones count as what waits for a viewer


class MemoryHolding(StrEnum):
    """Who holds memory beside the store. The word goes to the metric."""

    FILLS = "fills"  # bodies arriving, once each however many read them
    ARRIVING = "arriving"  # read from origins, behind a body that waits for its readers: at most
    SENT = "sent"  # bodies being sent that are not in the store, or not any more
    COMPRESSION = "compression"  # tables of compressions under way, as estimated
    UNSENT = "unsent"  # in the buffers of viewers' connections
    UPLOADS = "uploads"  # request bodies read and not yet sent on
    TUNNELS = "tunnels"  # the same of WebSockets
    HEADS = "heads"  # requests read ahead: as measured last, with what has come since
    LOGS = "logs"  # lines of the access log that wait for their writer, as measured last
    REMEMBERED = "remembered"  # what is concluded from messages, as measured last
    RESERVE = "reserve"  # on their way to the reserve, or from it
    RATE_LIMITS = "rate_limits"  # their buckets: all of the table, once one was asked of
    KEY_VALUES = "key_values"  # stores that functions read, as estimated
    REALTIME_LOGS = "realtime_logs"  # their lines that wait to be taken
    LOG_READERS = "log_readers"  # the log's last lines, and what waits for who reads it
    HEALTH_CHECKS = "health_checks"  # what a location knows of them, and answers on their way
    SPANS = "spans"  # that wait to be taken, and exemplars


SHARES = {  # of the budget, for what viewers send
    MemoryHolding.UPLOADS: 1 / 4,
    MemoryHolding.TUNNELS: 1 / 8,
    MemoryHolding.HEADS: 1 / 8,
}
BOUNDED = frozenset(
    {
        MemoryHolding.LOGS,
        MemoryHolding.REMEMBERED,
        MemoryHolding.RATE_LIMITS,
        MemoryHolding.KEY_VALUES,
        MemoryHolding.LOG_READERS,
        MemoryHolding.REALTIME_LOGS,
        MemoryHolding.HEALTH_CHECKS,
        MemoryHolding.SPANS,
    }
)  # each by itself: only the store has less
SHORT = 1 / 2  # of a share: beyond it each sends no faster than what it sent is taken


class MemoryAccount:
    """What one process holds, in bytes by kind. `ahead_bytes`: how far a body may run ahead of who
    reads it when memory is short (`Limits.buffer_bytes_max`).
    """

    def __init__(self, memory_bytes: int, ahead_bytes: int = 262_144) -> None:
        self.held = dict.fromkeys(MemoryHolding, 0)
        self.total = 0
        self.ahead_bytes = ahead_bytes
        self.make_way: Callable[[int], None] = _nobody  # the store's: told how much is held
        budget = self.budget_bytes = max(memory_bytes, LEAST_BYTES)
        self._reads_wait = int(budget * READS_WAIT_SHARE)
        self._keeps = int(budget * KEEPS_SHARE)
        self._admits = int(budget * ADMITS_SHARE)
        self._shares = {kind: int(budget * share) for kind, share in SHARES.items()}
        self._bounded = 0  # bytes of those kinds
        self._told = 0  # the total that `make_way` heard last
        self._sent: dict[int, tuple[bytes, int]] = {}  # by identity: the body, for how many
        self._stored: Counter[int] = Counter()  # large bodies in the store, by identity

    def add(self, holding: MemoryHolding, size: int) -> None:
        """So many bytes more; fewer when negative."""
        self.held[holding] += size
        self.total += size
        if not -TOLD_BYTES < self.total - self._told < TOLD_BYTES:
            self.tell()

    def measure(self, holding: MemoryHolding, size: int) -> None:
        """So many bytes are held by who is not added up, but looked at now and then."""
        more = size - self.held[holding]
        if holding not in BOUNDED:
            self.add(holding, more)
        elif more:
            self.held[holding] = size
            self._bounded += more
            self.tell()

    def tell(self) -> None:
        """Have the store keep to what is left for it."""
        self._told = self.total
        self.make_way(self.total + self._bounded)

    @property
    def waits(self) -> bool:
        """Whether a body is to arrive no faster than it is read."""
        return self.total > self._reads_wait

    @property
    def keeps(self) -> bool:
        """Whether there is room to keep a body while it arrives."""
        return self.total <= self._keeps

    @property
    def admits(self) -> bool:
        """Whether there is room for one more who asks for what is not in memory."""
        return self.total <= self._admits

    def has_room(self, holding: MemoryHolding) -> bool:
        """Whether one more may come that holds memory of a kind with a share."""
        return self.held[holding] <= self._shares[holding]

    def is_short(self, holding: MemoryHolding) -> bool:
        """Whether who holds memory of a kind with a share is to hold no more than it must."""
        return self.held[holding] > self._shares[holding] * SHORT

    def lend(self, body: bytes) -> None:
        """`body` is being sent to one more: it counts, once, unless the store has it."""
        if len(body) < LARGE_BYTES:
            return
        _, count = self._sent.get(id(body), (body, 0))
        self._sent[id(body)] = body, count + 1
        if not count and id(body) not in self._stored:
            self.add(MemoryHolding.SENT, len(body))

    def give_back(self, body: bytes) -> None:
        """One of those it is sent to has it, or has left."""
        if len(body) < LARGE_BYTES:
            return
        _, count = self._sent.pop(id(body))
        if count > 1:
            self._sent[id(body)] = body, count - 1
        elif id(body) not in self._stored:
            self.add(MemoryHolding.SENT, -len(body))

    # The store tells these in the midst of a change: what more is asked of it waits for whoever
    # adds something next, else it would make room while it is making room.

    def enters_store(self, body: bytes) -> None:
        """The store counts `body` from now on. Told of large ones only."""
        self._stored[id(body)] += 1
        if self._stored[id(body)] == 1 and id(body) in self._sent:
            self._move(-len(body))

    def leaves_store(self, body: bytes) -> None:
        """The store counts `body` no more: who still sends it holds it."""
        self._stored[id(body)] -= 1
        if not self._stored[id(body)]:
            del self._stored[id(body)]
            if id(body) in self._sent:
                self._move(len(body))

    def _move(self, size: int) -> None:
        """So much of what is sent is the store's no more, or again when negative."""
        self.held[MemoryHolding.SENT] += size
        self.total += size

    def check(self) -> None:
        """With nobody there, nothing is held."""
        assert not self._sent, [len(body) for body, _ in self._sent.values()]
        assert not any(self.held[kind] for kind in MemoryHolding if kind not in BOUNDED), self.held
        assert self.total == 0


def _nobody(_total: int) -> None: ...


CONCLUSIONS_SHARE = 1 / 8  # for what is concluded from entries and can be worked out again
CONCLUSION_BYTES = 6_144  # an answer with its line, an unpacked head, an assessment: estimated
LINE_BYTES = 3_584  # of which a line with its answer, and its share of blocks of fields
CONCLUSIONS_MAX = 65_536  # nginx's keys_zone=10m holds about 80,000 keys
GHOSTS_SHARE = GHOST_BYTES / ENTRY_BYTES_LEAST


@dataclass(frozen=True, slots=True)
class MemoryBudget:
    """`store_bytes` for entries and their index, and for what store.memory_account counts;
    `conclusions` so many, for entries as for lines. What is left is for those and for ghosts.
    """

    memory_bytes: int
    store_bytes: int
    conclusions: int


def conclusion_bytes(memos: int) -> int:
    """What a conclusion takes where so many listeners have a memo each."""
    return CONCLUSION_BYTES + LINE_BYTES * (memos - 1)


def divide_memory(memory_bytes: int, memos: int = 1) -> MemoryBudget:
    """How `memory_bytes` of one process with so many memos are divided."""
    each = conclusion_bytes(memos)
    conclusions = min(CONCLUSIONS_MAX, int(memory_bytes * CONCLUSIONS_SHARE) // each)
    ghosts_bytes = int(memory_bytes * GHOSTS_SHARE)
    store_bytes = memory_bytes - conclusions * each - ghosts_bytes
    return MemoryBudget(memory_bytes, store_bytes, conclusions)
