"""Connections that hear what the database notifies, on the loop of their process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import psycopg

from tests.simulation.database import DatabaseServer, Role
from tests.simulation.database_session import Session
from tests.simulation.links import Links, Pipe
from tests.simulation.machine import Process
from tests.simulation.statements import Outcome

CONNECT_S = 3.0  # `connect_timeout` of control
BROKEN = "server closed the connection unexpectedly"


class SimulatedListener:
    """Stands for psycopg's AsyncConnection, as far as control uses one."""

    def __init__(self, links: Links, server: DatabaseServer, process: Process) -> None:
        self._links = links
        self._server = server
        self._own = process
        self._there = Pipe(links, process.name, server.name, None)
        self._session: Session | None = None
        self._answer: asyncio.Future[Any] | None = None
        self._woken: deque[Any] = deque()
        self._ended = False

    async def __aenter__(self) -> SimulatedListener:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def knock(self) -> Role | None:
        """Whom the server says it is; None when it does not answer in time."""
        own, server = self._own, self._server
        back = Pipe(self._links, server.name, own.name, own)
        self._answer = own.create_future()

        def arrived() -> None:
            self._session = Session(server, back, self)
            server.connect(self._session)
            back.send(self._have, server.role)

        def arrive() -> None:
            self._there.process = server.process
            if server.process.alive:
                own.machine.at(own.machine.now, server.process, arrived)
            else:
                back.send(self._have, None)

        self._there.send(arrive)
        own.call_later(CONNECT_S, self._have, None)
        own.at_end.append(self._leave)
        role: Role | None = await self._answer
        self._answer = None
        return role

    async def execute(self, statement: bytes) -> None:
        """LISTEN, which nobody waits for."""
        if self._session is not None:
            self._there.send(self._session.hear, 0, statement.decode(), ())

    async def notifies(self) -> AsyncIterator[Any]:
        """What is notified, as it comes. OperationalError: the connection is lost."""
        while True:
            while self._woken:
                yield self._woken.popleft()
            if self._ended:
                raise psycopg.OperationalError(BROKEN)
            self._answer = self._own.create_future()
            await self._answer
            self._answer = None

    async def close(self) -> None:
        self._leave()
        if self._leave in self._own.at_end:
            self._own.at_end.remove(self._leave)

    # What arrives.

    def answered(self, _number: int, _outcomes: list[Outcome]) -> None:
        pass

    def woken(self, channel: str, payload: str) -> None:
        self._woken.append(SimpleNamespace(channel=channel, payload=payload, pid=0))
        self._have(None)

    def broken(self) -> None:
        """Reset by the server, or by its kernel."""
        self._ended = True
        self._have(None)

    def _have(self, value: Any) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(value)

    def _leave(self) -> None:
        self._ended = True
        if self._session is not None:
            self._there.send(self._session.gone)
            self._session = None
