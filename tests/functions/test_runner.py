"""Runner: contexts are kept, replaced and counted, and a greedy function is throttled."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.config.functions import FunctionConfig
from edgecache.functions import runner
from edgecache.functions.interface import FunctionLog, FunctionWorld
from edgecache.functions.runner import (
    FunctionError,
    FunctionFailure,
    FunctionRunner,
    Run,
    run_test,
)
from edgecache.observe.counters import Counters
from tests.functions.engine import event

OWN = "function handler(event) { return event.request.uri; }"


class World:
    """A runner whose clock and CPU are moved by hand: each look at the CPU takes `step_s`."""

    def __init__(self, **sources: str) -> None:
        self.now = 1_000.0
        self.cpu_s = 0.0
        self.step_s = 0.0
        self.counters = Counters()
        self.logs: list[FunctionLog] = []
        world = FunctionWorld(
            self._cpu, lambda: self.now, log=self.logs.append, counters=self.counters
        )
        self.runner = FunctionRunner(world)
        self.use(**sources)

    def use(self, **sources: str) -> None:
        self.runner.use(FunctionConfig(name=name, code=code) for name, code in sources.items())

    def _cpu(self) -> float:
        self.cpu_s += self.step_s
        return self.cpu_s

    def runs(self, name: str) -> Any:
        given = event()
        return self.runner.run(Run(name, given, None)).result

    def fails(self, name: str) -> tuple[FunctionFailure, str]:
        with pytest.raises(FunctionError) as caught:
            self.runs(name)
        return caught.value.failure, str(caught.value)

    def counted(self, metric: str) -> dict[str, int]:
        return {key: series.value for key, series in self.counters.labeled[metric].items()}


def test_a_function_of_another_stage_or_none_is_not_run() -> None:
    world = World()
    world.runner.use([FunctionConfig(name="draft", code=OWN, stage="DEVELOPMENT")])
    assert world.fails("draft")[0] is FunctionFailure.EXECUTION
    assert world.fails("none")[0] is FunctionFailure.EXECUTION


def test_a_context_is_kept_while_its_function_says_the_same() -> None:
    world = World(a=OWN, b=OWN)
    assert world.runs("a") == world.runs("b") == "/"
    both = world.runner.size_bytes
    world.use(a=OWN, b="function handler() { return 2; }")
    one = world.runner.size_bytes
    assert 0 < one < both
    assert world.runs("b") == 2
    assert world.runs("a") == "/"
    world.use()
    assert world.runner.size_bytes == 0


def test_few_contexts_are_kept_the_longest_unused_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "CONTEXTS_MAX", 2)
    world = World(a=OWN, b=OWN, c=OWN)
    for name in "abc":
        assert world.runs(name) == "/"
        sizes = world.runner.size_bytes
    assert world.runs("a") == "/"
    assert world.runner.size_bytes == pytest.approx(sizes, rel=0.1)


def test_a_context_that_broke_is_made_anew() -> None:
    code = """function handler(event) {
        if (event.request.headers.bad) new Array(1e6).fill(0).join('x');
        return event.request.uri; }"""
    world = World(a=code, bystander=OWN)
    given = event()
    given["request"]["headers"]["bad"] = {"value": "1"}
    for _ in range(3):
        before = world.runner.size_bytes
        with pytest.raises(FunctionError, match="memory"):
            world.runner.run(Run("a", given, None))
        assert world.runner.size_bytes <= before - 300_000 or before == 0
        assert world.runs("a") == world.runs("bystander") == "/"
    assert world.runner.size_bytes < 4 * 1024 * 1024


def test_who_takes_more_than_its_time_is_throttled_and_nobody_else() -> None:
    world = World(greedy=OWN, bystander=OWN)
    world.step_s = 0.05
    failures = []
    for _ in range(30):
        try:
            world.runs("greedy")
        except FunctionError as error:
            failures.append(error.failure)
    assert set(failures) == {FunctionFailure.THROTTLED}
    world.step_s = 0.0
    assert world.runs("bystander") == "/"
    assert world.fails("greedy")[0] is FunctionFailure.THROTTLED
    world.now += 10
    assert world.runs("greedy") == "/"
    assert world.counted("function_errors")[f"greedy\t{FunctionFailure.THROTTLED}"] >= 20


def test_a_source_that_is_none_is_not_tried_again_and_again() -> None:
    world = World(a="function handler( {")
    assert world.fails("a")[1].startswith("line 1: SyntaxError")
    assert world.fails("a") == world.fails("a")


def test_runs_and_errors_are_counted_and_logs_handed_on() -> None:
    world = World(a="function handler() { console.log('x'); throw 1; }", b=OWN)
    assert world.fails("a") == (FunctionFailure.EXECUTION, "1")
    assert world.runs("b") == "/"
    assert world.runner.refused("b", "why").failure is FunctionFailure.VALIDATION
    assert world.counted("function_runs") == {"a": 1, "b": 1}
    assert world.counted("function_errors") == {
        "a\tFunctionExecutionError": 1,
        "b\tFunctionValidationError": 1,
    }
    assert world.logs == [FunctionLog("a", "id", "E1", ("x",))]


def test_a_function_is_tested_outside_of_requests() -> None:
    world = World().runner.world
    code = "function handler(event) { console.log('x'); return event.request; }"
    draft = FunctionConfig(name="a", code=code, stage="DEVELOPMENT")
    told = run_test(draft, event(), world)
    assert (told.result, told.error, told.logs) == (event()["request"], "", ("x",))
    assert 1 <= told.utilization <= 100
    broken = FunctionConfig(name="a", code="let a = ;")
    assert run_test(broken, event(), world).error.startswith("line 1: SyntaxError")
