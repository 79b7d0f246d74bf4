"""Distributions that ask for what is not supported: left out, and all others served."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from edgecache.cli.main import app
from edgecache.config.load import load
from edgecache.config.model import Config
from edgecache.config.problems import ConfigError
from edgecache.config.refused_distributions import start_lines, without_refused
from edgecache.rules.routing import compile_routes
from tests.config.aws.test_round_trip import MINIMAL

FILE = """
[[locations]]
name = "LHR50"
listen = "127.0.0.1:8080"

[[distributions]]
id = "EGOOD"
aliases = ["good.test", "exact.bad.test"]
origins = [{ id = "o", domain_name = "127.0.0.1" }]
default_behavior = { origin = "o" }

[[distributions]]
id = "EBAD"
aliases = ["bad.test", "*.bad.test"]
file = "dist.json"
"""
GEO = 'geo_restriction = { kind = "whitelist", countries = ["GB"] }\n'


def written(folder: Path, text: str = FILE) -> Path:
    (folder / "dist.json").write_text(json.dumps(MINIMAL | {"WebACLId": "arn:acl"}))
    file = folder / "edgecache.toml"
    file.write_text(f'state_dir = "state"\n{text}')
    return file


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load(written(tmp_path))


def test_names_lead_nowhere_else(config: Config) -> None:
    table = compile_routes(without_refused(config))
    assert [*table.by_id] == ["EGOOD"]
    for host in (b"bad.test", b"a.bad.test"):
        assert table.site(host) is None
        site = table.unavailable_site(host)
        assert site is not None
        assert site.id == "EBAD"
    good = table.site(b"exact.bad.test")
    assert good is not None
    assert good.distribution.id == "EGOOD"
    for host in (b"exact.bad.test", b"good.test", b"else.test"):
        assert table.unavailable_site(host) is None


def test_one_that_takes_any_host_keeps_it(config: Config) -> None:
    good, bad = config.distributions
    table = compile_routes(
        without_refused(replace(config, distributions=(good, replace(bad, aliases=("*",)))))
    )
    assert table.unavailable_site(b"else.test") is not None
    assert table.unavailable_site(b"good.test") is None


def test_one_that_is_disabled_answers_as_any_that_is(config: Config) -> None:
    good, bad = config.distributions
    off = replace(config, distributions=(good, replace(bad, enabled=False)))
    table = compile_routes(without_refused(off))
    assert table.site(b"bad.test") is None
    assert table.unavailable_site(b"bad.test") is None


def test_all_are_served_where_the_file_says_so(config: Config) -> None:
    ignoring = replace(config, unsupported="ignore")
    assert without_refused(ignoring) is ignoring


def test_countries_without_a_database(tmp_path: Path) -> None:
    text = FILE.replace('id = "EGOOD"\n', f'id = "EGOOD"\n{GEO}')
    left = without_refused(load(written(tmp_path, text)))
    assert [one.id for one in left.unavailable] == ["EGOOD", "EBAD"]
    known = load(written(tmp_path, f'geo_database = "geo.mmdb"\n{text}'))
    assert [one.id for one in without_refused(known).unavailable] == ["EBAD"]


LOGGING = 'logging = { enabled = true, bucket = "logs", prefix = "p" }\n'
BUCKET = '[[log_delivery.buckets]]\nbucket = "logs"\nfolder = "."\n'


def test_who_logs_to_a_bucket_that_lies_nowhere_is_served_without(tmp_path: Path) -> None:
    file = written(tmp_path, FILE.replace('id = "EGOOD"\n', f'id = "EGOOD"\n{LOGGING}'))
    config = load(file)
    assert [one.id for one in without_refused(config).distributions] == ["EGOOD"]
    assert [line for line in start_lines(config) if "Logging" in line] == [
        "not supported, and served without (distributions): Logging (1)"
    ]
    said = CliRunner().invoke(app, ["check", str(file)]).output
    assert "distributions[0](EGOOD).Logging: not supported: log_delivery.buckets of the" in said
    assert "answers 503" in said  # the other one
    (tmp_path / "dist.json").write_text(json.dumps(MINIMAL))
    assert "answers 503" not in CliRunner().invoke(app, ["check", str(file)]).output
    file.write_text(f"{file.read_text()}\n{BUCKET}")
    assert not [line for line in start_lines(load(file)) if "Logging" in line]
    assert "Logging" not in CliRunner().invoke(app, ["check", str(file)]).stderr


def test_check_tells_the_file_and_the_place(tmp_path: Path) -> None:
    file = written(tmp_path)
    said = CliRunner().invoke(app, ["check", str(file)])
    assert said.exit_code == 2
    assert f"{file}: 1 problem" in said.stderr
    place = "distributions[1](EBAD).WebACLId"
    assert f"{place}: not supported: requests are not filtered" in said.stderr
    file.write_text(f'unsupported = "ignore"\n{FILE}')
    said = CliRunner().invoke(app, ["check", str(file)])
    assert (said.exit_code, "no problems" in said.stdout) == (0, True)
    column = (tmp_path / "dist.json").read_text().index('"WebACLId"') + 1
    assert f"warning: dist.json:1:{column}: {place}: not supported" in said.stdout


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('unsupported = "maybe"', "unsupported: "),
        ('unavailable = [{ id = "E" }]', "unavailable: is control's to say"),
    ],
)
def test_what_a_file_may_not_say(tmp_path: Path, line: str, problem: str) -> None:
    file = written(tmp_path, line + FILE)
    with pytest.raises(ConfigError) as error:
        load(file)
    assert [str(one) for one in error.value.problems if str(one).startswith(problem)]
