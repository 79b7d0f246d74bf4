"""What a command beside control sees of its state. Law: what is wrong with it names its file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edgecache.control.state.catalog import load_api_resources
from edgecache.control.state.database import StateError
from edgecache.control.state.sqlite import FILE_NAME, SqliteDatabase

ROW = "INSERT INTO resources VALUES ('distribution', 'E1', '', 'E', 0, 0, 1, '', '{', '{}')"


def test_there_may_be_no_state(tmp_path: Path) -> None:
    assert load_api_resources(tmp_path).resources == {}
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.parametrize(
    ("statement", "said"),
    [(ROW, "truncated"), ("PRAGMA user_version = 99", "written by a later version")],
)
def test_a_state_that_cannot_be_read_is_named(statement: str, said: str, tmp_path: Path) -> None:
    SqliteDatabase(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as database:
        database.execute(statement)
        database.commit()
    with pytest.raises(StateError) as error:
        load_api_resources(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / FILE_NAME}: ")
    assert said in str(error.value)


def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database" * 1_000)
    with pytest.raises(StateError, match="file is not a database") as error:
        load_api_resources(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / FILE_NAME}: ")
