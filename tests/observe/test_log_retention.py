"""Retention of log files by a moved clock: gzip of closed hours, days, bytes, one at a time."""

from __future__ import annotations

import errno
import fcntl
import gzip
import os
from pathlib import Path

import pytest

from edgecache.observe import log_retention
from edgecache.observe.access_log import LogFile, LogFileName
from edgecache.observe.log_record import HEADER
from edgecache.observe.log_retention import DAY_S, HOUR_S, LATE_S, LOCK_NAME, LogRetention
from tests.observe.test_access_log_file import NOON, Clock

UNIT = 64 * 1024
ROOM = 16 * UNIT


class Machine:
    """A folder, a clock, and processes that write."""

    def __init__(self, folder: Path, bytes_max: int = ROOM, days_max: float = 3) -> None:
        self.folder = folder
        self.clock = Clock()
        self.retention = LogRetention(folder, self.clock, days_max, bytes_max)

    def file(self, process: str = "edge-1", kind: str = "log") -> LogFile:
        header = HEADER if kind == "log" else b""
        return LogFile(LogFileName(self.folder, process, "ab12", kind), self.clock, header)

    def moves(self, seconds: float) -> None:
        self.clock.now += seconds
        self.retention.step()
        assert self.retention.problem == ""

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.name[0] != ".")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_closed_hour_becomes_a_gzip(machine: Machine) -> None:
    log, lines = machine.file(), machine.file(kind="json")
    log.write(b"one\n")
    lines.write(b"{}\n")
    machine.moves(HOUR_S + LATE_S - 1)
    assert machine.names() == ["edge-1.2024-01-01-12.ab12.json", "edge-1.2024-01-01-12.ab12.log"]
    machine.moves(1)
    assert machine.names() == ["edge-1.2024-01-01-12.ab12.gz", "edge-1.2024-01-01-12.ab12.json.gz"]
    packed = machine.folder / "edge-1.2024-01-01-12.ab12.gz"
    assert gzip.decompress(packed.read_bytes()) == HEADER + b"one\n"
    assert packed.stat().st_mode & 0o777 == 0o640


def test_a_line_that_comes_late_is_in_a_file_of_its_own(machine: Machine) -> None:
    late, log = Clock(), machine.file()
    log.write(b"one\n")
    straggler = LogFile(LogFileName(machine.folder, "edge-1", "ab12"), late, HEADER)
    straggler.write(b"two\n")
    machine.moves(HOUR_S + LATE_S)
    straggler.write(b"three\n")  # its clock is behind
    machine.moves(1)
    texts = [gzip.decompress(path.read_bytes()) for path in sorted(machine.folder.glob("*.gz"))]
    assert sorted(texts) == sorted([HEADER + b"one\ntwo\n", HEADER + b"three\n"])


def test_a_process_that_died_while_it_compressed_loses_and_doubles_nothing(
    machine: Machine,
) -> None:
    log = machine.file()
    log.write(b"one\n")
    path = machine.folder / "edge-1.2024-01-01-12.ab12.log"
    (machine.folder / "edge-1.2024-01-01-12.ab12.gz.part").write_bytes(b"half")
    (machine.folder / "edge-1.2024-01-01-12.ab12.gz").write_bytes(gzip.compress(path.read_bytes()))
    machine.moves(HOUR_S + LATE_S)
    assert machine.names() == ["edge-1.2024-01-01-12.ab12.gz"]


def test_what_is_too_old_is_deleted(machine: Machine) -> None:
    log = machine.file()
    for _ in range(4):
        log.write(b"a day\n")
        machine.moves(DAY_S)
    assert [name[7:20] for name in machine.names()] == [
        "2024-01-02-12", "2024-01-03-12", "2024-01-04-12",
    ]  # fmt: skip
    machine.moves(10 * DAY_S)
    assert machine.names() == []


def test_the_oldest_go_when_there_is_too_much(machine: Machine) -> None:
    for hour in range(10):
        file = machine.file(f"edge-{hour % 2}")
        file.write(os.urandom(3 * UNIT).replace(b"\n", b"x") + b"\n")
        machine.moves(HOUR_S + LATE_S)
    sizes = [path.stat().st_size for path in machine.folder.glob("*.gz")]
    assert sum(sizes) <= ROOM
    assert len(sizes) == 5
    assert min(machine.names(), key=lambda name: name[7:]).startswith("edge-1.2024-01-01-17")


def test_an_hour_alone_may_not_fill_the_folder(machine: Machine) -> None:
    log = machine.file()
    for number in range(12):
        log.write(b"%d" % number + os.urandom(5 * UNIT).replace(b"\n", b"x") + b"\n")
        machine.moves(60)
    files = list(machine.folder.glob("edge*"))
    assert sum(path.stat().st_size for path in files) <= ROOM + 5 * UNIT
    newest = max(files, key=lambda path: path.stat().st_mtime_ns)
    text = newest.read_bytes() if newest.suffix == ".log" else gzip.decompress(newest.read_bytes())
    assert text.startswith(HEADER + b"11")


def test_only_one_process_looks_at_a_time(machine: Machine) -> None:
    machine.file().write(b"one\n")
    held = os.open(machine.folder / LOCK_NAME, os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    machine.moves(HOUR_S + LATE_S)
    assert machine.names() == ["edge-1.2024-01-01-12.ab12.log"]
    os.close(held)
    machine.moves(0)
    assert machine.names() == ["edge-1.2024-01-01-12.ab12.gz"]


def test_a_file_that_somebody_writes_to_now_is_left_until_the_next_time(machine: Machine) -> None:
    machine.file().write(b"one\n")
    path = machine.folder / "edge-1.2024-01-01-12.ab12.log"
    held = os.open(path, os.O_WRONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    machine.moves(HOUR_S + LATE_S)
    assert path.exists()
    os.close(held)
    machine.moves(0)
    assert not path.exists()


def test_what_is_no_log_file_is_nobodys_business(machine: Machine) -> None:
    names = [
        "access.log",
        "edge-1.2024-01-01-12.ab12.log.bak",
        "notes.txt",
        "x.2024-99-99-99.u.log",
    ]
    for name in names[:3]:
        (machine.folder / name).write_text("mine")
    machine.moves(100 * DAY_S)
    assert machine.names() == sorted(names[:3])


def test_files_of_the_former_release_are_kept_in_order_too(machine: Machine) -> None:
    (machine.folder / "edge-LHR50-1.2024-01-01-09.1f2e3d4c.log").write_bytes(HEADER + b"old\n")
    machine.moves(0)
    assert machine.names() == ["edge-LHR50-1.2024-01-01-09.1f2e3d4c.gz"]


def test_a_folder_that_cannot_be_used_is_told_once_and_hurts_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.write_text("in the way")
    retention = LogRetention(folder, lambda: NOON, 1, ROOM)
    retention.step()
    assert retention.problem == f"{folder}: file exists"
    folder.unlink()
    retention.step()
    assert retention.problem == ""


def test_a_file_that_cannot_be_compressed_holds_up_no_other(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of another user's, from a start as root; or there is no room for it."""
    machine.file("edge-1").write(b"one\n")
    machine.file("edge-2").write(b"two\n")
    pack = log_retention._pack

    def failing(descriptor: int, target: Path) -> None:
        pack(descriptor, target)
        if target.name.startswith("edge-1"):
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(log_retention, "_pack", failing)
    machine.clock.now += HOUR_S + LATE_S
    machine.retention.step()
    hour = "2024-01-01-12.ab12"
    assert machine.names() == [f"edge-1.{hour}.log", f"edge-2.{hour}.gz"]
    assert machine.retention.problem.endswith(f"edge-1.{hour}.log: permission denied")
    monkeypatch.undo()
    machine.moves(1)
    assert machine.names() == [f"edge-1.{hour}.gz", f"edge-2.{hour}.gz"]
