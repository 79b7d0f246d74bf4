"""Runner of Lambda functions: what triggers ask; a pool for each function, and bounds of all.

Law: what is asked of functions at a time is bounded in processes and in bytes, and counted. A
function that says the same after a change of the configuration keeps its processes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from edgecache.config.lambda_functions import LambdaFunctionConfig, label_of
from edgecache.functions.event import Json
from edgecache.functions.lambda_pool import (
    LambdaError,
    LambdaFailure,
    LambdaPool,
    LambdaWorker,
    PoolWorld,
    StartWorker,
)
from edgecache.observe.counters import Counters

PROCESSES_MAX = 64  # of all functions of one node
EVENTS_BYTES_MAX = 32 * 1024 * 1024  # of events that are run, or wait
STORIES_MAX = 64  # runs that are remembered to be explained
STORY_CHARS_MAX = 4_096
TELL_S = 1.0  # between two lines of a function's failures: each is counted


class LambdaCall(Struct, frozen=True):
    """A run that is asked for: of a function, by its ARN, at an event."""

    function: str
    event: Json
    request_id: str


class LambdaStory(Struct, frozen=True):
    """What a function made of an event, for who explains it: line by line, at `at`."""

    distribution: str
    event: str
    target: str  # path and query, as the function was shown them
    function: str
    lines: tuple[str, ...]
    at: float  # epoch seconds


class LambdaInvoker(Protocol):
    """Runs Lambda functions."""

    async def invoke(self, call: LambdaCall) -> object:
        """What the handler gives back. LambdaError."""
        ...

    def refused(self, function: str, why: str) -> LambdaError:
        """The error of a function whose result breaks a rule; counted."""
        ...

    def tell(self, story: LambdaStory) -> None:
        """Remember what a function made of an event."""
        ...


class _NoLambdas:
    """Where no Lambda function is run: each is an error."""

    async def invoke(self, _call: LambdaCall) -> object:
        raise LambdaError(LambdaFailure.EXECUTION, "no Lambda function is run here")

    def refused(self, _function: str, why: str) -> LambdaError:
        return LambdaError(LambdaFailure.VALIDATION, why)

    def tell(self, _story: LambdaStory) -> None: ...


NO_LAMBDAS: LambdaInvoker = _NoLambdas()


class _Answer(Struct):
    """What a worker says of a run."""

    result: Any = None
    error: str = ""


class _Message(Struct, frozen=True):
    """What a worker is told of a run."""

    event: Json
    request_id: str
    arn: str


_answer = msgspec.json.Decoder(_Answer).decode
_encoded = msgspec.json.Encoder().encode


def _no_word(_line: str) -> None: ...


@dataclass(frozen=True, slots=True)
class LambdaWorld:
    """What a runner is given. `clock`: epoch seconds that do not step; `tell` has a line each."""

    start: StartWorker
    clock: Callable[[], float]
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    counters: Counters = field(default_factory=Counters)
    tell: Callable[[str], None] = _no_word


class LambdaRunner:
    """The Lambda functions of one process."""

    def __init__(self, world: LambdaWorld) -> None:
        self.stories: deque[LambdaStory] = deque(maxlen=STORIES_MAX)
        self._world = world
        self._pool_world = PoolWorld(self._start, world.clock, world.spawn, self._has_room)
        self._told: dict[str, float] = {}  # when a function's failure was told last
        self._pools: OrderedDict[str, LambdaPool] = OrderedDict()
        self._events_bytes = 0

    def use(self, functions: Iterable[LambdaFunctionConfig]) -> None:
        """The functions are these from now on; others end with the runs they have."""
        former, self._pools = self._pools, OrderedDict()
        for function in functions:
            pool = former.get(function.label)
            if pool is not None and pool.function == function:
                self._pools[function.label] = former.pop(function.label)
            else:
                self._pools[function.label] = LambdaPool(function, self._pool_world)
        for pool in former.values():
            pool.close()
        self._told.clear()

    def close(self) -> None:
        """End every process."""
        for pool in self._pools.values():
            pool.kill()

    @property
    def size_bytes(self) -> int:
        """What events that are run or wait, and what is remembered of others, take."""
        told = sum(len(line) for story in self.stories for line in story.lines)
        return self._events_bytes + told

    async def invoke(self, call: LambdaCall) -> object:
        """See `LambdaInvoker`."""
        label, began = label_of(call.function), self._world.clock()
        counters = self._world.counters.labeled
        counters["lambda_runs"].labels(label).value += 1
        try:
            answer = await self._run(label, call)
        except LambdaError as error:
            self._count(label, error)
            raise
        finally:
            taken_us = round((self._world.clock() - began) * 1e6)
            counters["lambda_us"].labels(label).value += max(0, taken_us)
        return answer

    async def _run(self, label: str, call: LambdaCall) -> object:
        pool = self._pools.get(label)
        if pool is None:
            raise LambdaError(LambdaFailure.EXECUTION, "there is no such function here")
        message = _encoded(_Message(call.event, call.request_id, call.function))
        if self._events_bytes + len(message) > EVENTS_BYTES_MAX:
            raise LambdaError(LambdaFailure.LIMIT, "the events that wait take too much memory")
        self._pools.move_to_end(label)
        self._events_bytes += len(message)
        try:
            raw = await pool.run(message)
        finally:
            self._events_bytes -= len(message)
        try:
            answer = _answer(raw)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise LambdaError(LambdaFailure.EXECUTION, "its answer is no JSON") from None
        if answer.error:
            raise LambdaError(LambdaFailure.EXECUTION, answer.error)
        return answer.result

    def refused(self, function: str, why: str) -> LambdaError:
        """See `LambdaInvoker`."""
        error = LambdaError(LambdaFailure.VALIDATION, why)
        self._count(label_of(function), error)
        return error

    def tell(self, story: LambdaStory) -> None:
        """See `LambdaInvoker`."""
        lines, left = [], STORY_CHARS_MAX
        for line in story.lines:
            lines.append(line[:left])
            left -= len(line)
            if left <= 0:
                break
        self.stories.append(msgspec.structs.replace(story, lines=tuple(lines)))

    def _count(self, label: str, error: LambdaError) -> None:
        self._world.counters.labeled["lambda_errors"].labels(label, error.failure).value += 1
        now = self._world.clock()
        if now - self._told.get(label, -TELL_S) >= TELL_S:
            self._told[label] = now
            self._world.tell(f"Lambda function {label}: {error.failure}: {error}")

    async def _start(self, function: LambdaFunctionConfig) -> LambdaWorker:
        self._world.counters.labeled["lambda_processes"].labels(function.label).value += 1
        return await self._world.start(function)

    def _has_room(self) -> bool:
        """Whether one more process may be started; an idle one of another function gives way."""
        if sum(pool.processes for pool in self._pools.values()) < PROCESSES_MAX:
            return True
        return any(pool.end_idle() for pool in self._pools.values())
