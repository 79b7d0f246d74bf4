"""What other controls commit is heard of at once, and read by who hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress

import pytest

from edgecache.control.state.change_notifications import LISTENER, ChangeListener
from edgecache.control.state.database import StateBusyError
from edgecache.control.state.database_thread import T, run_inline
from edgecache.control.state.log import ControlLog
from edgecache.control.state.postgresql import PostgresDatabase
from tests.control.conftest import postgres_state
from tests.control.state.test_postgresql import NEVER_S, other
from tests.world.postgresql import TEMPLATE, PostgresServer


@pytest.fixture
def dsn(postgresql: PostgresServer) -> Iterator[str]:
    with postgresql.lent_database(TEMPLATE) as dsn:
        yield dsn


async def no_pause(_: float) -> None: ...


@asynccontextmanager
async def listening(listener: ChangeListener) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(one()) for one in (listener.listen, listener.follow)]
    try:
        async with asyncio.timeout(NEVER_S):
            yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until(log: ControlLog, seq: int) -> None:
    while log.live.last_seq < seq:
        await log.live.wait(log.live.last_seq, NEVER_S)


def test_entries_of_another_control_wake_who_waits_here(dsn: str) -> None:
    async def scene() -> None:
        with closing(postgres_state(dsn)) as ours, closing(postgres_state(dsn)) as theirs:
            logs = [ControlLog(state, lambda: 1.0) for state in (ours, theirs)]
            async with listening(ChangeListener(ours, run_inline, no_pause)):
                for seq in (1, 2):
                    logs[1].append("invalidation", {})
                    await until(logs[0], seq)

    asyncio.run(scene())


def listeners(state: PostgresDatabase) -> list[int]:
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = ?"
    return [pid for (pid,) in state.execute(query + " AND left(query, 6) = 'LISTEN'", (LISTENER,))]


async def heard_by(state: PostgresDatabase, known: list[int]) -> list[int]:
    while True:
        found = await asyncio.to_thread(listeners, state)
        if found and found != known:
            return found


def test_who_listens_anew_reads_what_was_said_meanwhile(dsn: str) -> None:
    """A notification that nobody heard is not sent again."""

    async def scene() -> None:
        with closing(postgres_state(dsn)) as ours, closing(postgres_state(dsn)) as theirs:
            logs = [ControlLog(state, lambda: 1.0) for state in (ours, theirs)]
            may_go_on = asyncio.Event()

            async def pause(_: float) -> None:
                await may_go_on.wait()

            async with listening(ChangeListener(ours, run_inline, pause)):
                known = await heard_by(theirs, [])
                with other(dsn) as connection:
                    connection.execute("SELECT pg_terminate_backend(%s, 30000)", known)
                logs[1].append("invalidation", {})
                assert logs[0].live.last_seq == 0
                may_go_on.set()
                await until(logs[0], 1)

    asyncio.run(scene())


def test_a_state_that_is_busy_is_read_with_the_next_word(dsn: str) -> None:
    refused = iter([True, True, False])

    async def run(work: Callable[[], T], /) -> T:
        if next(refused, False):
            raise StateBusyError("now")
        return work()

    async def scene() -> None:
        with closing(postgres_state(dsn)) as ours, closing(postgres_state(dsn)) as theirs:
            logs = [ControlLog(state, lambda: 1.0) for state in (ours, theirs)]
            async with listening(ChangeListener(ours, run, no_pause)):
                while logs[0].live.last_seq == 0:
                    logs[1].append("invalidation", {})
                    await logs[0].live.wait(0, 0.1)

    asyncio.run(scene())
