"""A state moves from one kind of database to the other and back, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgecache.control.nodes.barrier import Barrier
from edgecache.control.state.access_keys import AccessKeys
from edgecache.control.state.database import StateDatabase, StateError
from edgecache.control.state.invalidations import InvalidationRequest, Invalidations
from edgecache.control.state.log import ControlLog
from edgecache.control.state.move import TABLES, move_state
from edgecache.control.state.releases import Releases
from edgecache.control.state.sqlite import SqliteDatabase
from edgecache.rules.invalidation.items import items_of
from tests.control.conftest import Opener

OPERATORS = {"k1": "o" * 32}


def keys_of(state: StateDatabase) -> AccessKeys:
    return AccessKeys(state, OPERATORS, lambda: 1.0, os.urandom, lambda done: done())


def fill(state: StateDatabase) -> None:
    """An entry of each kind, a trimmed one, and rows beside them."""
    log = ControlLog(state, lambda: 7.0)
    asked = Invalidations(state, log, Barrier(state, lambda: 1.0), lambda: 7.0, os.urandom)
    asked.create(InvalidationRequest("E1", items_of(["/gone"]), "first"))
    log.append("config", {"brand": "é"})
    log.trim(1)
    asked.create(InvalidationRequest("E1", items_of(["/a*", "#t"]), "second"))
    keys_of(state).create("deploy", ["invalidate"], ["E1"])
    with state.writing():
        Releases(state).cut("E1", "*", 3.0)


def content(state: StateDatabase) -> dict[str, list[tuple[object, ...]]]:
    left_out = {"told": " WHERE name NOT IN ('epoch', 'installation')"}
    return {
        table: sorted(map(tuple, state.execute(f"SELECT * FROM {table}{left_out.get(table, '')}")))
        for table in TABLES
    }


@pytest.fixture
def source(tmp_path: Path) -> Iterator[StateDatabase]:
    with closing(SqliteDatabase(tmp_path / "source")) as state:
        fill(state)
        yield state


def test_all_of_it_moves_and_moves_back(
    source: StateDatabase, opened: Opener, tmp_path: Path
) -> None:
    with closing(opened()) as there:
        moved = move_state(source, there)
        assert (moved.last_seq, moved.rows["invalidations"], moved.rows["log"]) == (3, 2, 2)
        assert content(there) == content(source)
        with closing(SqliteDatabase(tmp_path / "back")) as back:
            move_state(there, back)
            assert content(back) == content(source)
            assert ControlLog(back, lambda: 0.0).append("config", {}) == 4
        log = ControlLog(there, lambda: 0.0)
        assert log.epoch != ControlLog(source, lambda: 0.0).epoch
        assert log.live.floor == 1
        assert log.append("config", {}) == 4
        assert [one.name for one in keys_of(there).all().made] == ["deploy"]
        assert keys_of(there).all() == keys_of(source).all()


def test_a_state_that_is_there_is_not_replaced(source: StateDatabase, opened: Opener) -> None:
    with closing(opened()) as there:
        move_state(source, there)
        before = content(there)
        with pytest.raises(StateError, match="holds a state already: name a new database"):
            move_state(source, there)
        assert content(there) == before


def test_a_move_that_fails_leaves_nothing(source: StateDatabase, opened: Opener) -> None:
    source.execute("UPDATE resources SET tags = '{}'")
    source.execute("DROP TABLE certificates")
    with closing(opened()) as there:
        before = content(there)
        with pytest.raises(source.failures):
            move_state(source, there)
        assert (content(there), there.last_seq) == (before, 0)
