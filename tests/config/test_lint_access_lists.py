"""Warnings about access lists: rules that decide nothing, lists that say one thing to all."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edgecache.config.lint import lint
from edgecache.config.model import Config

LIST = "distributions[0].default_behavior.access_list"
SETS = [
    {"name": "office", "addresses": ["192.0.2.0/25", "2001:db8::/48"]},
    {"name": "bad", "file": "/bad.txt"},
]
USED = [
    {"number": 900, "action": "deny", "sources": ["set:bad"]},
    {"number": 901, "action": "deny", "sources": ["set:office"]},
]


def warned(rules: list[dict[str, Any]], default: str = "allow") -> list[str]:
    site = {
        "id": "E1",
        "origins": [{"id": "web", "domain_name": "o.test"}],
        "default_behavior": {
            "origin": "web",
            "access_list": {"default": default, "rules": [*rules, *USED]},
        },
    }
    table = {"distributions": [site], "ip_sets": SETS}
    return [str(problem) for problem in lint(msgspec.convert(table, Config))]


def rule(number: int, action: str, *sources: str) -> dict[str, Any]:
    return {"number": number, "action": action, "sources": sources}


NEVER = "never decides: rules with lower numbers have all its addresses"
UNREACHED = "is never reached: rules with lower numbers have all of it"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([rule(1, "allow", "192.0.2.7"), rule(2, "deny", "192.0.2.0/25")], []),  # an exception
        (
            [rule(2, "allow", "10.1.0.0/16"), rule(1, "deny", "10.0.0.0/8")],
            [f"{LIST}.rules[0]: {NEVER}"],
        ),
        (
            [rule(1, "deny", "10.0.0.0/9", "10.128.0.0/9"), rule(2, "allow", "10.0.0.0/8", "::1")],
            [f'{LIST}.rules[1].sources[0]: "10.0.0.0/8" {UNREACHED}'],
        ),
        (
            [rule(1, "deny", "192.0.2.0/24", "2001:db8::/32"), rule(2, "allow", "set:office")],
            [f"{LIST}.rules[1]: {NEVER}", f"{LIST}.rules[3]: {NEVER}"],
        ),
        ([rule(1, "deny", "0.0.0.0/0"), rule(2, "allow", "set:bad")], []),  # of IPv6, perhaps
    ],
)
def test_rules_that_are_never_asked(rules: list[dict[str, Any]], expected: list[str]) -> None:
    assert warned(rules) == expected


def test_a_list_that_says_the_same_to_everybody() -> None:
    assert warned([], "deny") == [f"{LIST}: lets nobody in: no rule is other than the default"]


def test_a_set_that_nobody_names() -> None:
    table = {"ip_sets": SETS, "control": {"listen": "127.0.0.1:8090"}}
    told = [str(problem) for problem in lint(msgspec.convert(table, Config))]
    assert told == ['ip_sets[0]: "office" is not used', 'ip_sets[1]: "bad" is not used']
