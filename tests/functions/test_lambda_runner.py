"""Runner of Lambda functions: pools by function, bounds of all, counters."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from edgecache.config.lambda_functions import LambdaFunctionConfig
from edgecache.functions import lambda_runner
from edgecache.functions.lambda_pool import LambdaError, LambdaFailure
from edgecache.functions.lambda_runner import (
    NO_LAMBDAS,
    STORIES_MAX,
    STORY_CHARS_MAX,
    LambdaCall,
    LambdaRunner,
    LambdaStory,
    LambdaWorld,
)
from edgecache.observe.counters import Counters
from tests.world.clock import FakeClock, FakeLoop

ARN = "arn:aws:lambda:us-east-1:000000000000:function:{}:1"
FUNCTION = LambdaFunctionConfig(name="f", runtime="python", folder="/", handler="a.b")


class EchoWorker:
    """A worker that answers with what it is asked, or as it is told to."""

    def __init__(self, says: bytes | None) -> None:
        self.alive = True
        self._says = says

    async def run(self, message: bytes) -> bytes:
        if self._says is not None:
            return self._says
        return msgspec.json.encode({"result": msgspec.json.decode(message)["event"]})

    def kill(self) -> None:
        self.alive = False


class Stage:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.loop = FakeLoop(self.clock)
        self.workers: list[EchoWorker] = []
        self.says: bytes | None = None
        self.counters = Counters()
        self.told: list[str] = []
        self.runner = LambdaRunner(
            LambdaWorld(self._start, self.clock, self._spawn, self.counters, self.told.append)
        )
        self.runner.use([FUNCTION])

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self.loop.create_task(work)

    async def _start(self, _function: LambdaFunctionConfig) -> EchoWorker:
        self.workers.append(EchoWorker(self.says))
        return self.workers[-1]

    def runs(self, name: str = "f", event: Any = None) -> object:
        call = LambdaCall(ARN.format(name), event or {"a": 1}, "id")
        return self.loop.run_until_complete(self.runner.invoke(call))

    def fails(self, name: str = "f", event: Any = None) -> LambdaFailure:
        with pytest.raises(LambdaError) as caught:
            self.runs(name, event)
        return caught.value.failure

    def counted(self, metric: str) -> dict[str, int]:
        return {key: series.value for key, series in self.counters.labeled[metric].items()}


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.loop.close()


def test_a_function_gets_its_event_and_gives_its_result(stage: Stage) -> None:
    assert stage.runs(event={"b": "\u00e9"}) == {"b": "\u00e9"}
    assert stage.runs() == {"a": 1}
    assert stage.counted("lambda_runs") == {"f:1": 2}
    assert stage.counted("lambda_processes") == {"f:1": 1}
    assert stage.runner.size_bytes == 0


def test_one_that_is_not_there_is_an_error(stage: Stage) -> None:
    assert stage.fails("other") is LambdaFailure.EXECUTION
    assert stage.counted("lambda_errors") == {"other:1\tLambdaExecutionError": 1}
    assert stage.told == [
        "Lambda function other:1: LambdaExecutionError: there is no such function here"
    ]
    for _ in range(5):
        stage.fails("other")
    assert len(stage.told) == 1, "a line a second, and a count"


@pytest.mark.parametrize(
    "says", [b"", b"{", b"[]", b'{"error":"ValueError: x"}', b"[" * 100_000, b"\xff"]
)
def test_what_a_worker_says_that_is_no_answer(stage: Stage, says: bytes) -> None:
    stage.says = says
    assert stage.fails() is LambdaFailure.EXECUTION


def test_a_function_that_says_the_same_keeps_its_processes(stage: Stage) -> None:
    stage.runs()
    stage.runner.use([FUNCTION])
    stage.runs()
    assert len(stage.workers) == 1
    stage.runner.use([replace(FUNCTION, code_sha256="other")])
    assert not stage.workers[0].alive
    stage.runs()
    assert len(stage.workers) == 2
    stage.runner.close()
    assert not stage.workers[1].alive


def test_events_have_a_bound_together(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_runner, "EVENTS_BYTES_MAX", 1_000)
    assert stage.fails(event={"a": "x" * 1_000}) is LambdaFailure.LIMIT
    assert stage.runs() == {"a": 1}
    assert stage.runner.size_bytes == 0


def test_an_idle_process_of_another_function_gives_way(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lambda_runner, "PROCESSES_MAX", 1)
    stage.runner.use([FUNCTION, replace(FUNCTION, name="g")])
    stage.runs("f")
    stage.runs("g")
    assert [worker.alive for worker in stage.workers] == [False, True]


def test_what_is_remembered_to_be_explained_is_bounded(stage: Stage) -> None:
    for count in range(STORIES_MAX + 5):
        lines = ("x" * STORY_CHARS_MAX, "y")
        stage.runner.tell(LambdaStory("E", "viewer-request", f"/{count}", "f", lines, 0.0))
    assert len(stage.runner.stories) == STORIES_MAX
    assert stage.runner.size_bytes == STORIES_MAX * STORY_CHARS_MAX


def test_where_none_is_run_each_is_an_error() -> None:
    with pytest.raises(LambdaError):
        asyncio.run(_invoked())
    assert NO_LAMBDAS.refused("f", "why").failure is LambdaFailure.VALIDATION


async def _invoked() -> object:
    return await NO_LAMBDAS.invoke(LambdaCall(ARN.format("f"), {}, ""))
