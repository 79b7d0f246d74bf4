"""Python hooks: imported once, run as functions are, measured, and never the end of a process."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from edgecache.config.functions import PythonHookConfig
from edgecache.functions.interface import FunctionWorld
from edgecache.functions.python_hooks import SLOW_S, TOLD_S, imported_hook
from edgecache.functions.runner import FunctionError, FunctionFailure, FunctionRunner, Run
from edgecache.observe.counters import Counters
from tests.functions.engine import event

SOURCE = """
import sys
seen = []
def handler(event):
    seen.append(event)
    return event["request"]
def changes(event):
    event["request"]["uri"] = "/x"
    return event["request"]
def fails(event):
    raise KeyError("no\\nsuch")
def leaves(event):
    sys.exit(3)
def tells_nothing(event):
    pass
def gives_bytes(event):
    return {"uri": b"/"}
def gives_nan(event):
    return float("nan")
def gives_much(event):
    return "x" * 5_000_000
def gives_half_a_letter(event):
    return {"uri": "\\ud800"}
async def is_async(event):
    return event
def gives_coroutine(event):
    return is_async(event)
def yields(event):
    yield event
not_callable = 1
"""


class Stage:
    """A runner with the hooks of one file, its clock moved by hand: each look takes `step_s`."""

    def __init__(self, file: Path, *functions: str) -> None:
        self.now, self.step_s = 1_000.0, 0.0
        self.counters = Counters()
        world = FunctionWorld(lambda: 0.0, self._clock, counters=self.counters)
        hooks = [PythonHookConfig(name=one, file=str(file), function=one) for one in functions]
        self.runner = FunctionRunner(world, hooks)

    def _clock(self) -> float:
        self.now += self.step_s
        return self.now

    def runs(self, name: str) -> Any:
        return self.runner.run(Run(f"python:{name}", event(), None)).result

    def fails(self, name: str) -> str:
        with pytest.raises(FunctionError) as caught:
            self.runs(name)
        assert caught.value.failure is FunctionFailure.EXECUTION
        return str(caught.value)

    def counted(self, metric: str) -> dict[str, int]:
        return {key: series.value for key, series in self.counters.labeled[metric].items()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "hooks.py"
    made.write_text(SOURCE)
    return made


def test_a_hook_is_given_an_event_of_its_own_and_gives_back_what_a_function_may(
    file: Path,
) -> None:
    stage = Stage(file, "handler", "changes")
    assert stage.runs("handler") == event()["request"]
    assert stage.runs("changes") == event()["request"] | {"uri": "/x"}
    assert stage.runs("handler") == event()["request"]
    (first, second) = sys.modules["edgecache_hook_handler"].seen
    assert first == second == event()
    assert first is not second
    assert stage.counted("function_runs") == {"python:handler": 2, "python:changes": 1}


@pytest.mark.parametrize(
    ("function", "why"),
    [
        ("fails", "KeyError: 'no\\nsuch'"),
        ("leaves", "SystemExit: 3"),
        ("gives_bytes", "TypeError: Object of type bytes is not JSON serializable"),
        ("gives_nan", "ValueError: Out of range float values are not JSON compliant"),
        ("gives_much", "RangeError: the result is too large"),
        ("gives_half_a_letter", "Error: the result is no value of JSON"),
        ("gives_coroutine", "it gave a coroutine: a hook is not async"),
    ],
)
def test_what_a_hook_fails_at_is_an_error_of_a_function(
    file: Path, function: str, why: str
) -> None:
    stage = Stage(file, function, "handler")
    assert stage.fails(function).startswith(why)
    assert stage.fails(function).startswith(why)
    assert stage.counted("function_errors") == {f"python:{function}\tFunctionExecutionError": 2}
    assert stage.runs("handler") == event()["request"]


def test_who_is_not_here_is_an_error(file: Path) -> None:
    assert Stage(file).fails("handler") == "there is no such function here"


BROKEN = [
    ("def handler(event: int", "SyntaxError"),
    ("import there_is_no_such_module", "ModuleNotFoundError: No module named"),
    ("raise SystemExit(1)", "SystemExit: 1"),
    ("x = 1", "has no function 'handler'"),
    ("handler = 1", "has no function 'handler'"),
    ("async def handler(event): return event", "is not a plain function"),
    ("def handler(event): yield event", "is not a plain function"),
]


@pytest.mark.parametrize(("source", "why"), BROKEN)
def test_what_cannot_be_imported_is_told_and_fails_closed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, source: str, why: str
) -> None:
    file = tmp_path / "hooks.py"
    file.write_text(source)
    with pytest.raises(ValueError, match=why):
        imported_hook(PythonHookConfig(name="h", file=str(file)))
    stage = Stage(file, "handler")
    assert why in stage.fails("handler")
    assert f"python:handler cannot be run: {file}" in caplog.text


def test_a_file_that_is_not_there_or_no_module_is_told(tmp_path: Path) -> None:
    for name in ("none.py", "none.txt"):
        with pytest.raises(ValueError, match=name):
            imported_hook(PythonHookConfig(name="h", file=str(tmp_path / name)))
    with pytest.raises(ValueError, match="ModuleNotFoundError"):
        imported_hook(PythonHookConfig(name="h", module="there_is_no_such_module"))
    hook = imported_hook(PythonHookConfig(name="h", module="json", function="dumps"))
    assert hook({"a": 1}) == '{"a": 1}'


def test_a_slow_hook_is_named_once_a_minute_and_counted_each_time(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(file, "handler")
    stage.runs("handler")
    assert stage.counted("slow_hooks") == {}
    stage.step_s = SLOW_S * 2
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            stage.runs("handler")
    assert stage.counted("slow_hooks") == {"python:handler": 3}
    assert caplog.text.count("python:handler took 20 ms") == 1
    stage.now += TOLD_S
    stage.runs("handler")
    assert caplog.text.count("python:handler took 20 ms") == 2
