"""What the suite's results mean. Law: as the suite's own `lib/display.mjs` reads them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What the suite thinks of a test."""

    REQUIRED = "required"  # the RFC demands it
    OPTIMAL = "optimal"  # the RFC allows it, and a good cache does it
    CHECK = "check"  # a question about behavior, with no right answer


class Result(StrEnum):
    """What came of a test."""

    PASS = "pass"
    FAIL = "fail"
    YES = "yes"  # of a check
    NO = "no"
    SETUP = "setup"  # the exchange broke before the question was put
    RETRY = "retry"  # the origin saw one request twice
    DEPENDENCY = "dependency"  # a test that this one builds upon did not pass
    HARNESS = "harness"  # no end in time, or not run


@dataclass(frozen=True, slots=True)
class Case:
    """One test and its raw result: an empty `error` is success, else the error's name."""

    id: str
    group: str
    kind: Kind
    depends_on: tuple[str, ...]
    error: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A test's result, and the suite's explanation when it is neither pass nor yes."""

    group: str
    kind: Kind
    result: Result
    message: str = ""


def read_cases(told: Iterable[dict[str, Any]]) -> dict[str, Case]:
    """Cases by id, from what `client.mjs` wrote."""
    return {case.id: case for case in map(_read_case, told)}


def _read_case(told: dict[str, Any]) -> Case:
    result = told.get("result") or ["Harness", "not run"]
    error, message = ("", "") if result is True else (str(result[0]), str(result[1]))
    kind = Kind(told["kind"])
    return Case(told["id"], told["group"], kind, tuple(told["depends_on"]), error, message)


def judge(cases: dict[str, Case]) -> dict[str, Outcome]:
    """Every case's outcome. A dependency outside `cases` is not held against a test."""
    return {case.id: _outcome(case, cases) for case in cases.values()}


def _outcome(case: Case, cases: dict[str, Case]) -> Outcome:
    result = _own_result(case)
    unmet = _unmet(case, cases)
    if unmet:
        told = f"needs {unmet}; {case.message}".removesuffix("; ")
        return Outcome(case.group, case.kind, Result.DEPENDENCY, told)
    return Outcome(case.group, case.kind, result, case.message)


def _unmet(case: Case, cases: dict[str, Case]) -> str:
    for wanted in case.depends_on:
        needed = cases.get(wanted)
        if needed and _outcome(needed, cases).result not in (Result.PASS, Result.YES):
            return wanted
    return ""


def _own_result(case: Case) -> Result:
    if case.error == "Harness":
        return Result.HARNESS
    if case.error == "Setup":
        return Result.RETRY if case.message == "retry" else Result.SETUP
    if case.kind is Kind.CHECK:
        return Result.NO if case.error else Result.YES
    return Result.FAIL if case.error else Result.PASS
