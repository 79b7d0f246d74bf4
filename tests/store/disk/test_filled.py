"""Memory keeps to what the operator gave it, as the system sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgecache.store.memory_account import CONCLUSIONS_MAX, conclusion_bytes, divide_memory
from edgecache.store.s3fifo_queues import GHOST_BYTES, Ghosts

ROOT = Path(__file__).resolve().parents[3]
MEMORY_BYTES = 32 * 1024 * 1024  # of which the heap of a process at its start is a few percent


@pytest.mark.parametrize("kind", ["small", "mixed", "uneven"])
def test_a_store_filled_three_times_over_takes_what_it_was_given(kind: str) -> None:
    command = [sys.executable, "-m", "tests.store.disk.filled", str(MEMORY_BYTES), kind]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    grown, counted = map(int, done.stdout.split())
    assert counted > 0.8 * MEMORY_BYTES, "it is not full"
    assert grown < 1.1 * MEMORY_BYTES


@pytest.mark.parametrize("memos", [1, 2])
@pytest.mark.parametrize("memory_bytes", [2**20, 2**26, 2**28, 2**33])
def test_the_shares_are_the_whole(memory_bytes: int, memos: int) -> None:
    found = divide_memory(memory_bytes, memos)
    ghosts = len(Ghosts(found.store_bytes)) * GHOST_BYTES
    spare = memory_bytes - found.store_bytes - found.conclusions * conclusion_bytes(memos) - ghosts
    assert 0 <= spare <= memory_bytes / 100
    assert 0 < found.conclusions <= CONCLUSIONS_MAX
