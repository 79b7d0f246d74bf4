"""Numbers of the log on a PostgreSQL server that was promoted: none that may have been lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from edgecache.control.state import postgresql as database
from edgecache.control.state.postgresql import LOST_MAX, PostgresDatabase
from tests.control.conftest import postgres_state
from tests.world.postgresql import TEMPLATE, PostgresServer

ENTRY = (0, "config", "{}")


@pytest.fixture
def dsn(postgresql: PostgresServer) -> Iterator[str]:
    with postgresql.lent_database(TEMPLATE) as dsn:
        yield dsn


def add_and_fail(state: PostgresDatabase, seq: int) -> None:
    with state.writing():
        assert state.add_entry(*ENTRY).seq == seq
        raise LookupError


@pytest.mark.parametrize("timeline", ["SELECT '00000002'", "SELECT of_no_such_column"])
def test_a_promoted_standby_gives_no_number_that_may_have_been_lost(
    dsn: str, timeline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nodes may have applied what it never had: its timeline is another one, or it tells none."""
    with closing(postgres_state(dsn)) as state:
        assert [state.add_entry(*ENTRY).seq for _ in range(2)] == [1, 2]
    with closing(postgres_state(dsn)) as state:
        assert state.add_entry(*ENTRY).seq == 3
    monkeypatch.setattr(database, "TIMELINE", timeline)
    with closing(postgres_state(dsn)) as state:
        with pytest.raises(LookupError):
            add_and_fail(state, LOST_MAX + 4)
        assert [state.add_entry(*ENTRY).seq for _ in range(2)] == [LOST_MAX + 4, LOST_MAX + 5]
