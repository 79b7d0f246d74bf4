"""Lines of the flow log: their format, silence, and what is said when lines are lost."""

from __future__ import annotations

from edgecache.observe.flow_log import (
    BATCH_BYTES,
    HEADER,
    FlowLog,
    FlowRecord,
    FlowTotals,
    format_flow,
)
from tests.world.clock import FakeClock


class NoFile:
    lost = 0

    def write(self, batch: bytes) -> None: ...

    def reopen(self) -> None: ...


VIEWER, HERE = ("172.31.16.139", 20641), ("172.31.16.21", 22)


def record(start: float = 1418530010, packets: int = 20) -> FlowRecord:
    return FlowRecord(VIEWER, HERE, FlowTotals(packets, 4249), start, start + 60.9, accepted=True)


def flow_log(clock: FakeClock, bytes_max: int = 1_000) -> FlowLog:
    return FlowLog(NoFile(), "edge-LHR50-1", clock, bytes_max)


def statuses(lines: bytes) -> list[str]:
    return [line.split()[-1] for line in lines.decode().splitlines()]


def test_a_line_has_the_fields_of_version_2() -> None:
    """The example of the VPC User Guide, but for account and interface."""
    line = format_flow(record(), "eni-1235b8ca123456789")
    assert line == (
        b"2 - eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 "
        b"1418530010 1418530070 ACCEPT OK\n"
    )
    assert len(line.split()) == len(HEADER.split())


def test_what_is_not_known_is_a_dash() -> None:
    unknown = FlowRecord(("", 0), HERE, None, 5, 6, accepted=False)
    assert format_flow(unknown, "e") == b"2 - e - 172.31.16.21 0 22 6 - - 5 6 REJECT OK\n"


def test_an_interval_in_which_nothing_passed_is_told() -> None:
    clock = FakeClock()
    log = flow_log(clock)
    clock.now += 59
    log.end_interval(60)
    assert log.lines() == b""
    clock.now += 1
    log.end_interval(60)
    start = int(clock.now) - 60
    assert log.lines() == f"2 - edge-LHR50-1 - - - - - - - {start} {start + 60} - NODATA\n".encode()
    clock.now += 30
    log.append(record())
    clock.now += 59
    log.end_interval(60)
    assert statuses(log.lines()) == ["OK"]


def test_lost_lines_are_counted_and_told_before_the_next_one() -> None:
    clock = FakeClock()
    log = flow_log(clock, bytes_max=250)
    for number in range(5):
        log.append(record(clock.now + number))
    assert (log.dropped, log.queued_bytes <= 250) == (3, True)
    assert statuses(log.lines()) == ["OK", "OK"]
    log.append(record())
    lines = log.lines()
    assert statuses(lines) == ["SKIPDATA", "OK"]
    assert f"{int(clock.now) + 2}".encode() in lines  # the first that was lost
    assert log.queued_bytes == 0


def test_lost_lines_are_told_in_silence_too() -> None:
    clock = FakeClock()
    log = flow_log(clock, bytes_max=250)
    for _ in range(3):
        log.append(record())
    log.lines()
    clock.now += 60
    log.end_interval(60)
    assert statuses(log.lines()) == ["SKIPDATA"]


def test_lines_leave_in_batches() -> None:
    clock = FakeClock()
    log = flow_log(clock, bytes_max=10 * BATCH_BYTES)
    for _ in range(2_000):
        log.append(record())
    batches = [*iter(log.lines, b"")]
    assert len(batches) > 1
    assert all(len(batch) < BATCH_BYTES + 200 for batch in batches)
    assert sum(batch.count(b"\n") for batch in batches) == 2_000
