"""The folder of spooled log files: what the dead left, what is packed, what is dropped for room."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from edgecache.observe import spool_folder
from edgecache.observe.log_spool import LATE_S, LogDestination
from edgecache.observe.spool_folder import SpoolFolder
from tests.observe.test_log_spool import HEADER, LOGS, NOON, Clock, line, spool_in

MANY = 1 << 30


def owned_file(folder: Path, text: bytes, owner: str = "dead", unique: str = "u") -> Path:
    """An open file of `owner`, which lives as long as somebody holds its lock."""
    where = folder / LOGS.folder
    where.mkdir(parents=True, exist_ok=True)
    (where / "destination.json").write_text(
        f'{{"bucket": "{LOGS.bucket}", "prefix": "{LOGS.prefix}"}}'
    )
    path = where / f"E1.2027-01-15-12.{unique}.{owner}.open"
    path.write_bytes(text)
    os.utime(path, (NOON, NOON))
    return path


def test_nobody_works_where_nothing_was_spooled(tmp_path: Path) -> None:
    assert not SpoolFolder(tmp_path / "spool").hold()


def test_one_process_works_there(tmp_path: Path) -> None:
    first, second = SpoolFolder(tmp_path), SpoolFolder(tmp_path)
    assert first.hold()
    assert first.hold()
    assert not second.hold()
    first.release()
    assert second.hold()
    assert not first.hold()


def test_a_closed_file_is_packed_under_cloudfronts_name(tmp_path: Path) -> None:
    clock = Clock()
    spool = spool_in(tmp_path, clock)
    spool.write(LOGS, "E.1", [line(1), line(2)])
    spool.write(LogDestination("other", ""), "E2", [line(1)])
    clock.now += 3_600 + LATE_S
    spool.close_due()
    folder = SpoolFolder(tmp_path)
    waiting = {file.key: file for file in folder.collect(MANY)}
    assert {key: file.lines for key, file in waiting.items()} == {
        "web/E.1.2027-01-15-12.00000002.gz": 2,
        "E2.2027-01-15-12.00000004.gz": 1,
    }
    file = waiting["web/E.1.2027-01-15-12.00000002.gz"]
    assert gzip.decompress(file.path.read_bytes()) == HEADER + line(1) + line(2)
    assert file.size_bytes == file.path.stat().st_size
    assert file.path.stat().st_mode & 0o777 == 0o640
    assert not [*tmp_path.glob("*/*.log")]
    assert {one.key for one in folder.collect(MANY)} == set(waiting)


def test_what_grows_stays_with_its_owner(tmp_path: Path) -> None:
    spool = spool_in(tmp_path, Clock())
    spool.write(LOGS, "E1", [line(1)])
    assert not SpoolFolder(tmp_path).collect(MANY)
    spool.write(LOGS, "E1", [line(2)])
    spool.close()
    (file,) = SpoolFolder(tmp_path).collect(MANY)
    assert file.lines == 2


def test_a_dead_process_has_its_files_closed_by_whom_it_did_not_know(tmp_path: Path) -> None:
    text = HEADER + line(1) + line(2)
    owned_file(tmp_path, text + b"2027-01-15\t12:00:03\ttor")
    folder = SpoolFolder(tmp_path)
    (file,) = folder.collect(MANY)
    assert gzip.decompress(file.path.read_bytes()) == text
    assert (file.lines, file.name, file.at, folder.lost) == (
        *(2, "E1.2027-01-15-12.u.gz"),
        *(NOON, 1),
    )


@pytest.mark.parametrize("text", [b"", b"#Version", HEADER])
def test_a_file_without_a_line_is_not_delivered(tmp_path: Path, text: bytes) -> None:
    path = owned_file(tmp_path, text)
    assert not SpoolFolder(tmp_path).collect(MANY)
    assert {one.name for one in path.parent.iterdir()} == {"destination.json"}


def test_what_was_packed_before_a_death_is_not_packed_again(tmp_path: Path) -> None:
    owned_file(tmp_path, HEADER + line(1))
    (first,) = SpoolFolder(tmp_path).collect(MANY)
    before = first.path.read_bytes()
    (first.path.parent / "E1.2027-01-15-12.u.log").write_bytes(HEADER + line(1))
    half = first.path.with_name("E1.2027-01-15-12.v.part")
    half.write_bytes(b"half")
    folder = SpoolFolder(tmp_path)
    assert folder.hold()
    assert [file.path.read_bytes() for file in folder.collect(MANY)] == [before]
    assert not half.exists()
    assert not [*tmp_path.glob("*/*.log")]
    folder.release()


def test_the_oldest_is_dropped_for_room_and_counted(tmp_path: Path) -> None:
    for number in range(4):
        path = owned_file(tmp_path, HEADER + line(number) * (number + 1), unique=f"u{number}")
        os.utime(path, (NOON + number, NOON + number))
    folder = SpoolFolder(tmp_path)
    whole = folder.collect(MANY)
    assert [file.lines for file in whole] == [1, 2, 3, 4]
    room = folder.size_bytes - 1
    left = folder.collect(room, busy=(whole[0].path,))
    assert [file.lines for file in left] == [1, 3, 4]
    assert folder.lost == 2
    assert [file.lines for file in folder.collect(0)] == []
    assert folder.lost == 2 + 1 + 3 + 4


def test_what_cannot_be_packed_is_told_and_gives_room_at_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _into: Path) -> tuple[int, int]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool_folder, "_compress", full)
    owned_file(tmp_path, HEADER + line(1) + line(2))
    folder = SpoolFolder(tmp_path)
    assert not folder.collect(MANY)
    assert folder.problem == "No space left on device"
    lost = [folder.lost]
    folder.collect(0)
    assert [*lost, folder.lost] == [0, 2]
    monkeypatch.undo()
    owned_file(tmp_path, HEADER + line(1))
    assert folder.collect(MANY)
    assert not folder.problem


def test_a_folder_that_does_not_say_where_it_goes_is_left_alone(tmp_path: Path) -> None:
    path = owned_file(tmp_path, HEADER + line(1))
    (path.parent / "destination.json").unlink()
    assert not SpoolFolder(tmp_path).collect(MANY)
    assert [*path.parent.glob("*.gz")]
