"""A thread for what may block for ever: it answers in order, and no process waits for it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from functools import partial

import pytest

from edgecache.runtime.environment import DaemonThread

STUCK = """
import asyncio, os
from edgecache.runtime.environment import DaemonThread

async def left() -> str:
    return "left"

async def main() -> None:
    reading, writing = os.pipe()
    thread = DaemonThread("stuck")
    thread(lambda: os.read(reading, 1))
    print(await asyncio.wait_for(left(), 60))

asyncio.run(main())
"""


def test_calls_are_made_in_order_and_their_results_come_back() -> None:
    async def scene() -> None:
        thread = DaemonThread("worker")
        seen: list[int] = []

        def call(number: int) -> int:
            seen.append(number)
            return number

        waiting = [thread(partial(call, number)) for number in range(5)]
        assert await asyncio.gather(*waiting) == seen == [0, 1, 2, 3, 4]

    asyncio.run(scene())


def test_what_fails_fails_for_who_asked() -> None:
    async def scene() -> None:
        thread = DaemonThread("worker")
        with pytest.raises(ZeroDivisionError):
            await thread(lambda: 1 // 0)
        assert await thread(lambda: 7) == 7

    asyncio.run(scene())


def test_one_that_is_stuck_keeps_no_process() -> None:
    run = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.returncode) == ("left\n", 0), run.stderr
