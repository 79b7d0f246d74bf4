"""`init` and `serve --save`: what they write, and what they refuse in the words that were typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgecache.cli.main import app

ORIGIN = "http://127.0.0.1:8000"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments, prog_name="edgecache")
    return result.exit_code, result.output


def test_without_a_file_the_way_to_one_is_told() -> None:
    code, told = ran("up")
    assert (code, told.splitlines()[0]) == (
        2,
        "edgecache: edgecache.toml: no such file or directory",
    )
    command = told.splitlines()[-1].split()
    assert command[:2] == ["edgecache", "init"]
    assert ran(*command[1:])[0] == 0
    assert ran("check") == (0, "edgecache.toml: no problems (distributions: 1, locations: 1)\n")


def test_init_and_save_write_the_same_but_for_the_first_lines(folder: Path) -> None:
    assert ran("init", "--origin", ORIGIN, "--name", "a.test")[0] == 0
    code, told = ran("serve", ORIGIN, "--name", "a.test", "--save", "other.toml", "--json")
    assert (code, json.loads(told)) == (0, {"file": "other.toml", "distribution": "a.test"})
    one, other = (Path(name).read_text() for name in ("edgecache.toml", "other.toml"))
    assert one.partition("state_dir")[2] == other.partition("state_dir")[2]
    assert sorted(path.name for path in folder.iterdir()) == ["edgecache.toml", "other.toml"]


def test_no_file_is_written_over(folder: Path) -> None:
    kept = folder / "edgecache.toml"
    kept.write_text("mine")
    code, told = ran("init", "--origin", ORIGIN)
    assert (code, kept.read_text()) == (2, "mine")
    assert "--force" in told
    assert ran("init", "--origin", ORIGIN, "--force")[0] == 0
    assert "[control]" in kept.read_text()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--name", "a b"), '--name[0]: "a b" is not a host name, "*.name" or "*" (without port)'),
        (("--listen", "80"), "--listen: 80 is not HOST:PORT or unix:NAME"),
        (
            ("--listen-tls", "127.0.0.1:0"),
            "--listen-tls: 127.0.0.1:0 has a port outside 1 to 65535",
        ),
        (
            ("--listen-tls", "127.0.0.1:8443", "--certificate", "x"),
            "--certificate and --key: one without the other",
        ),
        (("--certificate", "x", "--key", "y"), "--certificate: not used without --listen-tls"),
        (
            ("--listen", "127.0.0.1:8090"),
            '--listen: "127.0.0.1:8090" is already taken by control.listen',
        ),
    ],
)
def test_what_cannot_be_is_told_by_its_option(
    options: tuple[str, ...], line: str, folder: Path
) -> None:
    assert ran("init", "--origin", ORIGIN, *options) == (2, f"edgecache: {line}\n")
    assert not [*folder.glob("*.toml"), *folder.glob(".*.new")]


def test_files_that_are_not_there_are_told() -> None:
    words = ("--listen-tls", "127.0.0.1:8443", "--certificate", "c.pem", "--key", "k.pem")
    code, told = ran("init", "--origin", ORIGIN, *words)
    assert code == 2
    assert "--certificate: no such file: " in told
    assert "--key: no such file: " in told
