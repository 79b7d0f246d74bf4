"""Pool of the worker processes of one Lambda function: places, queue, time-outs, back-off.

Law: whoever waits here waits for a bounded time, and a worker that is late, or ends, harms nobody
but the run it had. A worker runs one event at a time, as Lambda's do. A run goes to its end though
its viewer leaves: to end the process instead would let strangers make us start others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from edgecache.config.lambda_functions import LambdaFunctionConfig

WAITING_MAX = 64  # runs of one function that wait for a process
INIT_S_MAX = 10.0  # Lambda's own limit for what stands outside of the handler
BACK_OFF_S = 0.25  # after the second process in turn that ended by itself, doubled from then on
BACK_OFF_S_MAX = 30.0


class LambdaFailure(StrEnum):
    """How a Lambda function failed: CloudFront's word in X-Cache and the log."""

    EXECUTION = "LambdaExecutionError"
    VALIDATION = "LambdaValidationError"
    LIMIT = "LambdaLimitExceeded"


class LambdaError(Exception):
    """A Lambda function failed: `failure` says how, the text why."""

    def __init__(self, failure: LambdaFailure, why: str) -> None:
        super().__init__(why)
        self.failure = failure


class WorkerLostError(Exception):
    """A worker process has ended, or is not to be used any more; the text says why."""


class LambdaWorker(Protocol):
    """One worker process, ready for an event."""

    async def run(self, message: bytes) -> bytes:
        """What the handler makes of a message, both JSON. WorkerLostError."""
        ...

    def kill(self) -> None:
        """End it, and all that it has started. Idempotent."""
        ...

    @property
    def alive(self) -> bool:
        """Whether it may be given an event."""
        ...


StartWorker = Callable[[LambdaFunctionConfig], Awaitable[LambdaWorker]]
"""A process for a function, its handler loaded. OSError, WorkerLostError."""


@dataclass(frozen=True, slots=True)
class PoolWorld:
    """What pools are given: starter of processes, steady clock, tasks, and room for one more."""

    start: StartWorker
    clock: Callable[[], float]
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    has_room: Callable[[], bool] = lambda: True


class LambdaPool:
    """The worker processes of one function."""

    def __init__(self, function: LambdaFunctionConfig, world: PoolWorld) -> None:
        self.function = function
        self._world = world
        self._places = asyncio.Semaphore(function.processes_max)
        self._idle: list[LambdaWorker] = []
        self._busy: set[LambdaWorker] = set()
        self._starting = 0
        self._waiting = 0
        self._lost = 0  # processes in turn that ended by themselves
        self._not_before = 0.0
        self._closed = False

    @property
    def processes(self) -> int:
        """How many there are, those that are being started too."""
        return len(self._idle) + len(self._busy) + self._starting

    async def run(self, message: bytes) -> bytes:
        """What the handler makes of a message. LambdaError."""
        await self._take_place()
        result: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._world.spawn(self._run_in_place(message, result))
        return await result

    def end_idle(self) -> bool:
        """End a process that has nothing to do, if there is one."""
        if not self._idle:
            return False
        self._idle.pop(0).kill()
        return True

    def close(self) -> None:
        """Start no process any more, and end those that are idle; others end with their runs."""
        self._closed = True
        while self.end_idle():
            pass

    def kill(self) -> None:
        """End every process now."""
        self.close()
        for worker in self._busy:
            worker.kill()

    async def _take_place(self) -> None:
        if self._places.locked() and self._waiting >= WAITING_MAX:
            raise LambdaError(LambdaFailure.LIMIT, f"{WAITING_MAX} of its runs wait already")
        self._waiting += 1
        try:
            async with asyncio.timeout(self.function.timeout_s):
                await self._places.acquire()
        except TimeoutError:
            why = f"no process came free in {self.function.timeout_s} s"
            raise LambdaError(LambdaFailure.LIMIT, why) from None
        finally:
            self._waiting -= 1

    async def _run_in_place(self, message: bytes, result: asyncio.Future[bytes]) -> None:
        """Run in a place that was taken, which is given back; nobody may wait any more."""
        try:
            answer = await self._run(message)
        except Exception as error:
            if not result.done():
                result.set_exception(error)
        except BaseException:
            result.cancel()
            raise
        else:
            if not result.done():
                result.set_result(answer)
        finally:
            self._places.release()

    async def _run(self, message: bytes) -> bytes:
        worker = self._idle_worker() or await self._start()
        self._busy.add(worker)
        try:
            async with asyncio.timeout(self.function.timeout_s):
                answer = await worker.run(message)
        except TimeoutError:
            worker.kill()
            self._count_lost()
            why = f"it took longer than its timeout of {self.function.timeout_s} s"
            raise LambdaError(LambdaFailure.EXECUTION, why) from None
        except WorkerLostError as error:
            worker.kill()
            self._count_lost()
            raise LambdaError(LambdaFailure.EXECUTION, str(error)) from error
        except BaseException:
            worker.kill()
            raise
        finally:
            self._busy.discard(worker)
        self._lost = 0
        if self._closed or not worker.alive:
            worker.kill()
        else:
            self._idle.append(worker)
        return answer

    def _idle_worker(self) -> LambdaWorker | None:
        """The one used last, which is warm; those that ended meanwhile are passed over."""
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            worker.kill()
        return None

    async def _start(self) -> LambdaWorker:
        if self._closed:
            raise LambdaError(LambdaFailure.EXECUTION, "the function is another by now")
        if self._world.clock() < self._not_before:
            why = f"{self._lost} of its processes ended in turn: the next is started later"
            raise LambdaError(LambdaFailure.EXECUTION, why)
        if not self._world.has_room():
            raise LambdaError(LambdaFailure.LIMIT, "as many processes as may be are busy")
        self._starting += 1
        try:
            async with asyncio.timeout(INIT_S_MAX):
                worker = await self._world.start(self.function)
        except TimeoutError:
            self._count_lost()
            why = f"it was not loaded in {INIT_S_MAX:.0f} s"
            raise LambdaError(LambdaFailure.EXECUTION, why) from None
        except (OSError, WorkerLostError) as error:
            self._count_lost()
            raise LambdaError(LambdaFailure.EXECUTION, str(error)) from error
        finally:
            self._starting -= 1
        return worker

    def _count_lost(self) -> None:
        self._lost += 1
        if self._lost > 1:
            pause_s = min(BACK_OFF_S_MAX, BACK_OFF_S * 2 ** min(self._lost - 2, 16))
            self._not_before = self._world.clock() + pause_s
