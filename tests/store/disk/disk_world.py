"""A disk store on a loop moved by hand, its threads held or run at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from edgecache.http.message import Response
from edgecache.observe.counters import Counters
from edgecache.store.disk.availability import DiskEnvironment
from edgecache.store.disk.engine import DiskBudget, DiskEngine, check, sweep
from edgecache.store.disk.files import Files, RealFiles
from edgecache.store.disk.index import DiskIndex
from edgecache.store.disk.store import DiskStore
from edgecache.store.entry import Entry
from edgecache.store.invalidation import InvalidationState
from tests.world.clock import FakeClock, FakeLoop

_T = TypeVar("_T")
KEY = b"key"
SMALL, FILED = 100, 20_000


class HeldThreads:
    """Work is done at once, unless it is held: then when it is let go."""

    def __init__(self) -> None:
        self.holding = False
        self._gates: list[asyncio.Future[None]] = []

    def look(self, work: Callable[[], _T]) -> Awaitable[_T]:
        return self._done(work, self.holding)

    def change(self, work: Callable[[], _T]) -> Awaitable[_T]:
        return self._done(work, False)

    async def _done(self, work: Callable[[], _T], held: bool) -> _T:
        result = work()
        if held:  # the answer is on its way
            gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._gates.append(gate)
            await gate
        return result

    def let_go_last(self) -> None:
        """The newest of what is held."""
        self._gates.pop().set_result(None)

    def let_go(self) -> None:
        self.holding = False
        for gate in self._gates:
            if not gate.done():
                gate.set_result(None)
        self._gates.clear()


class DiskStage:
    """One disk store, and the world around it."""

    def __init__(
        self,
        folder: Path,
        budget: DiskBudget | None = None,
        files: Files | None = None,
        index: Callable[[str], DiskIndex] = DiskIndex,
    ) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.loop = FakeLoop(self.clock)
        asyncio.set_event_loop(self.loop)
        self.threads = HeldThreads()
        self.counters = Counters()
        self.budget = budget or DiskBudget(10**7)
        self.files = files or RealFiles()
        self.index = index
        self.tasks: set[asyncio.Task[Any]] = set()
        self.marks = InvalidationState()
        self.store = self._store()

    def _store(self) -> DiskStore:
        engine = DiskEngine(str(self.folder), self.files, self.budget, self.index)
        spawn, counters = self.spawn, self.counters
        world = DiskEnvironment(self.clock, spawn, self.threads, counters, self.marks)
        return DiskStore(engine, world)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def begin(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Start `work`, and let the loop go as far as it can."""
        task = self.loop.create_task(work)
        self.loop.settle()
        return task

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """What `work` comes to; it needs nobody's help."""
        task = self.begin(work)
        assert task.done(), "it waits for something"
        return task.result()

    def settle(self) -> None:
        self.loop.settle()

    def advance(self, seconds: float) -> None:
        self.clock.now += seconds
        self.loop.settle()

    def restart(self) -> None:
        """An orderly end, and a new process."""
        self.run(self.store.close())
        self.store = self._store()

    def close(self) -> None:
        """Everything is written, the store proves itself, and no task is left."""
        self.threads.let_go()
        self.settle()
        self.run(self.store.close())
        left = [task for task in self.tasks if not task.done()]
        self.loop.close()
        asyncio.set_event_loop(None)
        assert not left, left
        engine = DiskEngine(str(self.folder), RealFiles(), self.budget)
        engine.open()
        for _ in sweep(engine):
            pass
        check(engine)
        engine.close()


def found(stage: DiskStage, key: bytes = KEY, **fields: str) -> Entry | None:
    listed = tuple((k.replace("_", "-").encode(), v.encode()) for k, v in fields.items())
    return stage.run(stage.store.find(key, listed))


def put(stage: DiskStage, *entries: Entry) -> None:
    for one in entries:
        assert stage.store.put(one)
    stage.settle()


def entry(key: bytes = KEY, version: int = 1, size: int = SMALL, language: str = "") -> Entry:
    selected = ((b"accept-language", language.encode()),) if language else ()
    fields = ((b"etag", b'"%d"' % version), (b"content-type", b"text/plain"))
    body = (b"%b %d " % (key, version) * size)[:size]
    return Entry(key, Response(200, b"OK", fields, 1.5, 2.5), body, selected)
