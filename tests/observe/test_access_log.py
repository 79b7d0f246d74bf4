"""The access log: the documented line, hostile values, a bounded queue, a failing disk."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.observe.access_log import (
    FIELD_BYTES_MAX,
    FIELDS,
    HEADER,
    RECORD_BYTES,
    AccessLog,
    LogFile,
    Record,
    escaped,
    format_record,
    parse_line,
)

NOON = 1_704_110_400.0  # 2024-01-01 12:00:00 UTC


def record(agent: bytes | None = b"curl/8", at: float = NOON, status: int = 200) -> Record:
    return (
        *(at, "LHR50", 512, "192.0.2.1", b"GET", b"d1.cloudfront.net", b"/a b", status),
        *(None, agent, b"q=%20", None, "Hit", "id==", b"www.example.com", "http"),
        *(90, 0.0015, None, None, None, "Hit", "HTTP/1.1", None, None),
        *(54321, 0.0004, "Hit", b"text/html", 300, None, None),
    )


def lines_of(log: AccessLog, written: list[bytes]) -> list[bytes]:
    log.flush()
    return b"".join(written).splitlines()


def test_a_line_is_as_documented() -> None:
    written: list[bytes] = []
    log = AccessLog(written.append)
    log.append(record())
    assert lines_of(log, written)[0].split(b"\t") == (
        b"2024-01-01 12:00:00 LHR50 512 192.0.2.1 GET d1.cloudfront.net /a%20b 200 - curl/8 "
        b"q=%2520 - Hit id== www.example.com http 90 0.002 - - - Hit HTTP/1.1 - - 54321 0.000 "
        b"Hit text/html 300 - -"
    ).split(b" ")


def test_there_are_33_fields() -> None:
    assert len(FIELDS.split(" ")) == 33
    assert HEADER.splitlines() == [b"#Version: 1.0", b"#Fields: " + FIELDS.encode()]


def test_a_viewer_who_left_has_status_000() -> None:
    line = format_record(record(status=0), lambda _: b"d\tt").decode()
    assert parse_line(line)[8] == "000"


def test_the_time_follows_the_record() -> None:
    written: list[bytes] = []
    log = AccessLog(written.append)
    for at in (NOON, NOON + 0.9, NOON + 1, NOON - 1):
        log.append(record(at=at))
    times = [line.split(b"\t")[1] for line in lines_of(log, written)]
    assert times == [b"12:00:00", b"12:00:00", b"12:00:01", b"11:59:59"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, b"-"),
        (b"", b"-"),
        ("", b"-"),
        (b"plain/1.0(x;y)", b"plain/1.0(x;y)"),
        (b"a b", b"a%20b"),
        (b"%20", b"%2520"),
        (b"\t\n\x00\x1f", b"%09%0A%00%1F"),
        (b"\x1b[2J", b"%1B%5B2J"),
        (b"\x7f\x80\xff", b"%7F%80%FF"),
        (b'<>"#%{}|\\^~[]`', b"%3C%3E%22%23%25%7B%7D%7C%5C%5E%7E%5B%5D%60"),
        ("\xe9", b"%C3%A9"),
        (b"${jndi:ldap://x}", b"$%7Bjndi:ldap://x%7D"),
    ],
)
def test_values_are_escaped(value: bytes | str | None, text: bytes) -> None:
    assert escaped(value) == text


@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_make_one_record_that_parses_back(agent: bytes) -> None:
    line = format_record(record(agent), lambda _: b"d\tt")
    assert line.count(b"\n") == 1
    values = parse_line(line.decode("ascii"))
    assert len(values) == 33
    assert values[10].encode("latin-1") == agent


def test_a_long_user_agent_is_one_record() -> None:
    agent = b'\n\x1b[2J"\t\xff' * 20_000
    line = format_record(record(agent), lambda _: b"d\tt")
    assert len(line) < FIELD_BYTES_MAX + 500
    logged = parse_line(line.decode("ascii"))[10].encode("latin-1")
    assert logged.endswith(b"...")
    assert agent.startswith(logged[:-3])


@pytest.mark.parametrize("start", [b"", b"a", b"ab"])
@pytest.mark.parametrize("piece", [b"a", b"\xff", b"a\xff"])
def test_a_field_is_cut_between_two_escapes(start: bytes, piece: bytes) -> None:
    for count in (2_000, 2_730, 2_731, 4_000, 8_191, 8_192, 8_193, 90_000):
        value = start + piece * count
        logged = escaped(value)
        assert len(logged) <= FIELD_BYTES_MAX
        read = unquote_to_bytes(logged)
        if read != value:
            assert len(logged) > FIELD_BYTES_MAX - 6
            assert read.endswith(b"...")
            assert value.startswith(read[:-3])


def test_a_full_queue_drops_and_counts() -> None:
    written: list[bytes] = []
    log = AccessLog(written.append, records_max=3)
    for _ in range(5):
        log.append(record())
    assert log.dropped == 2
    assert len(lines_of(log, written)) == 3
    log.append(record())
    assert log.flush() == 1
    assert log.dropped == 2


def test_what_waits_is_bounded_in_bytes_and_counted() -> None:
    written: list[bytes] = []
    log = AccessLog(written.append, bytes_max=1_000_000)
    line = b"x" * 29_999 + b"\n"
    for _ in range(100):
        log.append_line(line)
    assert (log.queued_bytes, log.dropped) == (34 * 30_000, 66)
    assert len(log.lines(4)) == 120_000
    assert log.queued_bytes == 30 * 30_000
    long = (*record()[:16], 60_000, *record()[17:])  # its head has so many bytes
    for _ in range(3):
        log.append(long)
    assert (log.queued_bytes, log.dropped) == (900_000 + 2 * (60_000 + RECORD_BYTES), 67)
    log.flush()
    assert log.queued_bytes == 0


def test_a_long_queue_is_written_in_batches_of_whole_lines() -> None:
    written: list[bytes] = []
    log = AccessLog(written.append)
    for _ in range(600):
        log.append(record())
    assert log.flush() == 600
    assert [batch.count(b"\n") for batch in written] == [256, 256, 88]
    assert all(batch.endswith(b"\n") for batch in written)


def test_a_stuck_reader_holds_up_no_request() -> None:
    stuck, freed = Event(), Event()

    def write(batch: bytes) -> None:
        stuck.set()
        freed.wait(20)

    log = AccessLog(write, records_max=3)
    log.append(record())
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(log.flush)
        assert stuck.wait(20)
        for _ in range(5):
            log.append(record())
        second = pool.submit(log.flush)
        assert log.dropped == 2
        freed.set()
        assert (first.result(20), second.result(20)) == (1, 3)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def test_a_file_opens_with_its_header_and_rotates_by_the_hour(tmp_path: Path) -> None:
    clock = Clock()
    file = LogFile(tmp_path / "logs", "E1", "ab12cd34", clock)
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
        file = LogFile(tmp_path, "E1", "u", Clock())
        file.write(text)
        file.close()
    assert next(tmp_path.iterdir()).read_bytes() == HEADER + b"one\ntwo\n"


def test_a_disk_that_fails_is_counted_and_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.write_text("in the way")
    file = LogFile(folder, "E1", "u", Clock())
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

    file = LogFile(tmp_path, "E1", "u", Clock(), put)
    file.write(b"one\n")
    file.write(b"two is longer than the room\n")
    file.write(b"three\n")
    file.close()
    assert (file.errors, file.lost) == (1, 1)
    assert next(tmp_path.iterdir()).read_bytes() == HEADER + b"one\nthree\n"
