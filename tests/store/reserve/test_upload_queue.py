"""The queue of the reserve: bounded, in order for each key, and nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from edgecache.http.message import Response
from edgecache.store.entry import Entry
from edgecache.store.memory_account import MemoryAccount
from edgecache.store.reserve import upload_queue
from edgecache.store.reserve.upload_queue import RETRY_S, UploadQueue
from tests.world.clock import FakeClock, FakeLoop


def entry(key: bytes, size: int = 10, language: bytes = b"") -> Entry:
    selected = ((b"accept-language", language),) if language else ()
    return Entry(key, Response(200, b"", ()), b"x" * size, selected)


class Hand:
    """A queue on a loop moved by hand; `done` is what was done, in order."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.loop = FakeLoop(self.clock)
        asyncio.set_event_loop(self.loop)
        self.account = MemoryAccount(1 << 30)
        self.done: list[str] = []
        self.gate: asyncio.Future[None] | None = None
        self.removes = True
        self.queue = UploadQueue(self.write, self.remove, self.spawn, self.account)
        self.queue.bytes_max = 100
        self.queue.workers_max = 2

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self.loop.create_task(work)

    async def write(self, written: Entry) -> None:
        if self.gate is not None:
            await self.gate
        self.done.append(f"write {written.key.decode()} {len(written.body)}")

    async def remove(self, name: str) -> bool:
        if self.gate is not None:
            await self.gate
        self.done.append(f"remove {name}")
        return self.removes

    def hold(self) -> None:
        self.gate = self.loop.create_future()

    def let_go(self) -> None:
        assert self.gate is not None
        self.gate.set_result(None)
        self.gate = None
        self.loop.settle()


@pytest.fixture
def hand() -> Iterator[Hand]:
    made = Hand()
    yield made
    made.loop.run_until_complete(made.queue.close())
    made.account.check()
    assert made.queue.waiting_bytes == 0
    assert len(made.queue) == 0
    made.loop.close()
    asyncio.set_event_loop(None)


def test_what_is_added_is_written(hand: Hand) -> None:
    assert hand.queue.add("a", entry(b"a"))
    hand.loop.settle()
    assert hand.done == ["write a 10"]


def test_bytes_are_bounded_and_counted(hand: Hand) -> None:
    hand.hold()
    assert hand.queue.add("a", entry(b"a", 60))
    assert not hand.queue.add("b", entry(b"b", 60))
    assert hand.account.total == 60
    hand.let_go()
    assert hand.account.total == 0
    assert hand.queue.add("b", entry(b"b", 60))
    hand.loop.settle()
    assert hand.done == ["write a 60", "write b 60"]


def test_a_newer_version_takes_the_place_of_one_that_waits(hand: Hand) -> None:
    hand.hold()
    for key in (b"x", b"y", b"a"):
        assert hand.queue.add(key.decode(), entry(key))
    hand.loop.settle()
    assert hand.queue.add("a", entry(b"a", 20))
    hand.let_go()
    assert sorted(hand.done) == ["write a 20", "write x 10", "write y 10"]


def test_changes_of_a_key_are_done_one_after_the_other(hand: Hand) -> None:
    hand.hold()
    hand.queue.add("a", entry(b"a", 1))
    hand.loop.settle()
    hand.queue.add("a", entry(b"a", 2))
    hand.queue.remove("a")
    hand.queue.add("a", entry(b"a", 3))
    hand.queue.add("a", entry(b"a", 4, b"de"))
    hand.loop.settle()
    assert hand.done == []
    hand.let_go()
    assert hand.done == ["write a 1", "remove a", "write a 3", "write a 4"]


def test_no_more_than_so_many_at_once(hand: Hand) -> None:
    hand.hold()
    for key in (b"a", b"b", b"c"):
        hand.queue.add(key.decode(), entry(key))
    hand.loop.settle()
    assert len(hand.queue._running) == 2
    hand.let_go()
    assert len(hand.done) == 3


def test_a_removal_that_failed_is_tried_again_before_what_follows(hand: Hand) -> None:
    hand.removes = False
    hand.queue.remove("a")
    hand.queue.add("a", entry(b"a"))
    hand.loop.settle()
    hand.queue.add("b", entry(b"b"))
    assert hand.done == ["remove a"]
    hand.removes = True
    hand.clock.now += RETRY_S + 0.1
    hand.loop.settle()
    assert sorted(hand.done[1:]) == ["remove a", "write a 10", "write b 10"]
    assert hand.done.index("write a 10") > hand.done.index("remove a", 1)


def test_a_newer_removal_takes_the_place_of_one_that_failed(hand: Hand) -> None:
    hand.removes = False
    hand.hold()
    hand.queue.remove("a")
    hand.queue.add("a", entry(b"a", 1))
    hand.loop.settle()
    hand.queue.remove("a")
    hand.let_go()
    hand.removes = True
    hand.clock.now += RETRY_S + 0.1
    hand.loop.settle()
    assert hand.done == ["remove a", "remove a"]


def test_keys_are_bounded(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_queue, "NAMES_MAX", 2)
    hand.hold()
    for key in (b"x", b"y"):  # under way
        hand.queue.add(key.decode(), entry(key, 0))
    hand.loop.settle()
    assert hand.queue.remove("a") is None
    assert hand.queue.remove("b") is None
    assert not hand.queue.add("c", entry(b"c", 0))
    assert hand.queue.remove("c") == "a"
    hand.let_go()


def test_at_the_end_nothing_more_is_taken(hand: Hand) -> None:
    hand.queue.add("a", entry(b"a"))
    hand.removes = False
    hand.queue.remove("b")
    hand.loop.run_until_complete(hand.queue.close())
    assert sorted(hand.done) == ["remove b", "write a 10"]
    assert not hand.queue.add("c", entry(b"c"))
