"""Checks of policies against the rest: no key names what tracing takes out of requests."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edgecache.config.checks.policies import check_traced_keys
from edgecache.config.lint import lint
from edgecache.config.model import Config
from edgecache.config.problems import Problems

KEYED = {"cache_policy": {"headers": {"behavior": "whitelist", "items": ["A", "TraceParent"]}}}
LEGACY = {"forwarded_values": {"headers": ["tracestate"]}}


def config(context: str, default: dict[str, Any], *others: dict[str, Any]) -> Config:
    named = [{"path_pattern": f"/{n}", "origin": "o", **one} for n, one in enumerate(others)]
    site = {
        "id": "E1",
        "origins": [{"id": "o", "domain_name": "o.test"}],
        "default_behavior": {"origin": "o", **default},
        "behaviors": named,
    }
    return msgspec.convert({"tracing": {"context": context}, "distributions": [site]}, Config)


@pytest.mark.parametrize(
    ("default", "others", "places"),
    [
        ({}, (), []),
        (KEYED, (), ["default_behavior.cache_policy.headers.items[1]"]),
        ({}, (KEYED,), ["behaviors[0].cache_policy.headers.items[1]"]),
        (LEGACY, (), ["default_behavior.forwarded_values.headers[0]"]),
    ],
)
def test_a_key_with_a_trace_is_a_problem_where_traces_are_taken_out_and_else_a_warning(
    default: dict[str, Any], others: tuple[dict[str, Any], ...], places: list[str]
) -> None:
    expected = [f"distributions[0].{place}" for place in places]
    for context in ("extract", "inject", "propagate"):
        problems = Problems()
        check_traced_keys(config(context, default, *others), problems)
        assert [problem.where for problem in problems.found] == expected
        assert all(context in problem.message for problem in problems.found)
    ignoring, problems = config("ignore", default, *others), Problems()
    check_traced_keys(ignoring, problems)
    assert not problems.found
    assert [one.where for one in lint(ignoring) if "tracing" in one.message] == expected
