"""Hostile programs in a worker's runner: the same function, and others, run right at once after.

`test_context.py` has how each program ends. Here it is a part of a function that answers other
requests right, as one does that a stranger finds an input for.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from edgecache.config.functions import FunctionConfig
from edgecache.functions.context import MEMORY_BYTES
from edgecache.functions.interface import FunctionWorld
from edgecache.functions.runner import FunctionError, FunctionFailure, FunctionRunner, Run
from tests.functions.engine import event
from tests.functions.test_context import ENDS

GOOD = """
function handler(event) { return event.request.uri === '/evil' ? evil(event) : event.request.uri; }
"""
BYSTANDER = "let count = 0; function handler(event) { return ++count + event.request.uri; }"
ENVIRONMENT_BYTES_MAX = 1024 * 1024  # of a context that has run nothing


def asked(name: str, uri: str) -> Run:
    given: dict[str, Any] = event()
    given["request"]["uri"] = uri
    return Run(name, given, None)


def failure_of(runner: FunctionRunner) -> FunctionFailure | None:
    """How the hostile part ends; some of them give a result."""
    try:
        runner.run(asked("hostile", "/evil"))
    except FunctionError as error:
        return error.failure
    return None


@pytest.mark.parametrize("code", [code for _, code in ENDS])
def test_the_next_request_of_the_same_function_and_of_others_is_answered_right(code: str) -> None:
    clock = iter(range(1_000, 2_000))
    world = FunctionWorld(time.thread_time, lambda: float(next(clock)))
    runner = FunctionRunner(world)
    hostile = code.replace("handler", "evil") + GOOD
    sources = {"hostile": hostile, "bystander": BYSTANDER}
    runner.use(FunctionConfig(name=name, code=source) for name, source in sources.items())
    for uri in ("/a", "/evil", "/b", "/evil", "/c"):
        if uri == "/evil":
            assert failure_of(runner) in (None, FunctionFailure.EXECUTION)
        else:
            assert runner.run(asked("hostile", uri)).result == uri
        assert runner.run(asked("bystander", uri)).result == f"1{uri}"
    assert runner.size_bytes < 2 * ENVIRONMENT_BYTES_MAX + MEMORY_BYTES
