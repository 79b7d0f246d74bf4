"""The state file: private, migrated once, durable settings, honest about what it cannot use."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from edgecache.control.state.database import StateBusyError, StateDatabase, StateError
from edgecache.control.state.migrations import MIGRATIONS
from edgecache.control.state.sqlite import SqliteDatabase


def pragma(state: StateDatabase, name: str) -> object:
    return state.execute(f"PRAGMA {name}").fetchone()[0]


def test_a_new_state_is_private_and_durable(tmp_path: Path) -> None:
    state = SqliteDatabase(tmp_path / "new" / "var")
    assert pragma(state, "journal_mode") == "wal"
    assert pragma(state, "synchronous") == 2  # FULL
    assert pragma(state, "user_version") == len(MIGRATIONS)
    state.execute("INSERT INTO log (at, kind, body) VALUES (0, 'config', '{}')")
    modes = {path.name: path.stat().st_mode & 0o777 for path in state.path.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    state.close()


def test_a_state_opened_again_keeps_what_it_had(tmp_path: Path) -> None:
    for expected in range(3):
        state = SqliteDatabase(tmp_path)
        rows = state.execute("SELECT count(*) FROM log").fetchone()[0]
        assert rows == expected
        state.execute("INSERT INTO log (at, kind, body) VALUES (0, 'config', '{}')")
        state.close()


def test_numbers_are_never_given_twice(tmp_path: Path) -> None:
    state = SqliteDatabase(tmp_path)
    first = state.add_entry(0, "config", "{}").seq
    state.execute("DELETE FROM log")
    second = state.add_entry(0, "config", "{}").seq
    assert (first, second, state.last_seq) == (1, 2, 2)
    state.close()


def test_a_later_schema_is_refused(tmp_path: Path) -> None:
    SqliteDatabase(tmp_path).close()
    later = sqlite3.connect(tmp_path / "control.sqlite")
    later.execute("PRAGMA user_version = 99")
    later.close()
    with pytest.raises(StateError, match=r"control\.sqlite: written by a later version"):
        SqliteDatabase(tmp_path)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "control.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(
        StateError, match=r"control\.sqlite: file is not a database; bring back a backup"
    ):
        SqliteDatabase(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"control\.sqlite"):
        SqliteDatabase(tmp_path / "file" / "var")


def test_damage_beyond_the_first_page_is_told_at_once(tmp_path: Path) -> None:
    state = SqliteDatabase(tmp_path)
    for _ in range(100):
        state.execute("INSERT INTO log (at, kind, body) VALUES (0, 'config', '{}')")
    state.close()
    content = bytearray((tmp_path / "control.sqlite").read_bytes())
    for page in range(1, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    (tmp_path / "control.sqlite").write_bytes(content)
    with pytest.raises(StateError, match=r"control\.sqlite: ") as told:
        SqliteDatabase(tmp_path)
    assert "\n" not in str(told.value)
    assert not isinstance(told.value, StateBusyError)


def test_what_another_process_holds_may_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecache.control.state.sqlite.BUSY_S_MAX", 0.01)
    SqliteDatabase(tmp_path).close()
    other = sqlite3.connect(tmp_path / "control.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StateBusyError, match="locked"):
        SqliteDatabase(tmp_path)
    other.close()


def test_a_commit_that_fails_leaves_no_transaction_for_the_next_to_join(tmp_path: Path) -> None:
    state = SqliteDatabase(tmp_path)
    deferred = "CREATE TABLE deferred (x REFERENCES log (seq) DEFERRABLE INITIALLY DEFERRED)"
    state.execute(deferred)
    state.execute("PRAGMA foreign_keys = ON")
    with pytest.raises(sqlite3.Error), state.writing():
        state.execute("INSERT INTO deferred VALUES (7)")  # found out by COMMIT
    assert not state.in_transaction
    with state.writing():
        state.execute("INSERT INTO log (at, kind, body) VALUES (0, 'config', '{}')")
    state.close()
    again = SqliteDatabase(tmp_path)
    assert again.execute("SELECT count(*) FROM log").fetchone()[0] == 1
    assert again.execute("SELECT count(*) FROM deferred").fetchone()[0] == 0
    again.close()
