"""Compressions of a process: few at once, a step in each turn, the rest in line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from edgecache.cache.compress import STALLED_S, STALLED_TIMES, WAIT_S_MAX, Compressions
from edgecache.store.memory_account import MemoryAccount
from tests.world.clock import FakeClock, FakeLoop


def test_several_at_once_make_one_step_in_each_turn_of_the_loop() -> None:
    """However many are under way, who only wants a hit waits for one step."""
    made: list[int] = []

    async def scene() -> None:
        compressions = Compressions(MemoryAccount(1 << 30))
        loop = asyncio.get_running_loop()
        steps = 0

        async def step() -> None:
            nonlocal steps
            place = compressions._begin(loop)
            for _ in range(10):
                await compressions.turn(place)
                steps += 1

        def look(before: int) -> None:
            made.append(steps - before)
            loop.call_soon(look, steps)

        look(0)
        await asyncio.gather(*[step() for _ in range(8)])

    asyncio.run(scene())
    assert max(made) == 1
    assert sum(made) >= 79


def few(loop: FakeLoop, account: MemoryAccount | None = None) -> tuple[Compressions, list[Any]]:
    """The compressions of a small process, and the two that may be under way there at once."""
    compressions = Compressions(account or MemoryAccount(1 << 24))
    return compressions, [enters(compressions, loop).result() for _ in range(2)]


def enters(compressions: Compressions, loop: FakeLoop) -> asyncio.Future[Any]:
    task = loop.create_task(compressions.enter())
    loop.settle()
    return task


@pytest.fixture
def loop() -> Iterator[FakeLoop]:
    made = FakeLoop(FakeClock())
    asyncio.set_event_loop(made)
    yield made
    made.close()
    asyncio.set_event_loop(None)


def passes(loop: FakeLoop, seconds: float) -> None:
    loop._clock.now += seconds
    loop.settle()


def leaves(compressions: Compressions, place: Any, loop: FakeLoop) -> None:
    loop.call_soon(compressions.leave, place)
    loop.settle()


def test_the_rest_waits_in_line(loop: FakeLoop) -> None:
    account = MemoryAccount(1 << 24)
    compressions, under_way = few(loop, account)
    third, fourth = enters(compressions, loop), enters(compressions, loop)
    assert not third.done()
    leaves(compressions, under_way[0], loop)
    leaves(compressions, under_way[0], loop)  # once is enough
    assert third.done()
    assert not fourth.done()
    third.result()
    leaves(compressions, under_way[1], loop)
    for place in (third.result(), fourth.result()):
        leaves(compressions, place, loop)
    account.check()


def test_who_leaves_the_line_gives_up_its_place_in_it(loop: FakeLoop) -> None:
    account = MemoryAccount(1 << 24)
    compressions, under_way = few(loop, account)
    third, fourth = enters(compressions, loop), enters(compressions, loop)
    loop.call_soon(compressions.leave, under_way[0])
    loop.call_soon(third.cancel)  # as it is given the place
    loop.settle()
    assert third.cancelled()
    assert fourth.done()
    for place in (under_way[1], fourth.result()):
        leaves(compressions, place, loop)
    account.check()


def test_who_waited_long_enough_goes_out_as_it_came(loop: FakeLoop) -> None:
    """CloudFront: "skips compressing an object when it experiences high traffic load"."""
    compressions, under_way = few(loop)
    third = enters(compressions, loop)
    for _ in range(12):
        for place in under_way:
            loop.create_task(compressions.turn(place))
        loop.settle()
        passes(loop, WAIT_S_MAX / 10)
    assert third.result() is None


def test_what_makes_no_step_keeps_nobody_waiting(loop: FakeLoop) -> None:
    """Slow origins and slow readers are bounded in number, and take no turns."""
    compressions, _ = few(loop)
    places = 2
    while places < 2 * STALLED_TIMES:
        passes(loop, STALLED_S)
        for _ in range(2):
            assert enters(compressions, loop).result() is not None
            places += 1
    passes(loop, STALLED_S)
    assert enters(compressions, loop).result() is None, "at once"


def test_the_budget_says_how_many_at_once() -> None:
    assert [Compressions(MemoryAccount(size << 20))._at_once for size in (16, 64, 256, 4096)] == [
        2, 2, 6, 16,
    ]  # fmt: skip
