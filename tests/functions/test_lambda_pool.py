"""Pools of worker processes: places, queue, time-outs and back-off, under a clock moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from edgecache.config.lambda_functions import LambdaFunctionConfig
from edgecache.functions.lambda_pool import (
    BACK_OFF_S,
    BACK_OFF_S_MAX,
    INIT_S_MAX,
    WAITING_MAX,
    LambdaError,
    LambdaFailure,
    LambdaPool,
    PoolWorld,
    WorkerLostError,
)
from tests.world.clock import FakeClock, FakeLoop


class HeldWorker:
    """A worker whose answers a test gives."""

    def __init__(self) -> None:
        self.alive = True
        self.killed = False
        self.asked: list[bytes] = []
        self.answer: asyncio.Future[bytes] | None = None

    async def run(self, message: bytes) -> bytes:
        self.asked.append(message)
        self.answer = asyncio.get_running_loop().create_future()
        return await self.answer

    def kill(self) -> None:
        self.alive, self.killed = False, True

    def answers(self, data: bytes = b"{}") -> None:
        assert self.answer is not None
        self.answer.set_result(data)

    def ends(self) -> None:
        assert self.answer is not None
        self.alive = False
        self.answer.set_exception(WorkerLostError("its process has ended"))


class Stage:
    """A pool, its workers, and the runs that were asked of it."""

    def __init__(self, processes_max: int = 2) -> None:
        self.clock = FakeClock()
        self.loop = FakeLoop(self.clock)
        self.workers: list[HeldWorker] = []
        self.fails: Exception | None = None
        self.hangs = False
        self.room = True
        function = LambdaFunctionConfig(
            name="f", runtime="python", folder="/", handler="a.b", processes_max=processes_max
        )
        world = PoolWorld(self._start, self.clock, self._spawn, lambda: self.room)
        self.pool = LambdaPool(function, world)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self.loop.create_task(work)

    async def _start(self, _function: LambdaFunctionConfig) -> HeldWorker:
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.fails is not None:
            raise self.fails
        self.workers.append(HeldWorker())
        return self.workers[-1]

    def asks(self, message: bytes = b"m") -> asyncio.Task[bytes]:
        task = self.loop.create_task(self.pool.run(message))
        self.loop.settle()
        return task

    def advance(self, seconds: float) -> None:
        self.clock.now += seconds
        self.loop.settle()

    def failed(self, task: asyncio.Task[bytes]) -> LambdaFailure:
        self.loop.settle()
        error = task.exception()
        assert isinstance(error, LambdaError), error
        return error.failure


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    for task in asyncio.all_tasks(made.loop):
        task.cancel()
    made.loop.settle()
    made.loop.close()


def test_a_worker_has_one_event_at_a_time_and_is_used_again(stage: Stage) -> None:
    first, second, third = stage.asks(b"1"), stage.asks(b"2"), stage.asks(b"3")
    one, two = stage.workers
    assert (one.asked, two.asked) == ([b"1"], [b"2"])
    one.answers(b"a")
    stage.loop.settle()
    assert first.result() == b"a"
    assert one.asked == [b"1", b"3"]
    one.answers(b"c")
    two.answers(b"b")
    stage.loop.settle()
    assert (second.result(), third.result()) == (b"b", b"c")
    assert stage.pool.processes == 2
    stage.asks()
    assert len(stage.workers) == 2


def test_who_is_late_is_killed_and_another_is_started(stage: Stage) -> None:
    late = stage.asks()
    stage.advance(stage.pool.function.timeout_s + 0.1)
    assert stage.failed(late) is LambdaFailure.EXECUTION
    assert stage.workers[0].killed
    assert stage.pool.processes == 0
    again = stage.asks()
    stage.workers[1].answers()
    stage.loop.settle()
    assert again.result() == b"{}"


def test_who_waits_too_long_for_a_place_is_refused(stage: Stage) -> None:
    for _ in range(4):
        stage.asks()
    stage.advance(1)
    waiting = stage.asks()
    stage.advance(1)
    for worker in stage.workers:
        worker.answers()
    stage.advance(2.1)
    assert stage.failed(waiting) is LambdaFailure.LIMIT


def test_so_many_wait_and_no_more(stage: Stage) -> None:
    for _ in range(2 + WAITING_MAX):
        stage.asks()
    assert stage.failed(stage.asks()) is LambdaFailure.LIMIT
    assert len(stage.workers) == 2


def test_a_process_that_ends_costs_its_own_run(stage: Stage) -> None:
    first, second = stage.asks(), stage.asks()
    one, two = stage.workers
    one.ends()
    two.answers(b"b")
    assert stage.failed(first) is LambdaFailure.EXECUTION
    assert second.result() == b"b"
    assert one.killed  # and what it has left behind in its group


def test_processes_that_end_in_turn_are_started_later_each_time(stage: Stage) -> None:
    for _ in range(2):
        run = stage.asks()
        stage.workers[-1].ends()
        assert stage.failed(run) is LambdaFailure.EXECUTION
    pause_s = BACK_OFF_S
    for _ in range(10):
        count = len(stage.workers)
        assert stage.failed(stage.asks()) is LambdaFailure.EXECUTION
        assert len(stage.workers) == count
        stage.advance(pause_s + 0.01)
        run = stage.asks()
        assert len(stage.workers) == count + 1
        stage.workers[-1].ends()
        assert stage.failed(run) is LambdaFailure.EXECUTION
        pause_s = min(2 * pause_s, BACK_OFF_S_MAX)
    stage.advance(BACK_OFF_S_MAX)
    run = stage.asks()
    stage.workers[-1].answers()
    stage.loop.settle()
    assert run.result() == b"{}"
    stage.asks()
    stage.workers[-1].ends()
    stage.loop.settle()
    stage.asks()
    assert stage.workers[-1].asked, "one that went well was the last: another is started at once"


def test_a_start_that_fails_or_hangs_is_an_error_of_its_own(stage: Stage) -> None:
    stage.fails = OSError("no such file")
    assert stage.failed(stage.asks()) is LambdaFailure.EXECUTION
    stage.fails, stage.hangs = None, True
    run = stage.asks()
    stage.advance(INIT_S_MAX + 0.1)
    assert stage.failed(run) is LambdaFailure.EXECUTION
    assert stage.pool.processes == 0


def test_without_room_there_is_no_other_process(stage: Stage) -> None:
    stage.room = False
    assert stage.failed(stage.asks()) is LambdaFailure.LIMIT


def test_a_run_goes_to_its_end_though_nobody_waits(stage: Stage) -> None:
    run = stage.asks()
    run.cancel()
    stage.loop.settle()
    (worker,) = stage.workers
    assert not worker.killed
    assert stage.pool.processes == 1
    worker.answers()
    stage.loop.settle()
    stage.asks(b"next")
    assert worker.asked == [b"m", b"next"]


def test_a_closed_pool_ends_its_processes_after_their_runs(stage: Stage) -> None:
    busy, other = stage.asks(), stage.asks()
    one, two = stage.workers
    two.answers()
    stage.loop.settle()
    assert other.done()
    stage.pool.close()
    assert (one.killed, two.killed) == (False, True)
    one.answers(b"a")
    stage.loop.settle()
    assert busy.result() == b"a"
    assert one.killed
    assert stage.failed(stage.asks()) is LambdaFailure.EXECUTION


def test_all_of_a_pool_is_killed_at_once(stage: Stage) -> None:
    stage.asks()
    stage.pool.kill()
    assert stage.workers[0].killed
