"""PostgreSQL database of control, for installations of several machines.

Law: what this control was told is committed survives the loss of the primary, where a synchronous
standby is configured; what it was not told is settled is looked at again before anything is
believed. PostgreSQL's documentation, "Synchronous Replication" and "Explicit Locking".

Every transaction takes the row `head` first: so the order of numbers is the order of commits,
without gaps, and its revision says after a lost connection whether the database is where this
process left it. A commit is never cancelled. One that ends with a warning (its wait for the standby
was cut short), or whose end nobody heard, may be undone by a failover: this control is `lost` then,
and ends, for its successor to read anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from edgecache.control.state.database import Rows, StateBusyError, StateDatabase, StateError
from edgecache.control.state.migrations import MIGRATIONS, for_postgresql

if TYPE_CHECKING:
    import psycopg

EXTRA = "pip install 'edgecache[postgresql]'"
CONTROL_LOCK = int.from_bytes(hashlib.sha256(b"edgecache control").digest()[:8], "big", signed=True)
SETTINGS = {
    "application_name": "edgecache control",
    "connect_timeout": "3",
    "target_session_attrs": "read-write",
    "tcp_user_timeout": "5000",  # milliseconds: a primary that is gone says nothing
    "keepalives_idle": "3",
    "keepalives_interval": "1",
    "keepalives_count": "3",
}
"""Parameters of a connection that its string does not give (libpq, "Parameter Key Words")."""
DURABLE = (
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'"
)
"""What a role or a database may be set to, and would lose commits with when power fails."""
RECONNECT_S = 1.0  # between two attempts
BEAT_S = 1.0  # between two commits, also of nothing
TRUSTED_S = 2.0  # after a commit: a primary that was deposed since accepts none
LEAVING_MS_MAX = 1_000  # for the session of a control that has ended, or lost its connection
WAITING_HOLDER = (
    "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory'"
    " AND granted AND datname = current_database() AND wait_event = 'SyncRep'"
)
"""Whether who has the lock waits for a standby: the server does that for clients that are gone."""
HELD = "another control uses it: stop that one first"
WAITS = (
    "a commit of another control, which may have ended, waits for a synchronous standby: bring one"
    " back, or take it out of synchronous_standby_names"
)
WHY_CHARS_MAX = 300
WRITES = ("INSERT ", "UPDATE ", "DELETE ")
OWNER = "installation"  # in `told`: digests of the secrets of whose it is
HEAD = (
    "CREATE TABLE IF NOT EXISTS head (one BIGINT PRIMARY KEY CHECK (one = 1),"
    " seq BIGINT NOT NULL, revision BIGINT NOT NULL, schema_version BIGINT NOT NULL)",
    "INSERT INTO head VALUES (1, 0, 0, 0) ON CONFLICT DO NOTHING",
)
OTHERS = "; name a database of its own in control.database, or bring this one's secrets.json here"


def _tell_nobody(_why: str) -> None: ...


class PostgresDatabase(StateDatabase):
    """One connection to a PostgreSQL database, made anew when it is lost.

    `steady` is a clock that never steps back; `owners` are digests of this installation's secrets:
    a database of one that has none of them is refused.
    """

    trusted_s = TRUSTED_S

    def __init__(self, dsn: str, steady: Callable[[], float], owners: Collection[str] = ()) -> None:
        """Open and migrate it. StateError; StateBusyError: it may be well again."""
        super().__init__()
        driver = _driver()
        self.failures = (driver.Error,)
        self.on_lost: Callable[[str], None] = _tell_nobody  # called once, with the reason
        self._driver = driver
        self._steady = steady
        self._owners = [*owners]
        self._parameters = _parameters(driver, dsn)
        self.name = _name(self._parameters)
        self._lost = ""
        self._warned = ""  # by the server, in the statement under way
        self._tried_at = float("-inf")
        self._revision = -1  # of the last commit this process knows of; -1: of none
        self._pending = -1
        self.committed_at = float("-inf")
        self._connection: psycopg.Connection[Any] | None = None
        self._connect()
        try:
            self._migrate()
            self._own()
        except driver.Error as error:
            self.close()
            raise self.failure(error) from error
        except StateError:
            self.close()
            raise

    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        if statement.startswith(WRITES) and not self.in_transaction:
            with self.writing():  # a commit of its own would be believed whatever it said
                return self._run(statement, values)
        return self._run(statement, values)

    def _run(self, statement: str, values: Sequence[object]) -> Rows:
        connection = self._usable()
        plain = [str(one) if isinstance(one, Enum) else one for one in values]
        # psycopg wants literal text where it can be had: ours are made of constants
        return connection.execute(statement.replace("?", "%s").encode(), plain)

    def _add_to_log(self, at: float, kind: str, body: str) -> int:
        row = self.execute("UPDATE head SET seq = seq + 1 RETURNING seq").fetchone()
        self.execute("INSERT INTO log (seq, at, kind, body) VALUES (?, ?, ?, ?)",
                     (row[0], at, kind, body))  # fmt: skip
        return int(row[0])

    @property
    def last_seq(self) -> int:
        return int(self.execute("SELECT seq FROM head").fetchone()[0])

    def begin_after(self, seq: int) -> None:
        self.execute("UPDATE head SET seq = ?", (seq,))

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
        """Commit something: what `committed_at` is for. One of `failures`, StateBusyError."""
        with self.writing():
            pass

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    # Transactions.

    def _begin(self) -> None:
        self._pending_at = self._steady()
        connection = self._usable()
        connection.execute("BEGIN")
        row = connection.execute("UPDATE head SET revision = revision + 1 RETURNING revision")
        self._pending = self._first(row)
        if self._revision >= 0:  # a pooler may have gone over to another database without a word
            self._compare(connection, self._pending - 1)

    def _commit(self) -> None:
        self._warned = ""
        try:
            done = self._usable().execute("COMMIT")
        except self._driver.OperationalError as error:
            self._lose(f"the end of a commit was not heard: {error}")
        if self._warned:
            self._lose(f"a commit was not waited for: {self._warned}")
        if done.statusmessage != "COMMIT":  # ROLLBACK, without an error: a statement had failed
            raise self._driver.errors.InFailedSqlTransaction("nothing of it was committed")
        self._revision, self.committed_at = self._pending, self._pending_at

    def _roll_back(self) -> None:
        self._usable().execute("ROLLBACK")

    def _lose(self, why: str) -> NoReturn:
        """Believe nothing of what this process knows any more."""
        if not self._lost:
            self._lost = " ".join(why.split())[:WHY_CHARS_MAX]
            self.close()
            self.on_lost(f"{self.name}: {self._lost}; control begins anew from what is there")
        raise StateBusyError(f"{self.name}: {self._lost}")

    # The connection.

    def _usable(self) -> psycopg.Connection[Any]:
        if self._lost:
            raise StateBusyError(f"{self.name}: {self._lost}")
        connection = self._connection
        if connection is None or connection.closed:
            connection = self._connect()
        return connection

    def _connect(self) -> psycopg.Connection[Any]:
        """A new connection, to where the last commit that was heard of is the last one."""
        now = self._steady()
        if now - self._tried_at < RECONNECT_S:
            raise StateBusyError(f"{self.name}: no connection")
        self._tried_at = now
        try:
            connection: psycopg.Connection[Any]
            connection = self._driver.connect(**self._parameters, autocommit=True)
            connection.add_notice_handler(self._noticed)
            connection.execute(DURABLE)
            self._require_lock(connection)
            if self._revision >= 0:
                row = connection.execute("SELECT revision FROM head")
                self._compare(connection, self._first(row))
        except self._driver.Error as error:
            raise self.failure(error) from error
        self._connection = connection
        return connection

    def _require_lock(self, connection: psycopg.Connection[Any]) -> None:
        """Be the only control of this database. StateBusyError: another one is."""
        try:
            connection.execute(f"SET lock_timeout = {LEAVING_MS_MAX}".encode())
            connection.execute("SELECT pg_advisory_lock(%s)", (CONTROL_LOCK,))
            connection.execute("RESET lock_timeout")
        except self._driver.errors.LockNotAvailable:
            why = HELD if connection.execute(WAITING_HOLDER).fetchone() is None else WAITS
            connection.close()
            raise StateBusyError(f"{self.name}: {why}") from None

    def _compare(self, connection: psycopg.Connection[Any], revision: int) -> None:
        if revision != self._revision:
            connection.close()
            self._lose(f"it is at revision {revision}, and {self._revision} was committed last")

    def _noticed(self, diagnostic: Any) -> None:
        # Only COMMIT reads it, which warns of nothing but a wait that was cut short.
        if diagnostic.severity_nonlocalized == "WARNING":
            self._warned = str(diagnostic.message_primary)

    @staticmethod
    def _first(rows: Any) -> int:
        return int(rows.fetchone()[0])

    # What it is, and whose.

    def _migrate(self) -> None:
        connection = self._usable()
        with connection.transaction():
            for statement in HEAD:
                connection.execute(statement)
            rows = connection.execute("SELECT schema_version, revision FROM head FOR UPDATE")
            version, self._revision = rows.fetchone() or (0, 0)
            if version > len(MIGRATIONS):
                raise StateError(
                    f"{self.name}: written by a later version (schema {version}, this release"
                    f" knows {len(MIGRATIONS)}); run that release"
                )
            for statements in MIGRATIONS[version:]:
                for statement in statements:
                    connection.execute(for_postgresql(statement).encode())
            connection.execute("UPDATE head SET schema_version = %s", (len(MIGRATIONS),))

    def _own(self) -> None:
        """Have it say whose it is. StateError: it is another installation's."""
        row = self.execute("SELECT value FROM told WHERE name = ?", (OWNER,)).fetchone()
        known = msgspec.json.decode(row[0], type=list[str]) if row else []
        if known and self._owners and not {*known} & {*self._owners}:
            raise StateError(f"{self.name}: it is another installation's{OTHERS}")
        if self._owners and known != self._owners:
            with self.writing():
                self.execute(
                    "INSERT INTO told VALUES (?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    (OWNER, msgspec.json.encode(self._owners).decode()),
                )


def _driver() -> Any:
    """The module `psycopg`. StateError where it is not installed."""
    try:
        import psycopg
    except ImportError as error:
        raise StateError(f"control.database: psycopg is not here ({error}); run: {EXTRA}") from None
    return psycopg


def _parameters(driver: Any, dsn: str) -> dict[str, str]:
    """Those of a connection string, and `SETTINGS` for what it does not say. StateError."""
    try:
        given = driver.conninfo.conninfo_to_dict(dsn)
    except driver.Error:  # its message may hold a part of the string
        raise StateError("control.database: what it names is no connection string") from None
    theirs = {name: str(value) for name, value in given.items()}
    return {**SETTINGS, **theirs, "client_encoding": "UTF8"}  # whatever the database's own is


def _name(parameters: dict[str, str]) -> str:
    """What lines call the database: never its user's password."""
    hosts = parameters.get("host") or "localhost"
    return f"postgresql://{hosts}/{parameters.get('dbname', '')}"


def owner_digest(secret: str) -> str:
    """What a database keeps of a secret, to know it again."""
    return hashlib.sha256(b"edgecache installation\0" + secret.encode()).hexdigest()[:32]
