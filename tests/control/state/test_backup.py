"""Backup and restore: one commit, private, checked whole; another log; what was there stays."""

from __future__ import annotations

import contextlib
import io
import os
import sqlite3
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecache.control.state.backup import (
    BackupError,
    BackupManifest,
    Restored,
    StatePlace,
    restore_backup,
    write_backup,
)
from edgecache.control.state.database import (
    UNASKED,
    StateBusyError,
    StateDatabase,
    StateError,
)
from edgecache.control.state.key_values import KeyValues
from edgecache.control.state.log import ControlLog
from edgecache.control.state.sqlite import SqliteDatabase, state_lock

NOW = 1_800_000_000.0


@pytest.fixture
def place(tmp_path: Path) -> StatePlace:
    folder = tmp_path / "state"
    with contextlib.closing(SqliteDatabase(folder)) as state:
        fill(state, 3)
    for name, text in (("secrets.json", "s1"), ("operators.json", "o1"), ("tls/ca.key", "k1")):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return StatePlace(folder, {})


def fill(state: StateDatabase, count: int) -> None:
    for _ in range(count):
        state.execute("INSERT INTO log (at, kind, body) VALUES (0, 'config', '{}')")


def facts(place: StatePlace) -> tuple[str, int]:
    """The epoch, and how many entries."""
    with contextlib.closing(sqlite3.connect(place.database)) as database:
        (epoch,) = database.execute("SELECT value FROM told WHERE name = 'epoch'").fetchone()
        (count,) = database.execute("SELECT count(*) FROM log").fetchone()
    return str(epoch), int(count)


def make(place: StatePlace, target: Path, *, secrets: bool = True) -> BackupManifest:
    return write_backup(place, target, NOW, secrets=secrets)


def restored(place: StatePlace, source: Path, *, secrets: bool = False) -> Restored:
    return restore_backup(place, source, "now", secrets=secrets)


def test_what_is_in_it_is_listed_and_it_is_its_owners_alone(
    place: StatePlace, tmp_path: Path
) -> None:
    target = tmp_path / "b.tar"
    manifest = make(place, target)
    names = ["control.sqlite", "secrets.json", "operators.json", "tls/ca.key"]
    assert [*manifest.files] == names
    with tarfile.open(target) as tar:
        assert tar.getnames() == ["manifest.json", *names]
    assert target.stat().st_mode & 0o777 == 0o600
    assert [*make(place, tmp_path / "c.tar", secrets=False).files] == ["control.sqlite"]
    with pytest.raises(BackupError, match="is there already"):
        make(place, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar", "c.tar", "state"]


def test_restored_it_is_another_log_and_what_was_there_stays(
    place: StatePlace, tmp_path: Path
) -> None:
    target = tmp_path / "b.tar"
    make(place, target)
    before, _ = facts(place)
    with contextlib.closing(SqliteDatabase(place.folder)) as state:
        fill(state, 2)
        state.execute("INSERT INTO leases (name, instance, serves) VALUES ('edge-LHR50-1', 'x', 1)")
    (place.folder / "secrets.json").write_text("s2")
    (place.folder / "operators.json").unlink()
    found = restored(place, target)
    epoch, count = facts(place)
    assert (epoch != before, count) == (True, 3)
    assert found.files == ("operators.json", "control.sqlite")
    assert found.kept == ("secrets.json",)
    assert (place.folder / "secrets.json").read_text() == "s2"
    assert (place.folder / "operators.json").read_text() == "o1"
    aside = place.folder / "replaced-now"
    assert found.replaced == aside
    assert aside.stat().st_mode & 0o777 == 0o700
    assert facts(StatePlace(aside, {})) == (before, 5)
    with contextlib.closing(SqliteDatabase(place.folder)) as state:  # one that needs no lease
        serving = state.execute("SELECT name FROM leases WHERE serves").fetchall()
    assert serving == [("edge-LHR50-1",)]


def add_keys(place: StatePlace, *ids: str) -> None:
    with contextlib.closing(sqlite3.connect(place.database, isolation_level=None)) as database:
        for id in ids:
            row = (id, id, b"", 0.0, None, "[]", "[]")
            database.execute("INSERT INTO access_keys VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def key_ids(place: StatePlace) -> list[str]:
    with contextlib.closing(sqlite3.connect(place.database)) as database:
        return [id for (id,) in database.execute("SELECT id FROM access_keys ORDER BY id")]


def test_a_key_that_was_deleted_since_does_not_come_back(place: StatePlace, tmp_path: Path) -> None:
    add_keys(place, "A", "B")
    make(place, tmp_path / "b.tar")
    with contextlib.closing(sqlite3.connect(place.database, isolation_level=None)) as database:
        database.execute("DELETE FROM access_keys WHERE id = 'B'")
        database.execute("INSERT INTO deleted_access_keys VALUES ('OPERATORS')")
    assert restored(place, tmp_path / "b.tar").carried
    assert key_ids(place) == ["A"]
    with contextlib.closing(sqlite3.connect(place.database)) as database:
        (gone,) = database.execute("SELECT id FROM deleted_access_keys").fetchone()
    assert gone == "OPERATORS"
    other = StatePlace(tmp_path / "new", {})  # begun anew before it was restored
    SqliteDatabase(other.folder).close()
    assert not restored(other, tmp_path / "b.tar").carried
    assert key_ids(other) == ["A", "B"]


def test_secrets_are_replaced_when_asked_for(place: StatePlace, tmp_path: Path) -> None:
    target = tmp_path / "b.tar"
    make(place, target)
    (place.folder / "secrets.json").write_text("s2")
    assert restored(place, target, secrets=True).kept == ()
    assert (place.folder / "secrets.json").read_text() == "s1"
    assert (place.folder / "replaced-now" / "secrets.json").read_text() == "s2"
    assert (place.folder / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_it_takes_the_place_of_a_database_that_cannot_be_read(
    place: StatePlace, tmp_path: Path
) -> None:
    target = tmp_path / "b.tar"
    make(place, target)
    for name in ("control.sqlite", "control.sqlite-wal"):
        (place.folder / name).write_bytes(b"not a database" * 1_000)
    assert restored(place, target).files == ("control.sqlite",)
    assert facts(place)[1] == 3
    aside = {path.name for path in (place.folder / "replaced-now").iterdir()}
    assert aside >= {"control.sqlite", "control.sqlite-wal"}


def test_on_a_new_machine_there_is_nothing_to_keep(place: StatePlace, tmp_path: Path) -> None:
    target = tmp_path / "b.tar"
    make(place, target)
    other = StatePlace(tmp_path / "new", {})
    found = restored(other, target)
    assert (found.replaced, len(found.files)) == (None, 4)
    assert facts(other)[1] == 3


def test_a_database_alone_is_restored_as_well(place: StatePlace, tmp_path: Path) -> None:
    """As one that was copied before a migration."""
    former = place.database.rename(tmp_path / "control.sqlite.schema-3")
    found = restored(place, former)
    assert (found.manifest, found.files) == (None, ("control.sqlite",))
    assert facts(place)[1] == 3


def test_control_and_a_restore_exclude_each_other(place: StatePlace, tmp_path: Path) -> None:
    target = tmp_path / "b.tar"
    make(place, target)
    with (
        state_lock(place.folder),
        state_lock(place.folder),
        pytest.raises(StateBusyError, match="control runs: stop it first"),
    ):
        restored(place, target)
    with (
        state_lock(place.folder, exclusive=True),
        pytest.raises(StateBusyError, match="a restore is under way"),
        state_lock(place.folder),
    ):
        pass
    assert facts(place)[1] == 3


def rewritten(source: Path, to: Path, change: dict[str, bytes], *more: str) -> Path:
    """The same backup with other contents by name; and other members after them."""
    with tarfile.open(source) as tar, tarfile.open(to, "w") as out:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            data = change.get(member.name, content.read())
            member.size = len(data)
            out.addfile(member, io.BytesIO(data))
        for name in more:
            out.addfile(tarfile.TarInfo(name))
    return to


def bad_files(place: StatePlace, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    good = tmp_path / "b.tar"
    make(place, good)
    content = good.read_bytes()
    (tmp_path / "short.tar").write_bytes(content[: len(content) // 2])
    yield tmp_path / "short.tar", "damaged"
    (tmp_path / "text.tar").write_text("text" * 1_000)
    yield tmp_path / "text.tar", "not a backup, or damaged"
    yield tmp_path / "absent.tar", "no such file"
    yield tmp_path, "is a directory"
    yield rewritten(good, tmp_path / "1.tar", {"secrets.json": b"s3"}), "not what was put in"
    for number, swap in enumerate((b"../../secrets.json", b"etc/secrets.json", b"secrets.jsom")):
        with tarfile.open(good) as tar:
            manifest = tar.extractfile("manifest.json")
            assert manifest is not None
            text = manifest.read().replace(b"secrets.json", swap)
        changed = rewritten(good, tmp_path / f"2{number}.tar", {"manifest.json": text})
        yield changed, "is not where it should be"


def test_what_is_not_whole_changes_nothing(place: StatePlace, tmp_path: Path) -> None:
    before = facts(place)
    for path, why in bad_files(place, tmp_path):
        with pytest.raises((BackupError, StateError), match=why):
            restored(place, path)
        assert facts(place) == before
        assert not [name for name in os.listdir(place.folder) if name.startswith(".")]
        assert not (place.folder / "replaced-now").exists()


def test_a_damaged_database_is_not_backed_up(place: StatePlace, tmp_path: Path) -> None:
    place.database.write_bytes(b"not a database" * 1_000)
    with pytest.raises(StateError, match="not a database"):
        make(place, tmp_path / "b.tar")
    place.database.unlink()
    with pytest.raises(BackupError, match="control has never run here"):
        make(place, tmp_path / "b.tar")
    assert not (tmp_path / "b.tar").exists()


def test_a_backup_is_one_commit_while_others_are_written(place: StatePlace, tmp_path: Path) -> None:
    """Each commit writes one entry and one row beside it: never one without the other."""
    over = threading.Event()
    pairs = (
        "INSERT INTO log (at, kind, body) VALUES (0, 'invalidation', '{}')",
        "INSERT INTO adopted VALUES (lower(hex(randomblob(8))))",
    )

    def write() -> None:
        with contextlib.closing(SqliteDatabase(place.folder)) as state:
            while not over.is_set():
                with state.writing():
                    for statement in pairs:
                        state.execute(statement)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            make(place, tmp_path / f"{number}.tar")
    finally:
        over.set()
        writer.join()
    for number in range(5):
        other = StatePlace(tmp_path / f"restored-{number}", {})
        restored(other, tmp_path / f"{number}.tar")
        with contextlib.closing(sqlite3.connect(other.database)) as database:
            (entries,) = database.execute(
                "SELECT count(*) FROM log WHERE kind = 'invalidation'"
            ).fetchone()
            assert database.execute("SELECT count(*) FROM adopted").fetchone() == (entries,)


def test_stores_and_what_they_hold_are_in_it(place: StatePlace, tmp_path: Path) -> None:
    """Their numbers go on; their ETags are others, for the log is another one."""
    with contextlib.closing(SqliteDatabase(place.folder)) as state, state.writing():
        values = KeyValues(state, ControlLog(state, lambda: NOW))
        made = values.create("s", {"a": "1", "ü": ""}, NOW)
        before = values.etag(made)
    make(place, tmp_path / "b.tar")
    with contextlib.closing(SqliteDatabase(place.folder)) as state, state.writing():
        values = KeyValues(state, ControlLog(state, lambda: NOW))
        values.update(made, {"a": "2"}, ("ü",), NOW, UNASKED)
    restored(place, tmp_path / "b.tar")
    with contextlib.closing(SqliteDatabase(place.folder)) as state:
        values = KeyValues(state, ControlLog(state, lambda: NOW))
        content, facts = values.content("s"), values.facts("s")
        assert content is not None
        assert (content.items, content.version) == ({"a": "1", "ü": ""}, made.version)
        assert facts is not None
        assert values.etag(facts) != before
