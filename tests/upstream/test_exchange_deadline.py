"""A deadline on a loop whose time the test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import Any, cast

import pytest

from edgecache.upstream.exchange import Deadline


class Timer:
    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback = callback
        self.live = True

    def cancel(self) -> None:
        self.live = False


class Loop:
    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, callback: Callable[[], None], *_: Any) -> Timer:
        self.timers.append(Timer(at, callback))
        return self.timers[-1]

    def run_to(self, now: float) -> None:
        while due := [t for t in self.timers if t.live and t.at <= now]:
            first = min(due, key=lambda timer: timer.at)
            first.live = False
            self.now = max(self.now, first.at)
            first.callback()
        self.now = now


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def reached() -> list[float]:
    return []


@pytest.fixture
def deadline(loop: Loop, reached: list[float]) -> Deadline:
    return Deadline(cast(asyncio.AbstractEventLoop, loop), lambda: reached.append(loop.now))


def test_it_is_reached_once(loop: Loop, deadline: Deadline, reached: list[float]) -> None:
    deadline.put(5)
    loop.run_to(4)
    assert reached == []
    loop.run_to(100)
    assert reached == [5]


def test_putting_it_off_starts_no_timer(
    loop: Loop, deadline: Deadline, reached: list[float]
) -> None:
    for now in range(4):
        loop.run_to(now)
        deadline.put(5)
    assert len(loop.timers) == 1
    loop.run_to(7)
    assert reached == []
    loop.run_to(8)
    assert reached == [8]


def test_bringing_it_forward_does(loop: Loop, deadline: Deadline, reached: list[float]) -> None:
    deadline.put(30)
    deadline.put(5)
    loop.run_to(100)
    assert reached == [5]


@pytest.mark.parametrize("how", ["inf", "drop"])
def test_none_is_never_reached(
    how: str, loop: Loop, deadline: Deadline, reached: list[float]
) -> None:
    deadline.put(5)
    if how == "drop":
        deadline.drop()
    else:
        deadline.put(inf)
    loop.run_to(100)
    assert reached == []
    deadline.put(1)
    loop.run_to(200)
    assert reached == [101]


def test_time_is_earned_bit_by_bit_and_saved_up_to_a_bound() -> None:
    loop, reached = Loop(), []
    deadline = Deadline(cast(asyncio.AbstractEventLoop, loop), lambda: reached.append(loop.now))
    deadline.put(30)
    for second in range(10, 30, 10):
        loop.run_to(second)
        deadline.earn(0.5, 30)  # a trickle
    loop.run_to(30.9)
    assert not reached
    loop.run_to(31)
    assert reached == [31]
    deadline.put(30)
    loop.run_to(40)
    deadline.earn(1_000, 30)
    loop.run_to(69.9)
    assert reached == [31]
    loop.run_to(70)
    assert reached == [31, 70]
