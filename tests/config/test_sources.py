"""One configuration of several files, `--set` and the environment; each problem has its place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edgecache.config.load import load, load_with_sources
from edgecache.config.problems import ConfigError
from edgecache.config.sources import FILES_MAX, SET_ENV, read_sources

MAIN = """
[control]
listen = "127.0.0.1:8090"

[[locations]]
name = "LHR50"
listen = "127.0.0.1:8080"
"""
SITE = """
[[distributions]]
id = "E1"
aliases = ["a.test"]
origins = [{ id = "web", domain_name = "origin.example" }]
default_behavior = { origin = "web" }
"""


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SET_ENV, raising=False)


def written(folder: Path, main: str = MAIN, **others: str) -> Path:
    """A file, and those of `conf.d` by name."""
    path = folder / "edgecache.toml"
    path.write_text(main)
    for name, text in others.items():
        (folder / "conf.d").mkdir(exist_ok=True)
        (folder / "conf.d" / f"{name}.toml").write_text(text)
    return path


def merged(path: Path, *assignments: str, **env: str) -> dict[str, Any]:
    return read_sources(path, {**env, SET_ENV: json.dumps(assignments)}).table


def refused(path: Path, *assignments: str, **env: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        merged(path, *assignments, **env)
    return [str(problem) for problem in caught.value.problems]


def test_a_file_alone_is_as_it_was(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert merged(path)["control"] == {"listen": "127.0.0.1:8090"}
    path.write_text(MAIN + "lisen = 3\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    (problem,) = caught.value.problems
    assert str(problem) == 'locations[0].lisen: unknown key (did you mean "listen"?)'


def test_files_are_one_in_the_order_of_their_names(tmp_path: Path) -> None:
    more = '[[locations]]\nname = "NRT57"\nlisten = "127.0.0.1:8081"\n[limits]\nidle_s_max = 9\n'
    path = written(tmp_path, b_more=more, a_site=SITE, c_more="[limits]\nhead_s_max = 3\n")
    (tmp_path / "conf.d" / "notes.txt").write_text("not = [toml")
    (tmp_path / "conf.d" / ".hidden.toml").write_text("not = [toml")
    config = load(path)
    assert [location.name for location in config.locations] == ["LHR50", "NRT57"]
    assert [one.id for one in config.distributions] == ["E1"]
    assert (config.limits.idle_s_max, config.limits.head_s_max) == (9, 3)


@pytest.mark.parametrize(
    ("others", "problems"),
    [
        (
            {"a": '[control]\nlisten = "127.0.0.1:1"'},
            ["conf.d/a.toml: control.listen: is set in edgecache.toml, too"],
        ),
        (
            {"a": 'brand = "a"', "b": 'brand = "b"'},
            ["conf.d/b.toml: brand: is set in conf.d/a.toml, too"],
        ),
        (
            {"a": "[limits]\nidle_s_max = 1", "b": "limits = 3"},
            ["conf.d/b.toml: limits: is set in conf.d/a.toml, too"],
        ),
        ({"a": "control = 3"}, ["conf.d/a.toml: control: is set in edgecache.toml, too"]),
    ],
)
def test_what_two_files_say_is_refused(
    tmp_path: Path, others: Mapping[str, str], problems: list[str]
) -> None:
    assert refused(written(tmp_path, **others)) == problems


def test_problems_say_in_which_file_and_where_there(tmp_path: Path) -> None:
    bad = (
        SITE.replace('"E1"', '"E2"').replace("a.test", "b.test").replace('origin = "web"', "x = 1")
    )
    path = written(tmp_path, MAIN.replace("8080", "80800"), a=SITE, b=bad)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value) == (
        f"{path}: 3 problems\n"
        "  conf.d/b.toml:6:22: distributions[0].default_behavior.x: unknown key\n"
        "  conf.d/b.toml:6:1: distributions[0].default_behavior.origin: missing\n"
        '  edgecache.toml:7:1: locations[0].listen: "127.0.0.1:80800" has a port outside 1 to 65535'
    )


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, a="x = [")
    with pytest.raises(ConfigError, match=r"conf\.d/a\.toml: not TOML: "):
        load(path)


def test_files_are_not_without_number(tmp_path: Path) -> None:
    path = written(tmp_path, **{f"f{number}": "" for number in range(FILES_MAX)})
    assert merged(path)
    written(tmp_path, more="")
    assert refused(path) == [f"conf.d: more than {FILES_MAX} files"]


def test_a_line_about_a_value_says_its_file(tmp_path: Path) -> None:
    _, sources = load_with_sources(written(tmp_path, a=SITE))
    assert sources.located_line("distributions[0].aliases: none") == (
        "conf.d/a.toml:4:1: distributions[0].aliases: none"
    )
    assert (
        sources.located_line("control.listen: x: y") == "edgecache.toml:3:1: control.listen: x: y"
    )
    assert sources.located_line("what answers 503: see there") == "what answers 503: see there"
    _, alone = load_with_sources(written(tmp_path / "conf.d", MAIN))
    assert alone.located_line("control.listen: x") == "edgecache.toml:3:1: control.listen: x"


@pytest.mark.parametrize(
    ("text", "env", "value"),
    [
        ("${X}", {"X": "8"}, "8"),
        ("a${X}c", {"X": "b"}, "abc"),
        ("${X}${Y:-z}", {"X": "b"}, "bz"),
        ("${X:-d}", {}, "d"),
        ("${X:-d}", {"X": ""}, "d"),
        ("${X:-}", {}, ""),
        ("${X}", {"X": ""}, ""),
        ("${X}", {"X": "${Y}"}, "${Y}"),  # once
        ("$${X}", {"X": "8"}, "${X}"),
        ("$X $ 5", {}, "$X $ 5"),
    ],
)
def test_what_the_environment_has(
    tmp_path: Path, text: str, env: dict[str, str], value: str
) -> None:
    assert merged(written(tmp_path, f'brand = "{text}"'), **env) == {"brand": value}


def test_numbers_and_booleans_come_from_the_environment_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(
        tmp_path,
        '[regional]\nmemory_bytes = "${MEMORY}"\nwhen_down = "${DOWN}"\n'
        '[control]\ncanary_s = "${CANARY:-0.5}"\ninvalidation_quotas = "${QUOTAS}"\n'
        '[limits]\nconnections_max = "${MOST}"\n',
    )
    for name, text in {
        "MEMORY": "64 MiB",
        "DOWN": "stale",
        "QUOTAS": "true",
        "MOST": "4_000",
    }.items():
        monkeypatch.setenv(name, text)
    config = load(path)
    assert config.regional
    assert config.control
    assert (config.regional.memory_bytes, config.regional.when_down) == (64 << 20, "stale")
    assert type(config.regional.when_down) is str
    assert (config.control.canary_s, config.control.invalidation_quotas) == (0.5, True)
    assert config.limits.connections_max == 4_000
    monkeypatch.setenv("MEMORY", str(1 << 26))
    assert load(path).regional == config.regional
    monkeypatch.setenv("MOST", "many")
    with pytest.raises(ConfigError, match='connections_max: expected a whole number, got "many"'):
        load(path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "${NAME}",
            'brand: NAME is not set in the environment (or say "${NAME:-default}")',
        ),
        (
            "x${1}",
            'brand: "x${1}": "${" begins no "${NAME}" ("$${" is the text itself)',
        ),
        ("${X", 'brand: "${X": "${" begins no "${NAME}" ("$${" is the text itself)'),
    ],
)
def test_what_the_environment_has_not_is_told(tmp_path: Path, text: str, problem: str) -> None:
    assert refused(written(tmp_path, f'brand = "{text}"')) == [problem]


@pytest.mark.parametrize(
    ("assignment", "place", "value"),
    [
        ("control.listen=0.0.0.0:1", ("control", "listen"), "0.0.0.0:1"),
        ("control.names=['a', 'b']", ("control", "names"), ["a", "b"]),
        ("control.canary_s=5", ("control", "canary_s"), "5"),
        ('brand="a b"', ("brand",), "a b"),
        ("locations[LHR50].workers=4", ("locations", 0, "workers"), "4"),
        ("locations[0].workers=4", ("locations", 0, "workers"), "4"),
        ("locations.LHR50.listen=h:1", ("locations", 0, "listen"), "h:1"),
        ('distributions."E1".enabled=false', ("distributions", 0, "enabled"), "false"),
        ("regional.disk.folder=a=b", ("regional", "disk", "folder"), "a=b"),
        ("locations=[]", ("locations",), []),
        ("brand=", ("brand",), ""),
    ],
)
def test_what_is_set_counts_over_the_files(
    tmp_path: Path, assignment: str, place: tuple[str | int, ...], value: object
) -> None:
    found: Any = merged(written(tmp_path, a=SITE), "brand=x", assignment)
    for step in place:
        found = found[step]
    assert found == value


@pytest.mark.parametrize(
    ("assignment", "problem"),
    [
        ("control.listen", '"control.listen" is not PATH=VALUE (like control.listen=0.0.0.0:8090)'),
        ("=x", '"=x" is not PATH=VALUE (like control.listen=0.0.0.0:8090)'),
        ("a b=x", '"a b=x" is not PATH=VALUE (like control.listen=0.0.0.0:8090)'),
        (
            "locations[NRT57].workers=1",
            'locations[NRT57].workers: "NRT57" is not there (known: "LHR50"; or a number below 1)',
        ),
        ("control.listen.port=1", 'control.listen.port: "port" is not there'),
    ],
)
def test_what_cannot_be_set_is_told(tmp_path: Path, assignment: str, problem: str) -> None:
    assert refused(written(tmp_path), assignment) == [f"--set: {problem}"]


def test_a_value_that_was_set_is_judged_as_the_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, a=SITE)
    given = ["locations[LHR50].workers=3", "limits.idle_s_max=2.5", "control.canary_s=1"]
    monkeypatch.setenv(SET_ENV, json.dumps(given))
    config = load(path)
    assert config.control is not None
    assert (config.locations[0].workers, config.limits.idle_s_max) == (3, 2.5)
    monkeypatch.setenv(SET_ENV, json.dumps(["locations[LHR50].workers=300"]))
    with pytest.raises(ConfigError, match=r"--set: locations\[0\]\.workers: 300 is outside"):
        load(path)
    monkeypatch.setenv(SET_ENV, "no json")
    with pytest.raises(ConfigError, match="EDGECACHE_SET: is not a list"):
        load(path)
