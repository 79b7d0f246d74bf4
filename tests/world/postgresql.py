"""A PostgreSQL server of the tests' own, on a socket file; never the system's."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
USER = "postgres"  # of Debian's package: initdb refuses root
TEMPLATE = "migrated"
READY_S_MAX = "60"
OTHERS_END = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def programs() -> Path:
    """The folder of the newest server's programs; skips the test where there is none."""
    if not PROGRAMS or not (PROGRAMS[-1] / "initdb").exists():
        pytest.skip("PostgreSQL is not here")
    return PROGRAMS[-1]


class DatabaseContents(NamedTuple):
    """What a database has: its columns and settings, and the rows of each table."""

    shape: list[tuple[str, ...]]
    rows: dict[str, list[tuple[object, ...]]]

    @classmethod
    def of(cls, connection: psycopg.Connection[tuple[object, ...]]) -> DatabaseContents:
        """That of the one a connection leads to."""
        shape = _shape(connection)
        tables = sorted({table for table, *rest in shape if rest})
        read = {one: connection.execute(f"SELECT * FROM {one}".encode()) for one in tables}
        return cls(shape, {table: rows.fetchall() for table, rows in read.items()})

    def restored(self, connection: psycopg.Connection[tuple[object, ...]]) -> bool:
        """Make it be so again, whoever uses it; False: its columns or settings are others."""
        connection.execute(OTHERS_END)
        if _shape(connection) != self.shape:
            return False
        tables = ", ".join(self.rows)
        connection.execute(f"TRUNCATE {tables} RESTART IDENTITY".encode())
        for table, rows in self.rows.items():
            for row in rows:
                values = ", ".join(["%s"] * len(row))
                connection.execute(f"INSERT INTO {table} VALUES ({values})".encode(), row)
        return True


def _shape(connection: psycopg.Connection[tuple[object, ...]]) -> list[tuple[str, ...]]:
    columns = connection.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
    ).fetchall()
    settings = connection.execute(
        "SELECT unnest(setconfig) FROM pg_db_role_setting, pg_database"
        " WHERE datname = current_database() AND setdatabase = pg_database.oid ORDER BY 1"
    ).fetchall()
    return [tuple(map(str, row)) for row in (*columns, *settings)]


class PostgresServer:
    """One server with its data in a folder of its own."""

    def __init__(self, settings: Sequence[str] = ()) -> None:
        """`settings` are lines of postgresql.conf beside those that every test's server has."""
        self._programs = programs()
        self.folder = Path(tempfile.mkdtemp(prefix="edgecache-pg-"))
        self.data = self.folder / "data"
        self._user = USER if os.geteuid() == 0 else None
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self._settings = settings
        self._databases = 0
        self._free: list[str] = []  # connection strings of databases that nobody uses
        self._contents: dict[str, DatabaseContents] = {}  # of templates

    def command(self, program: str, *arguments: str) -> list[str]:
        """The command line of one of PostgreSQL's programs."""
        return [str(self._programs / program), *arguments]

    @property
    def runs_as(self) -> str | None:
        """The user to run a command as; None: ours."""
        return self._user

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs as the server's user; it has to succeed."""
        user = self.runs_as
        done = subprocess.run(
            self.command(program, *arguments),
            user=user, group=user, extra_groups=None if user is None else [],
            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{program}: {done.stdout}"

    def make(self) -> None:
        """Make its files, with a user that is let in by the socket file alone."""
        self.run("initdb", "--auth=trust", "--username=edgecache", "--no-sync", str(self.data))
        self.configure("fsync = off", *self._settings)

    def configure(self, *lines: str) -> None:
        """Add lines to its configuration."""
        fixed = [
            "listen_addresses = ''",
            f"unix_socket_directories = '{self.folder}'",
            "max_connections = 40",
            "shared_buffers = '16MB'",
        ]
        with (self.data / "postgresql.conf").open("a") as file:
            file.write("\n".join([*fixed, *lines, ""]))

    def start(self) -> None:
        """Start it; returns when it takes connections."""
        log = str(self.folder / "log")
        self.run("pg_ctl", "start", "-D", str(self.data), "-l", log, "-w", "-t", READY_S_MAX)

    def stop(self, mode: str = "immediate") -> None:
        """Stop it."""
        self.run("pg_ctl", "stop", "-D", str(self.data), "-m", mode, "-w", "-t", READY_S_MAX)

    def become_standby_of(self, primary: PostgresServer, source: str = "") -> None:
        """Copy a running server's files, and follow it from the start on; by `source`, a DSN."""
        by = source or primary.dsn()
        self.run("pg_basebackup", "-D", str(self.data), "-R", "-d", by, "-c", "fast")
        self.configure("synchronous_standby_names = ''")

    def promote(self) -> None:
        """Become a primary."""
        self.run("pg_ctl", "promote", "-D", str(self.data), "-w", "-t", READY_S_MAX)

    def kill(self) -> None:
        """End its first process as a machine that loses power would; the others follow."""
        os.kill(int((self.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    def dsn(self, database: str = "postgres") -> str:
        """The connection string of one of its databases."""
        return f"host={self.folder} dbname={database} user=edgecache"

    def new_database(self, template: str = "template0") -> str:
        """The connection string of a new database, a copy of `template`."""
        self._databases += 1
        name = f"state_{self._databases}"
        self.run("psql", "-qX", self.dsn(), "-c", f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.dsn(name)

    @contextmanager
    def lent_database(self, template: str) -> Iterator[str]:
        """A database that is as `template` is, made or emptied for this block: its string.

        Each that is made is 7 MiB on disk and 300 files.
        """
        if template not in self._contents:
            with psycopg.connect(self.dsn(template), autocommit=True) as connection:
                self._contents[template] = DatabaseContents.of(connection)
        dsn = self._free.pop() if self._free else self.new_database(template)
        yield dsn
        with psycopg.connect(dsn, autocommit=True) as connection:
            if self._contents[template].restored(connection):
                self._free.append(dsn)

    def empty(self) -> None:
        """Remove its data, for `make` or `become_standby_of`."""
        shutil.rmtree(self.data)

    def remove(self) -> None:
        """Remove its files."""
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def running_postgresql(settings: Sequence[str] = ()) -> Iterator[PostgresServer]:
    """A server while the block runs."""
    server = PostgresServer(settings)
    try:
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        server.remove()
