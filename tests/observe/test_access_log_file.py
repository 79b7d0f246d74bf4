"""Log files: by the hour, of several processes, taken away, on a failing disk; standard output."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edgecache.observe.access_log import LogFile, LogFileName, LogStream
from edgecache.observe.log_record import HEADER

NOON = 1_704_110_400.0  # 2024-01-01 12:00:00 UTC


def named(folder: Path) -> LogFileName:
    return LogFileName(folder, "E1", "ab12cd34")


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def test_a_file_opens_with_its_header_and_rotates_by_the_hour(tmp_path: Path) -> None:
    clock = Clock()
    file = LogFile(named(tmp_path / "logs"), clock, HEADER)
    file.write(b"one\n")
    clock.now += 3599
    file.write(b"two\n")
    clock.now += 1
    file.write(b"three\n")
    file.close()
    noon = tmp_path / "logs" / "E1.2024-01-01-12.ab12cd34.log"
    one = tmp_path / "logs" / "E1.2024-01-01-13.ab12cd34.log"
    assert noon.read_bytes() == HEADER + b"one\ntwo\n"
    assert one.read_bytes() == HEADER + b"three\n"


def test_a_file_opened_again_has_one_header(tmp_path: Path) -> None:
    for text in (b"one\n", b"two\n"):
        file = LogFile(named(tmp_path), Clock(), HEADER)
        file.write(text)
        file.close()
    assert next(tmp_path.iterdir()).read_bytes() == HEADER + b"one\ntwo\n"


def test_a_disk_that_fails_is_counted_and_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.write_text("in the way")
    file = LogFile(named(folder), Clock(), HEADER)
    file.write(b"one\ntwo\n")
    assert (file.errors, file.lost) == (1, 2)
    folder.unlink()
    file.write(b"three\n")
    file.close()
    assert next(folder.iterdir()).read_bytes() == HEADER + b"three\n"


def test_half_a_batch_is_cut_off_again(tmp_path: Path) -> None:
    room = [10_000, 5, 0]

    def put(descriptor: int, data: bytes) -> int:
        allowed = room.pop(0) if room else len(data)
        if allowed == 0:
            raise OSError(errno.ENOSPC, "no space left")
        return os.write(descriptor, data[:allowed])

    file = LogFile(named(tmp_path), Clock(), HEADER, put)
    file.write(b"one\n")
    file.write(b"two is longer than the room\n")
    file.write(b"three\n")
    file.close()
    assert (file.errors, file.lost) == (1, 1)
    assert next(tmp_path.iterdir()).read_bytes() == HEADER + b"one\nthree\n"


def test_two_processes_append_to_one_file_under_one_header(tmp_path: Path) -> None:
    first, second = (LogFile(named(tmp_path), Clock(), HEADER) for _ in range(2))
    first.write(b"one\n")
    second.write(b"two\n")
    first.write(b"three\n")
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == HEADER + b"one\ntwo\nthree\n"


@pytest.mark.parametrize("asked", [True, False], ids=["reopened", "noticed"])
def test_a_file_that_was_renamed_gets_nothing_more(tmp_path: Path, asked: bool) -> None:
    file = LogFile(named(tmp_path), Clock(), HEADER)
    file.write(b"one\n")
    (path,) = tmp_path.iterdir()
    path.rename(tmp_path / "rotated")
    if asked:
        file.reopen()
    file.write(b"two\n")
    assert (tmp_path / "rotated").read_bytes() == HEADER + b"one\n"
    assert path.read_bytes() == HEADER + b"two\n"


def test_a_file_that_was_cut_is_appended_to(tmp_path: Path) -> None:
    file = LogFile(named(tmp_path), Clock())
    file.write(b"one\n")
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"")  # logrotate's copytruncate
    file.write(b"two\n")
    assert path.read_bytes() == b"two\n"


def test_a_reader_that_has_gone_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    stream = LogStream(writing, tmp_path / "logs" / "lock")
    stream.write(b"one\n")
    assert os.read(reading, 100) == b"one\n"
    os.close(reading)
    stream.write(b"two\nthree\n")
    assert (stream.errors, stream.lost) == (1, 2)
    assert stream.problem == "stdout: broken pipe"
    os.close(writing)


def test_half_a_line_gets_its_end_before_the_next(tmp_path: Path) -> None:
    written, rooms = bytearray(), [3, 0, 100]

    def put(_: int, data: bytes) -> int:
        room = rooms.pop(0)
        if not room:
            raise OSError(errno.ENOSPC, "no space left")
        written.extend(data[:room])
        return min(room, len(data))

    stream = LogStream(1, tmp_path / "lock", put)
    stream.write(b"first\nsecond\n")
    stream.write(b"third\n")
    assert bytes(written) == b"fir\nthird\n"
    assert stream.lost == 2


def test_lines_that_a_reader_does_not_take_are_counted_once(tmp_path: Path) -> None:
    """The end of a torn line, which every batch begins with from then on, is none of them."""
    left = [5]

    def put(_descriptor: int, data: bytes) -> int:
        if not left:
            raise BlockingIOError
        return min(left.pop(), len(data))

    stream = LogStream(1, tmp_path / "lock", put)
    for _ in range(3):
        stream.write(b"one\ntwo\n")
    assert stream.lost == 5
