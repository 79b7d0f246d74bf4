"""Posts: places in the fleet. Law: somebody holds it until told otherwise, and hands over in order.

A holder that dies is followed by another, each time later. One that is relieved goes on beside its
successor until what it was doing is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from edgecache.runtime.inherited import HAND_OVER
from edgecache.supervisor.child import Child, ServingPipe, ending

Process = asyncio.subprocess.Process

SERVES_S_MAX = 60.0  # a Python process starts in one or two; a busy machine takes its time
ALONE = frozenset({"control"})  # roles of which no two may run at once: one log has one writer


@dataclass(frozen=True, slots=True)
class RestartTiming:
    """Seconds. The back-off doubles with each death and starts anew after a healthy while."""

    back_off_s_min: float = 0.1  # systemd's RestartSec: whoever dies once is soon back
    back_off_s_max: float = 30
    healthy_s: float = 60
    drain_s_max: float = 15  # all children together: `limits.drain_s_max` and 5 to spare


class NotReplacedError(Exception):
    """A successor did not come to serve, and why; whoever held the post holds it still."""


@dataclass(frozen=True, slots=True)
class ProcessHooks:
    """What posts need of their supervisor."""

    spawn: Callable[[Child, ServingPipe | None], Awaitable[Process]]
    died: Callable[[Child, int], None]  # with the exit code, before the back-off
    say: Callable[[str], None]
    timing: RestartTiming
    stopping: asyncio.Event


@dataclass(slots=True, eq=False)
class ManagedProcess:
    """One place: what runs there, who does now, and who did and is not gone yet."""

    child: Child
    works: ProcessHooks
    holder: Process | None = None
    tending: asyncio.Task[None] | None = None
    leaving: dict[Process, asyncio.Task[None]] = field(default_factory=dict)

    async def begin(self) -> None:
        """Start the first holder. OSError when it cannot start."""
        self._take(await self.works.spawn(self.child, None))

    async def relieve(self, child: Child) -> None:
        """Let a new process, run as `child` says, take over. NotRelievedError."""
        if child.role in ALONE:
            await self.leave(HAND_OVER)
            await self._wait_for_leaving()
        try:
            successor = await self._serving(child)
        except NotReplacedError:
            if self.holder is None and self.tending is None:  # it left beforehand
                self.tending = asyncio.create_task(self._tend(None))
            raise
        former, self.child = self.holder, child
        self._untended()
        if former is not None:
            self._see_off(former, HAND_OVER)
        self._take(successor)

    async def leave(self, number: signal.Signals) -> None:
        """Let the holder go, with nobody to follow it."""
        former = self.holder
        self._untended()
        if former is not None:
            self._see_off(former, number)

    def tell(self, number: signal.Signals) -> None:
        """A signal to whoever holds the post, and to those who have not left yet."""
        for process in self.processes:
            _signal(process, number)

    @property
    def processes(self) -> list[Process]:
        """All that run here now."""
        return [*self.leaving, *([self.holder] if self.holder is not None else [])]

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """Whose end is the end of all that runs here, once the supervisor is stopping."""
        return [*self.leaving.values(), *([self.tending] if self.tending is not None else [])]

    # Following.

    def _take(self, process: Process) -> None:
        self.holder = process
        self.tending = asyncio.create_task(self._tend(process))

    def _untended(self) -> None:
        if self.tending is not None:
            self.tending.cancel()
        self.tending = self.holder = None

    def _see_off(self, process: Process, number: signal.Signals) -> None:
        _signal(process, number)
        task = asyncio.create_task(self._left(process))
        self.leaving[process] = task

    async def _left(self, process: Process) -> None:
        await process.wait()
        self.leaving.pop(process, None)

    async def _wait_for_leaving(self) -> None:
        if self.leaving:
            timeout = self.works.timing.drain_s_max
            await asyncio.wait(self.leaving.values(), timeout=timeout)
        for process in list(self.leaving):
            _signal(process, signal.SIGKILL)

    async def _serving(self, child: Child) -> Process:
        """A new process that has said that it serves."""
        async with ServingPipe() as pipe:
            try:
                process = await self.works.spawn(child, pipe)
            except OSError as error:
                raise NotReplacedError(f"{child.name}: {error}") from error
            pipe.started()
            why = await self._trouble(process, pipe)
        if why:
            raise NotReplacedError(f"{child.name} (pid {process.pid}) {why}")
        return process

    async def _trouble(self, process: Process, pipe: ServingPipe) -> str:
        """What keeps a successor from serving, in which case it is ended; or nothing."""
        try:
            async with asyncio.timeout(SERVES_S_MAX):
                if await pipe.serves():
                    return ""
                return ending(await process.wait())
        except TimeoutError:
            _signal(process, signal.SIGKILL)
            await process.wait()
            return f"did not serve within {SERVES_S_MAX:g} s"
        except asyncio.CancelledError:
            _signal(process, signal.SIGKILL)
            raise

    async def _tend(self, process: Process | None) -> None:
        """Wait for a holder's end, again and again."""
        works, now = self.works, asyncio.get_running_loop().time
        back_off_s = works.timing.back_off_s_min
        while True:
            started = now()
            why = await self._ended(process)
            if works.stopping.is_set():
                return
            if now() - started >= works.timing.healthy_s:
                back_off_s = works.timing.back_off_s_min
            works.say(f"{self.child.name} {why}; starting it again in {back_off_s:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(works.stopping.wait(), back_off_s)
                return
            back_off_s = min(back_off_s * 2, works.timing.back_off_s_max)
            process = await self._started_again()

    async def _ended(self, process: Process | None) -> str:
        """Wait for the end of a process, and tell how it went."""
        if process is None:
            return "could not be started"
        code = await process.wait()
        self.holder = None
        self.works.died(self.child, code)
        return f"(pid {process.pid}) {ending(code)}"

    async def _started_again(self) -> Process | None:
        try:
            process = await self.works.spawn(self.child, None)
        except OSError:
            return None  # no processes or memory left: the back-off goes on
        self.holder = process
        if self.works.stopping.is_set():
            _signal(process, signal.SIGTERM)
        return process


def _signal(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
