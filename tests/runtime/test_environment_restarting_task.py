"""What runs in the background is begun anew where it fails, each time later."""

from __future__ import annotations

import asyncio
import logging

import pytest

from edgecache.runtime.environment import AGAIN_S_MAX, AGAIN_S_MIN, kept
from tests.world.clock import FakeClock, FakeLoop


def test_it_is_told_and_begun_anew_each_time_later(caplog: pytest.LogCaptureFixture) -> None:
    waited: list[float] = []

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    async def work() -> None:
        if len(waited) < 9:
            raise MemoryError

    with caplog.at_level(logging.ERROR):
        asyncio.run(kept(work, pause))
    assert waited[:3] == [AGAIN_S_MIN, 2 * AGAIN_S_MIN, 4 * AGAIN_S_MIN]
    assert waited[-1] == AGAIN_S_MAX
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

    loop.run_until_complete(kept(work, pause))
    loop.close()
    assert waited == [AGAIN_S_MIN, 2 * AGAIN_S_MIN, AGAIN_S_MIN, 2 * AGAIN_S_MIN]


def test_what_is_cancelled_stays_cancelled() -> None:
    async def scene() -> None:
        begun = asyncio.Event()

        async def work() -> None:
            begun.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(kept(work))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())
