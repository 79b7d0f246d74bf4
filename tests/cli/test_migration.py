"""Command import: what it writes, tells and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgecache.cli.main import app

TEMPLATES = Path(__file__).parent.parent / "templates"


def run(*words: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["import", *map(str, words)])
    assert result.exit_code == code, result.output
    return result.output


def test_a_template_becomes_a_folder(tmp_path: Path) -> None:
    into = tmp_path / "site"
    told = run(TEMPLATES / "functions.json", "--into", into)
    assert told == f"{into}: 3 resources, 4 files new, 0 changed\n"
    told = run(TEMPLATES / "functions.json", "--into", into)
    assert told == f"{into}: 3 resources, nothing changed\n"
    told = run(TEMPLATES / "functions.json", "--into", into, "--json")
    assert [one["place"] for one in json.loads(told)["resources"]] == [
        "RewriteA2091284", "Mark99AB1BF0", "Cdn9963B1AD",
    ]  # fmt: skip


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    told = run(TEMPLATES / "parameters.json", "--into", tmp_path / "site", code=1)
    assert "give it by --parameter OriginHost=TEXT" in told
    assert [*tmp_path.iterdir()] == []
    run(TEMPLATES / "parameters.json", "--into", tmp_path / "site",
        "--parameter", "OriginHost=web.example.test")  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.json"], "nowhere.json: no such file or directory"),
        ([TEMPLATES / "failover.json", "--parameter", "Stage"],
         "--parameter: Stage is not NAME=TEXT"),
    ],
)  # fmt: skip
def test_a_usage_error(words: list[str | Path], said: str, tmp_path: Path) -> None:
    assert said in run(*words, "--into", tmp_path / "site", code=2)


def test_what_is_read_and_where_it_goes_is_said_once(tmp_path: Path) -> None:
    template = TEMPLATES / "failover.json"
    assert "give a file, or --id of a live account" in run("--into", tmp_path, code=2)
    assert "give a file, or --id" in run(template, "--id", "E1", "--into", tmp_path, code=2)
    assert "give --into FOLDER, or --into-control" in run(template, code=2)
    state = TEMPLATES / "terraform" / "state.json"
    assert "6 resources, 7 files new" in run(state, "--into", tmp_path / "state")
