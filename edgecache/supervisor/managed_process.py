"""One supervised child process: restart with back-off, rolling hand-over to a successor.

Law: it runs until it is retired. One that dies is started again, each time later. One that is
replaced goes on beside its successor until what it was doing is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from edgecache.runtime.inherited import HAND_OVER
from edgecache.supervisor.child import Child, ServingPipe, exit_reason

Process = asyncio.subprocess.Process

SERVES_S_MAX = 60.0  # a Python process starts in one or two; a busy machine takes its time
SINGLE_ROLES = frozenset(
    {"control"}
)  # roles of which no two may run at once: one log has one writer


@dataclass(frozen=True, slots=True)
class RestartTiming:
    """Seconds. The back-off doubles with each death and starts anew after a healthy while."""

    back_off_s_min: float = 0.1  # systemd's RestartSec: whoever dies once is soon back
    back_off_s_max: float = 30
    healthy_s: float = 60
    drain_s_max: float = 15  # all children together: `limits.drain_s_max` and 5 to spare


class NotReplacedError(Exception):
    """A successor did not come to serve, and why; the former process runs on."""


@dataclass(frozen=True, slots=True)
class ProcessHooks:
    """What a managed process needs of its supervisor."""

    spawn: Callable[[Child, ServingPipe | None], Awaitable[Process]]
    died: Callable[[Child, int], None]  # with the exit code, before the back-off
    say: Callable[[str], None]
    timing: RestartTiming
    stopping: asyncio.Event
    gives_up: Callable[[Child, int], bool] = lambda child, code: False


@dataclass(slots=True, eq=False)
class ManagedProcess:
    """A child process that is kept running, and its predecessors that still drain.

    `process` is None while none runs; `watcher` waits for its end.
    """

    child: Child
    hooks: ProcessHooks
    process: Process | None = None
    watcher: asyncio.Task[None] | None = None
    draining: dict[Process, asyncio.Task[None]] = field(default_factory=dict)
    _given_up: bool = False  # it said that starting it again is no use

    async def start(self) -> None:
        """Start the first process. OSError when it cannot start."""
        self._adopt(await self.hooks.spawn(self.child, None))

    async def replace(self, child: Child) -> None:
        """Start a successor as `child` says, and drain the process before it. NotReplacedError."""
        if child.role in SINGLE_ROLES:
            await self.retire(HAND_OVER)
            await self._wait_until_drained()
        try:
            successor = await self._start_successor(child)
        except NotReplacedError:
            if self.process is None and self.watcher is None:  # it left beforehand
                self.watcher = asyncio.create_task(self._watch(None))
            raise
        former, self.child = self.process, child
        self._detach()
        if former is not None:
            self._drain(former, HAND_OVER)
        self._adopt(successor)

    async def retire(self, number: signal.Signals) -> None:
        """Send the process a signal and let it drain, without a successor."""
        former = self.process
        self._detach()
        if former is not None:
            self._drain(former, number)

    def send_signal(self, number: signal.Signals) -> None:
        """Signal the process, and those that still drain."""
        for process in self.processes:
            _signal(process, number)

    @property
    def processes(self) -> list[Process]:
        """The process, and those that still drain."""
        return [*self.draining, *([self.process] if self.process is not None else [])]

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """Tasks that end when all processes have, once the supervisor is stopping."""
        return [*self.draining.values(), *([self.watcher] if self.watcher is not None else [])]

    def _adopt(self, process: Process) -> None:
        self.process = process
        self.watcher = asyncio.create_task(self._watch(process))

    def _detach(self) -> None:
        if self.watcher is not None:
            self.watcher.cancel()
        self.watcher = self.process = None

    def _drain(self, process: Process, number: signal.Signals) -> None:
        _signal(process, number)
        task = asyncio.create_task(self._await_exit(process))
        self.draining[process] = task

    async def _await_exit(self, process: Process) -> None:
        await process.wait()
        self.draining.pop(process, None)

    async def _wait_until_drained(self) -> None:
        if self.draining:
            timeout = self.hooks.timing.drain_s_max
            await asyncio.wait(self.draining.values(), timeout=timeout)
        for process in list(self.draining):
            _signal(process, signal.SIGKILL)

    async def _start_successor(self, child: Child) -> Process:
        """Spawn a process and wait until it reports that it serves."""
        async with ServingPipe() as pipe:
            try:
                process = await self.hooks.spawn(child, pipe)
            except OSError as error:
                raise NotReplacedError(f"{child.name}: {error}") from error
            pipe.close_writing()
            why = await self._serving_problem(process, pipe)
        if why:
            raise NotReplacedError(f"{child.name} (pid {process.pid}) {why}")
        return process

    async def _serving_problem(self, process: Process, pipe: ServingPipe) -> str:
        """Why a successor does not serve, in which case it was ended; empty when it serves."""
        try:
            async with asyncio.timeout(SERVES_S_MAX):
                if await pipe.wait_serving():
                    return ""
                return exit_reason(await process.wait())
        except TimeoutError:
            _signal(process, signal.SIGKILL)
            await process.wait()
            return f"did not serve within {SERVES_S_MAX:g} s"
        except asyncio.CancelledError:
            _signal(process, signal.SIGKILL)
            raise

    async def _watch(self, process: Process | None) -> None:
        """Wait for the end of the process and start it again, until the supervisor is stopping."""
        hooks, now = self.hooks, asyncio.get_running_loop().time
        back_off_s = hooks.timing.back_off_s_min
        while True:
            started = now()
            why = await self._exit_reason(process)
            if hooks.stopping.is_set():
                return
            if self._given_up:
                return
            if now() - started >= hooks.timing.healthy_s:
                back_off_s = hooks.timing.back_off_s_min
            hooks.say(f"{self.child.name} {why}; starting it again in {back_off_s:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(hooks.stopping.wait(), back_off_s)
                return
            back_off_s = min(back_off_s * 2, hooks.timing.back_off_s_max)
            process = await self._restart()

    async def _exit_reason(self, process: Process | None) -> str:
        """Wait for the end of a process; how it ended, in words."""
        if process is None:
            return "could not be started"
        code = await process.wait()
        self.process = None
        self._given_up = self.hooks.gives_up(self.child, code)
        self.hooks.died(self.child, code)
        return f"(pid {process.pid}) {exit_reason(code)}"

    async def _restart(self) -> Process | None:
        try:
            process = await self.hooks.spawn(self.child, None)
        except OSError:
            return None  # no processes or memory left: the back-off goes on
        self.process = process
        if self.hooks.stopping.is_set():
            _signal(process, signal.SIGTERM)
        return process


def _signal(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
