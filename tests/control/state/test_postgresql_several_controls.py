"""Several controls on one PostgreSQL database: order, what each hears of the others, histories."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from edgecache.control.state.database import StateBusyError
from edgecache.control.state.log import ControlLog
from edgecache.control.state.postgresql import PostgresDatabase
from tests.control.conftest import postgres_state
from tests.control.state.test_postgresql import NEVER_S, Clock, other
from tests.world.postgresql import TEMPLATE, PostgresServer

WRITERS = 8
EACH = 20


@pytest.fixture
def dsn(postgresql: PostgresServer) -> Iterator[str]:
    with postgresql.lent_database(TEMPLATE) as dsn:
        yield dsn


@pytest.fixture
def two(dsn: str) -> Iterator[tuple[PostgresDatabase, PostgresDatabase]]:
    with closing(postgres_state(dsn)) as one, closing(postgres_state(dsn)) as another:
        yield one, another


def told(log: ControlLog, after: int = 0) -> list[int]:
    return [entry.seq for entry in log.live.after(after).entries]


def test_numbers_of_eight_writers_are_in_the_order_of_commits_and_without_gaps(dsn: str) -> None:
    """Law 1: a follower that has read up to a number has read all before it."""
    with closing(postgres_state(dsn)) as following:
        heard, log = list[int](), ControlLog(following, lambda: 1.0)

        def write() -> None:
            with closing(postgres_state(dsn)) as state:
                state.execute("SET lock_timeout = 0")
                mine = ControlLog(state, lambda: 1.0)
                for _ in range(EACH):
                    mine.append("invalidation", {})

        threads = [threading.Thread(target=write) for _ in range(WRITERS)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads) or following.follow():
            following.follow()
            heard += told(log, heard[-1] if heard else 0)
        heard += told(log, heard[-1])
        assert heard == [*range(1, WRITERS * EACH + 1)]


def test_what_another_control_writes_is_told_in_order_with_its_mark(
    two: tuple[PostgresDatabase, PostgresDatabase],
) -> None:
    logs = [ControlLog(state, lambda: 1.0) for state in two]
    assert not two[1].follow()
    logs[0].append("config", {"n": 1})
    logs[0].append("invalidation", {"n": 2})
    assert told(logs[1]) == []
    assert two[1].follow()
    assert told(logs[1]) == [1, 2]
    logs[0].append("invalidation", {"n": 3})
    assert logs[1].append("invalidation", {"n": 4}) == 4  # what came before is told first
    assert told(logs[1]) == [1, 2, 3, 4]
    assert two[0].follow()
    assert told(logs[0]) == [1, 2, 3, 4]
    for seq in range(1, 5):
        marks = {log.live.mark_of(seq) for log in logs} | {log.mark_of(seq) for log in logs}
        assert len(marks) == 1
        assert len(marks.pop()) == 16
    assert not any(state.follow() for state in two)


def test_what_another_control_trims_is_told_no_more(
    two: tuple[PostgresDatabase, PostgresDatabase],
) -> None:
    logs = [ControlLog(state, lambda: 1.0) for state in two]
    for _ in range(3):
        logs[0].append("invalidation", {})
    assert two[1].follow()
    logs[0].trim(2)
    assert two[1].follow()
    assert (told(logs[1]), logs[1].live.floor) == ([3], 2)
    logs[0].append("invalidation", {})
    logs[0].trim(4)  # before the other has heard of it
    assert two[1].follow()
    assert (told(logs[1]), logs[1].live.last_seq, logs[1].live.floor) == ([], 4, 4)
    assert logs[1].live.mark_of(4) == logs[0].live.mark_of(4) != ""


def test_what_is_not_committed_is_not_seen(
    two: tuple[PostgresDatabase, PostgresDatabase],
) -> None:
    """Law 4."""
    logs = [ControlLog(state, lambda: 1.0) for state in two]
    with two[0].writing():
        logs[0].append("config", {})
        assert not two[1].follow()
        assert told(logs[0]) == told(logs[1]) == []
    assert two[1].follow()
    assert told(logs[1]) == [1]


def test_readers_are_told_of_the_tables_they_asked_for(
    two: tuple[PostgresDatabase, PostgresDatabase],
) -> None:
    looked = list[str]()
    two[1].on_change(("adopted",), lambda: looked.append("adopted"))
    two[1].on_change(("releases", "told"), lambda: looked.append("releases"))
    two[0].execute("INSERT INTO adopted (id) VALUES (?)", ("E1",))
    two[1].follow()
    assert looked == ["adopted"]
    two[0].execute("UPDATE told SET value = '1' WHERE name = 'floor'")
    two[0].execute("DELETE FROM adopted WHERE id = ?", ("E1",))
    with two[1].writing():  # before it writes itself, too
        assert looked == ["adopted", "adopted", "releases"]
    two[1].execute("INSERT INTO adopted (id) VALUES (?)", ("E2",))
    assert not two[1].follow()  # its own are no news
    assert len(looked) == 3


def test_a_reader_that_fails_is_asked_again(
    two: tuple[PostgresDatabase, PostgresDatabase],
) -> None:
    looks = iter([False, True])

    def look() -> None:
        if not next(looks):
            two[1].execute("SELECT nonsense")

    two[1].on_change(("adopted",), look)
    two[0].execute("INSERT INTO adopted (id) VALUES (?)", ("E1",))
    with pytest.raises(two[1].failures):
        two[1].follow()
    assert not two[1].in_transaction
    assert two[1].follow()
    assert next(looks, None) is None


def lost_of(state: PostgresDatabase) -> list[str]:
    lost = list[str]()
    state.on_lost = lost.append
    return lost


def test_another_history_is_noticed_also_where_others_commit_in_between(dsn: str) -> None:
    """A standby that lacked the last commit was promoted, and has as many commits by now."""
    with closing(PostgresDatabase(dsn, Clock())) as ours:
        ControlLog(ours, lambda: 1.0).append("config", {})
        lost = lost_of(ours)
        seen = revision(ours)
        with other(dsn) as connection:
            connection.execute("UPDATE commits SET mark = 'another' WHERE revision = %s", (seen,))
        with closing(PostgresDatabase(dsn, Clock())) as theirs:
            theirs.beat()
            theirs.beat()
        with pytest.raises(StateBusyError, match="it has another commit there"):
            ours.follow()
        with pytest.raises(StateBusyError, match="it has another commit there"):
            ours.beat()
    assert len(lost) == 1


def revision(state: PostgresDatabase) -> int:
    return int(state.execute("SELECT revision FROM head").fetchone()[0])


@pytest.mark.parametrize("gone", [False, True])
def test_a_log_that_lacks_what_was_seen_is_begun_anew(dsn: str, *, gone: bool) -> None:
    """Nodes may have applied what is gone; each control that knows of it begins anew."""
    with (
        closing(PostgresDatabase(dsn, Clock())) as ours,
        closing(PostgresDatabase(dsn, Clock())) as theirs,
    ):
        log = ControlLog(ours, lambda: 1.0)
        log.append("config", {})
        theirs.follow()
        lost = lost_of(ours), lost_of(theirs)
        with other(dsn) as connection:
            if gone:
                connection.execute("UPDATE changes SET mark = 'another'")
            connection.execute("UPDATE commits SET mark = 'another'")
        for state in (ours, theirs):
            with pytest.raises(StateBusyError):
                state.beat()
        assert [len(one) for one in lost] == [1, 1]
        with closing(PostgresDatabase(dsn, Clock())) as after:
            assert (ControlLog(after, lambda: 1.0).epoch != log.epoch) == gone


def test_a_control_that_follows_begins_anew_when_another_begins_the_log_anew(
    two: tuple[PostgresDatabase, PostgresDatabase],
) -> None:
    lost = lost_of(two[1])
    two[0].execute("UPDATE told SET value = 'new' WHERE name = 'epoch'")
    with pytest.raises(StateBusyError, match="begun the log anew"):
        two[1].follow()
    assert len(lost) == 1


def test_a_control_that_was_away_for_too_long_begins_anew(
    two: tuple[PostgresDatabase, PostgresDatabase],
) -> None:
    lost = lost_of(two[1])
    for _ in range(2):
        two[0].beat()
    two[0].execute("DELETE FROM commits WHERE revision <= ?", (revision(two[0]) - 1,))
    with pytest.raises(StateBusyError, match="it has none there"):
        two[1].follow()
    assert len(lost) == 1


def test_a_task_is_one_controls_until_that_ends(dsn: str) -> None:
    with closing(postgres_state(dsn)) as one:
        with closing(postgres_state(dsn)) as another:
            assert one.holds("canary")
            assert one.holds("canary")
            assert not another.holds("canary")
            assert another.holds("trim")
            one.close()
            wait_for_one_control(dsn)
            assert another.holds("canary")
        assert one.holds("canary")  # by a new connection


def wait_for_one_control(dsn: str) -> None:
    with other(dsn) as connection:
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'edgecache control'"
            " AND datname = current_database()"
        )
        over = threading.Event()
        deadline = threading.Timer(NEVER_S, over.set)
        deadline.start()
        while connection.execute(query).fetchone() != (1,):
            assert not over.is_set()
        deadline.cancel()


def test_a_transaction_that_nobody_ends_holds_up_others_for_a_while_only(dsn: str) -> None:
    """Its control is stopped, or its machine cut off."""
    with closing(postgres_state(dsn)) as stopped, closing(postgres_state(dsn)) as another:
        another.execute("SET lock_timeout = 0")
        stopped._begin()
        stopped.execute("SET idle_in_transaction_session_timeout = 1")
        another.beat()
        with pytest.raises(stopped.failures):
            stopped.execute("SELECT 1")


def test_a_control_that_is_silent_is_let_go_by_the_server(dsn: str) -> None:
    """Its transaction, and then what it holds."""
    with closing(postgres_state(dsn)) as state:
        names = ("idle_in_transaction_session_timeout", "idle_session_timeout", "lock_timeout")
        shown = [state.execute(f"SHOW {name}").fetchone()[0] for name in names]
    assert shown == ["5s", "10s", "2s"]


def test_a_change_that_has_to_wait_for_another_one_is_refused_in_time(dsn: str) -> None:
    with closing(postgres_state(dsn)) as one, closing(postgres_state(dsn)) as another:
        another.execute("SET lock_timeout = 1")
        with one.writing():
            with pytest.raises(another.failures) as told:
                another.add_entry(0, "config", "{}")
            assert "a commit of another control" in str(another.failure(told.value))
            assert isinstance(another.failure(told.value), StateBusyError)
        assert another.add_entry(0, "config", "{}").seq == 1
