"""Stores on a node's disk: what it reads when it starts and control is away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from edgecache.cluster.log_entries import KeyValueChange, LogEntry, LogEntryKind
from edgecache.node.key_value_files import KeyValueFiles
from edgecache.node.key_values import KeyValueFollower
from edgecache.store.key_values import NO_VERSION, KeyValueStore
from tests.node.test_key_values import Control, content, reading

ID = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"


async def at_once(_seconds: float) -> None: ...


def files_in(folder: Path) -> KeyValueFiles:
    return KeyValueFiles(folder / "nodes" / "edge-LHR50-1.config", "1", at_once)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in (folder / "nodes").iterdir())


def write(files: KeyValueFiles, **stores: KeyValueStore) -> None:
    files.tell({{"one": ID, "other": OTHER}[name]: store for name, store in stores.items()})
    asyncio.run(files.flush())


def test_what_is_kept_is_read_as_it_was_and_of_no_version(tmp_path: Path) -> None:
    write(files_in(tmp_path), one=KeyValueStore({"a": "1", "ü": ""}, 1.0, 2.0, 7))
    (path,) = (tmp_path / "nodes").iterdir()
    assert (path.name, path.stat().st_mode & 0o777) == (f"edge-LHR50-1.store-{ID}", 0o600)
    found = files_in(tmp_path).read([ID, OTHER, "../x"])
    assert found.keys() == {ID}
    assert found[ID].items() == {"a": "1", "ü": ""}
    assert (found[ID].meta(), found[ID].version) == ((1.0, 2.0, 2), NO_VERSION)


def test_a_version_is_written_once_and_what_is_gone_is_removed(tmp_path: Path) -> None:
    files, store = files_in(tmp_path), KeyValueStore({"a": "1"}, 1.0, 2.0, 7)
    write(files, one=store, other=KeyValueStore({}, 1.0, 2.0, 8))
    assert len(names(tmp_path)) == 2
    for name in names(tmp_path):
        (tmp_path / "nodes" / name).write_text("sentinel")
    store.update({"a": "2"}, (), 9, 3.0)
    write(files, one=store, other=KeyValueStore({}, 1.0, 2.0, 8))
    assert files_in(tmp_path).read([ID])[ID].get("a") == "2"
    assert files_in(tmp_path).read([OTHER]) == {}  # as it was damaged: nothing has changed in it
    write(files)
    assert names(tmp_path) == []


def test_what_control_did_not_give_is_not_kept(tmp_path: Path) -> None:
    write(files_in(tmp_path), one=KeyValueStore({"a": "1"}, 1.0, 2.0))
    assert not (tmp_path / "nodes").exists()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "damaged"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b'"1"', b'"2"')), "damaged"),
        (lambda path: path.write_bytes(b"{}"), "damaged"),
        (lambda path: path.chmod(0o640), "others can use it"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_not_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: object, told: str
) -> None:
    write(files_in(tmp_path), one=KeyValueStore({"a": "1"}, 1.0, 2.0, 7))
    (path,) = (tmp_path / "nodes").iterdir()
    damage(path)  # type: ignore[operator]
    assert files_in(tmp_path).read([ID]) == {}
    assert told in caplog.text


def test_a_disk_that_fails_is_told_once_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "nodes").write_text("no folder")
    files, store = files_in(tmp_path), KeyValueStore({"a": "1"}, 1.0, 2.0, 7)
    write(files, one=store)
    write(files, one=store)
    assert caplog.text.count("not written") == 1
    (tmp_path / "nodes").unlink()
    write(files, one=store)
    assert len(names(tmp_path)) == 1


def test_a_node_that_starts_without_control_reads_what_it_had(tmp_path: Path) -> None:
    control = Control(**{ID: content(5, a="1")})
    before = KeyValueFollower(control.ask)
    before.files = files_in(tmp_path)

    async def live() -> None:
        await before.use(reading(ID), 7)
        before.settle()
        body = msgspec.to_builtins(KeyValueChange(ID, 5, puts={"b": "2"}))
        await before.apply(LogEntry(8, 9.0, LogEntryKind.KEY_VALUES, body))
        assert before.files is not None
        await before.files.flush()

    asyncio.run(live())
    after = KeyValueFollower(control.ask)
    after.files = files_in(tmp_path)
    after.use_kept(reading(ID))
    store = after.stores.get(ID)
    assert store is not None
    assert store.items() == {"a": "1", "b": "2"}
    asked = len(control.asked)
    asyncio.run(after.use(reading(ID), 9))
    assert len(control.asked) == asked + 1  # what it had does not count once control is heard


def test_a_store_that_control_has_no_more_is_not_read_from_disk(tmp_path: Path) -> None:
    write(files_in(tmp_path), one=KeyValueStore({"a": "1"}, 1.0, 2.0, 7))
    follower = KeyValueFollower(Control().ask)
    follower.files = files_in(tmp_path)
    follower.use_kept(reading(ID))
    assert follower.stores.get(ID) is not None

    async def heard() -> None:
        await follower.use(reading(ID), 9)
        follower.settle()
        assert follower.files is not None
        await follower.files.flush()

    asyncio.run(heard())
    assert follower.stores.get(ID) is None
    assert names(tmp_path) == []
