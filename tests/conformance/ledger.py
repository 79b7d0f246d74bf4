"""The ledger: what every test of the suite gives, and why it is not simply a pass.

Law: a reason belongs to a result; when the result changes, the reason is gone.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.outcomes import Kind, Outcome, Result

LEDGER = Path(__file__).with_name("ledger.toml")
_HEADER = """\
# http-cache-tests 0.4.5 against `edgecache serve --semantics rfc9111`: what every test gives.
# `why` is needed wherever the result is not a pass, and for every check ("yes because ...").
# Results are written by `python -m tests.conformance.record`; reasons by people.
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One test's line."""

    group: str
    kind: Kind
    result: Result
    why: str = ""

    @property
    def lacks_reason(self) -> bool:
        return self.result is not Result.PASS and not self.why.strip()


def parse(text: str) -> dict[str, Line]:
    """Lines by test id. ValueError or KeyError for what is not a ledger."""
    lines = {}
    for group, tests in tomllib.loads(text).items():
        for test_id, told in tests.items():
            kind, result = Kind(told["kind"]), Result(told["result"])
            lines[test_id] = Line(group, kind, result, told.get("why", ""))
    return lines


def render(lines: Mapping[str, Line]) -> str:
    """The file's text: groups and tests in the order given, `why` wherever it is needed."""
    parts = [_HEADER]
    group = ""
    for test_id, line in lines.items():
        if line.group != group:
            group = line.group
            parts.append(f"\n[{_key(group)}]\n")
        why = "" if line.result is Result.PASS else f", why = {_text(line.why)}"
        parts.append(
            f'{_key(test_id)} = {{ kind = "{line.kind}", result = "{line.result}"{why} }}\n'
        )
    return "".join(parts)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # a JSON string is a TOML basic string


def recorded(lines: Mapping[str, Line], outcomes: Mapping[str, Outcome]) -> dict[str, Line]:
    """The ledger of a run, with the reasons of those results that have not changed."""
    return {
        test_id: Line(new.group, new.kind, new.result, _kept_why(lines.get(test_id), new))
        for test_id, new in outcomes.items()
    }


def _kept_why(old: Line | None, new: Outcome) -> str:
    return old.why if old and old.result is new.result else ""


def differences(lines: Mapping[str, Line], outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    """What differs between ledger and run, better or worse, by test id, each in one line."""
    told = {}
    for test_id in {**lines, **outcomes}:
        old, new = lines.get(test_id), outcomes.get(test_id)
        before = f"{old.kind} {old.result}" if old else "absent"
        after = f"{new.kind} {new.result}" if new else "absent"
        if before != after:
            message = f" ({new.message})" if new and new.message else ""
            told[test_id] = f"{test_id}: ledger {before}, run {after}{message}"
    return told


def summary(lines: Mapping[str, Line]) -> str:
    """Counts by kind and result, one line for each kind."""
    counts = Counter((line.kind, line.result) for line in lines.values())
    rows = []
    for kind in Kind:
        results = [f"{counts[kind, result]} {result}" for result in Result if counts[kind, result]]
        rows.append(f"{kind}: {', '.join(results)}")
    return "\n".join(rows)
