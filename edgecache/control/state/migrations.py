"""Migrations of control's state: the statements from each version of its schema to the next.

Law: a statement that was released never changes. They are written for SQLite; the other database
has the same by `for_postgresql`, under the same numbers.
"""

from __future__ import annotations

BEFORE = "nodes of a control before this one"  # who a new database may have forgotten

MIGRATIONS = (
    (
        "CREATE TABLE log ("
        " seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL,"
        " kind TEXT NOT NULL, body TEXT NOT NULL)",
        "CREATE INDEX log_by_kind ON log (kind, seq)",
    ),
    (
        "CREATE TABLE told (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "INSERT INTO told VALUES ('epoch', lower(hex(randomblob(8)))), ('floor', '0')",
        "CREATE TABLE invalidations ("
        " seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, distribution TEXT NOT NULL,"
        " caller_reference TEXT NOT NULL, created_at REAL NOT NULL, items TEXT NOT NULL,"
        " soft INTEGER NOT NULL, completed_at REAL,"
        " UNIQUE (distribution, caller_reference))",
        "CREATE INDEX invalidations_open ON invalidations (seq) WHERE completed_at IS NULL",
        "CREATE TABLE leases ("
        " name TEXT NOT NULL, instance TEXT NOT NULL, serves INTEGER NOT NULL,"
        " PRIMARY KEY (name, instance)) WITHOUT ROWID",
        # Whoever follows a log that was lost may still have its lease: see barrier.
        f"INSERT INTO leases VALUES ('{BEFORE}', '', 0)",
    ),
    (
        "CREATE TABLE resources ("
        " kind TEXT NOT NULL, id TEXT NOT NULL, domain_name TEXT NOT NULL, etag TEXT NOT NULL,"
        " created_at REAL NOT NULL, modified_at REAL NOT NULL, generation INTEGER NOT NULL,"
        " reference TEXT NOT NULL, config TEXT NOT NULL, tags TEXT NOT NULL,"
        " PRIMARY KEY (kind, id)) WITHOUT ROWID",
        "CREATE TABLE adopted (id TEXT PRIMARY KEY) WITHOUT ROWID",
    ),
    (
        "CREATE TABLE releases ("
        " distribution TEXT NOT NULL, pattern TEXT NOT NULL, number INTEGER NOT NULL,"
        " created_at REAL NOT NULL, current INTEGER NOT NULL,"
        " PRIMARY KEY (distribution, pattern, number)) WITHOUT ROWID",
    ),
    (
        "CREATE TABLE access_keys ("
        " id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, sealed BLOB NOT NULL,"
        " created_at REAL NOT NULL, used_at REAL, actions TEXT NOT NULL,"
        " distributions TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE deleted_access_keys (id TEXT PRIMARY KEY) WITHOUT ROWID",
    ),
    (
        "CREATE TABLE join_tokens ("
        " digest TEXT PRIMARY KEY, place TEXT NOT NULL, ends REAL NOT NULL, used_at REAL"
        ") WITHOUT ROWID",
        "CREATE TABLE certificates ("
        " serial TEXT PRIMARY KEY, place TEXT NOT NULL, instance TEXT NOT NULL,"
        " names TEXT NOT NULL, issued_at REAL NOT NULL, ends REAL NOT NULL, revoked_at REAL"
        ") WITHOUT ROWID",
    ),
    (
        # What stays of an entry when its body is gone: who wrote it, and bytes that no other
        # history of this log has beside its number.
        "CREATE TABLE changes ("
        " seq INTEGER PRIMARY KEY, mark TEXT NOT NULL, at REAL NOT NULL, author TEXT NOT NULL,"
        " kind TEXT NOT NULL, summary TEXT NOT NULL)",
        "CREATE TABLE controls ("
        " name TEXT NOT NULL, instance TEXT NOT NULL, address TEXT NOT NULL,"
        " beat INTEGER NOT NULL, acknowledged INTEGER NOT NULL, low INTEGER NOT NULL,"
        " PRIMARY KEY (name, instance)) WITHOUT ROWID",
        "CREATE TABLE commits ("
        " revision INTEGER PRIMARY KEY, mark TEXT NOT NULL, tables TEXT NOT NULL)",
        "ALTER TABLE leases ADD COLUMN control TEXT NOT NULL DEFAULT ''",
    ),
    (
        "CREATE TABLE key_value_stores ("
        " id TEXT PRIMARY KEY, version INTEGER NOT NULL, items INTEGER NOT NULL,"
        " bytes INTEGER NOT NULL, created_at REAL NOT NULL, modified_at REAL NOT NULL,"
        " digest TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE key_values ("
        ' store TEXT NOT NULL, "key" TEXT NOT NULL, value TEXT NOT NULL,'
        ' PRIMARY KEY (store, "key")) WITHOUT ROWID',
    ),
    (
        "CREATE TABLE dns_zones ("
        " id TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL,"
        " created_at REAL NOT NULL, reference TEXT NOT NULL, comment TEXT NOT NULL,"
        " private INTEGER NOT NULL, vpcs TEXT NOT NULL, tags TEXT NOT NULL) WITHOUT ROWID",
        # `document` as the API has it, `served` as name servers are told.
        "CREATE TABLE dns_records ("
        " zone TEXT NOT NULL, place TEXT NOT NULL, type TEXT NOT NULL, identifier TEXT NOT NULL,"
        " target TEXT NOT NULL, document TEXT NOT NULL, served TEXT NOT NULL,"
        " PRIMARY KEY (zone, place, type, identifier)) WITHOUT ROWID",
        "CREATE TABLE dns_changes ("
        " id TEXT PRIMARY KEY, zone TEXT NOT NULL, seq INTEGER NOT NULL, at REAL NOT NULL,"
        " comment TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE cidr_collections ("
        " id TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL,"
        " reference TEXT NOT NULL, locations TEXT NOT NULL) WITHOUT ROWID",
    ),
    (
        # From this version on the log has changes of configurations, which no former release reads.
        "CREATE INDEX resources_by_reference ON resources (kind, reference)",
    ),
)
"""Statements from each version of the schema to the next; `user_version` counts those done."""


_POSTGRESQL = (
    ("INTEGER PRIMARY KEY AUTOINCREMENT", "BIGINT PRIMARY KEY"),
    (" WITHOUT ROWID", ""),
    ("lower(hex(randomblob(8)))", "substr(md5(gen_random_uuid()::text), 1, 16)"),
    (" INTEGER", " BIGINT"),
    (" REAL", " DOUBLE PRECISION"),
    (" BLOB", " BYTEA"),
    (" TEXT", ' TEXT COLLATE "C"'),  # in the order of bytes, as SQLite has it
)


def for_postgresql(statement: str) -> str:
    """A statement of `MIGRATIONS` as PostgreSQL knows it (its documentation, "Data Types")."""
    for ours, theirs in _POSTGRESQL:
        statement = statement.replace(ours, theirs)
    return statement
