"""Spooled log files: one for each distribution and hour, closed in time, owned while they grow."""

from __future__ import annotations

import errno
import itertools
import os
import re
from pathlib import Path

import pytest

from edgecache.observe import log_spool
from edgecache.observe.log_record import LogTimestamp, RecordExtras, format_record
from edgecache.observe.log_spool import (
    LATE_S,
    LogDestination,
    LogSpool,
    living_owners,
    read_destination,
    split_records,
    unique_name,
    with_cookie,
)

NOON = 1_800_014_400.0  # 2027-01-15 12:00:00
LOGS = LogDestination("logs.s3.amazonaws.com", "web")
HEADER = b"#Version: 1.0\n#Fields: date time\n"


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def spool_in(folder: Path, clock: Clock, first: int = 0) -> LogSpool:
    numbers = itertools.count(first)
    return LogSpool(folder, lambda: f"{next(numbers):08x}", clock, HEADER)


def line(second: int, text: str = "x", hour: int = 12) -> bytes:
    return f"2027-01-15\t{hour}:{second // 60:02}:{second % 60:02}\t{text}\n".encode()


def files(folder: Path) -> dict[str, bytes]:
    """Log files of a spool by name."""
    found = (path for path in folder.glob("*/*") if path.suffix in (".open", ".log", ".gz"))
    return {path.name: path.read_bytes() for path in sorted(found)}


@pytest.mark.parametrize(
    ("prefix", "key"),
    [("", "E1.gz"), ("web", "web/E1.gz"), ("web/", "web/E1.gz"), ("a/b", "a/b/E1.gz")],
)
def test_a_prefix_is_given_its_slash(prefix: str, key: str) -> None:
    assert LogDestination("b", prefix).key("E1.gz") == key


def test_a_unique_name_is_eight_letters_and_digits() -> None:
    assert unique_name(lambda count: bytes(range(count))) == "01234567"
    assert re.fullmatch("[0-9a-z]{8}", unique_name(os.urandom))
    assert len({unique_name(os.urandom) for _ in range(1_000)}) == 1_000


def test_each_distribution_and_hour_has_a_file(tmp_path: Path) -> None:
    spool = spool_in(tmp_path, Clock())
    spool.write(LOGS, "E1", [line(1, "a"), line(2, "b"), line(1, "c", hour=13)])
    spool.write(LOGS, "E2", [line(3)])
    spool.write(LOGS, "E1", [line(4, "d")])
    spool.close()
    assert {name.rsplit(".", 2)[0]: text for name, text in files(tmp_path).items()} == {
        "E1.2027-01-15-12": HEADER + line(1, "a") + line(2, "b") + line(4, "d"),
        "E1.2027-01-15-13": HEADER + line(1, "c", hour=13),
        "E2.2027-01-15-12": HEADER + line(3),
    }
    (folder,) = (path for path in tmp_path.iterdir() if path.name == LOGS.folder)
    assert read_destination(folder) == LOGS


@pytest.mark.parametrize(("interval_s", "closed_after_s"), [(3_600, 2_400), (60, 60), (7, 1)])
def test_a_file_is_closed_when_its_interval_is_over(
    tmp_path: Path, interval_s: int, closed_after_s: int
) -> None:
    clock = Clock()
    spool = spool_in(tmp_path, clock)
    spool.interval_s = interval_s
    clock.now = NOON + 1_200
    spool.write(LOGS, "E1", [line(1_200)])
    clock.now += closed_after_s + LATE_S - 0.5
    spool.close_due()
    assert [name.rpartition(".")[2] for name in files(tmp_path)] == ["open"]
    clock.now += 6
    spool.close_due()
    assert [name.rpartition(".")[2] for name in files(tmp_path)] == ["log"]


def test_what_comes_late_has_a_file_of_its_own(tmp_path: Path) -> None:
    clock = Clock()
    spool = spool_in(tmp_path, clock)
    spool.write(LOGS, "E1", [line(1)])
    clock.now += 3_600 + LATE_S
    spool.close_due()
    spool.write(LOGS, "E1", [line(3_599)])
    assert [name.rpartition(".")[2] for name in files(tmp_path)] == ["log", "open"]
    assert len({name.split(".")[2] for name in files(tmp_path)}) == 2


def test_a_clock_that_was_set_back_keeps_no_file_open(tmp_path: Path) -> None:
    clock = Clock()
    spool = spool_in(tmp_path, clock)
    spool.write(LOGS, "E1", [line(1)])
    clock.now -= 86_400
    spool.close_due()
    assert [name.rpartition(".")[2] for name in files(tmp_path)] == ["log"]


def test_a_large_file_is_closed_before_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_spool, "FILE_BYTES_MAX", 100)
    spool = spool_in(tmp_path, Clock())
    for second in range(4):
        spool.write(LOGS, "E1", [line(second, "x" * 40)])
    assert [name.rpartition(".")[2] for name in files(tmp_path)] == ["log", "log"]


def test_a_full_disk_loses_whole_lines_and_counts_them(tmp_path: Path) -> None:
    room = [60]

    def put(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        size = os.write(descriptor, data[: room[0]])
        room[0] -= size
        return size

    spool = LogSpool(tmp_path, lambda: "u", Clock(), HEADER, put)
    spool.write(LOGS, "E1", [line(1)])
    spool.write(LOGS, "E1", [line(2), line(3)])
    assert (spool.lost, spool.problem) == (2, "No space left on device")
    room[0] = 1_000
    spool.write(LOGS, "E1", [line(4)])
    assert (spool.lost, spool.problem) == (2, "")
    assert [*files(tmp_path).values()] == [HEADER + line(1) + line(4)]


def test_a_folder_that_cannot_be_made_loses_lines(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    spool = spool_in(tmp_path / "spool", Clock())
    spool.write(LOGS, "E1", [line(1)])
    spool.close_due()
    spool.close()
    assert spool.lost == 1
    assert spool.problem


def test_a_file_that_somebody_took_away_is_begun_under_another_name(tmp_path: Path) -> None:
    spool = spool_in(tmp_path, Clock())
    spool.write(LOGS, "E1", [line(1)])
    (first,) = tmp_path.glob("*/*.open")
    first.unlink()
    spool.write(LOGS, "E1", [line(2)])
    (second,) = tmp_path.glob("*/*.open")
    assert second.name != first.name
    assert second.read_bytes() == HEADER + line(2)
    assert not spool.lost


def test_an_owner_lives_until_it_closes(tmp_path: Path) -> None:
    first, second = spool_in(tmp_path, Clock()), spool_in(tmp_path, Clock(), 100)
    assert not living_owners(tmp_path)
    first.write(LOGS, "E1", [line(1)])
    second.write(LOGS, "E1", [line(1)])
    assert len(living_owners(tmp_path)) == 2
    first.close()
    assert living_owners(tmp_path) == {f"{100:08x}"}
    second.close()
    assert not living_owners(tmp_path)


def test_a_lock_that_nobody_holds_is_of_the_dead(tmp_path: Path) -> None:
    (tmp_path / "owners").mkdir()
    (tmp_path / "owners" / "dead.lock").touch()
    assert not living_owners(tmp_path)
    assert not [*(tmp_path / "owners").iterdir()]


@pytest.mark.parametrize("text", ["", "[]", '{"bucket": "b"}', "{"])
def test_a_destination_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "destination.json").write_text(text)
    assert read_destination(tmp_path) is None


def record(number: int, *, second: bool, cookie: bytes | None = None) -> bytes:
    """As the log has it."""
    extras = RecordExtras("E1", "*", cookie=cookie) if second else None
    values = (
        *(NOON, "LHR50", 512, "192.0.2.1", b"GET", b"d1.test", b"/%d" % number, 200),
        *(None, b"curl/8", None, None, "Hit", "id==", b"www.example.com", "http"),
        *(90, 0.0015, None, None, None, "Hit", "HTTP/1.1", None, None),
        *(54321, 0.0004, "Hit", b"text/html", 300, None, None, extras),
    )
    return format_record(values, LogTimestamp().at)


def test_a_record_has_one_line_or_two() -> None:
    kinds = (True, False, False, True, True)
    found = [*split_records(b"".join(record(n, second=two) for n, two in enumerate(kinds)))]
    assert [line for line, _ in found] == [record(n, second=False) for n in range(5)]
    assert [second.split(b"\t")[0] for _, second in found] == [b"E1", b"", b"", b"E1", b"E1"]
    assert [*split_records(b"")] == []


@pytest.mark.parametrize(
    ("cookie", "shown"),
    [(None, b"-"), (b"a=1; b=\t2", b"a=1;%20b=%092"), (b"x" * 9_000, b"x" * 4_093 + b"...")],
)
def test_a_line_shows_the_cookies_of_its_second_line(cookie: bytes | None, shown: bytes) -> None:
    ((line, second),) = split_records(record(1, second=True, cookie=cookie))
    values = with_cookie(line, second).split(b"\t")
    assert len(values) == 35
    assert values[12] == shown
    assert values[:12] + values[13:] == line.split(b"\t")[:12] + line.split(b"\t")[13:]
