"""Trouble with a disk makes misses, is said once, and ends."""

from __future__ import annotations

import errno
import logging
import shutil
import sqlite3
from pathlib import Path

import pytest

from edgecache.store.disk import store as disk
from edgecache.store.disk.availability import LOOK_S_MAX, SHARED_TRIES_MAX, TRY_AGAIN_S, TRY_SOON_S
from edgecache.store.disk.engine import DiskBudget
from edgecache.store.disk.files import FolderLock, RealFiles
from edgecache.store.disk.index import DiskIndex, Row
from tests.store.disk.disk_world import FILED, KEY, DiskStage, entry, found, put
from tests.store.disk.faults import Faults, FaultyFiles


class Crowded(RealFiles):
    """A file system that others fill."""

    free = 10**9

    def free_bytes(self, path: str) -> int:
        return self.free


def test_others_are_left_their_room(tmp_path: Path) -> None:
    files = Crowded()
    stage = DiskStage(tmp_path / "disk", DiskBudget(10**7, 10**8), files)
    put(stage, *(entry(b"%d" % number, size=FILED) for number in range(5)))
    files.free = 10**7
    assert stage.store.put(entry())
    stage.settle()
    assert found(stage) is None  # nothing is kept below the floor
    assert stage.counters.disk_objects == 0
    assert stage.counters.disk_failing
    files.free = 10**9
    stage.advance(TRY_AGAIN_S + 1)
    put(stage, entry())
    assert found(stage) is not None
    assert not stage.counters.disk_failing
    stage.close()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_disk_that_fails_is_said_once_and_tried_again(
    tmp_path: Path, error: int, caplog: pytest.LogCaptureFixture
) -> None:
    faults = Faults()
    stage = DiskStage(tmp_path / "disk", files=FaultyFiles(faults))
    put(stage, entry(b"before", size=FILED))
    with caplog.at_level(logging.WARNING):
        for number in range(20):
            faults.at, faults.error = faults.done + 2, error
            stage.store.put(entry(b"%d" % number, size=FILED))
            stage.settle()
            faults.at = 0
            assert found(stage, b"%d" % number) is None
    assert len(caplog.records) == 1
    assert str(stage.folder) in caplog.text
    assert stage.counters.disk_failing
    assert stage.counters.disk_dropped == 20
    stage.advance(TRY_AGAIN_S + 1)
    put(stage, entry(b"after", size=FILED))
    assert found(stage, b"after") is not None
    assert found(stage, b"before") is not None
    assert not stage.counters.disk_failing
    stage.close()


def locked(folder: Path) -> FolderLock:
    """As another process has it."""
    folder.mkdir()
    return FolderLock(str(folder / "lock"))


def test_a_folder_about_to_be_handed_over_is_no_trouble(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    predecessor = locked(tmp_path / "disk")
    stage = DiskStage(tmp_path / "disk")
    with caplog.at_level(logging.WARNING):
        for number in range(10):
            stage.store.put(entry(b"%d" % number, size=FILED))
            stage.settle()
            stage.advance(TRY_SOON_S + 1)
        predecessor.release()
        stage.advance(TRY_SOON_S + 1)
        put(stage, entry(b"after", size=FILED))
    assert found(stage, b"after") is not None
    assert not caplog.records
    assert stage.counters.disk_failures == 0
    stage.close()


def test_a_folder_that_another_process_keeps_is_told_in_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = locked(tmp_path / "disk")
    stage = DiskStage(tmp_path / "disk")
    with caplog.at_level(logging.WARNING):
        for _ in range(SHARED_TRIES_MAX + 5):
            stage.store.put(entry(size=FILED))
            stage.settle()
            stage.advance(TRY_SOON_S + 1)
    (record,) = caplog.records
    assert "another process keeps its objects here" in record.getMessage()
    assert stage.counters.disk_failing
    other.release()
    stage.close()


def test_a_former_entry_does_not_come_back_when_its_successor_could_not_be_written(
    tmp_path: Path,
) -> None:
    faults = Faults()
    stage = DiskStage(tmp_path / "disk", files=FaultyFiles(faults))
    put(stage, entry(version=1, size=FILED))
    faults.at, faults.error = faults.done + 2, errno.EIO
    stage.store.put(entry(version=2, size=FILED))
    stage.settle()
    assert found(stage) is None
    stage.advance(TRY_AGAIN_S + 1)
    assert found(stage) is None
    stage.restart()
    assert found(stage) is None
    stage.close()


def test_a_folder_that_vanishes_is_begun_anew(stage: DiskStage) -> None:
    put(stage, entry(size=FILED))
    shutil.rmtree(stage.folder)
    assert found(stage) is None
    stage.store.put(entry(b"lost"))
    stage.settle()
    assert stage.counters.disk_failing
    stage.advance(TRY_AGAIN_S + 1)
    put(stage, entry(b"new"))
    assert found(stage, b"new") is not None
    assert not stage.counters.disk_failing
    stage.restart()
    assert found(stage, b"new") is not None


def test_a_disk_that_fails_twice_is_tried_again_though_nobody_asks(stage: DiskStage) -> None:
    put(stage, entry(size=FILED))
    stage.threads.holding = True
    looks = []
    for _ in range(2):
        looks.append(stage.begin(stage.store.find(KEY, ())))
        stage.advance(LOOK_S_MAX - 1)
    stage.advance(2)
    assert all(look.result() is None for look in looks)
    stage.threads.let_go()
    shutil.rmtree(stage.folder)
    stage.store.remove(KEY)
    stage.advance(TRY_AGAIN_S + 1)
    assert (stage.folder / "index.db").exists()
    assert not stage.counters.disk_failing


def test_an_index_that_nobody_can_read_is_begun_anew(stage: DiskStage) -> None:
    put(stage, entry(size=FILED))
    stage.run(stage.store.close())
    (stage.folder / "index.db").write_bytes(b"not an index" * 1_000)
    stage.store = stage._store()
    assert found(stage) is None
    put(stage, entry(version=2))
    back = found(stage)
    assert back is not None
    assert back.body == entry(version=2).body


def test_an_index_is_dropped_when_it_is_called_corrupt_twice(
    stage: DiskStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite calls it so as well when a read fails, and the disk may be well again."""

    def fails(_index: DiskIndex, _digest: bytes) -> list[Row]:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    put(stage, entry(size=FILED))
    for there in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr(DiskIndex, "find", fails)
            assert found(stage) is None
            assert stage.counters.disk_failing
        stage.advance(TRY_AGAIN_S + 1)
        assert (found(stage) is not None) is there
        put(stage, entry(b"other"))
        assert not stage.counters.disk_failing


def test_a_disk_that_hangs_keeps_nobody_waiting(stage: DiskStage) -> None:
    put(stage, entry())
    stage.threads.holding = True
    look = stage.begin(stage.store.find(KEY, ()))
    assert not look.done()
    stage.advance(LOOK_S_MAX + 1)
    assert look.result() is None
    assert found(stage) is None  # at once
    stage.advance(TRY_AGAIN_S + 1)
    assert found(stage) is None  # it may be tried again, and still hangs: at once, too
    stage.threads.let_go()
    stage.settle()
    stage.advance(TRY_AGAIN_S + 1)
    assert found(stage) is not None


def test_more_than_can_wait_is_dropped_and_counted(
    stage: DiskStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "WAITING_BYTES_MAX", 50_000)
    kept = [stage.store.put(entry(b"%d" % number, size=FILED)) for number in range(4)]
    assert kept == [True, True, False, False]
    assert stage.counters.disk_dropped == 2
    stage.settle()
    assert found(stage, b"0") is not None
    assert found(stage, b"3") is None


def test_more_than_can_be_remembered_to_forget_forgets_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "FORGOTTEN_MAX", 10)
    faults = Faults()
    stage = DiskStage(tmp_path / "disk", files=FaultyFiles(faults))
    put(stage, entry(b"before", size=FILED))
    faults.at, faults.error = faults.done + 2, errno.ENOSPC
    stage.store.put(entry(size=FILED))
    stage.settle()
    for number in range(20):
        stage.store.remove(b"%d" % number)
    stage.settle()
    stage.advance(TRY_AGAIN_S + 1)
    assert found(stage, b"before") is None
    put(stage, entry(b"after"))
    assert found(stage, b"after") is not None
    stage.close()
