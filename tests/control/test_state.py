"""The state file: private, migrated once, durable settings, honest about what it cannot use."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from edgecache.control.state import MIGRATIONS, State, StateError


def pragma(state: State, name: str) -> object:
    return state.connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_a_new_state_is_private_and_durable(tmp_path: Path) -> None:
    state = State(tmp_path / "new" / "var")
    assert pragma(state, "journal_mode") == "wal"
    assert pragma(state, "synchronous") == 2  # FULL
    assert pragma(state, "user_version") == len(MIGRATIONS)
    state.connection.execute("INSERT INTO log (at, kind, body) VALUES (0, 'config', '{}')")
    modes = {path.name: path.stat().st_mode & 0o777 for path in state.path.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    state.close()


def test_a_state_opened_again_keeps_what_it_had(tmp_path: Path) -> None:
    for expected in range(3):
        state = State(tmp_path)
        rows = state.connection.execute("SELECT count(*) FROM log").fetchone()[0]
        assert rows == expected
        state.connection.execute("INSERT INTO log (at, kind, body) VALUES (0, 'config', '{}')")
        state.close()


def test_numbers_are_never_given_twice(tmp_path: Path) -> None:
    state = State(tmp_path)
    insert = "INSERT INTO log (at, kind, body) VALUES (0, 'config', '{}')"
    first = state.connection.execute(insert).lastrowid
    state.connection.execute("DELETE FROM log")
    second = state.connection.execute(insert).lastrowid
    assert (first, second) == (1, 2)
    state.close()


def test_a_later_schema_is_refused(tmp_path: Path) -> None:
    State(tmp_path).close()
    later = sqlite3.connect(tmp_path / "control.sqlite")
    later.execute("PRAGMA user_version = 99")
    later.close()
    with pytest.raises(StateError, match=r"control\.sqlite: written by a later version"):
        State(tmp_path)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "control.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StateError, match=r"control\.sqlite: file is not a database"):
        State(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"control\.sqlite"):
        State(tmp_path / "file" / "var")
