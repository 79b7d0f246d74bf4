"""Command replay: a table for people, JSON for scripts, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgecache.cli.main import app

LINE = '192.0.2.1 - - [01/Dec/2025:10:00:{:02} +0000] "GET {} HTTP/1.1" 200 500 "-" "x"\n'


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    lines = [LINE.format(second, "/a?b" if second % 2 else "/a?c") for second in range(10)]
    (tmp_path / "access.log").write_text("".join(lines) + "broken\n")
    return "access.log"


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["replay", *words])
    assert result.exit_code == code, result.output
    return result.output


def test_a_table(log: str) -> None:
    lines = run(log).splitlines()
    assert lines[1].split() == ["all", "-", "10", "5000", "-", "80.00%", "-", "80.00%"]
    assert "there is no hit ratio there to compare with" in "\n".join(lines)
    assert "broken: access.log:11: broken" in lines
    assert lines[-1] == "1 lines are broken"


def test_another_policy_and_ttl(log: str) -> None:
    Path("p.toml").write_text("ttl_s_default = 60\n")  # without the query
    assert json.loads(run(log, "--policy", "p.toml", "--json"))["all"]["requests_here"] == 0.9
    assert json.loads(run(log, "--ttl", "0", "--json"))["all"]["requests_here"] == 0
    assert json.loads(run(log, "--ttl", "4", "--json"))["all"]["requests_here"] == 0.4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.log"], "nowhere.log: no such file"),
        (["access.log", "--memory", "much"], "--memory: much"),
        (["access.log", "--policy", "nowhere.toml"], "nowhere.toml"),
        (["access.log", "--policy", "bad.toml"], "ttl_s_defalt"),
        (["access.log", "--chart", "a.pdf"], "--chart: a.pdf: a chart is written as .png or .svg"),
        (["access.log", "--chart", "none/a.png"], "--chart: none/a.png: there is no folder"),
    ],
)
def test_what_is_refused(log: str, words: list[str], said: str) -> None:
    Path("bad.toml").write_text("ttl_s_defalt = 60\n")
    assert said in run(*words, code=2)
