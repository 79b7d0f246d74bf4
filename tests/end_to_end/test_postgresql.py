"""Control on PostgreSQL: its primary dies under invalidations, and nothing accepted is lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
import pytest

from edgecache.control.state.postgresql import LOST_MAX
from tests.end_to_end.installation import Installation, Ports
from tests.end_to_end.processes import children, free_ports, listens, wait_for
from tests.end_to_end.scripted_origin import Exchange, PlayedOrigin
from tests.end_to_end.steady_writers import SteadyWriters
from tests.end_to_end.viewers import Answer, curl
from tests.fleet.writers import listed as invalidations_of
from tests.measurements import tell
from tests.world.postgresql import PostgresServer, programs

SITE = "EMINE"
PER_S = 200
ACCEPTING_S_MAX = 10.0
CONFIG = """
[control]
listen = "127.0.0.1:{control}"
allow_private_origins = true
database = "file:dsn"

[[locations]]
name = "LHR50"
listen = "127.0.0.1:{lhr}"
memory_bytes = "64 MiB"

[[distributions]]
id = "EMINE"
aliases = ["mine.test"]
origins = [{{ id = "played", domain_name = "127.0.0.1", http_port = {played} }}]
default_behavior = {{ origin = "played", cache_policy = "Managed-CachingOptimized" }}
"""


@dataclass(slots=True)
class Pair:
    """A primary and its synchronous standby."""

    primary: PostgresServer = field(default_factory=PostgresServer)
    standby: PostgresServer = field(default_factory=PostgresServer)

    @property
    def dsn(self) -> str:
        hosts = f"{self.primary.folder},{self.standby.folder}"
        return f"host={hosts} dbname=postgres user=edgecache"

    def start(self) -> None:
        self.primary.make()
        self.primary.start()
        self.standby.become_standby_of(self.primary)
        self.standby.start()
        with psycopg.connect(self.primary.dsn(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
            query = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
            wait_for("a synchronous standby", lambda: connection.execute(query).fetchone())

    @contextmanager
    def replication_stopped(self) -> Iterator[None]:
        """The standby's processes stand still: nothing reaches its disk."""
        first = int((self.standby.data / "postmaster.pid").read_text().split()[0])
        stopped = [first, *children(first)]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)


def waiting_commits(server: PostgresServer, among: Collection[int] = ()) -> list[int]:
    """The sessions of a server whose commit waits for the standby."""
    query = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        pids = [int(row[0]) for row in connection.execute(query)]
    return [pid for pid in pids if not among or pid in among]


def newest_number(server: PostgresServer) -> int:
    """The number of the newest entry of the log."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        row = connection.execute("SELECT max(seq) FROM log").fetchone()
    assert row is not None
    return int(row[0])


def cancel(server: PostgresServer, sessions: Collection[int]) -> None:
    """End the wait of commits, as an administrator may: they return success, with a warning."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        for pid in sessions:
            connection.execute("SELECT pg_cancel_backend(%s)", (pid,))


@pytest.fixture
def pair() -> Iterator[Pair]:
    programs()
    found = Pair()
    try:
        found.start()
        yield found
    finally:
        for server in (found.primary, found.standby):
            with suppress(AssertionError):  # it was killed
                server.stop()
            server.remove()


@dataclass(slots=True)
class Site:
    """One location, and a page that has versions."""

    installation: Installation
    version: int = 1

    async def answer(self, exchange: Exchange) -> None:
        body = b"version %d" % self.version
        await exchange.answer(len(body), "Cache-Control: max-age=3600")
        await exchange.send(body)

    def ask(self) -> Answer:
        url = f"http://127.0.0.1:{self.installation.ports.lhr}/page"
        return curl(url, "-H", "Host: mine.test")

    def release(self) -> None:
        """Another version, invalidated and Completed: it is what is served from then on."""
        self.version += 1
        code, said, wrong = self.installation.run("invalidate", SITE, "/*")
        assert (code, "Completed" in said) == (0, True), said + wrong
        assert self.ask().body == b"version %d" % self.version


@pytest.fixture
def mine(tmp_path: Path, played: PlayedOrigin) -> Iterator[Site]:
    control, lhr = free_ports(2)
    ports = replace(Ports(control, 1, lhr, 1), played=played.port)
    installation = Installation(tmp_path, ports, 1, CONFIG)
    installation.write()
    found = Site(installation)
    played.plays("/page", found.answer)
    yield found
    assert not installation.left_running()


@contextmanager
def second_control(first: Installation) -> Iterator[Installation]:
    """Another control on the same database, as on another machine."""
    folder = first.folder / "second"
    (folder / "state").mkdir(parents=True, mode=0o700)
    for name in ("secrets.json", "operators.json"):
        if (first.state / name).exists():
            shutil.copy(first.state / name, folder / "state")
    shutil.copy(first.folder / "dsn", folder)
    made = Installation(folder, replace(first.ports, control=free_ports(1)[0]), 1, CONFIG)
    made.write()
    running = made.start("control")
    try:
        running.until("it answers", lambda: listens(made.ports.control))
        yield made
    finally:
        assert running.stop() == 0, running.stderr


def listed(installation: Installation) -> set[str]:
    return asyncio.run(invalidations_of(installation.socket, SITE))


def has_entry(server: PostgresServer) -> set[str]:
    """The invalidations that a server has on its disk, or is about to."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        return {row[0] for row in connection.execute("SELECT id FROM invalidations")}


@pytest.mark.long
def test_the_primary_dies_under_both_controls_and_nothing_accepted_is_lost(
    mine: Site, pair: Pair
) -> None:
    first = mine.installation
    (first.folder / "dsn").write_text(pair.dsn + "\n")
    up = first.start("up")
    up.until("up is ready", lambda: "Ctrl-C" in up.stdout)
    mine.release()
    assert not (first.state / "control.sqlite").exists()
    with second_control(first) as second:
        controls = (first.socket, second.socket)
        writers = SteadyWriters(SITE, controls, PER_S)
        began = time.monotonic()
        with writers.writing():
            wait_for("writes", lambda: all(writers.since(began, one) > 100 for one in controls))
            rate = len(writers.ids) / (time.monotonic() - began)
            pair.primary.kill()
            killed = time.monotonic()
            assert mine.ask().status == 200
            pair.standby.promote()
            promoted_s = time.monotonic() - killed
            wait_for("accepting", lambda: any(writers.since(killed, one) for one in controls))
            accepting_s = time.monotonic() - killed
            wait_for("both", lambda: all(writers.since(killed, one) > 10 for one in controls))
            both_s = time.monotonic() - killed
        assert writers.ids <= has_entry(pair.standby)
        assert newest_number(pair.standby) > LOST_MAX
        assert writers.ids <= listed(first)
        assert writers.ids <= listed(second)
    tell(
        f"a primary that died under {rate:.0f} invalidations a second through two controls:"
        f" {len(writers.ids)} accepted, none lost; promoted after {promoted_s:.1f} s,"
        f" accepting after {accepting_s:.1f} s, both controls after {both_s:.1f} s"
    )
    assert accepting_s < ACCEPTING_S_MAX
    mine.release()
    assert up.stop() == 0
    assert "Traceback" not in up.stderr
    assert pair.primary.folder.name not in up.stdout
    moves_to_sqlite(mine, writers.ids)


def moves_to_sqlite(mine: Site, accepted: set[str]) -> None:
    """What is in PostgreSQL goes on in a file, as another log."""
    installation = mine.installation
    code, said, wrong = installation.run("backup", str(installation.folder))
    assert (code, "pg_dump" in wrong) == (2, True)
    code, said, wrong = installation.run("state", "move", "file:dsn", "sqlite")
    assert (code, 'control.database = ""' in said) == (0, True), wrong
    text = installation.config.read_text()
    installation.config.write_text(text.replace('database = "file:dsn"', ""))
    up = installation.start("up")
    up.until("up is ready", lambda: "Ctrl-C" in up.stdout)
    assert accepted <= listed(installation)
    mine.release()
    code, said, wrong = installation.run("state", "move", "sqlite", "file:dsn")
    assert (code, "control runs: stop it first" in wrong) == (1, True), wrong
    assert up.stop() == 0


def test_nothing_is_accepted_that_is_not_on_two_disks(mine: Site, pair: Pair) -> None:
    """Replication that stops, a commit whose wait is cut short, a primary that was deposed."""
    installation = mine.installation
    (installation.folder / "dsn").write_text(pair.dsn + "\n")
    up = installation.start("control")
    up.until("control answers", lambda: listens(installation.ports.control))
    up.until("its socket file", installation.socket.exists)
    writers = SteadyWriters(SITE, (installation.socket,), PER_S)
    began = time.monotonic()
    with writers.writing():
        wait_for("writes", lambda: writers.since(began, installation.socket) > 20)
        with pair.replication_stopped():
            waiting = wait_for("a commit that waits", lambda: waiting_commits(pair.primary))
            before, refused = writers.ids, writers.refused.total()
            assert before <= has_entry(pair.primary)
            cancel(pair.primary, waiting)
            wait_for("it is not accepted", lambda: writers.refused.total() > refused)
            assert writers.ids == before
        assert writers.ids - before <= has_entry(pair.primary)
        stopped = time.monotonic()
        wait_for("accepting", lambda: writers.since(stopped, installation.socket) > 20)
        pair.standby.promote()
        waiting = wait_for("the deposed one waits", lambda: waiting_commits(pair.primary))
        before = writers.ids
        cancel(pair.primary, waiting)
        wait_for("it has done", lambda: not waiting_commits(pair.primary, among=waiting))
        assert writers.ids == before
        assert before <= has_entry(pair.standby)
        deposed = time.monotonic()
        pair.primary.stop()
        wait_for("accepting", lambda: writers.since(deposed, installation.socket) > 20)
    assert writers.ids <= has_entry(pair.standby)
    assert writers.ids <= listed(installation)
    assert up.stop() == 0
