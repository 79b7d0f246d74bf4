"""Names: what is remembered, who waits, and what counts while a resolver fails or hangs."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from edgecache.config.model import Resolver
from edgecache.upstream.resolver import LookupThreads, NameResolver, interleave, system_addresses
from tests.world.clock import FakeClock, FakeLoop

UNKNOWN = socket.gaierror(socket.EAI_NONAME, "unknown")


class Zone:
    """A resolver held by hand."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.held: set[str] = set()
        self.says: dict[str, tuple[str, ...] | Exception] = {}
        self.waits: list[asyncio.Future[None]] = []

    async def __call__(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        if host in self.held:
            self.waits.append(asyncio.get_running_loop().create_future())
            await self.waits[-1]
        said = self.says.get(host, UNKNOWN)
        if isinstance(said, Exception):
            raise said
        return said


class Stage:
    """Names under a clock moved by hand."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.loop = FakeLoop(self.clock)
        self.zone = Zone()
        settings = Resolver(answer_s_max=30, last_good_s_max=3_600)
        self.names = NameResolver(self.zone, self.clock, settings)

    def asks(self, host: str = "a.test") -> asyncio.Task[tuple[str, ...]]:
        task = self.loop.create_task(self.names.addresses(host))
        self.loop.settle(10)
        return task

    def passes(self, seconds: float) -> None:
        self.clock.now += seconds
        self.loop.settle(10)


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    made.zone.says["a.test"] = ("192.0.2.1",)
    yield made
    for wait in made.zone.waits:
        wait.cancel()
    made.loop.settle(10)
    made.loop.close()


def test_an_answer_is_remembered_for_a_time(stage: Stage) -> None:
    assert stage.asks().result() == ("192.0.2.1",)
    stage.passes(29)
    assert stage.asks().result() == ("192.0.2.1",)
    assert len(stage.zone.asked) == 1


def test_a_name_that_moved_is_noticed_while_it_is_used(stage: Stage) -> None:
    stage.asks()
    stage.zone.says["a.test"] = ("192.0.2.2",)
    stage.passes(30)
    assert stage.asks().result() == ("192.0.2.1",)  # nobody waits for the look-up
    assert stage.asks().result() == ("192.0.2.2",)
    assert len(stage.zone.asked) == 2


def test_one_look_up_is_shared_by_all(stage: Stage) -> None:
    stage.zone.held.add("a.test")
    tasks = [stage.asks() for _ in range(100)]
    stage.zone.waits[0].set_result(None)
    stage.loop.settle(10)
    assert {task.result() for task in tasks} == {("192.0.2.1",)}
    assert stage.zone.asked == ["a.test"]


def test_who_gives_up_leaves_the_look_up_to_the_others(stage: Stage) -> None:
    stage.zone.held.add("a.test")
    first, second = stage.asks(), stage.asks()
    first.cancel()
    stage.loop.settle(10)
    stage.zone.waits[0].set_result(None)
    stage.loop.settle(10)
    assert first.cancelled()
    assert second.result() == ("192.0.2.1",)


def test_a_look_up_that_hangs_holds_up_no_other_name(stage: Stage) -> None:
    stage.zone.held.add("hangs.test")
    hung = [stage.asks("hangs.test") for _ in range(10)]
    assert stage.asks().result() == ("192.0.2.1",)
    assert not any(task.done() for task in hung)
    assert stage.zone.asked.count("hangs.test") == 1
    for task in hung:
        task.cancel()


@pytest.mark.parametrize("trouble", ["fails", "hangs"])
def test_the_last_good_answer_counts_while_the_resolver_is_ill(trouble: str, stage: Stage) -> None:
    stage.asks()
    if trouble == "hangs":
        stage.zone.held.add("a.test")
    else:
        stage.zone.says["a.test"] = socket.gaierror(socket.EAI_AGAIN, "later")
    for _ in range(11):
        stage.passes(300)
        asked = stage.asks()
        stage.passes(1.5)  # the first after long silence waits a moment for a better answer
        assert asked.result() == ("192.0.2.1",)
        assert stage.asks().result() == ("192.0.2.1",)  # and nobody after it
    stage.passes(300)
    last = stage.asks()
    stage.passes(1.5)
    assert last.cancel() if trouble == "hangs" else last.exception() is not None


@pytest.mark.parametrize("last_good_s_max", [0, 5])
def test_an_answer_counts_for_its_time_however_short_the_last_good_one_does(
    last_good_s_max: float, stage: Stage
) -> None:
    settings = Resolver(answer_s_max=30, last_good_s_max=last_good_s_max)
    stage.names = NameResolver(stage.zone, stage.clock, settings)
    assert stage.asks().result() == ("192.0.2.1",)
    stage.passes(29)
    assert stage.asks().result() == ("192.0.2.1",)
    stage.zone.says["a.test"] = UNKNOWN
    stage.passes(2)
    assert stage.asks().exception() is not None
    assert len(stage.zone.asked) == 2


def test_an_unknown_name_fails_and_is_not_asked_for_at_once(stage: Stage) -> None:
    for _ in range(9):
        asked = stage.asks("b.test")
        assert isinstance(asked.exception(), socket.gaierror)
    assert len(stage.zone.asked) == 1
    stage.zone.says["b.test"] = ("192.0.2.3",)
    stage.passes(1)
    assert stage.asks("b.test").result() == ("192.0.2.3",)


def test_where_nobody_answers_a_name_is_looked_up_before_it_is_used(stage: Stage) -> None:
    stage.asks()
    stage.zone.says["a.test"] = ("192.0.2.2",)
    stage.passes(2)
    stage.names.unreachable("a.test")
    assert stage.asks().result() == ("192.0.2.2",)


def test_an_address_that_failed_comes_last_for_a_while(stage: Stage) -> None:
    stage.zone.says["b.test"] = ("192.0.2.1", "192.0.2.2")
    stage.asks("b.test")
    stage.names.failed("b.test", "192.0.2.1")
    assert stage.asks("b.test").result() == ("192.0.2.2", "192.0.2.1")
    stage.passes(60)
    stage.asks("b.test")
    assert stage.asks("b.test").result() == ("192.0.2.1", "192.0.2.2")


@pytest.mark.parametrize("address", ["192.0.2.9", "2001:db8::9"])
def test_an_address_is_no_name(address: str, stage: Stage) -> None:
    assert stage.asks(address).result() == (address,)
    assert stage.zone.asked == []


@pytest.mark.parametrize(
    ("given", "lost", "order"),
    [
        ((), (), ()),
        (("1.1.1.1", "2.2.2.2"), (), ("1.1.1.1", "2.2.2.2")),
        (("1::", "2::", "3::", "1.1.1.1"), (), ("1::", "1.1.1.1", "2::", "3::")),
        (("1.1.1.1", "2.2.2.2", "1::"), (), ("1.1.1.1", "1::", "2.2.2.2")),
        (("1::", "1.1.1.1", "2::"), ("1::",), ("1.1.1.1", "2::", "1::")),
    ],
)
def test_families_take_turns(
    given: tuple[str, ...], lost: tuple[str, ...], order: tuple[str, ...]
) -> None:
    """RFC 8305 §4."""
    assert interleave(given, frozenset(lost)) == order


def test_threads_of_look_ups_are_bounded_and_nobody_waits_for_them() -> None:
    over = threading.Event()

    def addresses(host: str) -> tuple[str, ...]:
        if host.startswith("hangs"):
            over.wait(20)
        return (host,)

    async def main() -> None:
        threads = LookupThreads(addresses, lookups_max=3)
        hung = [threads(f"hangs{n}") for n in range(2)]
        assert await threads("well") == ("well",)
        hung.append(threads("hangs2"))
        with pytest.raises(socket.gaierror, match="too many"):
            await threads("well")
        over.set()
        assert [await one for one in hung] == [("hangs0",), ("hangs1",), ("hangs2",)]
        assert await threads("well") == ("well",)

    asyncio.run(main())


def test_the_machine_s_resolver() -> None:
    assert "127.0.0.1" in system_addresses("localhost") or "::1" in system_addresses("localhost")
    assert system_addresses("127.0.0.1") == ("127.0.0.1",)
