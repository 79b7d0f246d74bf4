"""Whose a database is."""

from __future__ import annotations

from edgecache.control.state.installation_owner import owner_digest
from edgecache.control.state.postgresql import PostgresDatabase
from tests.control.state.test_postgresql import Clock, dsn, refused

__all__ = ["dsn"]  # the fixture


def test_a_database_is_one_installations(dsn: str) -> None:
    ours, rotated, theirs = map(owner_digest, ("ours", "rotated", "theirs"))
    PostgresDatabase(dsn, Clock(), [ours]).close()
    refused(dsn, "it is another installation's; name a database of its own", (theirs,))
    PostgresDatabase(dsn, Clock(), [ours, rotated]).close()
    PostgresDatabase(dsn, Clock(), [rotated]).close()
    refused(dsn, "another installation's", (ours,))
