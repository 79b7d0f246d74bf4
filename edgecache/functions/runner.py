"""Runner of functions: contexts kept, replaced, counted and throttled; what a frontend asks.

Law: a viewer whose function fails is told so, and is given nothing else. A context lives as long as
its function says the same; one that broke is made anew by the next run. How many are kept at a time
is bounded, and what they take is counted.

CloudFront publishes no limit of a run's time, only a utilization of it in percent, and throttles a
function that continuously exceeds it. Here the limit is a millisecond of CPU a run; what goes
beyond is paid from a bucket that fills again with a fifth of the time that passes, so that what
runs within its time is never throttled, whatever the rate.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from msgspec import Struct

from edgecache.config.functions import FunctionConfig
from edgecache.functions.context import EngineMissingError, FunctionContext, RunInput, RunOutput
from edgecache.functions.interface import FunctionLog, FunctionWorld

RUN_S = 0.001  # of CPU; a run of this is a utilization of 100
SHARE = 0.2  # of one thread, for what is beyond that in all runs
BURST_S = 0.5
CONTEXTS_MAX = 16  # each takes half a megabyte, and up to two more while it runs


class FunctionFailure(StrEnum):
    """How a function failed: CloudFront's word in X-Cache and the log."""

    EXECUTION = "FunctionExecutionError"
    VALIDATION = "FunctionValidationError"
    THROTTLED = "FunctionThrottledError"


class FunctionError(Exception):
    """A function failed: `failure` says how, the text why."""

    def __init__(self, failure: FunctionFailure, why: str) -> None:
        super().__init__(why)
        self.failure = failure


class CpuShare:
    """What a function may still take beyond RUN_S a run; times are seconds of a steady clock."""

    __slots__ = ("_at", "_left_s")

    def __init__(self, now: float) -> None:
        self._left_s = BURST_S
        self._at = now

    def admits(self, now: float) -> bool:
        """Whether another run may begin."""
        self._left_s = min(BURST_S, self._left_s + max(0.0, now - self._at) * SHARE)
        self._at = now
        return self._left_s > 0

    def spend(self, cpu_s: float) -> None:
        """A run took so much CPU."""
        self._left_s -= max(0.0, cpu_s - RUN_S)


def utilization(cpu_s: float) -> int:
    """CloudFront's compute utilization of a run: percent of its time, at most 100."""
    return max(1, min(100, round(cpu_s / RUN_S * 100)))


class Run(Struct, frozen=True):
    """What a run is asked for."""

    function: str
    event: dict[str, Any]
    raw: str | None  # of the query; None: there is no `?`


@dataclass(slots=True)
class _Kept:
    function: FunctionConfig
    share: CpuShare
    context: FunctionContext | None = None
    problem: str = ""  # why none can be made of it


class FunctionRunner:
    """The live functions of one process."""

    def __init__(self, world: FunctionWorld) -> None:
        self.world = world
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def use(self, functions: Iterable[FunctionConfig]) -> None:
        """The functions are these from now on; those that say the same keep their contexts."""
        former, self._kept = self._kept, OrderedDict()
        for function in functions:
            if function.stage != "LIVE":
                continue
            kept = former.get(function.name)
            if kept is None or kept.function != function:
                kept = _Kept(function, CpuShare(self.world.clock()))
            self._kept[function.name] = kept

    def run(self, asked: Run) -> RunOutput:
        """What a function makes of an event. FunctionError."""
        kept = self._kept.get(asked.function)
        if kept is None:
            raise self._failed(asked, FunctionFailure.EXECUTION, "there is no such function here")
        now, began = self.world.clock(), self.world.cpu_clock()
        if not kept.share.admits(now):
            raise self._failed(asked, FunctionFailure.THROTTLED, "it takes more than its time")
        try:
            context = self._context(kept)
            output = context.run(self._input(asked, kept.function, now))
        except ValueError as error:
            raise self._failed(asked, FunctionFailure.EXECUTION, str(error)) from error
        finally:
            kept.share.spend(self.world.cpu_clock() - began)
        self._count(asked.function, output)
        if output.broken:
            kept.context = None
        if output.logs:
            self._log(asked, output)
        if output.error:
            raise self._failed(asked, FunctionFailure.EXECUTION, output.error)
        return output

    def refused(self, function: str, why: str) -> FunctionError:
        """The error of a function whose result breaks a rule."""
        self._counted(function, FunctionFailure.VALIDATION)
        return FunctionError(FunctionFailure.VALIDATION, why)

    @property
    def size_bytes(self) -> int:
        """What the contexts take."""
        contexts = [kept.context for kept in self._kept.values() if kept.context is not None]
        return sum(context.measure() for context in contexts)

    def _context(self, kept: _Kept) -> FunctionContext:
        """The function's context; the one that was not used for longest makes way. ValueError."""
        self._kept.move_to_end(kept.function.name)
        if kept.context is not None:
            return kept.context
        if kept.problem:
            raise ValueError(kept.problem)
        warm = [one for one in self._kept.values() if one.context is not None]
        for one in warm[: max(0, len(warm) - CONTEXTS_MAX + 1)]:
            one.context = None
        try:
            made = FunctionContext(kept.function, self.world.cpu_clock, self.world.store_of)
        except (ValueError, EngineMissingError) as error:
            kept.problem = str(error)
            raise ValueError(kept.problem) from error
        kept.context = made
        return made

    def _input(self, asked: Run, function: FunctionConfig, now: float) -> RunInput:
        return RunInput(
            asked.event,
            float(int(now * 1_000)),
            float(int(now * 1_000_000) & 0x7FFFFFFF),
            asked.raw,
            function.key_value_stores,
            self.world.edge,
        )

    def _log(self, asked: Run, output: RunOutput) -> None:
        context = asked.event["context"]
        self.world.log(
            FunctionLog(
                asked.function, context["requestId"], context["distributionId"], output.logs
            )
        )

    def _count(self, function: str, output: RunOutput) -> None:
        labeled = self.world.counters.labeled
        labeled["function_runs"].labels(function).value += 1
        labeled["function_cpu_us"].labels(function).value += round(output.cpu_s * 1e6)

    def _counted(self, function: str, failure: FunctionFailure) -> None:
        self.world.counters.labeled["function_errors"].labels(function, failure).value += 1

    def _failed(self, asked: Run, failure: FunctionFailure, why: str) -> FunctionError:
        self._counted(asked.function, failure)
        return FunctionError(failure, why)


class FunctionTest(Struct, frozen=True):
    """What TestFunction tells: one run outside of any request. `error` empty: it went well."""

    result: Any
    error: str
    logs: tuple[str, ...]
    utilization: int  # percent


def run_test(function: FunctionConfig, event: dict[str, Any], world: FunctionWorld) -> FunctionTest:
    """Run a function of any stage on an event, which is complete. EngineMissingError."""
    try:
        context = FunctionContext(function, world.cpu_clock, world.store_of)
    except ValueError as error:
        return FunctionTest(None, str(error), (), 1)
    now = world.clock()
    given = RunInput(
        event, now * 1_000, float(int(now * 1e6) & 0x7FFFFFFF), None, function.key_value_stores,
        world.edge,
    )  # fmt: skip
    context.run(given)  # the first warms the engine, and what it takes is not the function's
    output = context.run(given)
    return FunctionTest(output.result, output.error, output.logs, utilization(output.cpu_s))
