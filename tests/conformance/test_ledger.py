"""The ledger: read and written without loss, and honest about what changed."""

from __future__ import annotations

import pytest

from tests.conformance import ledger
from tests.conformance.ledger import Line
from tests.conformance.outcomes import Kind, Outcome, Result

LINES = {
    "a": Line("one", Kind.REQUIRED, Result.PASS),
    "b=2": Line("one", Kind.CHECK, Result.NO, 'no because "quoted" \\ is not §5'),
    "c": Line("two", Kind.OPTIMAL, Result.FAIL, "because"),
}


def outcome(result: Result, kind: Kind = Kind.OPTIMAL, message: str = "") -> Outcome:
    return Outcome("two", kind, result, message)


def test_what_is_written_is_read_back() -> None:
    assert ledger.parse(ledger.render(LINES)) == LINES


def test_the_file_in_the_tree_is_as_the_recorder_writes_it() -> None:
    text = ledger.LEDGER.read_text()
    assert ledger.render(ledger.parse(text)) == text


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (outcome(Result.FAIL, message="other words"), "because"),
        (outcome(Result.SETUP), ""),
        (outcome(Result.PASS), ""),
    ],
)
def test_a_reason_stays_as_long_as_its_result(new: Outcome, why: str) -> None:
    assert ledger.recorded(LINES, {"c": new})["c"].why == why


@pytest.mark.parametrize(
    ("line", "lacks"),
    [
        (Line("one", Kind.REQUIRED, Result.PASS), False),
        (Line("one", Kind.REQUIRED, Result.FAIL), True),
        (Line("one", Kind.CHECK, Result.YES), True),
        (Line("one", Kind.CHECK, Result.YES, " "), True),
        (Line("one", Kind.CHECK, Result.YES, "yes because"), False),
    ],
)
def test_what_is_not_a_pass_needs_a_reason(line: Line, lacks: bool) -> None:
    assert line.lacks_reason is lacks


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [
        ({"c": outcome(Result.FAIL)}, {}),
        ({"c": outcome(Result.PASS)}, {"c": "c: ledger optimal fail, run optimal pass"}),
        (
            {"c": outcome(Result.SETUP, message="500")},
            {"c": "c: ledger optimal fail, run optimal setup (500)"},
        ),
        (
            {"c": outcome(Result.FAIL, Kind.REQUIRED)},
            {"c": "c: ledger optimal fail, run required fail"},
        ),
        ({}, {"c": "c: ledger optimal fail, run absent"}),
        (
            {"c": outcome(Result.FAIL), "d": outcome(Result.PASS)},
            {"d": "d: ledger absent, run optimal pass"},
        ),
    ],
)
def test_better_and_worse_and_gone_and_new_all_differ(
    outcomes: dict[str, Outcome], told: dict[str, str]
) -> None:
    assert ledger.differences({"c": LINES["c"]}, outcomes) == told
