"""The access log: a bounded queue of records, files by the hour, a failing disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

from edgecache.observe.access_log import RECORD_BYTES, AccessLog
from tests.observe.test_log_record import NOON, record
from tests.world.records import joined


def lines_of(log: AccessLog, written: list[bytes]) -> list[bytes]:
    log.flush()
    return b"".join(written).splitlines()


def test_a_line_is_as_documented() -> None:
    written: list[bytes] = []
    log = AccessLog(joined(written.append))
    log.append(record())
    assert lines_of(log, written)[0].split(b"\t") == (
        b"2024-01-01 12:00:00 LHR50 512 192.0.2.1 GET d1.cloudfront.net /a%20b 200 - curl/8 "
        b"q=%2520 - Hit id== www.example.com http 90 0.002 - - - Hit HTTP/1.1 - - 54321 0.000 "
        b"Hit text/html 300 - - - -"
    ).split(b" ")


def test_the_time_follows_the_record() -> None:
    written: list[bytes] = []
    log = AccessLog(joined(written.append))
    for at in (NOON, NOON + 0.9, NOON + 1, NOON - 1):
        log.append(record(at=at))
    times = [line.split(b"\t")[1] for line in lines_of(log, written)]
    assert times == [b"12:00:00", b"12:00:00", b"12:00:01", b"11:59:59"]


def test_a_full_queue_drops_and_counts() -> None:
    written: list[bytes] = []
    log = AccessLog(joined(written.append), records_max=3)
    for _ in range(5):
        log.append(record())
    assert log.dropped == 2
    assert len(lines_of(log, written)) == 3
    log.append(record())
    assert log.flush() == 1
    assert log.dropped == 2


def test_what_waits_is_bounded_in_bytes_and_counted() -> None:
    written: list[bytes] = []
    log = AccessLog(joined(written.append), bytes_max=1_000_000)
    line = b"x" * 29_999 + b"\n"
    for _ in range(100):
        log.append_line(line)
    assert (log.queued_bytes, log.dropped) == (34 * 30_000, 66)
    assert len(b"".join(log.lines(4))) == 120_000
    assert log.queued_bytes == 30 * 30_000
    long = (*record()[:16], 60_000, *record()[17:])  # its head has so many bytes
    for _ in range(3):
        log.append(long)
    assert (log.queued_bytes, log.dropped) == (900_000 + 2 * (60_000 + RECORD_BYTES), 67)
    log.flush()
    assert log.queued_bytes == 0


def test_a_long_queue_is_written_in_batches_of_whole_lines() -> None:
    written: list[bytes] = []
    log = AccessLog(joined(written.append))
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

    log = AccessLog(joined(write), records_max=3)
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
