"""Event loop in virtual time: what happens next happens at once, and nobody waits.

Law: one order of events. What is ready runs first, in the order it became so; else time goes on to
the next timer. There are no sockets and no threads in it. A caller whose own thread runs an event
loop already is served by a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import RLock
from typing import Any, TypeVar

T = TypeVar("T")

_Loop: Any = asyncio.AbstractEventLoop  # of which only what asyncio itself asks is here
_ROUNDS_AT_END = 100  # for tasks that are canceled to come to their end


class StalledError(RuntimeError):
    """What was waited for did not happen in the time it had."""


class VirtualLoop(_Loop):  # type: ignore[misc]
    """An event loop whose time is a number. `now`: seconds since it began."""

    def __init__(self) -> None:
        self.now = 0.0
        self.failures: list[str] = []  # what went wrong in callbacks and tasks
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._order = count()
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._closed = False
        self._lock = RLock()
        self._thread: ThreadPoolExecutor | None = None

    def inside(self, work: Callable[[], T]) -> T:
        """What `work` gives, called while this loop is the one that runs."""
        if events._get_running_loop() not in (None, self):
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, "edgecache-virtual-loop")
            return self._thread.submit(self.inside, work).result()
        with self._lock:
            before = events._get_running_loop()
            events._set_running_loop(self)
            try:
                return work()
            finally:
                events._set_running_loop(before)

    def run_ready(self) -> None:
        """All that is ready, and all that this makes ready; no time passes."""
        ready = self._ready
        while ready:
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()

    def run_until(self, when: float) -> None:
        """All that happens up to `when`, which is then the time."""
        self.run_ready()
        while self._timers and self._timers[0][0] <= when:
            self._next_timer()
        self.now = max(self.now, when)

    def run_until_true(self, is_done: Callable[[], bool], within_s: float) -> None:
        """All that happens until `is_done`. StalledError when it is not within so many seconds."""
        limit = self.now + within_s
        self.run_ready()
        while not is_done():
            if not self._timers or self._timers[0][0] > limit:
                raise StalledError(f"nothing came within {within_s:g} seconds of virtual time")
            self._next_timer()

    def _next_timer(self) -> None:
        due, _, handle = heapq.heappop(self._timers)
        if not handle.cancelled():
            self.now = max(self.now, due)
            handle._run()
            self.run_ready()

    def close(self) -> None:
        """Cancel all tasks, and let them come to their end."""
        if self._closed:
            return
        self.inside(self._cancel_tasks)
        self._closed = True
        self._ready.clear()
        self._timers.clear()
        if self._thread is not None:
            self._thread.shutdown()

    def _cancel_tasks(self) -> None:
        for _ in range(_ROUNDS_AT_END):
            if not self._tasks:
                return
            for task in list(self._tasks):
                task.cancel()
            self.run_ready()
        for task in self._tasks:  # what does not end is let go of without a word
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            with contextlib.suppress(RuntimeError, ValueError):
                task.get_coro().close()
        self._tasks.clear()

    # What asyncio asks of a loop.

    def time(self) -> float:
        return self.now

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # there are no threads

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (max(when, self.now), next(self._order), handle))
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
        """It is done at once."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.failures.append(f"{context.get('message')}: {error!r}")

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return self._closed

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass
