"""Before a migration the database is copied; what cannot be opened is told with the way out."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from edgecache.control.state.database import StateBusyError, StateError
from edgecache.control.state.migrations import MIGRATIONS
from edgecache.control.state.sqlite import SqliteDatabase, state_error


def test_before_a_migration_the_database_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of each version; the release that is too old for the other tells the way back."""
    former = MIGRATIONS[:-1]
    with monkeypatch.context() as patch:
        patch.setattr("edgecache.control.state.sqlite.MIGRATIONS", former)
        state = SqliteDatabase(tmp_path)
        state.execute("INSERT INTO log (at, kind, body) VALUES (0, 'config', '{}')")
        state.close()
    kept = tmp_path / f"control.sqlite.schema-{len(former)}"
    assert not kept.exists()
    for _ in range(2):
        SqliteDatabase(tmp_path).close()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"control.sqlite", kept.name}
    with monkeypatch.context() as patch:
        patch.setattr("edgecache.control.state.sqlite.MIGRATIONS", former)
        with pytest.raises(StateError, match=rf"or go back: edgecache restore \S+/{kept.name}$"):
            SqliteDatabase(tmp_path)
        kept.replace(tmp_path / "control.sqlite")
        state = SqliteDatabase(tmp_path)
        assert state.execute("SELECT count(*) FROM log").fetchone()[0] == 1
        state.close()


@pytest.mark.parametrize(
    ("error", "line", "busy"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied"),
            "permission denied; it has to be",
            False,
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "no space left on device", True),
    ],
)
def test_what_the_system_refuses_has_a_line(error: OSError, line: str, busy: bool) -> None:
    told = state_error(Path("state/control.sqlite"), error)
    assert str(told).startswith(f"state/control.sqlite: {line}")
    assert isinstance(told, StateBusyError) is busy
