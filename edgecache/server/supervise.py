"""The supervisor. Law: what it starts runs until it stops it, and nothing is left afterwards.

Children start in order and stop in reverse, so that what viewers meet drains first, while
everything behind it still answers. One that dies is started again, each time later.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from edgecache.server.process import Child, ParentPipe, ending, spawn, watch_parent

Pids = Callable[[], Mapping[str, int]]  # name to pid of what runs now: deaths change it

EXIT_CONFIGURATION = 2  # a child's way to say that starting it again is no use


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. The back-off doubles with each death and starts anew after a healthy while."""

    back_off_s_min: float = 0.5
    back_off_s_max: float = 30
    healthy_s: float = 60
    drain_s_max: float = 15  # all children together: `limits.drain_s_max` and 5 to spare


class NotReadyError(Exception):
    """Not everything answered in time; the message says what did not."""


async def _after_start(child: Child) -> None: ...


async def _when_started(pids: Pids) -> None: ...


async def _reload() -> None: ...


@dataclass(frozen=True, slots=True)
class Hooks:
    """What is done at the turns of a supervisor's life.

    `after_start` is awaited before the next child starts; `when_started` returns once all answer,
    or raises NotReadyError; `reload` is for SIGHUP.
    """

    after_start: Callable[[Child], Awaitable[None]] = _after_start
    when_started: Callable[[Pids], Awaitable[None]] = _when_started
    reload: Callable[[], Awaitable[None]] = _reload


def say(line: str) -> None:
    """One line to standard error."""
    print(f"edgecache: {line}", file=sys.stderr, flush=True)


class Supervisor:
    """Runs `children` until `stop`, SIGTERM or SIGINT, or until its own parent is gone."""

    def __init__(
        self,
        children: Sequence[Child],
        hooks: Hooks | None = None,
        timing: Timing | None = None,
        say: Callable[[str], None] = say,
    ) -> None:
        self._children = children
        self._hooks = hooks or Hooks()
        self._timing = timing or Timing()
        self._say = say
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._tending: dict[str, asyncio.Task[None]] = {}
        self._reloading: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self.ready = False
        self._code = 0

    def pids(self) -> dict[str, int]:
        """Name and pid of every child that runs now."""
        return {name: process.pid for name, process in self._running.items()}

    def stop(self, code: int = 0) -> None:
        """Stop everything and let `run` return `code`. The first call decides."""
        if not self._stopping.is_set():
            self._code = code
            self._stopping.set()

    async def run(self) -> int:
        """Start, watch, stop. 0: a clean stop; 1: not ready or killed; 2: a child refused."""
        watch_parent(asyncio.get_running_loop(), self.stop)
        with self._signals(), ParentPipe() as pipe:
            starting = asyncio.create_task(self._start(pipe))
            stopping = asyncio.create_task(self._stopping.wait())
            try:
                await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if starting.done():
                    starting.result()
                await stopping
            finally:
                self._stopping.set()
                starting.cancel()
                await asyncio.gather(starting, stopping, return_exceptions=True)
                await self._stop_children()
        return self._code

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        loop.add_signal_handler(signal.SIGINT, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def _reload(self) -> None:
        async def reload() -> None:
            await self._hooks.reload()

        task = asyncio.create_task(reload())
        self._reloading.add(task)
        task.add_done_callback(self._reloading.discard)

    async def _start(self, pipe: ParentPipe) -> None:
        try:
            for child in self._children:
                process = await spawn(child, pipe)
                self._running[child.name] = process
                self._tending[child.name] = asyncio.create_task(self._tend(child, process, pipe))
                await self._hooks.after_start(child)
            await self._hooks.when_started(self.pids)
            self.ready = True
        except (NotReadyError, OSError) as error:
            self._say(str(error))
            self.stop(1)

    async def _tend(
        self, child: Child, process: asyncio.subprocess.Process | None, pipe: ParentPipe
    ) -> None:
        """Wait for a child's end, again and again."""
        now = asyncio.get_running_loop().time
        back_off_s = self._timing.back_off_s_min
        while True:
            started = now()
            why = await self._ended(child, process)
            if self._stopping.is_set():
                return
            if now() - started >= self._timing.healthy_s:
                back_off_s = self._timing.back_off_s_min
            self._say(f"{child.name} {why}; starting it again in {back_off_s:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), back_off_s)
                return
            back_off_s = min(back_off_s * 2, self._timing.back_off_s_max)
            process = await self._spawned_again(child, pipe)

    async def _ended(self, child: Child, process: asyncio.subprocess.Process | None) -> str:
        """Wait for the end of a process, and tell how it went."""
        if process is None:
            return "could not be started"
        code = await process.wait()
        del self._running[child.name]
        if code == EXIT_CONFIGURATION and not self.ready:
            self.stop(EXIT_CONFIGURATION)
        return f"(pid {process.pid}) {ending(code)}"

    async def _spawned_again(
        self, child: Child, pipe: ParentPipe
    ) -> asyncio.subprocess.Process | None:
        try:
            process = await spawn(child, pipe)
        except OSError:
            return None  # no processes or memory left: the back-off goes on
        self._running[child.name] = process
        if self._stopping.is_set():
            _signal(process, signal.SIGTERM)
        return process

    async def _stop_children(self) -> None:
        """Role by role from the last one; after the drain's end, all that is left is killed."""
        now = asyncio.get_running_loop().time
        deadline = now() + self._timing.drain_s_max
        for _, group in groupby(reversed(self._children), key=lambda child: child.role):
            names = [child.name for child in group if child.name in self._tending]
            for name in names:
                if name in self._running:
                    _signal(self._running[name], signal.SIGTERM)
            if names:
                tasks = [self._tending[name] for name in names]
                await asyncio.wait(tasks, timeout=max(0, deadline - now()))
        for name, process in self._running.items():
            self._say(f"{name} (pid {process.pid}) did not stop in time: killed")
            self._code = self._code or 1
            _signal(process, signal.SIGKILL)
        await asyncio.gather(*self._tending.values(), *self._reloading)


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
