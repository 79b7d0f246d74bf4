"""Fixtures of control's tests: its state in each database, and what they leave open."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from edgecache.control.state.database import StateDatabase
from edgecache.control.state.postgresql import PostgresDatabase
from edgecache.control.state.sqlite import SqliteDatabase
from tests.world.postgresql import TEMPLATE, PostgresServer, running_postgresql

Opener = Callable[[], StateDatabase]
_EPOCHS = count()  # one for each log
_SECONDS = count()  # a second between any two attempts to connect


def postgres_state(dsn: str) -> PostgresDatabase:
    """A state in PostgreSQL, as a control process opens it; its leases have tests of their own."""
    state = PostgresDatabase(dsn, lambda: float(next(_SECONDS)))
    state.committed_at, state.trusted_s = math.inf, 0.0
    return state


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    """A server with one migrated database, `TEMPLATE`."""
    with running_postgresql() as server:
        server.run("createdb", "-h", str(server.folder), "-U", "edgecache", TEMPLATE)
        postgres_state(server.dsn(TEMPLATE)).close()
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens the state of this test, the same each time; for each kind of database."""
    if request.param == "sqlite":
        yield lambda: SqliteDatabase(tmp_path)
        return
    server: PostgresServer = request.getfixturevalue("postgresql")
    with server.lent_database(TEMPLATE) as dsn:
        with closing(postgres_state(dsn)) as state:  # of a template all copies have the same
            epoch = f"{dsn} {next(_EPOCHS)}"
            state.execute("UPDATE told SET value = ? WHERE name = 'epoch'", (epoch,))
        yield lambda: postgres_state(dsn)


@pytest.fixture(autouse=True, scope="module")
def what_was_left_open_is_told_here() -> Iterator[None]:
    """What a module's tests leave open is collected before another module begins.

    Python warns of an open database when it is freed (since 3.13), and a warning is an error of
    whatever test runs then. In cycles that is any test of the run, or none.
    """
    yield
    gc.collect()
