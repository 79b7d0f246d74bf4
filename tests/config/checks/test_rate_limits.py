"""Rate limits as files have them: what is good, and every problem with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecache.config.checks.rate_limits import rate_limit_warnings
from edgecache.config.load import load
from edgecache.config.model import Behavior, Config, LimitRate, RateLimit
from edgecache.config.problems import ConfigError

SITE = """
[[distributions]]
id = "E1"
aliases = ["site.test"]
origins = [{ id = "o", domain_name = "origin.test" }]
default_behavior = { origin = "o"%s }
behaviors = [{ path_pattern = "/api/*", origin = "o"%s }]
"""
WHERE = "distributions[0].default_behavior"
API = "distributions[0].behaviors[0]"
GOOD = 'name = "n", requests_per_s = 10, burst = 20'


def loaded(folder: Path, default: str = "", api: str = "") -> Config:
    file = folder / "edgecache.toml"
    file.write_text(SITE % (default, api))
    return load(file)


def limited(*limits: str) -> str:
    return ", rate_limits = [" + ", ".join(f"{{ {limit} }}" for limit in limits) + "]"


def test_what_a_file_says(tmp_path: Path) -> None:
    text = limited(GOOD, 'name = "key", key = "header:X-Api-Key", requests_per_s = 0.5, burst = 1')
    text += ', limit_rate = { bytes_per_s = "512 KiB", after_bytes = "1 MiB" }'
    behavior = loaded(tmp_path, text).distributions[0].default_behavior
    assert behavior.rate_limits == (
        RateLimit(name="n", requests_per_s=10, burst=20),
        RateLimit(name="key", key="header:X-Api-Key", requests_per_s=0.5, burst=1),
    )
    assert behavior.limit_rate == LimitRate(bytes_per_s=524_288, after_bytes=1_048_576)


def test_one_limit_at_two_behaviors(tmp_path: Path) -> None:
    """They share its buckets."""
    loaded(tmp_path, limited(GOOD), limited(GOOD))


KEYS = ["address", "path", "path:1", "path:16", "header:X-Api-Key", "cookie:session", "cookie:a.b"]


@pytest.mark.parametrize("key", KEYS)
def test_keys(tmp_path: Path, key: str) -> None:
    loaded(tmp_path, limited(f'{GOOD}, key = "{key}"'))


NO_KEYS = ["", "ip", "address:24", "path:", "path:0", "path:17", "path:x", "header", "header:",
           "cookie:", "header:a b", "Header:X", "cookie:a=b"]  # fmt: skip


@pytest.mark.parametrize("key", NO_KEYS)
def test_what_is_no_key(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, limited(f'{GOOD}, key = "{key}"'))
    assert [str(problem) for problem in caught.value.problems] == [
        f'{WHERE}.rate_limits[0].key: "{key}" is not one of '
        "address, header:NAME, cookie:NAME, path, path:N"
    ]


PROBLEMS = [
    (limited('requests_per_s = 1, burst = 1, name = ""'), "", [
        f'{WHERE}.rate_limits[0].name: "" is not a name (up to 64 letters, digits, - _ .)'
    ]),
    (limited('name = "n"'), "", [
        f"{WHERE}.rate_limits[0].requests_per_s: missing", f"{WHERE}.rate_limits[0].burst: missing",
    ]),
    (limited('name = "n", requests_per_s = 0, burst = 1'), "", [
        f"{WHERE}.rate_limits[0].requests_per_s: 0.0 is outside 0.0001 to 10000 requests a second",
    ]),
    (limited('name = "n", requests_per_s = 10, burst = 0'), "", [
        f"{WHERE}.rate_limits[0].burst: 0 is outside 1 to 1000000 requests",
    ]),
    (limited('name = "n", requests_per_s = "fast", burst = 1'), "", [
        f'{WHERE}.rate_limits[0].requests_per_s: expected a number, got "fast"',
    ]),
    (limited('name = "n", requests_per_s = 0.01, burst = 1000'), "", [
        f"{WHERE}.rate_limits[0].burst: 1000 take 100000 s to come back at 0.01 a second: more than"
        " 86400"
    ]),
    (limited(GOOD, GOOD), "", [f'{WHERE}.rate_limits[1].name: "n" is named twice']),
    (limited(GOOD), limited('name = "n", requests_per_s = 10, burst = 21'), [
        f'{WHERE}.rate_limits[0].name: "n" is another limit at {API}.rate_limits[0]: '
        "one name is one limit"
    ]),
    (limited(*(GOOD.replace('"n"', f'"n{at}"') for at in range(9))), "", [
        f"{WHERE}.rate_limits: 9 limits are more than 8"
    ]),
    (limited(GOOD + ", rate = 1"), "", [
        f'{WHERE}.rate_limits[0].rate: unknown key (known: burst, key, name, requests_per_s)'
    ]),
    (", limit_rate = { bytes_per_s = 100 }", "", [
        f"{WHERE}.limit_rate.bytes_per_s: 100 is outside 1 KiB to 10 GiB",
    ]),
    (', limit_rate = { bytes_per_s = "fast" }', "", [
        f'{WHERE}.limit_rate.bytes_per_s: "fast" is not a size (like "256 MiB")',
    ]),
    (", limit_rate = { after_bytes = 5 }", "", [f"{WHERE}.limit_rate.bytes_per_s: missing"]),
    (', limit_rate = "1 MiB"', "", [f'{WHERE}.limit_rate: expected a table, got "1 MiB"']),
]  # fmt: skip


@pytest.mark.parametrize(("default", "api", "problems"), PROBLEMS)
def test_every_problem_has_its_place(
    tmp_path: Path, default: str, api: str, problems: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, default, api)
    assert [str(problem) for problem in caught.value.problems] == problems


WARNED = [
    (["address"], []),
    (["path:1"], []),
    (["header:X-Key"], ["header X-Key"]),
    (["header:X-Key", "address"], []),
    (["header:X-Key", "cookie:s"], ["header X-Key", "cookie s"]),
]


@pytest.mark.parametrize(("keys", "named"), WARNED)
def test_a_limit_that_a_viewer_escapes_is_told(keys: list[str], named: list[str]) -> None:
    limits = [RateLimit(name=key, key=key, requests_per_s=1, burst=1) for key in keys]
    behavior = Behavior(origin="o", rate_limits=tuple(limits))
    assert [str(problem) for problem in rate_limit_warnings(behavior, "b")] == [
        f"b.rate_limits[{at}].key: who sends another {name} each time is never limited: add a "
        'limit by "address"'
        for at, name in enumerate(named)
    ]


def test_limits_of_a_location(tmp_path: Path) -> None:
    file = tmp_path / "edgecache.toml"
    place = '[[locations]]\nname = "LHR50"\nlisten = "127.0.0.1:1"\nrate_limits = [{ %s }]\n'
    file.write_text(
        place % GOOD + SITE % ("", limited('name = "n", requests_per_s = 1, burst = 1'))
    )
    assert load(file).locations[0].rate_limits == (
        RateLimit(name="n", requests_per_s=10, burst=20),
    )
    file.write_text(place % f'{GOOD}, key = "ip"' + SITE % ("", ""))
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert [problem.where for problem in caught.value.problems] == [
        "locations[0].rate_limits[0].key"
    ]
