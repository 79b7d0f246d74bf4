"""What a process's memory is divided into. Law: the parts add up to what the operator gave it."""

from __future__ import annotations

from dataclasses import dataclass

from edgecache.store.s3fifo_queues import ENTRY_BYTES_LEAST, GHOST_BYTES

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


def shares(memory_bytes: int, memos: int = 1) -> MemoryBudget:
    """How `memory_bytes` of one process with so many memos are divided."""
    each = conclusion_bytes(memos)
    conclusions = min(CONCLUSIONS_MAX, int(memory_bytes * CONCLUSIONS_SHARE) // each)
    ghosts_bytes = int(memory_bytes * GHOSTS_SHARE)
    store_bytes = memory_bytes - conclusions * each - ghosts_bytes
    return MemoryBudget(memory_bytes, store_bytes, conclusions)
