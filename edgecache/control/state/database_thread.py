"""Thread of the state's database. Law: the loop waits for no disk, nor for who else holds the file.

What is to be read or written is done there, one piece of work after another. Each waits for its
turn, and for another process's lock, a short while only; then it is refused, and nothing of it was
done. One whose disk is slow is told so, too: it may be done later, and whoever asks again is told.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

from edgecache.control.state.database import StateBusyError, StateClosedError, StateDatabase

TURN_S_MAX = 1.0  # beside BUSY_S_MAX of the state: two seconds until a caller knows
WRITTEN_S_MAX = 10.0  # an fsync of a disk that is well takes milliseconds
LAST_S_MAX = 3.0  # a commit that waits for a standby that is not there may wait for ever
WAITING_MAX = 256  # more than callers are let in for in a second
RETRY_AFTER = "1"  # seconds
BUSY = (
    "the state cannot be read or written now: another process holds it, or its disk (or database,"
    " or that one's standby) is slow or away"
)

logger = logging.getLogger("edgecache.control")

T = TypeVar("T")


class StateRun(Protocol):
    """Does a piece of work on the state and gives its result. StateBusyError: not now."""

    async def __call__(self, work: Callable[[], T], /) -> T: ...


async def run_inline(work: Callable[[], T], /) -> T:
    """A StateRun on this thread, for a state on a disk that does not wait."""
    return work()


class StateThread:
    """The only thread that uses `state` once the loop runs."""

    def __init__(self, state: StateDatabase) -> None:
        self._state = state
        self._worker = _Worker()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting = 0

    async def run(self, work: Callable[[], T], /) -> T:
        """See StateRun. What `work` raises comes back; of the database, as a StateError."""
        self._loop = asyncio.get_running_loop()
        if self._waiting >= WAITING_MAX:
            raise StateBusyError(f"{self._state.name}: too many wait for it")
        self._waiting += 1
        try:
            return await self._done(work)
        except self._state.failures as error:
            raise self._state.failure(error) from error
        finally:
            self._waiting -= 1

    async def _done(self, work: Callable[[], T]) -> T:
        try:
            submitted = self._worker.submit(work)
        except RuntimeError:
            raise StateClosedError(f"{self._state.name}: control ends") from None
        result = asyncio.wrap_future(submitted)
        await asyncio.wait((result,), timeout=TURN_S_MAX)
        if not result.done() and submitted.cancel():
            raise StateBusyError(f"{self._state.name}: others wait for it, too")
        await asyncio.wait((result,), timeout=WRITTEN_S_MAX)
        if not result.done():
            result.add_done_callback(_consume_exception)
            raise StateBusyError(f"{self._state.name}: {self._state.slow}; it may be done yet")
        return result.result()

    def hand(self, done: Callable[[], None]) -> None:
        """Call `done` on the loop, before the waiter of the work that calls this goes on."""
        if self._loop is None:
            done()
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(done)

    def close(self) -> None:
        """Take no more work; what has begun is done, if it is within LAST_S_MAX."""
        self._worker.close()


class _Worker:
    """A thread for one piece of work after another, which a process that ends waits for a while."""

    def __init__(self) -> None:
        self._work: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="state", daemon=True)

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have it done in its turn, unless it is cancelled before. RuntimeError: it is closed."""
        if self._closed:
            raise RuntimeError("closed")
        if self._thread.ident is None:
            self._thread.start()
            atexit.register(self._thread.join, LAST_S_MAX)
        future: Future[T] = Future()
        self._work.put((future, work))
        return future

    def close(self) -> None:
        """Take no more, and do nothing more of what has not begun."""
        self._closed = True
        with contextlib.suppress(Empty):
            while item := self._work.get_nowait():
                item[0].cancel()
        self._work.put(None)

    def _run(self) -> None:
        while item := self._work.get():
            future, work = item
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:
                    future.set_exception(error)
            del item, future, work  # with what they hold


class DeferredWrites:
    """Writes in the background: one of a name at a time; the next start retries one that failed."""

    def __init__(self, run: StateRun) -> None:
        self._run = run
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, work: Callable[[], object]) -> None:
        """Write it when there is time, unless one of this name is under way."""
        if name not in self._under_way:
            task = asyncio.get_running_loop().create_task(self._written(name, work))
            self._under_way[name] = task

    async def _written(self, name: str, work: Callable[[], object]) -> None:
        try:
            await self._run(work)
        except StateBusyError:
            pass
        except Exception:
            logger.exception("%s: not written", name)
        finally:
            self._under_way.pop(name, None)


def _consume_exception(result: asyncio.Future[T]) -> None:
    """Take the exception of a result that nobody waits for any more."""
    if not result.cancelled():
        result.exception()
