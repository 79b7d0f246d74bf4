"""Threads that wait in virtual time. Law: one of all runs at a time, and time stands while it does.

Control asks its database from a thread that waits for each answer. Here that is a real thread, so
that the product's code runs as it is; it is given its turn by the machine, and gives it back when
it waits. So the order of events is the machine's, and the same for the same seed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from tests.simulation.machine import Process

T = TypeVar("T")
Answer = Callable[[Any], None]
_own = threading.local()


class ThreadKilledError(BaseException):
    """The process of this thread is gone: no line of it runs any more."""


class WaitingThread:
    """A thread of `process` that does one piece of work after another: stands for `_Worker` of
    `control.state.database_thread`."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._work: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._turn = threading.Semaphore(0)
        self._waits = threading.Semaphore(0)
        self._idle, self._killed, self._closed = True, False, False
        self._awaited: object = None
        self._value: Any = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        process.at_end.append(self.kill)

    @staticmethod
    def current() -> WaitingThread | None:
        """The one this is called from."""
        return getattr(_own, "thread", None)

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have it done in its turn."""
        if self._closed:
            raise RuntimeError("closed")
        future: Future[T] = Future()
        self._work.append((future, work))
        if self._idle:
            self._idle = False
            self._come_again()
        return future

    def close(self) -> None:
        """Take no more work."""
        self._closed = True
        while self._work:
            self._work.popleft()[0].cancel()

    def kill(self) -> None:
        """Its process is gone."""
        if not self._killed:
            self._killed = True
            self._enter()
            self._thread.join()

    def wait(self, begin: Callable[[Answer], object]) -> Any:
        """Called from the thread: wait until what `begin` is given is called, and return that."""
        if self._killed:
            raise ThreadKilledError
        self._awaited = awaited = object()

        def answer(value: Any) -> None:
            if self._awaited is awaited:
                self._awaited, self._value = None, value
                self._come_again()

        begin(answer)
        self._park()
        value, self._value = self._value, None
        return value

    def _come_again(self) -> None:
        machine = self.process.machine
        machine.at(machine.now, self.process, self._enter)

    def _enter(self) -> None:
        """Give it its turn, until it waits."""
        self._turn.release()
        self._waits.acquire()

    def _park(self) -> None:
        self._waits.release()
        self._turn.acquire()
        if self._killed:
            raise ThreadKilledError

    def _run(self) -> None:
        _own.thread = self
        self.process.machine.threads.add(threading.get_ident())
        self._turn.acquire()
        try:
            while not self._killed:
                while self._work:
                    _done(*self._work.popleft())
                self._idle = True
                self._park()
        except ThreadKilledError:
            pass
        finally:
            self._waits.release()


def _done(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except Exception as error:
        future.set_exception(error)
    else:
        future.set_result(result)
