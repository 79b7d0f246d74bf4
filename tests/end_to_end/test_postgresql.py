"""Control on PostgreSQL: its primary dies under invalidations, and nothing accepted is lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.end_to_end.installation import Installation, Ports
from tests.end_to_end.processes import Running, free_ports, wait_for
from tests.end_to_end.scripted_origin import Exchange, PlayedOrigin
from tests.end_to_end.viewers import Answer, curl
from tests.measurements import tell
from tests.world.postgresql import PostgresServer, programs

SITE = "EMINE"
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


@pytest.fixture
def pair() -> Iterator[Pair]:
    programs()
    found = Pair()
    try:
        found.start()
        yield found
        found.standby.stop()
    finally:
        found.primary.remove()
        found.standby.remove()


@dataclass(slots=True)
class Writer:
    """Who invalidates one path after the other, and what became of each."""

    installation: Installation
    accepted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @contextmanager
    def writing(self) -> Iterator[None]:
        over = threading.Event()

        def write() -> None:
            number = 0
            while not over.is_set():
                number += 1
                self._invalidate(f"/none/{number}")

        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _invalidate(self, path: str) -> None:
        transport = httpx.HTTPTransport(uds=str(self.installation.socket))
        url, body = "http://localhost/invalidations", {"distribution": SITE, "paths": [path]}
        try:
            with httpx.Client(transport=transport, timeout=20) as client:
                answer = client.post(url, json=body)
        except httpx.HTTPError as error:
            self.refused.append(type(error).__name__)
            return
        if answer.is_success:
            self.accepted.append(answer.json()["id"])
        else:
            self.refused.append(answer.text)


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


def listed(up: Running, installation: Installation) -> set[str]:
    code, said, wrong = installation.run("invalidations", SITE, "--json")
    assert code == 0, wrong + up.stderr
    return {line["id"] for line in json.loads(said)["invalidations"]}


def test_the_primary_dies_and_nothing_accepted_is_lost(mine: Site, pair: Pair) -> None:
    installation = mine.installation
    dsn = installation.folder / "dsn"
    dsn.write_text(pair.dsn + "\n")
    up = installation.start("up")
    up.until("up is ready", lambda: "Ctrl-C" in up.stdout)
    mine.release()
    assert not (installation.state / "control.sqlite").exists()
    writer = Writer(installation)
    with writer.writing():
        wait_for("writes", lambda: len(writer.accepted) > 50 or writer.refused)
        assert not writer.refused
        pair.primary.kill()
        wait_for("a write that fails", lambda: writer.refused)
        before = len(writer.accepted)
        assert mine.ask().status == 200
        pair.standby.promote()
        wait_for("a write that is accepted", lambda: len(writer.accepted) > before + 10)
    tell(f"a primary that died: {len(writer.accepted)} accepted, {len(writer.refused)} refused")
    assert set(writer.accepted) <= listed(up, installation)
    mine.release()
    assert up.stop() == 0
    assert "Traceback" not in up.stderr
    assert pair.primary.folder.name not in up.stdout
    moves_to_sqlite(mine, writer)


def moves_to_sqlite(mine: Site, writer: Writer) -> None:
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
    assert set(writer.accepted) <= listed(up, installation)
    mine.release()
    code, said, wrong = installation.run("state", "move", "sqlite", "file:dsn")
    assert (code, "control runs: stop it first" in wrong) == (1, True), wrong
    assert up.stop() == 0
