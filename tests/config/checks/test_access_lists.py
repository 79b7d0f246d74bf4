"""Access lists and IP sets of a file: every problem with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecache.config.access_lists import AccessList, AccessRule
from edgecache.config.load import load
from edgecache.config.model import Config
from edgecache.config.problems import ConfigError

SITE = """
[[ip_sets]]
name = "office"
addresses = ["192.0.2.0/24", "2001:db8::/32"]
[[ip_sets]]
name = "bad"
file = "bad.txt"
[[locations]]
name = "LHR50"
listen = "127.0.0.1:8080"
[[distributions]]
id = "E1"
aliases = ["site.test"]
origins = [{ id = "o", domain_name = "origin.test" }]
[distributions.default_behavior]
origin = "o"
%s
"""
LIST = "access_list = { rules = [%s] }"
WHERE = "distributions[0].default_behavior.access_list"


def loaded(folder: Path, lines: str, rest: str = "") -> Config:
    (folder / "edgecache.toml").write_text(SITE % lines + rest)
    return load(folder / "edgecache.toml")


def problems(folder: Path, lines: str, rest: str = "") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, lines, rest)
    return [str(problem) for problem in caught.value.problems]


def test_a_list_is_of_numbered_rules(tmp_path: Path) -> None:
    lines = (
        'access_list = { default = "allow", rules = [\n'
        '  { number = 10, action = "deny", sources = ["set:bad", "203.0.113.7"] } ] }\n'
    )
    config = loaded(tmp_path, lines)
    assert config.distributions[0].default_behavior.access_list == AccessList(
        default="allow",
        rules=(AccessRule(number=10, action="deny", sources=("set:bad", "203.0.113.7")),),
    )
    assert config.ip_sets[1].file == str(tmp_path / "bad.txt")
    assert AccessList().default == "deny"  # as a network ACL's


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        (
            '{ number = 1, action = "allow", sources = ["10.0.0.1/8"] }',
            '.rules[0].sources[0]: "10.0.0.1/8" has bits beyond its prefix: 10.0.0.0/8 is the '
            "network",
        ),
        (
            '{ number = 1, action = "allow", sources = ["ten"] }',
            '.rules[0].sources[0]: "ten" is neither an address nor a network',
        ),
        (
            '{ number = 1, action = "allow", sources = ["set:ofice"] }',
            '.rules[0].sources[0]: "ofice" is not one of ip_sets (known: "bad", "office")',
        ),
        (
            '{ number = 1, action = "allow", sources = [] }',
            '.rules[0].sources: empty: name networks, or "set:NAME"',
        ),
        (
            '{ number = 0, action = "allow", sources = ["::1"] }',
            ".rules[0].number: 0 is outside 1 to 32766 rule number",
        ),
        (
            '{ number = 1, action = "drop", sources = ["::1"] }',
            '.rules[0].action: "drop" is not one of "allow", "deny"',
        ),
        (
            '{ number = 5, action = "allow", sources = ["::1"] },'
            '{ number = 5, action = "deny", sources = ["::2"] }',
            ".rules[1].number: 5 is the number of rules[0] too: which is first?",
        ),
    ],
)
def test_a_list_that_says_nothing_certain_is_refused(
    tmp_path: Path, rules: str, problem: str
) -> None:
    assert problems(tmp_path, LIST % rules) == [WHERE + problem]


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('name = "office"\naddresses = ["::1"]', '.name: "office" is another set\'s too'),
        ('name = "a b"\naddresses = ["::1"]', '.name: "a b" is not a name (letters, digits, -_)'),
        ('name = "x"', ": holds nobody: give it addresses or a file"),
        (
            'name = "x"\nfile = "f"\naddresses = ["::1"]',
            ".addresses: stand in the file: leave one of them out",
        ),
        ('name = "x"\naddresses = ["1.2.3"]', '.addresses[0]: "1.2.3" is neither an address nor a'),
    ],
)
def test_a_set_that_cannot_be_used_is_refused(tmp_path: Path, table: str, problem: str) -> None:
    (told,) = problems(tmp_path, "", "\n[[ip_sets]]\n" + table)
    assert told.startswith("ip_sets[2]" + problem)


def test_there_are_bounds(tmp_path: Path) -> None:
    rules = ",".join(
        f'{{ number = {n}, action = "allow", sources = ["::1"] }}' for n in range(1, 102)
    )
    assert problems(tmp_path, LIST % rules) == [f"{WHERE}.rules: 101 are more than 100"]
    sources = ",".join(['"::1"'] * 1_001)
    rule = f'{{ number = 1, action = "allow", sources = [{sources}] }}'
    assert problems(tmp_path, LIST % rule) == [
        f"{WHERE}.rules[0].sources: 1001 are more than 1000: make a set of them"
    ]
