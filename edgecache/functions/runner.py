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
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from msgspec import Struct

from edgecache.config.functions import FunctionConfig, PythonHookConfig
from edgecache.functions.context import (
    EngineMissingError,
    FunctionContext,
    RunInput,
    RunOutput,
    RunText,
)
from edgecache.functions.interface import FunctionLog, FunctionWorld
from edgecache.functions.python_hooks import PythonHook
from edgecache.functions.run_template import RunTemplate
from edgecache.observe.labeled_series import Series

RUN_S = 0.001  # of CPU; a run of this is a utilization of 100
SHARE = 0.2  # of one thread, for what is beyond that in all runs
BURST_S = 0.5
NOT_HERE = "there is no such function here"
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
        if self._left_s < BURST_S:  # most functions never spend any
            self._left_s = min(BURST_S, self._left_s + max(0.0, now - self._at) * SHARE)
        self._at = now
        return self._left_s > 0

    def spend(self, cpu_s: float) -> None:
        """A run took so much CPU."""
        if cpu_s > RUN_S:
            self._left_s -= cpu_s - RUN_S


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
    runs: Series = field(default_factory=Series)  # the metric's, once a context is made
    cpu_us: Series = field(default_factory=Series)
    problem: str = ""  # why none can be made of it


class FunctionRunner:
    """The live functions of one process."""

    def __init__(self, world: FunctionWorld, hooks: Iterable[PythonHookConfig] = ()) -> None:
        """`hooks` are those of this process for its life: they are imported here."""
        self.world = world
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        made = (PythonHook(one, world) for one in hooks)
        self._hooks = {one.function.name: one for one in made}

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
        now, template = self.world.clock(), self.template(asked)
        request_id = asked.event["context"]["requestId"]
        text = template.text(request_id, asked.event["viewer"]["ip"], now)
        return self.read(template, request_id, self.run_text(asked.function, text, now))

    def template(self, asked: Run) -> RunTemplate:
        """The input of all runs like this one. FunctionError."""
        known = self._kept.get(asked.function) or self._hooks.get(asked.function)
        if known is None:
            raise self._failed(asked.function, FunctionFailure.EXECUTION, NOT_HERE)
        return RunTemplate.of(known.function, asked.event, asked.raw, self.world.edge)

    def run_text(self, function: str, text: str, now: float) -> RunText:
        """What a function says to an input, which a template gave; unread. FunctionError."""
        kept = self._kept.get(function)
        if kept is None:
            return self._run_hook(function, text)
        if not kept.share.admits(now):
            raise self._failed(function, FunctionFailure.THROTTLED, "it takes more than its time")
        self._kept.move_to_end(function)
        said = (kept.context or self._context(kept)).run_text(text)
        kept.share.spend(said.cpu_s)
        kept.runs.value += 1
        kept.cpu_us.value += round(said.cpu_s * 1e6)
        if said.error:
            kept.context = None
        return said

    def _run_hook(self, name: str, text: str) -> RunText:
        """The same of a Python hook, which takes what time it takes."""
        hook = self._hooks.get(name)
        if hook is None:
            raise self._failed(name, FunctionFailure.EXECUTION, NOT_HERE)
        said, labeled = hook.run_text(text), self.world.counters.labeled
        labeled["function_runs"].labels(name).value += 1
        labeled["function_cpu_us"].labels(name).value += round(said.cpu_s * 1e6)
        return said

    def read(self, template: RunTemplate, request_id: str, said: RunText) -> RunOutput:
        """What a run came to; what it logged is handed on. FunctionError."""
        output, function = said.read(), template.function
        kept = self._kept.get(function)
        if output.broken and kept is not None:
            kept.context = None
        if output.logs:
            self.log(template, request_id, output.logs)
        if output.error:
            raise self._failed(function, FunctionFailure.EXECUTION, output.error)
        return output

    def log(self, template: RunTemplate, request_id: str, lines: tuple[str, ...]) -> None:
        """Hand on what a run has logged."""
        self.world.log(FunctionLog(template.function, request_id, template.distribution, lines))

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
        """A context for the function; the one that was not used for longest makes way.

        FunctionError.
        """
        name = kept.function.name
        if kept.problem:
            raise self._failed(name, FunctionFailure.EXECUTION, kept.problem)
        labeled = self.world.counters.labeled
        kept.runs = labeled["function_runs"].labels(name)
        kept.cpu_us = labeled["function_cpu_us"].labels(name)
        warm = [one for one in self._kept.values() if one.context is not None]
        for one in warm[: max(0, len(warm) - CONTEXTS_MAX + 1)]:
            one.context = None
        began = self.world.cpu_clock()
        try:
            made = FunctionContext(kept.function, self.world.cpu_clock, self.world.store_of)
        except (ValueError, EngineMissingError) as error:
            kept.problem = str(error)
            raise self._failed(name, FunctionFailure.EXECUTION, kept.problem) from error
        finally:
            kept.share.spend(self.world.cpu_clock() - began)
        kept.context = made
        return made

    def _failed(self, function: str, failure: FunctionFailure, why: str) -> FunctionError:
        self._counted(function, failure)
        return FunctionError(failure, why)

    def _counted(self, function: str, failure: FunctionFailure) -> None:
        self.world.counters.labeled["function_errors"].labels(function, failure).value += 1


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
