"""Stands for psycopg in a world: its errors are the real ones, its connections lead to the servers
of `database` over the world's links.

What is called waits as psycopg does: see `threads`.
"""

from __future__ import annotations

import contextlib
from asyncio import events
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import psycopg

from tests.simulation.database import Role
from tests.simulation.database_pair import DatabasePair
from tests.simulation.database_session import Session
from tests.simulation.links import Links, Pipe
from tests.simulation.listener import SimulatedListener
from tests.simulation.machine import Process
from tests.simulation.statements import Outcome, Status
from tests.simulation.threads import WaitingThread

CONNECT_S = 3.0  # `connect_timeout` of control
SILENT_S = 6.0  # `tcp_user_timeout` and keepalives of control: a server that is cut off
LOOK_S = 1.0
BROKEN = "server closed the connection unexpectedly"


def own_driver(module: ModuleType) -> None:
    """Have `module.load_driver` give a process of a world the driver of that world."""
    real = module.load_driver

    def load_driver() -> Any:
        thread = WaitingThread.current()
        process = events._get_running_loop() if thread is None else thread.process
        return process.driver if isinstance(process, Process) else real()

    module.load_driver = load_driver  # type: ignore[attr-defined]


class SimulatedDriver:
    """The module, for all processes of one world."""

    def __init__(self, links: Links, pair: DatabasePair) -> None:
        self._links = links
        self._pair = pair
        self.AsyncConnection = SimpleNamespace(connect=self.listen)

    async def listen(self, *, host: str, autocommit: bool, **_: Any) -> SimulatedListener:
        """A connection for what is notified, of the process whose loop runs."""
        process = events._get_running_loop()
        assert isinstance(process, Process)
        for name in host.split(","):
            listener = SimulatedListener(self._links, self._pair.servers[name], process)
            if await listener.knock() is Role.PRIMARY:
                return listener
            await listener.close()
        raise psycopg.OperationalError("connection failed")

    def __getattr__(self, name: str) -> Any:
        return getattr(psycopg, name)

    def connect(self, *, host: str = "", autocommit: bool = False, **_: Any) -> SimulatedConnection:
        """A connection to the first host that answers and can be written to."""
        why = "no host"
        for name in host.split(","):
            connection = SimulatedConnection(self._links, name)
            role = connection.knock(self._pair)
            if role is Role.PRIMARY:
                return connection
            why = f"{name}: {'silent' if role is None else role}"
            connection.close()
        raise psycopg.OperationalError(f"connection failed: {why}")


class SimulatedConnection:
    """One connection, of the process whose thread makes it."""

    def __init__(self, links: Links, name: str) -> None:
        thread = WaitingThread.current()
        assert thread is not None
        self._thread = thread
        self._links = links
        self._server = name
        self._own = self._thread.process
        self._session: Session | None = None
        self._there: Pipe | None = None
        self._number = 0
        self._answer: Callable[[Any], None] | None = None
        self._on_notice: list[Callable[[Any], None]] = []
        self._on_notify: list[Callable[[Any], None]] = []
        self._woken: list[Any] = []
        self._status = Status.IDLE
        self._is_broken = False
        self.closed = False

    @property
    def info(self) -> Any:
        statuses = psycopg.pq.TransactionStatus
        known = {Status.IDLE: statuses.IDLE, Status.OPEN: statuses.INTRANS}
        return SimpleNamespace(transaction_status=known.get(self._status, statuses.INERROR))

    def add_notice_handler(self, handler: Callable[[Any], None]) -> None:
        self._on_notice.append(handler)

    def add_notify_handler(self, handler: Callable[[Any], None]) -> None:
        self._on_notify.append(handler)

    # What the program calls.

    def knock(self, pair: DatabasePair) -> Role | None:
        """Whom the server says it is; None when it does not answer in time."""
        own, server = self._own, pair.servers[self._server]
        back = Pipe(self._links, self._server, own.name, own)
        there = Pipe(self._links, own.name, self._server, None)

        def arrive(answer: Callable[[Any], None]) -> None:
            process = server.process
            if not process.alive:
                back.send(answer, None)
                return
            there.process = process
            machine = process.machine
            machine.at(machine.now, process, self._arrived, server, back, answer)

        def begin(answer: Callable[[Any], None]) -> None:
            there.send(arrive, answer)
            own.machine.at(own.machine.now + CONNECT_S, own, answer, None)

        self._there = there
        role: Role | None = self._thread.wait(begin)
        if role is not None:
            own.at_end.append(self._die)
        return role

    def _arrived(self, server: Any, back: Pipe, answer: Callable[[Any], None]) -> None:
        self._session = Session(server, back, self)
        server.connect(self._session)
        back.send(answer, server.role)

    def execute(self, statement: bytes | str, values: Any = (), *, prepare: Any = None) -> Rows:
        """Psycopg's errors."""
        if self.closed:
            raise psycopg.OperationalError("the connection is closed")
        text = statement.decode() if isinstance(statement, bytes) else statement
        outcomes = self._asked(text, tuple(values or ()))
        if outcomes is None:
            self._drop()
            raise psycopg.OperationalError(BROKEN)
        self._status = outcomes[-1].status
        self._hear_waked()
        for outcome in outcomes:
            self._notice(outcome.warning)
        if outcomes[-1].error:
            kind = getattr(psycopg.errors, outcomes[-1].error)
            raise kind(outcomes[-1].message)
        return Rows(outcomes)

    def _notice(self, warning: str) -> None:
        if warning:
            told = SimpleNamespace(severity_nonlocalized="WARNING", message_primary=warning)
            for handler in self._on_notice:
                handler(told)

    def _asked(self, statement: str, values: tuple[Any, ...]) -> list[Outcome] | None:
        if self._is_broken:
            return None
        self._number += 1
        number, there, session = self._number, self._there, self._session
        assert there is not None
        assert session is not None

        def begin(answer: Callable[[Any], None]) -> None:
            self._answer = answer
            there.send(session.hear, number, statement, values)
            self._look_at(SILENT_S, number)

        outcomes: list[Outcome] | None = self._thread.wait(begin)
        self._answer = None
        return outcomes

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        self.execute("BEGIN")
        try:
            yield
        except BaseException:
            if not self.closed:
                self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    def notifies(self, *, timeout: float | None = None, stop_after: int | None = None) -> Any:
        """What was notified, once something was or `timeout` is over."""
        own = self._own
        if self.closed:
            raise psycopg.OperationalError("the connection is closed")
        if not self._woken:

            def begin(answer: Callable[[Any], None]) -> None:
                self._answer = answer
                if timeout is not None:
                    own.machine.at(own.machine.now + timeout, own, answer, False)

            said = None if self._is_broken else self._thread.wait(begin)
            self._answer = None
            if said is None:
                self._drop()
                raise psycopg.OperationalError(BROKEN)
        woken, self._woken = self._woken, []
        yield from woken

    def close(self) -> None:
        """The server hears of it."""
        if not self.closed:
            self._drop()
            if self._there is not None and self._session is not None:
                self._there.send(self._session.gone)

    # What arrives.

    def answered(self, number: int, outcomes: list[Outcome]) -> None:
        if number == self._number and self._answer is not None:
            self._answer(outcomes)

    def woken(self, channel: str, payload: str) -> None:
        self._woken.append(SimpleNamespace(channel=channel, payload=payload, pid=0))
        if self._answer is not None and self._number < 0:
            self._answer(True)

    def broken(self) -> None:
        """Reset by the server, or by its kernel; perhaps before the thread has read its answer."""
        self._status, self._is_broken = Status.IDLE, True
        if self._answer is not None:
            self._answer(None)
        else:
            self._drop()

    def _hear_waked(self) -> None:
        if self._on_notify:
            woken, self._woken = self._woken, []
            for one in woken:
                for handler in self._on_notify:
                    handler(one)

    def _look_at(self, after_s: float, number: int) -> None:
        """Whether a server that has not answered can be reached at all."""
        own = self._own
        own.machine.at(own.machine.now + after_s, own, self._is_silent, number)

    def _is_silent(self, number: int) -> None:
        if number != self._number or self._answer is None:
            return
        links, own, server = self._links, self._own.name, self._server
        if links.is_cut(own, server) or links.is_cut(server, own):
            self._answer(None)
        else:
            self._look_at(LOOK_S, number)

    def _die(self) -> None:
        """The process is gone: its kernel resets the connection."""
        self.closed = True
        if self._there is not None and self._session is not None:
            self._there.send(self._session.gone)

    def _drop(self) -> None:
        self.closed, self._status = True, Status.IDLE
        if self._die in self._own.at_end:
            self._own.at_end.remove(self._die)


class Rows:
    """What a message gave: the rows of its first statement, then those of the next."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        self._sets = iter(outcomes)
        self.nextset()

    def nextset(self) -> bool | None:
        outcome = next(self._sets, None)
        if outcome is None:
            return None
        self._rows = iter(outcome.rows)
        self.rowcount = outcome.changed
        self.statusmessage = outcome.message
        return True

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        return [*self._rows]

    def __iter__(self) -> Iterator[Any]:
        return self._rows
