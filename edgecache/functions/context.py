"""One engine context with one function in it. Law: a run ends, whatever the function does.

The engine is QuickJS (the extra `functions`). Its time limit counts the CPU of the whole process,
so it is a guard against loops alone; what a run takes is measured by the thread's own clock. Its
memory limit bounds what native code does on large values without asking the clock. With a time
limit set the engine calls nothing of ours, so whatever a run needs of us (a digest, a value of a
store) is a note: stores are answered between its jobs, for digests it is begun again with what
they are. A run depends on nothing but its input, so that is the same run.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from importlib.resources import files
from types import ModuleType
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from edgecache.config.functions import INSTALL, FunctionConfig
from edgecache.functions.interface import KeyValueReader, StoreOf
from edgecache.functions.source_check import module_imports, syntax_problem
from edgecache.http.function_cache import cached

MEMORY_BYTES = 2 * 1024 * 1024  # CloudFront's quota, beside what the environment takes
LOADING_BYTES = 16 * 1024 * 1024  # until that is known
STACK_BYTES = 256 * 1024
CPU_S_MAX = 0.05  # of the whole process, in one call of the engine; and of a run's own thread
JOBS_MAX = 5_000  # of promises, in one run
BEGINS_MAX = 64  # a chain of digests, each of which needs the one before
OUTPUT_CHARS_MAX = 2 * MEMORY_BYTES
NO_JSON = "Error: the result is no value of JSON"
OWN_LINES = 20_000  # as in runtime.js: its own lines come after those
NO_DIGESTS = "{}}"  # what ends an input without any
_DONE, _ASKED = '{"result":', '{"asked":'  # how what the environment says begins: see runtime.js
_HASHES = {"md5": hashlib.md5, "sha1": hashlib.sha1, "sha256": hashlib.sha256}


class EngineMissingError(Exception):
    """There is no engine: the extra is not installed."""


class EngineContext(Protocol):
    """What is used of the engine's contexts."""

    def eval(self, code: str) -> Any: ...

    def execute_pending_job(self) -> bool: ...

    def memory(self) -> dict[str, int]: ...


class RunInput(Struct, frozen=True):
    """What a run depends on; times in milliseconds since the epoch."""

    event: dict[str, Any]
    now: float
    seed: float
    raw: str | None = None  # of the query, as received; None: there is no `?`
    stores: tuple[str, ...] = ()
    edge: tuple[str, str, str] = ("", "", "")  # name, address, region
    digests: dict[str, str] = {}


class RunOutput(Struct):
    """What came of a run. `error` empty: `result` is what the handler gave back."""

    result: Any = None
    error: str = ""
    logs: tuple[str, ...] = ()
    origin: list[Any] | None = None  # the last call that chose or changed the origin
    data: str | None = None  # of logCustomData
    cpu_s: float = 0.0
    broken: bool = False  # the context is not to be used again


class RunText(Struct, frozen=True):
    """What came of a run, unread. `error` empty: `text` is what the environment said of it."""

    text: str = ""
    error: str = ""  # what broke it, and its context
    cpu_s: float = 0.0

    def read(self) -> RunOutput:
        """What it says."""
        if self.error:
            return RunOutput(error=self.error, broken=True, cpu_s=self.cpu_s)
        try:
            said = _said(self.text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return RunOutput(error=NO_JSON, broken=True, cpu_s=self.cpu_s)
        output = RunOutput(said.result, said.error, said.logs, said.origin, said.data, self.cpu_s)
        if "out of memory" in said.error:
            output.error, output.broken = "the function took too much memory", True
        return output


class _Said(Struct):
    """What the environment says at the end of a step."""

    result: Any = None
    error: str = ""
    logs: tuple[str, ...] = ()
    needs: tuple[tuple[str, str | None, str, str], ...] = ()
    origin: list[Any] | None = None
    data: str | None = None


class _Asked(Struct):
    """What is asked of stores: their ids, what, and of which key."""

    asked: tuple[tuple[str, str, str], ...] = ()


_said = msgspec.json.Decoder(_Said).decode
_asked = msgspec.json.Decoder(_Asked).decode
_encoded = msgspec.json.Encoder().encode


@cached(1, 65_536)
def _environment() -> str:
    """The environment's source, on lines behind those of any function."""
    text = files("edgecache.functions").joinpath("runtime.js").read_text("utf-8")
    return "\n" * OWN_LINES + text


def engine() -> ModuleType:
    """The engine's module. EngineMissingError."""
    try:
        return import_module("quickjs")
    except ImportError as error:
        raise EngineMissingError(f"there is no engine to run functions: {INSTALL}") from error


class FunctionContext:
    """A context with the environment and one function's source, to be run many times."""

    def __init__(
        self, function: FunctionConfig, cpu_clock: Callable[[], float], store_of: StoreOf
    ) -> None:
        """ValueError says what is wrong with the source, EngineMissingError that none can be."""
        self.function = function
        self._cpu_clock = cpu_clock
        self._store_of = store_of
        self._engine = engine()
        problem = syntax_problem(function, self._engine)
        if problem:
            raise ValueError(problem)
        self._context = self._engine.Context()
        self._context.set_max_stack_size(STACK_BYTES)
        self._context.set_memory_limit(LOADING_BYTES)
        # The environment's one function: an operation and its argument, as runtime.js has them.
        self.entry = self._context.eval(_environment())(function.runtime)
        self.entry("load", self._context.eval(_wrapped(function.code)))
        self.size_bytes = 0
        self._context.set_memory_limit(self.measure() + MEMORY_BYTES)
        self._context.set_time_limit(CPU_S_MAX)

    def measure(self) -> int:
        """The bytes it takes by now."""
        self.size_bytes = self._context.memory()["malloc_size"]
        return self.size_bytes

    def run(self, given: RunInput) -> RunOutput:
        """What the function makes of an input. Never raises what is the function's doing."""
        return self.run_text(_encoded(given).decode().removesuffix(NO_DIGESTS)).read()

    def run_text(self, beginning: str) -> RunText:
        """What the function makes of an input, as text up to its digests, which are found here."""
        began = self._cpu_clock()
        text = error = ""
        try:
            text = self.entry("run", beginning + NO_DIGESTS)
            if not text.startswith(_DONE):
                text = self._continued(text, beginning, began + CPU_S_MAX)
            self._drain(began + CPU_S_MAX)
            if len(text) > OUTPUT_CHARS_MAX:
                raise MemoryError("RangeError: the result is too large")
        except (self._engine.JSException, self._engine.StackOverflow, MemoryError) as failure:
            error = _engine_error(failure)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            error = NO_JSON
        return RunText(text, error, self._cpu_clock() - began)

    def _continued(self, text: str, beginning: str, until: float) -> str:
        """The last word of a run that was not done at once: it failed, or waits for something."""
        digests: dict[str, str] = {}
        for _ in range(BEGINS_MAX):
            if not text.startswith(_DONE):
                text = self._settled(text, until)
            if text.startswith(_DONE) or not (said := self._read(text)).needs:
                return text
            if self._cpu_clock() > until:
                raise MemoryError("InternalError: interrupted")
            for name, key, data, known_as in said.needs:
                digests[known_as] = _digest(name, key, data)
            text = self.entry("run", f"{beginning}{_encoded(digests).decode()}}}")
        many = f"Error: more than {BEGINS_MAX} digests in turn"
        return _encoded({"error": many, "logs": said.logs}).decode()

    def _settled(self, text: str, until: float) -> str:
        """What a run says in the end that has said `text`: nothing, where its handler gave a
        promise, or what it asks of stores, which is answered.
        """
        opened: dict[str, KeyValueReader | None] = {}
        while not text or text.startswith(_ASKED):
            if text:
                answers = [self._answer(opened, *one) for one in _asked(text).asked]
                self.entry("settle", _encoded(answers).decode())
            self._drain(until)
            text = self.entry("state", "")
        return text

    def _drain(self, until: float) -> None:
        """Run the jobs that wait: none is left to the next run."""
        jobs, pending = 0, self._context.execute_pending_job
        while pending():
            jobs += 1
            if jobs > JOBS_MAX or self._cpu_clock() > until:
                raise MemoryError("InternalError: interrupted")  # its jobs are left: so it is dead

    def _read(self, text: str) -> _Said:
        if len(text) > OUTPUT_CHARS_MAX:
            raise MemoryError("RangeError: the result is too large")
        return _said(text)

    def _answer(
        self, opened: dict[str, KeyValueReader | None], store_id: str, what: str, key: str
    ) -> tuple[bool, Any]:
        """Whether a question of a store has an answer, and that, or why not."""
        if store_id not in opened:
            opened[store_id] = self._store_of(store_id)
        store = opened[store_id]
        if store is None:
            return False, f"the key value store {store_id} is not here"
        if what == "exists":
            return True, store.exists(key)
        if what == "meta":
            meta = store.meta()
            return True, {
                "creationDateTime": _iso_time(meta.created_at),
                "lastUpdatedDateTime": _iso_time(meta.modified_at),
                "keyCount": meta.key_count,
            }
        value = store.get(key)
        return (False, f"KeyNotFound: {key}") if value is None else (True, value)


def _wrapped(code: str) -> str:
    """The source as a function that gives its handler: nothing of it outlives a call."""
    return (
        f'(function(){{"use strict";{module_imports(code)}\n'
        ';return typeof handler==="function"?handler:undefined})'
    )


def _iso_time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _digest(name: str, key: str | None, data: str) -> str:
    raw = data.encode("latin-1")
    if key is None:
        return _HASHES[name](raw, usedforsecurity=False).digest().decode("latin-1")
    return hmac.digest(key.encode("latin-1"), raw, name).decode("latin-1")


def _engine_error(error: BaseException) -> str:
    """What broke a run, in one line."""
    text = str(error).partition("\n")[0].strip() or "InternalError: stack overflow"
    if "interrupted" in text:
        return "the function took too long"
    return "the function took too much memory" if "memory" in text else text
