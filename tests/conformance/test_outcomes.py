"""What raw results of the suite mean, kind by kind."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.outcomes import Kind, Result, judge, read_cases


def told(test_id: str, kind: str, result: object, *depends_on: str) -> dict[str, Any]:
    """A test as `client.mjs` writes it."""
    wanted = {"id": test_id, "group": "group", "kind": kind, "depends_on": list(depends_on)}
    return wanted if result is None else {**wanted, "result": result}


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        ("required", True, Result.PASS),
        ("optimal", True, Result.PASS),
        ("check", True, Result.YES),
        ("required", ["Assertion", "not so"], Result.FAIL),
        ("optimal", ["Assertion", "not so"], Result.FAIL),
        ("check", ["Assertion", "not so"], Result.NO),
        ("required", ["TypeError", "no such request"], Result.FAIL),
        ("check", ["Setup", "status is 500"], Result.SETUP),
        ("required", ["Setup", "retry"], Result.RETRY),
        ("optimal", ["Harness", "no end within 60 s"], Result.HARNESS),
        ("required", None, Result.HARNESS),
    ],
)
def test_a_result_by_kind(kind: str, raw: object, expected: Result) -> None:
    outcome = judge(read_cases([told("one", kind, raw)]))["one"]
    assert (outcome.kind, outcome.result) == (Kind(kind), expected)


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        (told("base", "optimal", True), Result.PASS),
        (told("base", "check", True), Result.PASS),
        (told("base", "check", ["Assertion", "no"]), Result.DEPENDENCY),
        (told("base", "required", ["Setup", "status"]), Result.DEPENDENCY),
        (told("base", "optimal", True, "stranger"), Result.PASS),
        (told("stranger", "optimal", ["Assertion", "no"]), Result.PASS),
    ],
)
def test_a_test_needs_those_it_builds_upon(base: dict[str, Any], expected: Result) -> None:
    outcomes = judge(read_cases([base, told("one", "required", True, "base")]))
    assert outcomes["one"].result is expected


def test_needs_reach_through() -> None:
    chain = [
        told("first", "check", ["Assertion", "no"]),
        told("second", "required", True, "first"),
        told("third", "required", ["Assertion", "not so"], "second"),
    ]
    third = judge(read_cases(chain))["third"]
    assert (third.result, third.message) == (Result.DEPENDENCY, "needs second; not so")
