"""A reader of records: what it is given, what it loses, and what that says."""

from __future__ import annotations

import pytest

from edgecache.observe.log_filter import LogFilter
from edgecache.observe.log_reader import (
    BYTES_MAX,
    LINES_MAX,
    LINES_PER_S,
    LogReader,
    LogSelection,
    RecordSource,
    id_prefixes,
)
from edgecache.observe.log_record import RecordExtras, format_record
from edgecache.observe.traffic_summary import TrafficSample
from tests.observe.test_log_record import record

SOURCE = RecordSource("edge LHR50-1", "edge", lambda _address: ("DE", "3320"))
EXTRAS = RecordExtras("E1", "*", "absent", "web", 200, 0.25, 1.5)


def line(
    path: bytes = b"/", status: int = 200, id: str = "id==", extras: RecordExtras | None = EXTRAS
) -> bytes:
    made = list(record(status=status))
    made[6], made[13], made[32] = path, id, extras
    return format_record(tuple(made), lambda _: b"2024-01-01\t12:00:00")  # type: ignore[arg-type]


class Seconds:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def reader(filter: str = "", *fields: str, percent: float = 100.0) -> LogReader:
    chosen = LogSelection(LogFilter(filter), fields or ("cs-uri-stem",), percent)
    return LogReader(chosen, SOURCE, Seconds())


@pytest.mark.parametrize(
    ("filter", "rows"),
    [
        ("", [["/a"], ["/b"], ["/c%20d"]]),
        ("status>=500", [["/b"]]),
        ('path~"c d"', [["/c%20d"]]),
        ("reason=absent", [["/a"], ["/c%20d"]]),
        ("country=DE and asn=3320", [["/a"], ["/b"], ["/c%20d"]]),
        ("tier=regional", []),
        ("node='edge LHR50-1' and status=200", [["/a"], ["/c%20d"]]),
        ("connection-id=''", [["/a"], ["/b"], ["/c%20d"]]),
        ("connection-id=x", []),
    ],
)
def test_records_are_chosen(filter: str, rows: list[list[str]]) -> None:
    made = reader(filter)
    made.offer([line(b"/a"), line(b"/b", 503, extras=None), line(b"/c d")])
    assert made.take() == (rows, 0, None)
    assert made.take() == ([], 0, None)


def test_fields_come_as_they_are_named_escaped_and_of_its_process() -> None:
    made = reader("", "tier", "sc-status", "reason", "node", "c-country", "origin-lbl")
    made.offer([line(), line(extras=None)])
    ((*first, _), second) = made.take().rows
    assert first == ["edge", "200", "absent", "edge%20LHR50-1", "DE"]
    assert second == ["edge", "200", "-", "edge%20LHR50-1", "DE", "-"]


def test_what_is_not_taken_in_time_is_lost_and_counted() -> None:
    clock = Seconds()
    made = LogReader(LogSelection(LogFilter(""), ("cs-uri-stem",)), SOURCE, clock)
    for second in range(4):
        clock.now = second
        made.offer([line()] * LINES_PER_S)
    taken = made.take()
    assert (len(taken.rows), taken.lost) == (LINES_MAX, 4 * LINES_PER_S - LINES_MAX)
    assert made.take() == ([], 0, None)


def test_no_more_than_so_many_of_a_second_are_made() -> None:
    clock = Seconds()
    made = LogReader(LogSelection(LogFilter(""), ("cs-uri-stem",)), SOURCE, clock)
    made.offer([line()] * (LINES_PER_S + 7))
    made.offer([line()] * 3)
    taken = made.take()
    assert (len(taken.rows), taken.lost) == (LINES_PER_S, 10)
    clock.now = 1
    made.offer([line()])
    assert made.take().rows == [["/"]]


def test_its_bytes_are_bounded() -> None:
    made = reader()
    made.offer([line(b"/" + b"a" * 4_000)] * 500)
    assert 0 < made.size_bytes <= BYTES_MAX
    taken = made.take()
    assert len(taken.rows) + taken.lost == 500
    assert taken.lost > 0
    assert made.size_bytes == 0


@pytest.mark.parametrize(("percent", "count"), [(100, 4_096), (50, 2_048), (1, 41), (0.025, 1)])
def test_so_many_of_a_hundred_ids_are_sampled(percent: float, count: int) -> None:
    assert len(id_prefixes(percent)) == count


def test_a_sampled_request_is_so_at_each_tier() -> None:
    ids = [f"{a}{b}x==" for a in "AZz9-" for b in "Ab0_"]
    lines = [line(b"/%b" % id.encode(), id=id) for id in ids]
    made = [reader("", percent=50), reader("status=200", percent=50)]
    for one in made:
        one.offer(lines)
    first, second = (one.take().rows for one in made)
    assert first == second
    assert 0 < len(first) < len(ids)


def test_a_summary_counts_what_the_filter_chooses() -> None:
    made = LogReader(LogSelection(LogFilter("status=200"), (), 100, True), SOURCE, Seconds())
    assert made.take().summary is None
    made.offer([line(b"/a"), line(b"/a"), line(b"/b", 503)])
    assert made.size_bytes > 0
    taken = made.take()
    assert taken.rows == []
    assert isinstance(taken.summary, TrafficSample)
    assert taken.summary.requests == 2
    assert taken.summary.rankings["objects"].counts == {"www.example.com/a": 2}
    assert made.take().summary is None
