"""The disk store: what is put is found, across restarts, and trouble makes misses."""

from __future__ import annotations

import errno
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecache.http.message import Response
from edgecache.store import disk
from edgecache.store.disk_index import DiskIndex
from edgecache.store.entry import Entry
from edgecache.store.files import RealFiles
from edgecache.store.record import PIECE_BYTES
from edgecache.store.shelf import DiskBudget, Shelf
from tests.store.disk_world import DiskStage
from tests.store.faults import Faults, FaultyFiles

KEY = b"key"
SMALL, FILED = 100, 20_000


def entry(key: bytes = KEY, version: int = 1, size: int = SMALL, language: str = "") -> Entry:
    selected = ((b"accept-language", language.encode()),) if language else ()
    fields = ((b"etag", b'"%d"' % version), (b"content-type", b"text/plain"))
    body = (b"%b %d " % (key, version) * size)[:size]
    return Entry(key, Response(200, b"OK", fields, 1.5, 2.5), body, selected)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[DiskStage]:
    made = DiskStage(tmp_path / "disk")
    yield made
    made.close()


def found(stage: DiskStage, key: bytes = KEY, **fields: str) -> Entry | None:
    listed = tuple((k.replace("_", "-").encode(), v.encode()) for k, v in fields.items())
    return stage.run(stage.store.find(key, listed))


def put(stage: DiskStage, *entries: Entry) -> None:
    for one in entries:
        assert stage.store.put(one)
    stage.settle()


@pytest.mark.parametrize("size", [0, SMALL, FILED])
def test_an_entry_comes_back_as_it_was_after_a_restart(stage: DiskStage, size: int) -> None:
    put(stage, entry(size=size))
    stage.restart()
    back = found(stage)
    assert back is not None
    assert (back.key, back.head, back.body) == (KEY, entry().head, entry(size=size).body)
    assert (back.selected, back.part, back.stored) == ((), None, None)


def test_variants_stand_side_by_side(stage: DiskStage) -> None:
    put(stage, entry(version=1, language="de"), entry(version=2, language="en"))
    stage.restart()
    for language, version in (("de", 1), ("en", 2)):
        back = found(stage, accept_language=language)
        assert back is not None
        assert back.body == entry(version=version).body
    assert found(stage, accept_language="fr") is None


def test_an_entry_takes_the_place_of_the_former_one(stage: DiskStage) -> None:
    put(stage, entry(version=1, size=FILED))
    put(stage, entry(version=2, size=FILED))
    assert stage.counters.disk_objects == 1
    stage.restart()
    back = found(stage)
    assert back is not None
    assert back.body == entry(version=2, size=FILED).body


def test_a_new_head_on_the_same_body_writes_no_body(tmp_path: Path) -> None:
    faults = Faults()
    stage = DiskStage(tmp_path / "disk", files=FaultyFiles(faults))
    put(stage, entry(size=FILED))
    files = set(faults.unsynced)
    faults.unsynced.clear()
    again = entry(size=FILED)
    again.head = Response(200, b"OK", ((b"etag", b'"1"'), (b"age", b"0")), 9.0, 9.5)
    put(stage, again)
    assert files
    assert not faults.unsynced
    stage.restart()
    back = found(stage)
    assert back is not None
    assert (back.head.received_at, back.body) == (9.5, again.body)
    stage.close()


def test_what_waits_to_be_written_is_found(stage: DiskStage) -> None:
    stage.store.put(entry())
    assert found(stage) is not None


def test_what_is_removed_is_gone(stage: DiskStage) -> None:
    put(stage, entry(size=FILED))
    stage.store.remove(KEY)
    assert found(stage) is None
    stage.settle()
    stage.restart()
    assert found(stage) is None
    assert stage.counters.disk_objects == 0


def test_a_look_under_way_does_not_find_what_was_removed_meanwhile(stage: DiskStage) -> None:
    put(stage, entry())
    stage.threads.holding = True
    look = stage.begin(stage.store.find(KEY, ()))
    stage.store.remove(KEY)
    stage.settle()
    stage.threads.let_go()
    stage.settle()
    assert look.result() is None


def test_a_look_under_way_finds_what_was_put_meanwhile(stage: DiskStage) -> None:
    put(stage, entry(version=1))
    stage.threads.holding = True
    look = stage.begin(stage.store.find(KEY, ()))
    put(stage, entry(version=2))
    stage.threads.let_go()
    stage.settle()
    back = look.result()
    assert back is not None
    assert back.body == entry(version=2).body


def test_a_large_body_is_read_in_pieces(stage: DiskStage) -> None:
    stage.store.shelf.budget = DiskBudget(10**8)
    large = entry(size=2 * PIECE_BYTES + 5)
    put(stage, large)
    stage.restart()
    back = found(stage)
    assert back is not None
    assert back.stored is not None
    assert (back.body, back.length) == (b"", len(large.body))
    pieces = [stage.run(stage.store.piece(back.stored, number)) for number in range(3)]
    assert b"".join(piece or b"" for piece in pieces) == large.body


def test_a_piece_that_decayed_is_not_given(stage: DiskStage) -> None:
    stage.store.shelf.budget = DiskBudget(10**8)
    put(stage, entry(size=2 * PIECE_BYTES))
    back = found(stage)
    assert back is not None
    assert back.stored is not None
    path = next(stage.folder.glob("bodies/*/*"))
    with path.open("r+b") as file:
        file.seek(PIECE_BYTES + 7)
        file.write(b"?")
    assert stage.run(stage.store.piece(back.stored, 0)) is not None
    assert stage.run(stage.store.piece(back.stored, 1)) is None
    stage.settle()
    assert found(stage) is None
    assert stage.counters.disk_bad == 1


@pytest.mark.parametrize("size", [SMALL, FILED])
def test_a_body_that_decayed_is_a_miss(stage: DiskStage, size: int) -> None:
    put(stage, entry(size=size))
    stage.run(stage.store.close())
    where = stage.folder / "index.db" if size == SMALL else next(stage.folder.glob("bodies/*/*"))
    data = where.read_bytes()
    at = data.rindex(b"key 1 ")
    where.write_bytes(data[:at] + b"KEY" + data[at + 3 :])
    stage.store = stage._store()
    assert found(stage) is None
    stage.settle()
    assert stage.counters.disk_bad == 1
    assert stage.counters.disk_objects == 0


def test_the_budget_holds_and_what_is_used_stays(tmp_path: Path) -> None:
    stage = DiskStage(tmp_path / "disk", DiskBudget(20 * 24_576))
    put(stage, entry(b"loved", size=FILED))
    for number in range(100):
        put(stage, entry(b"once-%d" % number, size=FILED))
        assert stage.counters.disk_bytes <= stage.budget.bytes_max
        assert found(stage, b"loved") is not None
    assert stage.counters.disk_evicted > 70
    assert found(stage, b"once-1") is None
    stage.close()


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
    stage.advance(disk.TRY_AGAIN_S + 1)
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
    stage.advance(disk.TRY_AGAIN_S + 1)
    put(stage, entry(b"after", size=FILED))
    assert found(stage, b"after") is not None
    assert found(stage, b"before") is not None
    assert not stage.counters.disk_failing
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
    stage.advance(disk.TRY_AGAIN_S + 1)
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
    stage.advance(disk.TRY_AGAIN_S + 1)
    put(stage, entry(b"new"))
    assert found(stage, b"new") is not None
    assert not stage.counters.disk_failing
    stage.restart()
    assert found(stage, b"new") is not None


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


def test_a_disk_that_hangs_keeps_nobody_waiting(stage: DiskStage) -> None:
    put(stage, entry())
    stage.threads.holding = True
    look = stage.begin(stage.store.find(KEY, ()))
    assert not look.done()
    stage.advance(disk.LOOK_S_MAX + 1)
    assert look.result() is None
    assert found(stage) is None  # at once
    stage.threads.let_go()
    stage.settle()
    stage.advance(disk.TRY_AGAIN_S + 1)
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
    stage.advance(disk.TRY_AGAIN_S + 1)
    assert found(stage, b"before") is None
    put(stage, entry(b"after"))
    assert found(stage, b"after") is not None
    stage.close()


def test_two_processes_do_not_share_a_folder(stage: DiskStage) -> None:
    put(stage, entry())
    other = Shelf(str(stage.folder), RealFiles(), stage.budget)
    with pytest.raises(BlockingIOError, match="another process"):
        other.open()


def test_an_index_of_another_version_is_begun_anew(tmp_path: Path) -> None:
    index = DiskIndex(str(tmp_path / "index.db"))
    index._writer.execute("PRAGMA user_version=99")
    index.close()
    shelf = Shelf(str(tmp_path), RealFiles(), DiskBudget(10**6))
    shelf.open()
    shelf.check()
    shelf.close()
