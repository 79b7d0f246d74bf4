"""Python hooks: an operator's own functions at the events of CloudFront functions, in this process.

Law: a hook is named by the file on this machine alone, and imported once, when the process starts.
It is given the event of a CloudFront function and gives back what that may. Nothing bounds a run:
it holds up every viewer of the process while it lasts. So runs are counted and measured, and one
that is slow is named in the log.
"""

from __future__ import annotations

import inspect
import json
import logging
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any

import msgspec

from edgecache.config.functions import HOOK_PREFIX, FunctionConfig, PythonHookConfig
from edgecache.functions.context import NO_DIGESTS, OUTPUT_CHARS_MAX, RunText
from edgecache.functions.interface import FunctionWorld

logger = logging.getLogger("edgecache.server")

SLOW_S = 0.010  # a turn of the event loop in which nobody else is served
TOLD_S = 60.0  # between two lines of the log about one hook
TOO_LARGE = "RangeError: the result is too large"

Hook = Callable[[dict[str, Any]], Any]


class _Input(msgspec.Struct):
    event: dict[str, Any]


_input = msgspec.json.Decoder(_Input).decode


class PythonHook:
    """One hook, run where a function's context is."""

    def __init__(self, config: PythonHookConfig, world: FunctionWorld) -> None:
        self.function = FunctionConfig(name=HOOK_PREFIX + config.name)
        self._world = world
        self._told_at = 0.0  # of a slow run, epoch seconds
        self._call: Hook | None = None
        self._problem = ""  # why it cannot be run
        try:
            self._call = imported_hook(config)
        except ValueError as error:
            self._problem = str(error)
            logger.error("%s cannot be run: %s", self.function.name, error)

    def run_text(self, beginning: str) -> RunText:
        """What the hook makes of an input; as `FunctionContext.run_text`."""
        if self._call is None:
            return RunText(_failure(self._problem))
        event, world = _input(beginning + NO_DIGESTS).event, self._world
        began, cpu_began = world.clock(), world.cpu_clock()
        text = _answer(self._call, event)
        cpu_s, now = world.cpu_clock() - cpu_began, world.clock()
        if now - began > SLOW_S:
            self._tell_slow(now - began, now)
        return RunText(text, cpu_s=cpu_s)

    def _tell_slow(self, took_s: float, now: float) -> None:
        name = self.function.name
        self._world.counters.labeled["slow_hooks"].labels(name).value += 1
        if now - self._told_at >= TOLD_S:
            self._told_at = now
            ms = round(took_s * 1_000)
            logger.warning("%s took %d ms: no viewer of this process is served meanwhile", name, ms)


def imported_hook(config: PythonHookConfig) -> Hook:
    """The function of a hook. ValueError says why there is none: its module is imported here."""
    try:
        module = import_module(config.module) if config.module else _module_of(config)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ValueError(f"{config.place}: {_words(error)}") from error
    found = getattr(module, config.function, None)
    if not callable(found):
        raise ValueError(f"{config.place} has no function {config.function!r}")
    if inspect.iscoroutinefunction(found) or inspect.isgeneratorfunction(found):
        raise ValueError(f"{config.place}: {config.function} is not a plain function (def)")
    return found  # type: ignore[no-any-return]


def _module_of(config: PythonHookConfig) -> ModuleType:
    """The module in a file, run."""
    name = f"edgecache_hook_{config.name.replace('-', '_')}"
    spec = spec_from_file_location(name, config.file)
    if spec is None or spec.loader is None:
        raise ImportError("not a file of Python (.py)")
    module = module_from_spec(spec)
    sys.modules[name] = module  # as dataclasses in it want it
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _answer(call: Hook, event: dict[str, Any]) -> str:
    """What a call came to, as the environment of a function would say it."""
    try:
        result = call(event)
        if inspect.iscoroutine(result):
            result.close()
            return _failure("it gave a coroutine: a hook is not async")
        # Not msgspec's: that would take bytes, and make other text of them.
        text = json.dumps({"result": result}, ensure_ascii=False, allow_nan=False)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, too: it would end the process for everybody
        return _failure(_words(error))
    return text if len(text) <= OUTPUT_CHARS_MAX else _failure(TOO_LARGE)


def _failure(why: str) -> str:
    return json.dumps({"error": why})


def _words(error: BaseException) -> str:
    """An error in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
