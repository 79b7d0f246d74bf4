"""Command diff between files: what it tells, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgecache.cli.main import app

SITE = """
[control]
listen = "127.0.0.1:8090"
[[locations]]
name = "a"
listen = "127.0.0.1:8080"
[[distributions]]
id = "{id}"
domain_name = "d1.cloudfront.net"
origins = [{{ id = "web", domain_name = "127.0.0.1" }}]
default_behavior = {{ origin = "web", compress = {compress} }}
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    for name, id, compress in (("a", "E1", "false"), ("b", "E2", "true")):
        (tmp_path / f"{name}.toml").write_text(SITE.format(id=id, compress=compress))
    return str(tmp_path / "a.toml"), str(tmp_path / "b.toml")


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["diff", *words])
    assert result.exit_code == code, result.output
    return result.output


def test_nothing_changes(files: tuple[str, str]) -> None:
    assert run(files[0], files[0], "--exit-code") == "nothing changes for viewers\n"


def test_two_files_and_two_distributions(files: tuple[str, str]) -> None:
    a, b = files
    assert len(run(a, b).splitlines()) == 3  # one goes, one comes
    lines = run(f"{a}#E1", f"{b}#E2", "--exit-code", code=1).splitlines()
    assert lines[1].split() == ["E2", "default", "compression", "compress", "false", "true", "-"]
    told = json.loads(run(f"{a}#E1", f"{b}#E2", "--json"))
    assert [one["subject"] for one in told["changes"]] == ["compression"]
    assert told["cut"] is False


def test_what_is_not_there(files: tuple[str, str]) -> None:
    assert "E9: no such distribution (there are: E1)" in run(f"{files[0]}#E9", files[0], code=2)
    assert "no.toml: no such file or directory" in run("no.toml", files[0], code=2)
