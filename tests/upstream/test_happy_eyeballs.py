"""Races of addresses (RFC 8305): who is tried when, who wins, and what is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from edgecache.upstream.happy_eyeballs import race
from tests.world.clock import FakeClock, FakeLoop


class Socket:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Net:
    """Addresses that answer after so many seconds; those not named never do."""

    def __init__(self, loop: FakeLoop, clock: FakeClock) -> None:
        self.loop = loop
        self.clock = clock
        self.begun_at = clock.now
        self.answers: dict[str, float | OSError] = {}
        self.tried: dict[str, float] = {}
        self.sockets: dict[str, Socket] = {}
        self.lost: list[str] = []

    async def connect(self, address: str) -> Socket:
        self.tried[address] = self.clock.now - self.begun_at
        answer = self.answers.get(address, 1_000_000.0)
        if isinstance(answer, OSError):
            raise answer
        there = asyncio.Event()
        self.loop.call_later(answer, there.set)
        await there.wait()
        self.sockets[address] = Socket()
        return self.sockets[address]

    def races(self, *addresses: str) -> asyncio.Task[Socket]:
        return self.loop.create_task(race(addresses, self.connect, self.lost.append))

    def passes(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.01)):
            self.clock.now += 0.01
            self.loop.settle(4)


@pytest.fixture
def net() -> Iterator[Net]:
    clock = FakeClock()
    loop = FakeLoop(clock)
    yield Net(loop, clock)
    loop.settle(10)
    loop.close()


def test_a_black_holed_first_address_costs_a_quarter_of_a_second(net: Net) -> None:
    net.answers["b"] = 0.02
    task = net.races("a", "b", "c")
    net.passes(0.35)
    assert task.result() is net.sockets["b"]
    assert net.tried == pytest.approx({"a": 0, "b": 0.25}, abs=0.02)
    assert net.lost == ["a"]


def test_one_that_refuses_costs_nothing(net: Net) -> None:
    net.answers = {"a": ConnectionRefusedError(), "b": 0.02}
    task = net.races("a", "b")
    net.passes(0.05)
    assert task.result() is net.sockets["b"]
    assert net.lost == ["a"]


def test_a_slow_first_one_may_still_win(net: Net) -> None:
    net.answers = {"a": 0.3, "b": 0.1}
    task = net.races("a", "b")
    net.passes(0.5)
    assert task.result() is net.sockets["a"]
    assert net.lost == []
    assert "b" not in net.sockets


def test_of_two_at_once_one_is_closed(net: Net) -> None:
    net.answers = {"a": 0.3, "b": 0.05}
    task = net.races("a", "b")
    net.passes(0.5)
    left = [one for one in net.sockets.values() if one is not task.result()]
    assert not task.result().closed
    assert all(one.closed for one in left)


def test_when_nobody_answers_the_first_one_s_error_counts(net: Net) -> None:
    net.answers = {"a": ConnectionRefusedError("a"), "b": ConnectionResetError("b")}
    task = net.races("a", "b")
    net.passes(0.05)
    assert str(task.exception()) == "a"
    assert net.lost == ["a", "b"]


def test_who_gives_up_leaves_nothing_behind(net: Net) -> None:
    task = net.races("a", "b")
    net.passes(0.4)
    task.cancel()
    net.passes(0.1)
    assert task.cancelled()
    assert not asyncio.all_tasks(net.loop)
