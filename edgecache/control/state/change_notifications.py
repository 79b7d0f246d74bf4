"""Notifications of other controls' commits (PostgreSQL's LISTEN), on a connection of their own.

Law: a notification only wakes; who is woken reads rows. One that was sent while nobody listened is
lost, so whoever listens anew reads before it believes the silence, and each beat reads, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from edgecache.control.state.commit_marks import CHANNEL
from edgecache.control.state.database import StateError
from edgecache.control.state.database_thread import StateRun
from edgecache.control.state.postgresql import RECONNECT_S, PostgresDatabase
from edgecache.control.state.postgresql_connection import PARAMETERS, load_driver

LISTENER = f"{PARAMETERS['application_name']} (listens)"


class ChangeListener:
    """Reads what other controls have committed, as soon as it is told that there is something."""

    def __init__(
        self, state: PostgresDatabase, run: StateRun, pause: Callable[[float], Awaitable[None]]
    ) -> None:
        self._state, self._run, self._pause = state, run, pause
        self._news = asyncio.Event()

    async def listen(self) -> None:
        """For good: hear of commits; by a new connection where one is lost."""
        driver = load_driver()
        while True:
            with suppress(driver.Error):  # the beat tells what is wrong
                await self._hear(driver.AsyncConnection.connect)
            await self._pause(RECONNECT_S)

    async def _hear(self, connect: Callable[..., Any]) -> None:
        parameters = self._state.parameters | {"application_name": LISTENER}
        async with await connect(**parameters, autocommit=True) as connection:
            await connection.execute(f"LISTEN {CHANNEL}".encode())
            self._news.set()
            async for notification in connection.notifies():
                if notification.payload != self._state.instance:
                    self._news.set()

    async def follow(self) -> None:
        """For good: read what there is, once for all that was heard of meanwhile."""
        while True:
            await self._news.wait()
            self._news.clear()
            with suppress(StateError):  # the beat tells, and reads it, too
                await self._run(self._state.follow)
