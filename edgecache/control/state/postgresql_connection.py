"""Connections to a PostgreSQL database: what its string says, the settings of each, its locks.

An advisory lock is a connection's: it ends with it ("Advisory Locks" of PostgreSQL's
documentation). Each control holds `CONTROL_LOCK` together with the others; who copies all of a
database holds it alone, as did controls of releases that took a database for theirs alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edgecache.control.state.database import StateBusyError, StateError

if TYPE_CHECKING:
    import psycopg

EXTRA = "pip install 'edgecache[postgresql]'"
PARAMETERS = {
    "application_name": "edgecache control",
    "connect_timeout": "3",
    "target_session_attrs": "read-write",
    "tcp_user_timeout": "5000",  # milliseconds: a primary that is gone says nothing
    "keepalives_idle": "3",
    "keepalives_interval": "1",
    "keepalives_count": "3",
}
"""Parameters of a connection that its string does not give (libpq, "Parameter Key Words")."""
LOCK_MS_MAX = 2_000  # for another control's commit, which takes milliseconds unless it hangs
STOPPED_MS_MAX = 5_000  # a control that is stopped over a transaction holds up all others so long
SILENT_MS_MAX = 10_000  # between two beats, which are a second apart
SETTINGS = f"""
SELECT set_config(name, CASE name
    WHEN 'synchronous_commit' THEN 'on'
    WHEN 'lock_timeout' THEN '{LOCK_MS_MAX}'
    WHEN 'idle_in_transaction_session_timeout' THEN '{STOPPED_MS_MAX}'
    WHEN 'idle_session_timeout' THEN '{SILENT_MS_MAX}' END, false)
FROM pg_settings
WHERE name IN ('lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout')
    OR name = 'synchronous_commit' AND setting = 'off'
"""
"""Settings of control's connection; those that a server of an older release lacks are left out.

`synchronous_commit = off` of a role or a database would lose commits when power fails.
"""
WAITING_HOLDER = (
    "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory'"
    " AND granted AND datname = current_database() AND wait_event = 'SyncRep'"
)
"""Whether who has a lock waits for a standby: the server does that for clients that are gone."""
HOLDERS = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND classid::bigint = %s AND objid::bigint = %s AND pid != pg_backend_pid()"
)
"""How many others hold an advisory lock, whose key's halves are given ("pg_locks")."""
HELD = "is being copied, or a control of a former release uses it: let that one end first"
IN_USE = "control uses it: stop it first"
WAITS = (
    "a commit of another control, which may have ended, waits for a synchronous standby: bring one"
    " back, or take it out of synchronous_standby_names"
)


def lock_key(name: str) -> int:
    """The key of the advisory lock for what `name` says; a signed number of 64 bits."""
    digest = hashlib.sha256(f"edgecache {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


CONTROL_LOCK = lock_key("control")


def load_driver() -> Any:
    """The module `psycopg`. StateError where it is not installed."""
    try:
        import psycopg
    except ImportError as error:
        raise StateError(f"control.database: psycopg is not here ({error}); run: {EXTRA}") from None
    return psycopg


def connection_parameters(driver: Any, dsn: str) -> dict[str, str]:
    """Those of a connection string, and `PARAMETERS` for what it does not say. StateError."""
    try:
        given = driver.conninfo.conninfo_to_dict(dsn)
    except driver.Error:  # its message may hold a part of the string
        raise StateError("control.database: what it names is no connection string") from None
    theirs = {name: str(value) for name, value in given.items()}
    return {**PARAMETERS, **theirs, "client_encoding": "UTF8"}  # whatever the database's own is


def database_name(parameters: dict[str, str]) -> str:
    """What lines call the database: never its user's password."""
    hosts = parameters.get("host") or "localhost"
    return f"postgresql://{hosts}/{parameters.get('dbname', '')}"


def connect(
    driver: Any, parameters: dict[str, str], noticed: Callable[[Any], None]
) -> psycopg.Connection[Any]:
    """A new connection whose commits are durable; `noticed` gets what the server remarks."""
    connection: psycopg.Connection[Any]
    connection = driver.connect(**parameters, autocommit=True)
    connection.add_notice_handler(noticed)
    connection.execute(SETTINGS.encode())
    return connection


def require_control_lock(
    driver: Any, connection: psycopg.Connection[Any], name: str, *, alone: bool
) -> None:
    """Hold the lock of this database's controls, with them or alone. StateBusyError."""
    function = "pg_advisory_lock" if alone else "pg_advisory_lock_shared"
    try:
        connection.execute(f"SELECT {function}(%s)".encode(), (CONTROL_LOCK,))
    except driver.errors.LockNotAvailable:
        held = IN_USE if alone else HELD
        why = held if connection.execute(WAITING_HOLDER).fetchone() is None else WAITS
        connection.close()
        raise StateBusyError(f"{name}: {why}") from None


def other_controls(connection: psycopg.Connection[Any]) -> int:
    """How many other controls are connected to this database."""
    halves = (CONTROL_LOCK & (1 << 64) - 1) >> 32, CONTROL_LOCK & (1 << 32) - 1
    row = connection.execute(HOLDERS, halves).fetchone()
    return int(row[0]) if row else 0
