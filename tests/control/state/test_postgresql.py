"""PostgreSQL as control's database: numbers, lost connections, waits cut short, refusals."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import psycopg
import pytest

from edgecache.control.state.database import StateBusyError, StateError
from edgecache.control.state.log import ControlLog
from edgecache.control.state.migrations import MIGRATIONS, for_postgresql
from edgecache.control.state.postgresql import RECONNECT_S, PostgresDatabase
from edgecache.control.state.postgresql_connection import EXTRA
from tests.control.conftest import postgres_state
from tests.world.postgresql import TEMPLATE, PostgresServer, running_postgresql

ENTRY = (0, "config", "{}")
NEVER_S = 30.0  # a deadline that is reached only when the test fails
ITS_BACKEND = "application_name = 'edgecache control' AND datname = current_database()"


class Clock:
    now = 100.0
    step = RECONNECT_S

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def dsn(postgresql: PostgresServer) -> Iterator[str]:
    with postgresql.lent_database(TEMPLATE) as dsn:
        yield dsn


@contextmanager
def other(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """A session beside control's."""
    with closing(psycopg.connect(dsn, autocommit=True)) as connection:
        yield connection


def end_session(dsn: str) -> None:
    with other(dsn) as connection:
        query = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ITS_BACKEND}"
        assert connection.execute(query.encode()).fetchall() == [(True,)]


def add_and_fail(state: PostgresDatabase) -> None:
    with state.writing():
        assert state.add_entry(*ENTRY).seq == 2
        raise LookupError


def test_numbers_are_never_given_twice_and_none_is_left_out(dsn: str) -> None:
    with closing(postgres_state(dsn)) as state:
        assert state.add_entry(*ENTRY).seq == 1
        with pytest.raises(LookupError):
            add_and_fail(state)
        state.execute("DELETE FROM log")
        assert (state.add_entry(*ENTRY).seq, state.last_seq) == (2, 2)


def test_a_lost_connection_is_made_anew_where_nothing_was_under_way(dsn: str) -> None:
    clock, lost = Clock(), list[str]()
    with closing(PostgresDatabase(dsn, clock)) as state:
        state.on_lost = lost.append
        log = ControlLog(state, lambda: 1.0)
        log.append("config", {})
        end_session(dsn)
        with pytest.raises(state.failures):
            log.append("config", {"n": 2})
        assert log.append("config", {"n": 3}) == 2
        assert (log.live.last_seq, lost) == (2, [])


def test_attempts_to_connect_are_a_second_apart(dsn: str) -> None:
    clock = Clock()
    with closing(PostgresDatabase(dsn, clock)) as state:
        clock.step = 0.0
        end_session(dsn)
        with pytest.raises(state.failures):
            state.beat()
        clock.now += RECONNECT_S
        state.beat()
        end_session(dsn)
        with pytest.raises(state.failures):
            state.beat()
        with pytest.raises(StateBusyError, match="no connection"):
            state.beat()
        clock.now += RECONNECT_S
        state.beat()


def test_a_database_that_went_on_without_us_is_not_believed(dsn: str) -> None:
    """A promoted standby that lacks a commit, a restored dump: what we know is of another one."""
    lost = list[str]()
    with closing(PostgresDatabase(dsn, Clock())) as state:
        state.on_lost = lost.append
        end_session(dsn)
        with other(dsn) as connection:
            connection.execute("DELETE FROM commits")
            connection.execute("UPDATE head SET revision = revision - 1")
        with pytest.raises(state.failures):
            state.beat()
        for _ in range(2):
            with pytest.raises(StateBusyError, match="it is at revision"):
                state.beat()
    assert len(lost) == 1
    assert "control begins anew" in lost[0]


def add_twice_and_go_on(state: PostgresDatabase) -> None:
    with state.writing():
        state.execute("INSERT INTO adopted VALUES ('E1')")
        with pytest.raises(psycopg.IntegrityError):
            state.execute("INSERT INTO adopted VALUES ('E1')")


def test_a_commit_of_what_had_failed_is_not_believed(dsn: str) -> None:
    """PostgreSQL answers it with success, and ROLLBACK."""
    with closing(postgres_state(dsn)) as state:
        state.beat()
        known = state.committed_at
        with pytest.raises(state.failures):
            add_twice_and_go_on(state)
        assert state.committed_at == known
        state.beat()  # it is where we left it


def of_encoding(postgresql: PostgresServer, encoding: str) -> PostgresDatabase:
    named = f"template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
    return PostgresDatabase(postgresql.new_database(named), Clock())


def test_text_comes_back_whatever_a_database_calls_its_encoding(postgresql: PostgresServer) -> None:
    """One of a cluster that was made with LC_ALL=C."""
    with closing(of_encoding(postgresql, "SQL_ASCII")) as state:
        ControlLog(state, lambda: 1.0).append("config", {"name": "\u03c0"})
        assert state.execute("SELECT body FROM log").fetchall() == [('{"name":"\u03c0"}',)]


def test_text_that_a_database_cannot_hold_is_refused(postgresql: PostgresServer) -> None:
    with closing(of_encoding(postgresql, "LATIN1")) as state:
        log = ControlLog(state, lambda: 1.0)
        with pytest.raises(state.failures, match="has no equivalent"):
            log.append("config", {"name": "\u03c0"})
        assert log.append("config", {}) == 1


def test_commits_are_on_disk_whatever_a_role_is_set_to(dsn: str) -> None:
    with other(dsn) as connection:
        connection.execute("ALTER ROLE edgecache SET synchronous_commit = off")
        with closing(postgres_state(dsn)) as state:
            assert state.execute("SHOW synchronous_commit").fetchall() == [("on",)]
        connection.execute("ALTER ROLE edgecache RESET synchronous_commit")


@pytest.mark.parametrize("change", [1, -1])
def test_a_database_that_others_write_to_is_not_believed(dsn: str, change: int) -> None:
    """By a pooler, which lets two controls in, or hides that it has gone over to a standby."""
    lost = list[str]()
    with closing(PostgresDatabase(dsn, Clock())) as state:
        state.on_lost = lost.append
        with other(dsn) as connection:
            connection.execute("UPDATE head SET revision = revision + %s", (change,))
        with pytest.raises(StateBusyError, match="it is at revision"):
            state.beat()
    assert len(lost) == 1


@pytest.fixture(scope="module")
def alone() -> Iterator[PostgresServer]:
    """A primary whose synchronous standby is not there: commits wait, where that is asked for."""
    settings = ["synchronous_standby_names = 'nobody'", "synchronous_commit = local"]
    with running_postgresql(settings) as server:
        yield server


def asked_to_wait(server: PostgresServer, cut_short: str) -> tuple[list[str], list[int], Exception]:
    """Append while no standby is there, and have the server do `cut_short` to the wait."""
    dsn = server.new_database()
    with other(dsn) as connection:
        opened = PostgresDatabase(dsn, Clock())
        log = ControlLog(opened, lambda: 1.0)
        log.append("config", {})
        opened.execute("SET synchronous_commit = on")
        lost, caught = list[str](), list[Exception]()
        opened.on_lost = lost.append

        def append() -> None:
            try:
                log.append("invalidation", {})
            except Exception as error:
                caught.append(error)

        thread = threading.Thread(target=append)
        thread.start()
        query = f"SELECT {cut_short}(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        while not connection.execute(query.encode()).fetchall():
            assert thread.is_alive()
        thread.join(NEVER_S)
        told = [entry.seq for entry in log.live.after(0).entries]
        with closing(opened), pytest.raises(StateBusyError):
            opened.beat()  # nothing is believed from then on
        return lost, told, caught[0]


@pytest.mark.parametrize(
    ("cut_short", "words"),
    [
        ("pg_cancel_backend", "was not waited for: canceling wait for synchronous replication"),
        ("pg_terminate_backend", "the end of a commit was not heard"),
    ],
)
def test_a_wait_for_the_standby_that_is_cut_short_is_not_accepted(
    alone: PostgresServer, cut_short: str, words: str
) -> None:
    """The statement returns success and the entry is to be seen: a failover may undo it."""
    lost, told, error = asked_to_wait(alone, cut_short)
    assert isinstance(error, StateBusyError)
    assert words in str(error)
    assert (told, len(lost)) == ([1], 1)


def test_a_control_that_died_over_a_commit_is_told_from_one_that_runs(
    alone: PostgresServer,
) -> None:
    """The server goes on waiting for the standby, and holds the lock, for a client that is gone."""
    dsn = alone.new_database()
    with other(dsn) as connection:
        opened = postgres_state(dsn)
        opened.execute("SET synchronous_commit = on")
        ended = threading.Event()

        def beat() -> None:
            with suppress(psycopg.Error, StateError):
                opened.beat()
            ended.set()

        threading.Thread(target=beat).start()
        waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        while not connection.execute(f"SELECT 1 {waiting}".encode()).fetchall():
            assert not ended.is_set()
        assert isinstance(refused(dsn, "waits for a synchronous standby"), StateBusyError)
        connection.execute(f"SELECT pg_terminate_backend(pid) {waiting}".encode())
        assert ended.wait(NEVER_S)
        opened.close()


def test_a_server_by_which_what_was_accepted_may_be_lost_is_told(
    dsn: str, alone: PostgresServer
) -> None:
    with closing(postgres_state(dsn)) as state:
        (line,) = state.weaknesses()
        assert "no synchronous standby" in line
    with closing(postgres_state(alone.new_database())) as state:
        (line,) = state.weaknesses()
        assert "synchronous_commit = local" in line
        state.execute("SET synchronous_commit = on")
        assert [*state.weaknesses()] == []


def test_a_write_alone_is_a_transaction_like_any_other(dsn: str) -> None:
    """So that its commit is looked at, and that another history without it is noticed."""
    lost = list[str]()
    with closing(PostgresDatabase(dsn, Clock())) as state:
        state.on_lost = lost.append
        before = state.execute("SELECT revision FROM head").fetchone()[0]
        state.execute("INSERT INTO adopted (id) VALUES (?)", ("E1",))
        assert state.execute("SELECT revision FROM head").fetchone()[0] == before + 1
        assert state.execute("DELETE FROM adopted WHERE id = ?", ("E1",)).rowcount == 1
        with other(dsn) as connection:
            connection.execute("UPDATE head SET revision = revision - 1")
        with pytest.raises(StateBusyError, match="it is at revision"):
            state.execute("INSERT INTO adopted (id) VALUES (?)", ("E2",))
    assert len(lost) == 1


def refused(dsn: str, words: str, owners: tuple[str, ...] = ()) -> StateError:
    with pytest.raises(StateError, match=words) as told:
        PostgresDatabase(dsn, Clock(), owners).close()
    assert "\n" not in str(told.value)
    return told.value


def test_who_copies_a_database_has_it_alone(dsn: str) -> None:
    def alone() -> PostgresDatabase:
        return PostgresDatabase(dsn, Clock(), alone=True)

    with closing(postgres_state(dsn)) as one, closing(postgres_state(dsn)) as two:
        assert (one.others, two.others) == (1, 1)
        with pytest.raises(StateBusyError, match="control uses it: stop it first"):
            alone()
    with closing(alone()) as state:
        assert state.others == 0
        assert isinstance(refused(dsn, "is being copied"), StateBusyError)


def test_a_later_schema_is_refused(dsn: str) -> None:
    with other(dsn) as connection:
        connection.execute("UPDATE head SET schema_version = 99")
    assert not isinstance(refused(dsn, "written by a later version"), StateBusyError)


def test_a_standby_or_a_database_that_is_gone_may_be_well_again(dsn: str) -> None:
    with other(dsn) as connection:
        connection.execute("ALTER ROLE edgecache SET default_transaction_read_only = on")
        assert isinstance(refused(dsn, "read-only"), StateBusyError)
        connection.execute("ALTER ROLE edgecache RESET default_transaction_read_only")
    gone = dsn.replace("dbname=", "dbname=not_")
    assert isinstance(refused(gone, "does not exist"), StateBusyError)


def test_a_connection_string_is_told_to_nobody() -> None:
    error = refused(
        "postgresql://u:hunter2@[", r"^control\.database: what it names is no connection"
    )
    assert "hunter2" not in str(error)
    error = refused("host=/nowhere user=u password=hunter2 dbname=d", "^postgresql:///nowhere/d: ")
    assert "hunter2" not in str(error)


def test_without_the_library_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    assert EXTRA in str(refused("dbname=x", "psycopg is not here"))


def test_every_migration_is_of_both_databases(dsn: str) -> None:
    """Same tables, same columns in the same order: rows are copied from one to the other."""
    translated = [for_postgresql(one) for some in MIGRATIONS for one in some]
    assert not [one for one in translated if "ROWID" in one or "AUTOINCREMENT" in one]
    columns: Callable[[str], str] = lambda statement: statement.partition("(")[0]  # noqa: E731
    with closing(postgres_state(dsn)) as state:
        for statement in translated:
            if statement.startswith("CREATE TABLE"):
                table = columns(statement).split()[-1]
                assert state.execute(f"SELECT * FROM {table} WHERE 1 = 0").fetchall() == []
