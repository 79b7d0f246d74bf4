"""What runs in the background is begun anew where it fails, each time later."""

from __future__ import annotations

import asyncio
import logging

import pytest

from edgecache.runtime.environment import RESTART_S_MAX, RESTART_S_MIN, restart_on_failure
from tests.world.clock import FakeClock, FakeLoop


def test_it_is_told_and_begun_anew_each_time_later(caplog: pytest.LogCaptureFixture) -> None:
    waited: list[float] = []

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    async def work() -> None:
        if len(waited) < 9:
            raise MemoryError

    with caplog.at_level(logging.ERROR):
        asyncio.run(restart_on_failure(work, pause))
    assert waited[:3] == [RESTART_S_MIN, 2 * RESTART_S_MIN, 4 * RESTART_S_MIN]
    assert waited[-1] == RESTART_S_MAX
    assert len(caplog.records) == len(waited) == 9
    assert all(record.exc_info for record in caplog.records), "told with its cause"


def test_after_a_healthy_while_the_first_pause_is_short_again() -> None:
    waited: list[float] = []
    clock = FakeClock()
    loop = FakeLoop(clock)
    lives = iter((0, 0, 100, 0))

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    async def work() -> None:
        seconds = next(lives, None)
        if seconds is not None:
            clock.now += seconds
            raise RuntimeError

    loop.run_until_complete(restart_on_failure(work, pause))
    loop.close()
    assert waited == [RESTART_S_MIN, 2 * RESTART_S_MIN, RESTART_S_MIN, 2 * RESTART_S_MIN]


def test_what_is_cancelled_stays_cancelled() -> None:
    async def scene() -> None:
        begun = asyncio.Event()

        async def work() -> None:
            begun.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(restart_on_failure(work))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())
