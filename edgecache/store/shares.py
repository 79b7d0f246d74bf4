"""What a process's memory is divided into. Law: the parts add up to what the operator gave it."""

from __future__ import annotations

from dataclasses import dataclass

from edgecache.store.queues import ENTRY_BYTES_LEAST, GHOST_BYTES

CONCLUSIONS_SHARE = 1 / 8  # for what is concluded from entries and can be worked out again
CONCLUSION_BYTES = 6_144  # an answer with its line, an unpacked head, an assessment: estimated
CONCLUSIONS_MAX = 16_384  # nginx's keys_zone=1m holds half as many keys
GHOSTS_SHARE = GHOST_BYTES / ENTRY_BYTES_LEAST


@dataclass(frozen=True, slots=True)
class Shares:
    """`store_bytes` for entries and their index; `conclusions` so many, for entries as for lines.

    What is left is for those and for ghosts.
    """

    store_bytes: int
    conclusions: int


def shares(memory_bytes: int) -> Shares:
    """How `memory_bytes` of one process are divided."""
    for_conclusions = int(memory_bytes * CONCLUSIONS_SHARE)
    conclusions = min(CONCLUSIONS_MAX, for_conclusions // CONCLUSION_BYTES)
    ghosts_bytes = int(memory_bytes * GHOSTS_SHARE)
    store_bytes = memory_bytes - conclusions * CONCLUSION_BYTES - ghosts_bytes
    return Shares(store_bytes, conclusions)
