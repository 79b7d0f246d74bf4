"""The virtual loop: order, time that passes at once, failures that are told."""

from __future__ import annotations

import asyncio

import pytest

from edgecache.testing.virtual_loop import StalledError, VirtualLoop


def test_timers_come_in_their_order_and_time_with_them() -> None:
    loop = VirtualLoop()
    came: list[tuple[str, float]] = []
    for name, after in (("b", 2.0), ("a", 1.0), ("c", 2.0)):
        loop.call_later(after, lambda name=name: came.append((name, loop.now)))
    loop.run_until(1.5)
    assert (came, loop.now) == ([("a", 1.0)], 1.5)
    loop.run_until(604_800)
    assert (came[1:], loop.now) == ([("b", 2.0), ("c", 2.0)], 604_800)


def test_a_timer_that_was_canceled_moves_nothing() -> None:
    loop = VirtualLoop()
    came: list[int] = []
    loop.call_later(5.0, came.append, 1).cancel()
    with pytest.raises(StalledError, match="within 10 seconds"):
        loop.run_until_true(lambda: False, 10)
    assert (came, loop.now) == ([], 0.0)


def test_what_asyncio_has_goes_by_its_time() -> None:
    loop, said = VirtualLoop(), []

    async def work() -> None:
        for seconds in (3_600, 60):
            try:
                async with asyncio.timeout(seconds):
                    await loop.create_future()
            except TimeoutError:
                said.append(loop.time())

    task = loop.inside(lambda: loop.create_task(work()))
    loop.inside(lambda: loop.run_until_true(task.done, 7_200))
    assert said == [3_600.0, 3_660.0]


def test_nothing_is_waited_for_beyond_its_time() -> None:
    loop = VirtualLoop()
    loop.call_later(100.0, lambda: None)
    with pytest.raises(StalledError):
        loop.run_until_true(lambda: False, 99)
    assert loop.now == 0.0


def test_what_goes_wrong_in_it_is_told() -> None:
    loop = VirtualLoop()
    loop.call_soon(lambda: 1 // 0)
    loop.inside(loop.run_ready)
    assert "ZeroDivisionError" in loop.failures[0]


def test_tasks_end_with_it() -> None:
    loop, ended = VirtualLoop(), []

    async def work() -> None:
        try:
            await loop.create_future()
        finally:
            ended.append(True)

    loop.inside(lambda: loop.create_task(work()))
    loop.inside(loop.run_ready)
    loop.close()
    assert ended == [True]
    assert loop.is_closed()


def test_the_loop_that_ran_before_runs_again() -> None:
    loop = VirtualLoop()

    async def work() -> bool:
        own = asyncio.get_running_loop()
        inner = loop.inside(asyncio.get_running_loop)
        return inner is loop and asyncio.get_running_loop() is own

    assert asyncio.run(work())
    loop.close()
