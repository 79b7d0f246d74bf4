"""The last of what functions logged in a process, for who follows it."""

from __future__ import annotations

import pytest

from edgecache.cluster.inspection import FunctionLogPage, FunctionLogQuery
from edgecache.functions.interface import FunctionLog
from edgecache.node.edge_functions import LOGS_MAX, PAGE_CHARS_MAX, FunctionLogBuffer

WHO = ("edge-LHR50-1", "edge", "LHR50")


def filled(count: int, line: str = "x") -> FunctionLogBuffer:
    buffer = FunctionLogBuffer(lambda: 9.0, "i")
    for number in range(1, count + 1):
        buffer.add(FunctionLog("f", str(number), "E1", (line,)))
    return buffer


def numbers(page: FunctionLogPage) -> list[int]:
    return [int(run.request_id) for run in page.runs]


def after(number: int, instance: str = "i") -> FunctionLogQuery:
    return FunctionLogQuery({instance: number})


def test_who_follows_gets_each_run_once() -> None:
    buffer = filled(3)
    first = buffer.page(WHO, FunctionLogQuery())
    assert (numbers(first), first.last, first.lost, first.instance) == ([1, 2, 3], 3, 0, "i")
    assert (first.runs[0].at, first.runs[0].function, first.runs[0].lines) == (9.0, "f", ("x",))
    assert numbers(buffer.page(WHO, after(3))) == []
    buffer.add(FunctionLog("f", "4", "E1", ("y",)))
    then = buffer.page(WHO, after(3))
    assert (numbers(then), then.last, then.lost) == ([4], 4, 0)


def test_who_is_slow_is_told_how_much_was_missed() -> None:
    page = filled(LOGS_MAX + 10).page(WHO, after(4))
    assert (len(page.runs), numbers(page)[0], page.last) == (LOGS_MAX, 11, LOGS_MAX + 10)
    assert page.lost == 6
    assert filled(LOGS_MAX + 10).page(WHO, FunctionLogQuery()).lost == 0


@pytest.mark.parametrize("query", [after(2, "before"), after(99), after(-1)])
def test_what_was_seen_of_another_process_says_nothing(query: FunctionLogQuery) -> None:
    page = filled(3).page(WHO, query)
    assert (numbers(page), page.lost) == ([1, 2, 3], 0)


def test_an_answer_is_bounded_and_the_next_one_goes_on() -> None:
    buffer = filled(LOGS_MAX, "x" * 10_000)
    seen, last = list[int](), 0
    while last < LOGS_MAX:
        page = buffer.page(WHO, after(last) if last else FunctionLogQuery())
        assert sum(len(line) for run in page.runs for line in run.lines) <= PAGE_CHARS_MAX
        assert page.lost == 0
        seen += numbers(page)
        last = page.last
    assert seen == [*range(1, LOGS_MAX + 1)]
    assert buffer.size_bytes == LOGS_MAX * 10_000


def test_a_question_is_spelled_as_it_is_read() -> None:
    query = FunctionLogQuery({"a": 1, "b": 2})
    assert FunctionLogQuery.read(query.spell()) == query
    assert FunctionLogQuery.read(b"function-logs:") == FunctionLogQuery()
    with pytest.raises(ValueError, match="too many"):
        FunctionLogQuery({str(number): 1 for number in range(10_000)}).spell()
    for wrong in (b"function-logs:!", b"function-logs:W10="):
        with pytest.raises(ValueError, match=r"."):
            FunctionLogQuery.read(wrong)
