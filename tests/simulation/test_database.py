"""The simulated database obeys the laws that the real one was seen to obey."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from random import Random
from typing import Any

import psycopg
import pytest

from tests.simulation.database_pair import DatabasePair
from tests.simulation.driver import SimulatedDriver
from tests.simulation.links import Links
from tests.simulation.machine import Machine, Process
from tests.simulation.threads import WaitingThread

TABLE = ("CREATE TABLE head (seq BIGINT)", "INSERT INTO head VALUES (0)")
TAKE = "UPDATE head SET seq = seq + 1 RETURNING seq"


class Site:
    """A pair of servers, and clients with a thread and a connection each."""

    def __init__(self) -> None:
        self.machine = Machine()
        self.links = Links(self.machine, Random(1))
        self.pair = DatabasePair(self.links, Random(2))
        self.driver = SimulatedDriver(self.links, self.pair)
        self.clients: list[Client] = []

    def client(self, name: str, host: str = "db-1,db-2") -> Client:
        client = Client(self, name, host)
        self.clients.append(client)
        return client

    def pass_time(self, seconds: float) -> None:
        self.machine.run_until(self.machine.now + seconds)


class Client:
    def __init__(self, site: Site, name: str, host: str) -> None:
        self.site = site
        self.process = Process(site.machine, name)
        self.thread = WaitingThread(self.process)
        self.warnings: list[str] = []
        self.connection: Any = None
        self.done(self._connect, host)

    def _connect(self, host: str) -> None:
        self.connection = self.site.driver.connect(host=host)
        self.connection.add_notice_handler(lambda told: self.warnings.append(told.message_primary))

    def begin(self, work: Callable[..., Any], *args: Any) -> Future[Any]:
        return self.thread.submit(lambda: work(*args))

    def done(self, work: Callable[..., Any], *args: Any) -> Any:
        future = self.begin(work, *args)
        self.site.pass_time(5.0)
        assert future.done(), "it waits"
        return future.result()

    def ask(self, *statements: str) -> Any:
        return self.done(self.each, *statements)

    def each(self, *statements: str) -> Any:
        for statement in statements:
            rows = self.connection.execute(statement)
        return [*rows]

    def take(self) -> Any:
        """One transaction that takes a number."""
        self.connection.execute("BEGIN")
        (number,) = self.connection.execute(TAKE).fetchone()
        self.connection.execute("COMMIT")
        return number


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    first = site.client("first")
    first.ask(*TABLE)
    yield site
    for client in site.clients:
        client.process.bury()


def test_a_commit_is_on_both(site: Site) -> None:
    (first,) = site.clients
    assert first.done(first.take) == 1
    assert len(site.pair.other.disk) == len(site.pair.primary.disk) == 3


def test_numbers_are_in_the_order_of_commits(site: Site) -> None:
    first, other = site.clients[0], site.client("second")
    first.ask("BEGIN", TAKE)
    waits = other.begin(other.take)
    site.pass_time(5.0)
    assert not waits.done()
    first.ask("COMMIT")
    site.pass_time(1.0)
    assert waits.result() == 2


def test_what_waits_for_the_standby_is_seen_by_nobody(site: Site) -> None:
    first, other = site.clients[0], site.client("second")
    site.links.cut("db-1", "db-2")
    waits = first.begin(first.take)
    site.pass_time(20.0)
    assert not waits.done()
    assert other.ask("SELECT seq FROM head") == [(0,)]
    site.links.heal("db-1", "db-2")
    site.pass_time(1.0)
    assert waits.result() == 1
    assert other.ask("SELECT seq FROM head") == [(1,)]


def test_a_cancelled_wait_succeeds_with_a_warning(site: Site) -> None:
    first, other = site.clients[0], site.client("second")
    site.links.cut("db-1", "db-2")
    waits = first.begin(first.take)
    site.pass_time(1.0)
    assert site.pair.primary.cancel_waits() == 1
    site.pass_time(1.0)
    assert waits.result() == 1
    assert "canceling wait" in first.warnings[0]
    assert other.ask("SELECT seq FROM head") == [(1,)]
    assert site.pair.fail_over()
    assert site.client("third", "db-2").ask("SELECT seq FROM head") == [(0,)]


def test_a_deposed_primary_answers_reads_and_commits_nothing(site: Site) -> None:
    (first,) = site.clients
    assert site.pair.fail_over()
    waits = first.begin(first.take)
    site.pass_time(60.0)
    assert not waits.done()
    assert site.client("second", "db-1").ask("SELECT seq FROM head") == [(0,)]


def test_nothing_acknowledged_is_lost_by_a_failover(site: Site) -> None:
    (first,) = site.clients
    acknowledged = [first.done(first.take) for _ in range(5)]
    site.pair.primary.kill()
    assert site.pair.fail_over()
    site.pair.follow()
    other = site.client("second")
    assert other.ask("SELECT seq FROM head") == [(acknowledged[-1],)]
    assert other.done(other.take) == 6


def test_a_commit_whose_end_nobody_heard_may_be_there(site: Site) -> None:
    (first,) = site.clients
    site.links.cut("db-1", "first")
    waits = first.begin(first.take)
    site.pass_time(1.0)
    assert site.pair.primary.read("SELECT seq FROM head") == [(0,)]  # nobody heard BEGIN's, either
    site.links.heal("db-1", "first")
    site.pass_time(0.1)
    assert waits.result() == 1

    first.ask("BEGIN", TAKE)
    site.links.cut("db-1", "first")
    waits = first.begin(first.each, "COMMIT")
    site.pass_time(20.0)
    with pytest.raises(psycopg.OperationalError):
        waits.result()
    assert site.pair.primary.read("SELECT seq FROM head") == [(2,)]


def test_a_primary_that_restarts_shows_what_it_has_on_disk(site: Site) -> None:
    (first,) = site.clients
    site.links.cut("db-1", "db-2")
    waits = first.begin(first.take)
    site.pass_time(1.0)
    site.pair.restart_primary()
    site.pass_time(1.0)
    with pytest.raises(psycopg.OperationalError):
        waits.result()
    assert site.client("second").ask("SELECT seq FROM head") == [(1,)]


def test_who_is_killed_in_a_transaction_lets_go_of_its_locks(site: Site) -> None:
    first, other = site.clients[0], site.client("second")
    first.ask("BEGIN", TAKE)
    waits = other.begin(other.take)
    site.pass_time(1.0)
    first.process.kill()
    site.pass_time(1.0)
    assert waits.result() == 1


def test_who_is_stopped_in_a_transaction_loses_it_in_time(site: Site) -> None:
    first, other = site.clients[0], site.client("second")
    first.ask("SET idle_in_transaction_session_timeout = 5000", "BEGIN", TAKE)
    first.process.freeze()
    waits = other.begin(other.take)
    site.pass_time(6.0)
    assert waits.result() == 1
    first.process.thaw()
    with pytest.raises(psycopg.OperationalError):
        first.ask("SELECT seq FROM head")


def test_a_plain_sequence_is_no_log(site: Site) -> None:
    """Law 1, by what it is not: the later number is seen first."""
    first, other = site.clients[0], site.client("second")
    first.ask("CREATE TABLE log (seq BIGINT)")
    draw = "SELECT nextval('log')"
    first.ask("BEGIN")
    other.ask("BEGIN")
    assert first.ask(draw) == [(1_001,)]
    assert other.ask(draw) == [(1_002,)]
    other.ask("INSERT INTO log VALUES (2)", "COMMIT")
    assert other.ask("SELECT seq FROM log") == [(2,)]
    first.ask("INSERT INTO log VALUES (1)", "COMMIT")
    assert other.ask("SELECT seq FROM log ORDER BY seq") == [(1,), (2,)]


def test_a_reset_behind_an_answer_is_not_forgotten(site: Site) -> None:
    """It arrives when the answer has, and the thread has not yet read it."""
    (first,) = site.clients

    def answered_and_reset(number: int, outcomes: Any) -> None:
        answered(number, outcomes)
        connection.broken()

    connection = first.connection
    answered, connection.answered = connection.answered, answered_and_reset
    with pytest.raises(psycopg.OperationalError):
        first.ask("SELECT seq FROM head", "SELECT seq FROM head")
    assert connection.closed
