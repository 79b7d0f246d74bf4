"""The database of several controls: a primary and its synchronous standby, as PostgreSQL has them.

Law (its documentation, "Synchronous Replication"; each was seen at PostgreSQL 15):

* a commit is on the primary's disk first; it is seen by others, lets go of its locks and is
  answered once the standby has it, too;
* a wait that is cancelled makes the entry visible, and is answered with success and a warning;
* a primary that was deposed answers reads as before, and its commits wait for ever;
* a server that restarts after a crash shows all that its disk has, waited for or not;
* a transaction whose client is gone ends when the server hears of that.

The data is SQLite's, which knows the statements of both. What a transaction wrote is kept as its
statements: they are done again before each of its own reads, and on the standby.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from enum import Enum
from random import Random
from typing import Any

from tests.simulation.advisory_locks import AdvisoryLocks
from tests.simulation.database_session import Session, Statement, Transaction
from tests.simulation.links import Links, Pipe
from tests.simulation.machine import Process
from tests.simulation.statements import (
    Outcome,
    Status,
    milliseconds,
    plain_statement,
    special,
    yes,
)

WRITES = ("INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP")
CANCELLED = "canceling wait for synchronous replication due to user request"


class Role(Enum):
    """What a server is."""

    PRIMARY = "primary"
    STANDBY = "standby"
    BEHIND = "standby that has yet to be filled"


class DatabaseServer:
    """One server: its disk is `disk`, all that was ever committed here."""

    def __init__(self, links: Links, name: str, random: Random) -> None:
        self.name = name
        self.links = links
        self.role = Role.BEHIND
        self.disk: list[Transaction] = []
        self.alone = False  # whether commits wait for nobody: as Patroni has it after a failover
        self.generation = 0  # of the replication it sends or receives
        self.standby: tuple[Pipe, DatabaseServer] | None = None  # to whom it sends
        self.process = Process(links.machine, name)
        self.sessions: dict[Session, None] = {}
        self._random = random
        self.timeline = 1
        self._data = sqlite3.connect(":memory:", isolation_level=None)
        self._sequences: dict[str, int] = {}
        self._holder: Session | None = None  # of the lock of row `head`
        self._locked: deque[tuple[Session, Statement]] = deque()
        self._advisory = AdvisoryLocks()
        self._waiting: dict[int, tuple[Session, Transaction]] = {}  # for the standby, by length

    # Life.

    def start(self, role: Role) -> None:
        """Begin anew from the disk: all of it is visible."""
        if self.process.alive:
            self.process.kill()
        self.process = Process(self.links.machine, self.name)
        self.sessions.clear()
        self._locked.clear()
        self._waiting.clear()
        self._advisory = AdvisoryLocks()
        self._holder = None
        self.become(role)

    def become(self, role: Role) -> None:
        self.role = role
        self.generation += 1
        self.standby, self.alone = None, False
        if role is Role.PRIMARY:
            self._data.close()
            self._data = sqlite3.connect(":memory:", isolation_level=None)
            for transaction in self.disk:
                self._redo(transaction)

    def kill(self) -> None:
        """kill -9, or the machine loses power: the disk stays."""
        if self.process.alive:
            self.process.kill()

    def connect(self, session: Session) -> None:
        """A client has come."""
        self.sessions[session] = None
        self.process.at_end.append(session.reset)

    def read(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What everybody sees here: for who judges."""
        return self._data.execute(statement, values).fetchall()

    # Replication.

    def feed(self, standby: DatabaseServer) -> None:
        """Send all there is to `standby`, and from now on all that comes."""
        self.generation = standby.generation = max(self.generation, standby.generation) + 1
        there = Pipe(self.links, self.name, standby.name, standby.process)
        self.standby = there, standby
        there.send(standby.be_filled, self, self.generation, [*self.disk])

    def be_filled(self, primary: DatabaseServer, generation: int, disk: list[Transaction]) -> None:
        """At the standby: a copy of the primary."""
        if generation == self.generation and self.role is not Role.PRIMARY:
            self.role, self.disk, self.timeline = Role.STANDBY, disk, primary.timeline
            self._confirm(primary, generation)

    def receive(self, primary: DatabaseServer, generation: int, transaction: Transaction) -> None:
        """At the standby: the next transaction."""
        if generation == self.generation and self.role is Role.STANDBY:
            self.disk.append(transaction)
            self._confirm(primary, generation)

    def _confirm(self, primary: DatabaseServer, generation: int) -> None:
        back = Pipe(self.links, self.name, primary.name, primary.process)
        back.send(primary.confirmed, generation, len(self.disk))

    def confirmed(self, generation: int, length: int) -> None:
        """At the primary: the standby has so much."""
        if generation != self.generation:
            return
        for waited in [waited for waited in self._waiting if waited <= length]:
            self._finish(*self._waiting.pop(waited))

    def cancel_waits(self) -> int:
        """Somebody cancels what waits for the standby; how many did."""
        waiting, self._waiting = self._waiting, {}
        for session, transaction in waiting.values():
            self._finish(session, transaction, CANCELLED)
        return len(waiting)

    def is_busy(self, session: Session) -> bool:
        """Whether a statement of it is under way."""
        locked = any(session is one for one, _ in self._locked)
        return locked or self.is_waiting(session) or self._advisory.awaits(session)

    def is_waiting(self, session: Session) -> bool:
        return any(session is one for one, _ in self._waiting.values())

    def _finish(self, session: Session, transaction: Transaction, warning: str = "") -> None:
        self._redo(transaction)
        session.status = Status.IDLE
        session.tell(Outcome(message="COMMIT", warning=warning))
        for channel, payload in transaction.wakes:
            for one in [one for one in self.sessions if channel in one.listens]:
                one.wake(channel, payload)
        self._let_go(session)
        if session.ended:
            self.forget(session)

    def _redo(self, transaction: Transaction) -> None:
        for statement, values in transaction.writes:
            self._data.execute(statement, values).fetchall()

    # Statements.

    def perform(self, session: Session, statement: str, values: tuple[Any, ...]) -> None:
        """Do a statement and answer, at once or when locks and the standby let it."""
        if session.status is Status.FAILED and statement not in ("ROLLBACK", "COMMIT"):
            text = "current transaction is aborted"
            session.tell(Outcome(error="InFailedSqlTransaction", message=text))
            return
        if statement.startswith("BEGIN"):
            session.status, session.doing = Status.OPEN, Transaction()
            session.repeats, session.snapshot = "REPEATABLE READ" in statement, None
            session.tell(Outcome(message="BEGIN"))
        elif statement == "COMMIT" and session.status is not Status.FAILED:
            self._commit(session)
        elif statement in ("ROLLBACK", "COMMIT"):
            self.forget(session)
            session.tell(Outcome(message="ROLLBACK"))
        elif (done := special(statement)) is not None:
            done(self, session, statement, values)
        else:
            self._sql(session, statement, values)
        session.watch_idle()

    def _commit(self, session: Session) -> None:
        done, session.doing = session.doing, Transaction()
        if not done.writes:
            session.status = Status.IDLE
            session.tell(Outcome(message="COMMIT"))
            self._let_go(session)
            return
        self.disk.append(done)
        self._waiting[len(self.disk)] = (session, done)
        if self.standby is not None:
            there, follower = self.standby
            there.send(follower.receive, self, self.generation, done)
        elif self.alone:
            self._finish(*self._waiting.pop(len(self.disk)))

    def forget(self, session: Session) -> None:
        """Roll back what the session is doing."""
        session.status, session.doing, session.snapshot = Status.IDLE, Transaction(), None
        self._locked = deque(one for one in self._locked if one[0] is not session)
        self._let_go(session)
        if session.ended:
            for waited in self._advisory.leave(session):
                waited.tell(yes(True))

    def _let_go(self, session: Session) -> None:
        if self._holder is not session:
            return
        self._holder = None
        if self._locked:
            following, (statement, values) = self._locked.popleft()
            self._sql(following, statement, values)

    def _sql(self, session: Session, statement: str, values: tuple[Any, ...]) -> None:
        plain, locks = plain_statement(statement, self._random)
        if locks and self._holder not in (None, session):
            self._locked.append((session, (statement, values)))
            self._watch_lock(session)
            return
        writes = plain.startswith(WRITES)
        if locks and session.status is Status.OPEN:
            self._holder = session
        try:
            rows, changed = self._run(session, plain, values)
        except sqlite3.Error as error:
            session.status = Status.FAILED if session.status is Status.OPEN else Status.IDLE
            name = "UniqueViolation" if isinstance(error, sqlite3.IntegrityError) else "DataError"
            session.tell(Outcome(error=name, message=f"{error}: {plain}"))
            return
        if writes:
            session.doing.writes.append((plain, values))
            if session.status is Status.IDLE:  # a transaction of its own
                self._commit(session)
                return
        session.tell(Outcome(rows, changed, plain.partition(" ")[0]))

    def _watch_lock(self, session: Session) -> None:
        limit_s = milliseconds(session.settings.get("lock_timeout")) / 1000
        if limit_s:
            machine = self.process.machine
            machine.at(machine.now + limit_s, self.process, self._lock_is_late, session)

    def _lock_is_late(self, session: Session) -> None:
        waiting = [one for one in self._locked if one[0] is session]
        if waiting:
            self._locked.remove(waiting[0])
            session.status = Status.FAILED if session.status is Status.OPEN else Status.IDLE
            session.tell(Outcome(error="LockNotAvailable", message="lock timeout"))

    def _run(
        self, session: Session, statement: str, values: tuple[Any, ...]
    ) -> tuple[list[tuple[Any, ...]], int]:
        """As the session's transaction sees it; nothing of it stays."""
        data = self._seen_by(session)
        data.execute("BEGIN")
        try:
            for one in session.doing.writes:
                data.execute(*one).fetchall()
            cursor = data.execute(statement, values)
            rows = cursor.fetchall()
            return rows, cursor.rowcount if cursor.rowcount >= 0 else len(rows)
        finally:
            data.execute("ROLLBACK")

    def _seen_by(self, session: Session) -> sqlite3.Connection:
        if session.status is Status.IDLE or not session.repeats:
            return self._data
        if session.snapshot is None:
            session.snapshot = sqlite3.connect(":memory:", isolation_level=None)
            self._data.backup(session.snapshot)
        return session.snapshot

    def seen(
        self, session: Session, statement: str, values: tuple[Any, ...]
    ) -> list[tuple[Any, ...]]:
        """What a session reads."""
        rows, _ = self._run(session, statement.replace("%s", "?"), values)
        return rows

    def write(self, session: Session, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Inside a transaction that holds its locks already: one write of several."""
        rows, _ = self._run(session, statement, values)
        session.doing.writes.append((statement, values))
        return rows

    # What SQLite does not know.

    def lock_advisory(self, session: Session, key: int, *, waits: bool, shared: bool) -> None:
        held = self._advisory.take(session, key, waits=waits, shared=shared)
        if held or not waits:
            session.tell(yes(held))
            return
        limit_s = milliseconds(session.settings.get("lock_timeout")) / 1000
        if limit_s:
            machine = self.process.machine
            machine.at(machine.now + limit_s, self.process, self._advice_is_late, session)

    def _advice_is_late(self, session: Session) -> None:
        if self._advisory.gives_up(session):
            session.tell(Outcome(error="LockNotAvailable", message="lock timeout"))

    def unlock_advisory(self, session: Session, key: int) -> None:
        session.tell(yes(True))
        for waited in self._advisory.release(session, key):
            waited.tell(yes(True))

    def advised(self, session: Session, key: int) -> int:
        """How many others hold the lock."""
        return self._advisory.others(session, key)

    def next_value(self, name: str) -> int:
        """Of a sequence: no transaction holds or undoes it."""
        value = self._sequences.get(name, 1_000) + 1
        self._sequences[name] = value
        return value
