"""The thread of the state: short waits, and nothing half done."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edgecache.control.state import database_thread as state_thread
from edgecache.control.state.database import StateBusyError, StateError
from edgecache.control.state.database_thread import DeferredWrites, StateThread
from edgecache.control.state.log import ControlLog
from edgecache.control.state.sqlite import SqliteDatabase


class Place:
    """A state, its thread, and another process that can hold the file."""

    def __init__(self, folder: Path) -> None:
        self.state = SqliteDatabase(folder)
        self.thread = StateThread(self.state)
        self.log = ControlLog(self.state, lambda: 1.0, self.thread.hand)
        self.other = sqlite3.connect(self.state.path, isolation_level=None, check_same_thread=False)

    async def append(self) -> int:
        return await self.thread.run(partial(self.log.append, "invalidation", {}))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr("edgecache.control.state.sqlite.BUSY_S_MAX", 0.02)
    monkeypatch.setattr(state_thread, "TURN_S_MAX", 30)
    place = Place(tmp_path)
    yield place
    place.thread.close()
    place.other.close()
    place.state.close()


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await scene()

    asyncio.run(bounded())


async def turn() -> None:
    """Let every task that is ready run once."""
    turned = asyncio.Event()
    asyncio.get_running_loop().call_soon(turned.set)
    await turned.wait()


def test_whoever_waits_for_an_entry_finds_it_told(place: Place) -> None:
    async def scene() -> None:
        for expected in range(1, 50):
            assert await place.append() == expected == place.log.live.last_seq

    play(scene)


def test_what_another_process_holds_is_refused_soon_and_not_half_done(place: Place) -> None:
    async def scene() -> None:
        place.other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateBusyError, match="locked"):
            await place.append()
        assert (place.log.live.last_seq, place.state.in_transaction) == (0, False)
        place.other.execute("ROLLBACK")
        assert await place.append() == 1

    play(scene)


def test_what_does_not_get_its_turn_is_never_done(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_thread, "TURN_S_MAX", 0.05)

    async def scene() -> None:
        slow = threading.Event()
        first = asyncio.create_task(place.thread.run(partial(slow.wait, 30)))
        await turn()
        with pytest.raises(StateBusyError, match="wait for it"):
            await place.append()
        slow.set()
        await first
        monkeypatch.setattr(state_thread, "TURN_S_MAX", 30)
        assert await place.append() == 1

    play(scene)


def test_a_slow_disk_is_told_and_the_work_is_done_yet(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_thread, "TURN_S_MAX", 0.05)
    monkeypatch.setattr(state_thread, "WRITTEN_S_MAX", 0.05)

    async def scene() -> None:
        slow = threading.Event()

        def fsync() -> int:
            slow.wait(30)
            return place.log.append("invalidation", {})

        with pytest.raises(StateBusyError, match="slow"):
            await place.thread.run(fsync)
        assert place.log.live.last_seq == 0
        waiting = asyncio.create_task(place.log.live.wait(0, 30))
        await turn()
        slow.set()
        assert (await waiting).last_seq == 1

    play(scene)


def test_there_is_a_bound_on_those_who_wait(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_thread, "WAITING_MAX", 1)

    async def scene() -> None:
        slow = threading.Event()
        first = asyncio.create_task(place.thread.run(partial(slow.wait, 30)))
        await turn()
        with pytest.raises(StateBusyError, match="too many"):
            await place.append()
        slow.set()
        await first

    play(scene)


def test_errors_come_back_as_they_are(place: Place) -> None:
    async def scene() -> None:
        with pytest.raises(ZeroDivisionError):
            await place.thread.run(partial(divmod, 1, 0))
        with pytest.raises(StateError, match="syntax") as told:
            await place.thread.run(partial(place.state.execute, "NO"))
        assert not isinstance(told.value, StateBusyError)

    play(scene)


def test_a_later_write_that_fails_may_be_asked_for_again(place: Place) -> None:
    async def scene() -> None:
        later, done = DeferredWrites(place.thread.run), asyncio.Event()
        loop = asyncio.get_running_loop()
        place.other.execute("BEGIN IMMEDIATE")
        later.start("append", partial(place.log.append, "invalidation", {}))
        later.start("append", lambda: pytest.fail("one is under way"))
        await turn()
        with pytest.raises(StateBusyError):
            await place.append()
        place.other.execute("ROLLBACK")
        later.start("append", lambda: loop.call_soon_threadsafe(done.set))
        await done.wait()

    play(scene)


def test_a_process_that_ends_does_not_wait_for_ever_for_what_has_begun() -> None:
    """A commit whose standby is gone has no end, and a process that is stuck with it neither."""
    script = """if True:
        import asyncio, threading
        from edgecache.control.state import database_thread
        database_thread.LAST_S_MAX = 0.1
        thread, begun = database_thread.StateThread(None), threading.Event()
        def never():
            begun.set()
            threading.Event().wait()
        async def main():
            asyncio.ensure_future(thread.run(never))
            await asyncio.to_thread(begun.wait)
            thread.close()
        asyncio.run(main())
    """
    subprocess.run([sys.executable, "-c", script], timeout=30, check=True, capture_output=True)
