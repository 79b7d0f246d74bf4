"""Virtual time, and the processes that live in it. Law: one seed, one course of events.

Everything that happens is an event in one queue, ordered by time and then by when it was planned.
A process is an event loop of its own: it can be frozen, whereupon what happens to it is held until
it thaws, and killed, whereupon nothing happens to it any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from threading import get_ident
from typing import Any

START = 1_800_000_000.0  # 2027-01-15 as epoch seconds, where virtual time begins
Happening = tuple[Callable[..., object], tuple[Any, ...]]


class Machine:
    """The time, and what is yet to happen."""

    def __init__(self) -> None:
        self.now = 0.0  # seconds since the beginning
        self.steps = 0
        self.failures: list[str] = []  # what went wrong inside a process that lived
        self.threads = {get_ident()}  # that run when they are given their turn
        self._order = count()
        self._events: list[
            tuple[float, int, Process | None, Callable[..., object], tuple[Any, ...]]
        ] = []

    def at(
        self, when: float, process: Process | None, callback: Callable[..., object], *args: Any
    ) -> None:
        """Have `callback` called at `when`, inside `process` if one is given."""
        heapq.heappush(self._events, (when, next(self._order), process, callback, args))

    def run_until(self, when: float) -> None:
        """All that happens up to `when`."""
        queue = self._events
        while queue and queue[0][0] <= when:
            due, _, process, callback, args = heapq.heappop(queue)
            self.now = max(self.now, due)
            self.steps += 1
            if process is None:
                callback(*args)
            else:
                process.meet(callback, *args)
        self.now = max(self.now, when)


_Loop: Any = asyncio.AbstractEventLoop  # of which only what asyncio itself asks is here


class Process(_Loop):  # type: ignore[misc]
    """One process: an event loop on the machine's time."""

    def __init__(self, machine: Machine, name: str) -> None:
        self.machine = machine
        self.name = name
        self.alive = True
        self.frozen = False
        self.driver: Any = None  # what stands for psycopg in it
        self.at_end: list[Callable[[], None]] = []
        self._ready: deque[asyncio.Handle] = deque()
        self._held: list[Happening] = []
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def meet(self, callback: Callable[..., object], *args: Any) -> None:
        """`callback` happens to this process now, or when it thaws, or never."""
        if self.frozen:
            self._held.append((callback, args))
        elif self.alive:
            before = events._get_running_loop()
            events._set_running_loop(self)
            try:
                callback(*args)
                self._settle()
            finally:
                events._set_running_loop(before)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """As the loop that runs."""
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            yield
        finally:
            events._set_running_loop(before)

    def _settle(self) -> None:
        ready = self._ready
        while ready:
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()

    def freeze(self) -> None:
        """SIGSTOP."""
        self.frozen = True

    def thaw(self) -> None:
        """SIGCONT: what happened meanwhile is met in its order."""
        self.frozen = False
        held, self._held = self._held, []
        for callback, args in held:
            self.meet(callback, *args)

    def kill(self) -> None:
        """SIGKILL: no line of it runs any more."""
        self.alive = self.frozen = False
        self._held.clear()
        for last in self.at_end:
            last()
        self.at_end.clear()

    def bury(self) -> None:
        """Let go of what it was doing, when the world has ended."""
        self.kill()
        with self.running():
            for task in self._tasks:
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                with contextlib.suppress(RuntimeError, ValueError):
                    task.get_coro().close()
        self._tasks.clear()
        self._ready.clear()

    # What asyncio asks of a loop.

    def time(self) -> float:
        return self.machine.now

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        if self.alive:
            self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.Handle:
        """From a thread that has its turn: see `threads`. From another one it is a failure."""
        if get_ident() not in self.machine.threads:
            self.machine.failures.append(f"{self.name}: {callback!r} by a thread of real time")
        handle = asyncio.Handle(callback, args, self, context)
        self.machine.at(self.machine.now, self, _ring, handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.machine.now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self.machine.at(max(when, self.machine.now), self, _ring, handle)
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks[task] = None
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """Threads there are none: it is done at once."""
        future = self.create_future()
        future.set_result(func(*args))
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self.alive:
            self.machine.failures.append(f"{self.name}: {context.get('message')} {context!r}")

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return not self.alive

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass


def _ring(handle: asyncio.Handle) -> None:
    if not handle.cancelled():
        handle._run()


async def pause(seconds: float) -> None:
    """Wait, in virtual time."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    timer = loop.call_later(seconds, _release, future)
    try:
        await future
    finally:
        timer.cancel()


def _release(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
