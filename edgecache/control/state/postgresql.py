"""PostgreSQL database of control, for installations of several machines and several controls.

Law: what this control was told is committed survives the loss of the primary, where a synchronous
standby is configured; what it was not told is settled is looked at again before anything is
believed. PostgreSQL's documentation, "Synchronous Replication" and "Explicit Locking".

Every transaction takes the row `head` first: so the order of numbers is the order of commits,
without gaps, and what others have committed is read before anything is written. A commit is never
cancelled. One that ends with a warning (its wait for the standby was cut short), or whose end
nobody heard, may be undone by a failover: this control is `lost` then, and ends, for its successor
to read anew. So it is where the database is not the one that it knew (`commit_marks.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn

from edgecache.control.state.commit_marks import (
    COMMIT_MARK_BYTES,
    NEWEST,
    SINCE,
    TAKE,
    AnotherHistoryError,
    SeenCommit,
    changed_table,
    commit_statements,
    other_commits,
    require_seen,
)
from edgecache.control.state.database import (
    UNASKED,
    Authorship,
    EntryNumber,
    Rows,
    StateBusyError,
    StateDatabase,
    StateError,
)
from edgecache.control.state.installation_owner import require_owner
from edgecache.control.state.migrations import MIGRATIONS, for_postgresql
from edgecache.control.state.postgresql_connection import (
    WAITS,
    connect,
    connection_parameters,
    database_name,
    load_driver,
    lock_key,
    other_controls,
    require_control_lock,
)

if TYPE_CHECKING:
    import psycopg

RECONNECT_S = 1.0  # between two attempts
BEAT_S = 1.0  # between two commits, also of nothing
TRUSTED_S = 2.0  # after a commit: a primary that was deposed since accepts none
WHY_CHARS_MAX = 300
WRITES = ("INSERT ", "UPDATE ", "DELETE ")
HEAD = (
    "CREATE TABLE IF NOT EXISTS head (one BIGINT PRIMARY KEY CHECK (one = 1),"
    " seq BIGINT NOT NULL, revision BIGINT NOT NULL, schema_version BIGINT NOT NULL)",
    "INSERT INTO head VALUES (1, 0, 0, 0) ON CONFLICT DO NOTHING",
)
ADD_TO_LOG = (
    "WITH number AS (UPDATE head SET seq = seq + 1 RETURNING seq)"
    " INSERT INTO log (seq, at, kind, body)"
    " SELECT seq, ?::float8, ?::text, ?::text FROM number RETURNING seq"
)
TIMELINE = "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
LOST_MAX = 1_000_000  # numbers that a primary may have given, and its standby never had
BEGUN_ANEW = "another control has begun the log anew"


def _tell_nobody(_why: str) -> None: ...


def _do_nothing() -> None: ...


class PostgresDatabase(StateDatabase):
    """One connection to a PostgreSQL database, made anew when it is lost.

    `steady` is a clock that never steps back; `owners` are digests of this installation's secrets:
    a database of one that has none of them is refused. With `alone` no control may use it.
    """

    trusted_s = TRUSTED_S
    slow = "the database is slow, or waits for its standby"

    def __init__(
        self,
        dsn: str,
        steady: Callable[[], float],
        owners: Collection[str] = (),
        random: Callable[[int], bytes] = os.urandom,
        *,
        alone: bool = False,
    ) -> None:
        """Open and migrate it. StateError; StateBusyError: it may be well again."""
        super().__init__(random)
        driver = load_driver()
        self.failures = (driver.Error,)
        self.on_lost: Callable[[str], None] = _tell_nobody  # called once, with the reason
        self.on_beat: Callable[[], None] = _do_nothing  # inside the transaction of each beat
        self.instance = random(COMMIT_MARK_BYTES).hex()  # whose NOTIFY one is
        self._driver = driver
        self._steady = steady
        self._alone = alone
        self.parameters = connection_parameters(driver, dsn)
        self.name = database_name(self.parameters)
        self._lost = ""
        self._warned = ""  # by the server, in the statement under way
        self._tried_at = float("-inf")
        self._seen = SeenCommit()
        self._pending = SeenCommit()
        self._pending_at = float("-inf")
        self._tables: set[str] = set()  # that the transaction under way changes
        self._entry: EntryNumber | None = None  # the newest that was seen
        self._appended: EntryNumber | None = None  # in the transaction under way
        self._epoch = ""
        self._timeline = ""  # of what the connection writes to: another one since a promotion
        self._goes_on = False  # this timeline has numbers of its own already
        self._tasks: set[str] = set()
        self.committed_at = float("-inf")
        self._connection: psycopg.Connection[Any] | None = None
        self._connect()
        try:
            self._migrate()
            require_owner(self, [*owners])
        except driver.Error as error:
            self.close()
            raise self.failure(error) from error
        except StateError:
            self.close()
            raise

    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        if not statement.startswith(WRITES):
            return self._run(statement, values)
        if not self.in_transaction:
            with self.writing():  # a commit of its own would be believed whatever it said
                return self.execute(statement, values)
        self._tables.add(changed_table(statement))
        return self._run(statement, values)

    def _run(self, statement: str, values: Sequence[object] = ()) -> psycopg.Cursor[Any]:
        connection = self._usable()
        plain = [str(one) if isinstance(one, Enum) else one for one in values]
        # psycopg wants literal text where it can be had: ours are made of constants
        return connection.execute(statement.replace("?", "%s").encode(), plain or None)

    def add_entry(self, at: float, kind: str, body: str, by: Authorship = UNASKED) -> EntryNumber:
        with self.writing():
            self._appended = super().add_entry(at, kind, body, by)
            return self._appended

    def _add_to_log(self, at: float, kind: str, body: str) -> int:
        self._tables.add("log")
        if not self._goes_on:
            self._pass_lost_numbers()
        return self._first(self._run(ADD_TO_LOG, (at, kind, body)).fetchone())

    def _pass_lost_numbers(self) -> None:
        """Inside `writing`: go beyond all numbers that a former primary may have given.

        Nodes may have applied entries that its standby never had. By numbers they tell each other,
        and their disks, how much they know: no other entry may have one of those.
        """
        row = self._run("SELECT value FROM told WHERE name = 'timeline'").fetchone()
        if row is None or row[0] != self._timeline:
            self.execute(
                "INSERT INTO told VALUES ('timeline', ?)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (self._timeline,),
            )
        if row is not None and row[0] != self._timeline:
            self._run("UPDATE head SET seq = seq + ?", (LOST_MAX,))
        timeline = self._timeline

        def goes_on() -> None:
            self._goes_on = self._timeline == timeline

        self.on_commit(goes_on)

    @property
    def last_seq(self) -> int:
        return self._first(self._run("SELECT seq FROM head").fetchone())

    def begin_after(self, seq: int) -> None:
        self._run("UPDATE head SET seq = ?", (seq,))

    @property
    def in_transaction(self) -> bool:
        connection = self._connection
        if connection is None or connection.closed:
            return False
        idle: bool = connection.info.transaction_status == self._driver.pq.TransactionStatus.IDLE
        return not idle

    def failure(self, error: Exception) -> StateError:
        why = " ".join(str(error).split())[:WHY_CHARS_MAX] or type(error).__name__
        errors = self._driver.errors
        if isinstance(error, errors.ReadOnlySqlTransaction):
            return StateBusyError(f"{self.name}: is read-only (a standby?): nothing is accepted")
        if isinstance(error, errors.LockNotAvailable):
            return StateBusyError(f"{self.name}: {WAITS}")
        if isinstance(error, self._driver.OperationalError | self._driver.InterfaceError):
            return StateBusyError(f"{self.name}: {why}")
        return StateError(f"{self.name}: {why}")

    def weaknesses(self) -> Iterator[str]:
        """A line for each setting of the server by which what was accepted may be lost."""
        (standbys,) = self.execute("SHOW synchronous_standby_names").fetchone()
        (waits,) = self.execute("SHOW synchronous_commit").fetchone()
        if not standbys:
            why = "no synchronous standby: what was accepted is lost with this server"
            yield f"{self.name}: {why} (synchronous_standby_names)"
        elif waits == "local":
            yield f"{self.name}: no commit waits for the standby (synchronous_commit = local)"

    def beat(self) -> None:
        """Commit what `on_beat` writes, or nothing: what `committed_at` is for. See `follow`."""
        with self.writing():
            self.on_beat()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    # Other controls.

    @property
    def others(self) -> int:
        return other_controls(self._usable())

    def follow(self) -> bool:
        """Tell of what others have committed since, as one commit left it; see StateDatabase."""
        if self._newest() == self._seen.revision:
            return False
        self._run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            self._take_in(self._newest())
        finally:
            if self.in_transaction:
                self._roll_back()
        return True

    def _newest(self) -> int:
        """The revision the database is at, which has what was seen last."""
        revision, mark = self._run(NEWEST, (self._seen.revision,)).fetchone() or (0, None)
        self._require_seen(int(revision), mark)
        return int(revision)

    def _require_seen(self, newest: int, mark: str | None) -> None:
        try:
            require_seen(self._seen, newest, mark)
        except AnotherHistoryError as error:
            self._begin_epoch()
            self._lose(str(error))

    def _take_in(self, upto: int) -> None:
        """Inside a transaction: tell of commits of others up to a revision."""
        if self._seen.revision == upto:
            return
        rows = self._run(SINCE, (self._seen.revision, upto))
        try:
            others = other_commits(self._seen, upto, rows)
        except AnotherHistoryError as error:
            self._lose(str(error))
        if "told" in others.tables and self._epoch_there() != self._epoch:
            self._lose(BEGUN_ANEW)
        self._changed(others.tables)
        if "log" in others.tables:
            self._entry = self._newest_entry()
        self._seen = others.last

    def holds(self, task: str) -> bool:
        self._usable()  # a new connection has none
        query = "SELECT CASE WHEN ? THEN true ELSE pg_try_advisory_lock(?) END"
        (held,) = self._run(query, (task in self._tasks, lock_key(task))).fetchone() or (False,)
        if held:
            self._tasks.add(task)
        return bool(held)

    # Transactions.

    def _begin(self) -> None:
        self._pending_at = self._steady()
        self._tables, self._appended = set(), None
        self._run("BEGIN")
        revision, mark = self._run(TAKE, (self._seen.revision,)).fetchone() or (0, None)
        self._require_seen(int(revision) - 1, mark)
        self._take_in(int(revision) - 1)
        self._pending = SeenCommit(int(revision), self._random(COMMIT_MARK_BYTES).hex())

    def _commit(self) -> None:
        self._warned = ""
        statements = commit_statements(self._pending, self._tables, self.instance)
        connection = self._usable()
        try:
            done = connection.execute(statements.encode(), prepare=False)
            while done.nextset():
                pass
        except self._driver.OperationalError as error:
            if not connection.closed:  # it was told that nothing is committed
                raise
            self._lose(f"the end of a commit was not heard: {error}")
        if self._warned:
            self._lose(f"a commit was not waited for: {self._warned}")
        if done.statusmessage != "COMMIT":  # ROLLBACK, without an error: a statement had failed
            raise self._driver.errors.InFailedSqlTransaction("nothing of it was committed")
        self._seen, self.committed_at = self._pending, self._pending_at
        self._entry = self._appended or self._entry

    def _roll_back(self) -> None:
        self._run("ROLLBACK")

    def _lose(self, why: str) -> NoReturn:
        """Believe nothing of what this process knows any more."""
        if not self._lost:
            self._lost = " ".join(why.split())[:WHY_CHARS_MAX]
            self.close()
            self.on_lost(f"{self.name}: {self._lost}; control begins anew from what is there")
        raise StateBusyError(f"{self.name}: {self._lost}")

    def _begin_epoch(self) -> None:
        """Begin the log anew where an entry that was seen is not in it: nodes may have it.

        Whoever comes first does; others find another epoch.
        """
        if self._entry is None:
            return
        if self.in_transaction:
            self._roll_back()
        self._run("BEGIN")
        with suppress(*self.failures):
            self._run("UPDATE head SET revision = revision + 1")
            row = self._run("SELECT mark FROM changes WHERE seq = ?", (self._entry.seq,)).fetchone()
            is_there = row is not None and row[0] == self._entry.mark
            if is_there or self._epoch_there() != self._epoch:
                return
            (revision,) = self._run("SELECT revision FROM head").fetchone() or (0,)
            epoch = self._random(COMMIT_MARK_BYTES).hex()
            self._run("UPDATE told SET value = ? WHERE name = 'epoch'", (epoch,))
            self._pending = SeenCommit(int(revision), self._random(COMMIT_MARK_BYTES).hex())
            statements = commit_statements(self._pending, ("told",), self.instance)
            self._usable().execute(statements.encode(), prepare=False)

    # The connection.

    def _usable(self) -> psycopg.Connection[Any]:
        if self._lost:
            raise StateBusyError(f"{self.name}: {self._lost}")
        connection = self._connection
        if connection is None or connection.closed:
            connection = self._connect()
        return connection

    def _connect(self) -> psycopg.Connection[Any]:
        """A new connection, to a database that has the last commit that was heard of."""
        now = self._steady()
        if now - self._tried_at < RECONNECT_S:
            raise StateBusyError(f"{self.name}: no connection")
        self._tried_at = now
        try:
            connection = connect(self._driver, self.parameters, self._noticed)
            require_control_lock(self._driver, connection, self.name, alone=self._alone)
            self._connection, self._tasks = connection, set()
            self._timeline, self._goes_on = self._timeline_of(connection), False
            if self._seen != SeenCommit():
                self._newest()
        except self._driver.Error as error:
            raise self.failure(error) from error
        return connection

    def _timeline_of(self, connection: psycopg.Connection[Any]) -> str:
        """That of the server; where it tells none, each connection has one of its own."""
        try:
            row = connection.execute(TIMELINE.encode()).fetchone()
        except self._driver.Error:
            row = None
        return str(row[0]) if row else self._random(COMMIT_MARK_BYTES).hex()

    def _noticed(self, diagnostic: Any) -> None:
        # Only COMMIT reads it, which warns of nothing but a wait that was cut short.
        if diagnostic.severity_nonlocalized == "WARNING":
            self._warned = str(diagnostic.message_primary)

    @staticmethod
    def _first(row: Any) -> int:
        return int(row[0])

    # What it is.

    def _migrate(self) -> None:
        with self._usable().transaction():
            for statement in HEAD:
                self._run(statement)
            rows = self._run("SELECT schema_version, revision FROM head FOR UPDATE")
            version, revision = rows.fetchone() or (0, 0)
            if version > len(MIGRATIONS):
                raise StateError(
                    f"{self.name}: written by a later version (schema {version}, this release"
                    f" knows {len(MIGRATIONS)}); run that release"
                )
            for statements in MIGRATIONS[version:]:
                for statement in statements:
                    self._run(for_postgresql(statement))
            self._run("UPDATE head SET schema_version = ?", (len(MIGRATIONS),))
            mark = self._random(COMMIT_MARK_BYTES).hex()  # for one whose last control kept none
            self._run(
                "INSERT INTO commits (revision, mark, tables) VALUES (?, ?, '')"
                " ON CONFLICT DO NOTHING",
                (revision, mark),
            )
            row = self._run("SELECT mark FROM commits WHERE revision = ?", (revision,)).fetchone()
            self._seen = SeenCommit(int(revision), row[0] if row else "")
            self._epoch, self._entry = self._epoch_there(), self._newest_entry()

    def _epoch_there(self) -> str:
        row = self._run("SELECT value FROM told WHERE name = 'epoch'").fetchone()
        return str(row[0]) if row else ""

    def _newest_entry(self) -> EntryNumber | None:
        row = self._run("SELECT seq, mark FROM changes ORDER BY seq DESC LIMIT 1").fetchone()
        return None if row is None else EntryNumber(int(row[0]), str(row[1]))
