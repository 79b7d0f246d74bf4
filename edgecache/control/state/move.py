"""Move of control's state from one database to another, of another kind or of the same.

Law: all of it in one commit, or nothing. It is another log then (a new epoch), as after a restore:
nothing that any node stored before is served.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgecache.control.state.database import StateDatabase, StateError
from edgecache.control.state.migrations import BEFORE

TABLES = (
    "log", "changes", "told", "invalidations", "leases", "resources", "adopted", "releases",
    "access_keys", "deleted_access_keys", "join_tokens", "certificates",
    "key_value_stores", "key_values",
    "dns_zones", "dns_records", "dns_changes", "cidr_collections",
)  # fmt: skip
MADE_NEW = {
    "told": "name IN ('epoch', 'installation')",
    "leases": f"name = '{BEFORE}'",
}
"""Rows by table that every database makes for itself."""


@dataclass(frozen=True, slots=True)
class StateMove:
    """What was moved: rows by table, and the log's newest number."""

    rows: dict[str, int]
    last_seq: int


def move_state(source: StateDatabase, target: StateDatabase) -> StateMove:
    """Copy all of `source` to `target`, a new one; `source` stays as it is. StateError."""
    moved: dict[str, int] = {}
    with target.writing():
        if target.last_seq or target.execute("SELECT count(*) FROM resources").fetchone()[0]:
            raise StateError(f"{target.name}: holds a state already: name a new database")
        for table in TABLES:
            own = MADE_NEW.get(table, "1 = 0")
            target.execute(f"DELETE FROM {table} WHERE NOT ({own})")
            rows = source.execute(f"SELECT * FROM {table} WHERE NOT ({own})").fetchall()
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                target.execute_many(f"INSERT INTO {table} VALUES ({marks})", rows)
            moved[table] = len(rows)
        last_seq = source.last_seq
        target.begin_after(last_seq)
    return StateMove(moved, last_seq)
