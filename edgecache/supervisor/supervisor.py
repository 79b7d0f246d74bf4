"""Supervisor: starts, watches, replaces and stops child processes. Law: none is left behind.

Children start in order and stop in reverse, so that what viewers meet drains first, while
everything behind it still answers. One that dies is started again, each time later.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

import msgspec

from edgecache.rules.viewer.rate_limits import BUCKETS
from edgecache.runtime.dev_mode import DevMode
from edgecache.runtime.inherited import (
    EXIT_CONFIGURATION,
    EXIT_STATE,
    HAND_OVER,
    HEARTBEAT_FD_ENV,
    LISTENING_ENV,
    SERVING_FD_ENV,
    watch_parent,
)
from edgecache.runtime.privileges import PrivilegesError
from edgecache.runtime.process_usage import RESTARTS_ENV
from edgecache.runtime.shared_words import WORDS_FD_ENV
from edgecache.runtime.stderr_log import warn
from edgecache.supervisor.child import (
    Child,
    Heartbeats,
    LocationWords,
    ParentPipe,
    ServingPipe,
    spawn,
)
from edgecache.supervisor.listen_sockets import Sockets
from edgecache.supervisor.managed_process import (
    ManagedProcess,
    NotReplacedError,
    Process,
    ProcessHooks,
    RestartTiming,
)

T = TypeVar("T")
Pids = Callable[[], Mapping[str, int]]  # name to pid of what runs now: deaths change it

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
DRAINING_MAX = 16  # processes that hand over at once; of more, the longest at it are hurried


class NotReadyError(Exception):
    """Not every process answered in time; the message names those."""


async def _after_start(child: Child) -> None: ...


async def _when_started(pids: Pids) -> None: ...


async def _nothing() -> None: ...


@dataclass(frozen=True, slots=True)
class SupervisorHooks:
    """Callbacks of a supervisor's start, signals and deaths of children.

    `after_start` is awaited before the next child starts; `when_started` returns once all answer,
    or raises NotReadyError; `reload` is for SIGHUP, `upgrade` for SIGUSR2, and SIGUSR1 has log
    files opened anew; `bound` is called once every address is, `stopping` once children are to
    stop, `died` with the exit code of a child that is started again.
    `knows_configuration`: whether nodes have on disk what control published last.
    """

    after_start: Callable[[Child], Awaitable[None]] = _after_start
    when_started: Callable[[Pids], Awaitable[None]] = _when_started
    reload: Callable[[], Awaitable[None]] = _nothing
    upgrade: Callable[[], Awaitable[None]] = _nothing
    bound: Callable[[], None] = lambda: None
    stopping: Callable[[], None] = lambda: None
    died: Callable[[Child, int], None] = lambda child, code: None
    knows_configuration: Callable[[], bool] = lambda: False


class Supervisor:
    """Runs `children` until `stop`, SIGTERM or SIGINT, or until its own parent is gone."""

    def __init__(
        self,
        children: Sequence[Child],
        hooks: SupervisorHooks | None = None,
        timing: RestartTiming | None = None,
        say: Callable[[str], None] = warn,
        sockets: Sockets | None = None,
    ) -> None:
        self.children = children
        self.sockets = sockets or Sockets()
        self._hooks = hooks or SupervisorHooks()
        self._say = say
        self._stopping = asyncio.Event()
        self._process_hooks = ProcessHooks(
            self._spawn,
            self._died,
            say,
            timing or RestartTiming(),
            self._stopping,
            _lacks_state,
        )
        self._managed: dict[str, ManagedProcess] = {}
        self._deaths: Counter[str] = Counter()  # by name
        self._tasks: set[asyncio.Future[Any]] = set()
        self._pipe = ParentPipe()
        self.heartbeats = Heartbeats()
        self._words = LocationWords(BUCKETS)
        self.dev: DevMode | None = None  # which the children are to be in
        self.ready = False
        self._code = 0

    def pids(self) -> dict[str, int]:
        """Name and pid of every child that runs now."""
        held = ((name, managed.process) for name, managed in self._managed.items())
        return {name: holder.pid for name, holder in held if holder is not None}

    @property
    def stopping(self) -> bool:
        """Whether everything is being stopped."""
        return self._stopping.is_set()

    def stop(self, code: int = 0) -> None:
        """Stop everything and let `run` return `code`. The first call decides."""
        if not self._stopping.is_set():
            self._code = code
            self._stopping.set()

    async def run(self) -> int:
        """Start, watch, stop. 0: a clean stop; 1: not ready or killed; 2: a child refused."""
        watch_parent(asyncio.get_running_loop(), self.stop)
        with self._signals(), self._pipe:
            starting = asyncio.create_task(self._start())
            stopping = asyncio.create_task(self._stopping.wait())
            try:
                await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if starting.done():
                    starting.result()
                await stopping
            finally:
                self._stopping.set()
                self._hooks.stopping()
                for task in (starting, *self._tasks):
                    task.cancel()
                await asyncio.gather(starting, stopping, *self._tasks, return_exceptions=True)
                await self._stop_children()
                self.heartbeats.close()
                self._words.close()
        return self._code

    async def run_command(self, command: Callable[[], Awaitable[T]]) -> T | None:
        """The result of a command; None when the supervisor stops, which ends the command first."""
        if self._stopping.is_set():
            return None
        task = asyncio.ensure_future(command())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait({task})
        return None if task.cancelled() else task.result()

    async def replace(self, children: Sequence[Child]) -> None:
        """Replace what runs by `children`, one after another.

        Each takes over the sockets of its predecessor, which goes on until what it was doing is
        done. OSError: an address cannot be had, and nothing was changed. NotReplacedError: those
        before it were replaced, the others run as they did.
        """
        former = self.children
        try:
            self.sockets.open(children)
        except OSError:
            self.sockets.keep_only(former)
            raise
        self.children = children
        kept = {child.name for child in children}
        try:
            for child in children:
                await self._start_or_replace(child)
                await self._hooks.after_start(child)
            for name in [name for name in self._managed if name not in kept]:
                await self._managed[name].retire(HAND_OVER)
            self.sockets.keep_only(children)
        except (NotReplacedError, NotReadyError):
            self.children = [managed.child for managed in self._managed.values()]
            raise
        self._terminate_longest_draining()

    async def _start_or_replace(self, child: Child) -> None:
        managed = self._managed.get(child.name)
        if managed is not None:
            await managed.replace(child)
        else:
            await self._manage(child).start()

    def _manage(self, child: Child) -> ManagedProcess:
        managed = self._managed[child.name] = ManagedProcess(child, self._process_hooks)
        return managed

    def _terminate_longest_draining(self) -> None:
        """Stop the processes that have drained for longest, of more than DRAINING_MAX."""
        leaving = [process for managed in self._managed.values() for process in managed.draining]
        for process in sorted(leaving, key=lambda one: one.pid)[:-DRAINING_MAX]:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._run_hook, self._hooks.reload)
        loop.add_signal_handler(signal.SIGUSR2, self._run_hook, self._hooks.upgrade)
        loop.add_signal_handler(signal.SIGUSR1, self.heartbeats.reopen_logs)
        try:
            yield
        finally:
            for number in (*STOP_SIGNALS, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                loop.remove_signal_handler(number)

    def _run_hook(self, hook: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.ensure_future(hook())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self) -> None:
        try:
            self.sockets.open(self.children)
            self._hooks.bound()
            for child in self.children:
                await self._manage(child).start()
                await self._hooks.after_start(child)
            await self._hooks.when_started(self.pids)
            self.ready = True
        except (NotReadyError, PrivilegesError, OSError) as error:
            self._say(str(error))
            self.stop(1)

    async def _spawn(self, child: Child, serving: ServingPipe | None) -> Process:
        """Start a process with its sockets; bound anew where nobody held them any more."""
        children = self.children
        if all(other.name != child.name for other in children):
            children = (*children, child)  # about to be let go, and died before that
        self.sockets.open(children)
        share = self.sockets.share(child, children)
        environment = {
            LISTENING_ENV: msgspec.json.encode(share).decode(),
            RESTARTS_ENV: str(self._deaths[child.name]),
        }
        fds = share.fds
        if (words := self._words.of(child)) is not None:
            environment[WORDS_FD_ENV] = str(words)
            fds = (*fds, words)
        if self.dev is not None:
            environment |= self.dev.environment()
            fds = (*fds, self.dev.fd)
        if serving is not None:
            environment[SERVING_FD_ENV] = str(serving.writing)
            fds = (*fds, serving.writing)
        with self.heartbeats.pair() as (ours, theirs):
            environment[HEARTBEAT_FD_ENV] = str(theirs.fileno())
            process = await spawn(child, self._pipe, (*fds, theirs.fileno()), environment)
            self.heartbeats.add(child, process.pid, ours)
        return process

    def _died(self, child: Child, code: int) -> None:
        self._deaths[child.name] += 1
        if code == EXIT_CONFIGURATION and not self.ready:
            self.stop(EXIT_CONFIGURATION)
        if _lacks_state(child, code):
            self._go_on_without(child)
        if not self._stopping.is_set():
            self._hooks.died(child, code)
        living = [managed.child for managed in self._managed.values() if managed.processes]
        self.sockets.rebind_unserved(child, living)

    def _go_on_without(self, child: Child) -> None:
        """Control's database cannot be used: nodes go on, if they know what they are to serve."""
        alone = len(self.children) == 1
        if alone or (not self.ready and not self._hooks.knows_configuration()):
            self.stop(EXIT_CONFIGURATION)
        elif not self._stopping.is_set():
            self._say(
                f"{child.name} is not started again, and nodes serve what they knew last;"
                " once it can: edgecache upgrade"
            )

    async def _stop_children(self) -> None:
        """Role by role from the last one; after the drain's end, all that is left is killed."""
        now = asyncio.get_running_loop().time
        deadline = now() + self._process_hooks.timing.drain_s_max
        by_role = groupby(reversed(self._managed.values()), key=lambda managed: managed.child.role)
        for group in [list(processes) for _, processes in by_role]:
            for managed in group:
                managed.send_signal(signal.SIGTERM)
                self.sockets.close(
                    managed.child.addresses
                )  # else viewers would wait, not be refused
            if tasks := [task for managed in group for task in managed.tasks]:
                await asyncio.wait(tasks, timeout=max(0, deadline - now()))
        for name, managed in self._managed.items():
            for process in managed.processes:
                self._say(f"{name} (pid {process.pid}) did not stop in time: killed")
                self._code = self._code or 1
            managed.send_signal(signal.SIGKILL)
        await asyncio.gather(
            *(task for managed in self._managed.values() for task in managed.tasks)
        )
        self.sockets.keep_only([])


def _lacks_state(child: Child, code: int) -> bool:
    """Whether a child ended because the database of control cannot be used."""
    return child.role == "control" and code == EXIT_STATE
