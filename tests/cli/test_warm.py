"""Command warm: what is refused before anybody is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgecache.cli.main import app


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        ([], "give URLs, --list or --sitemap", 2),
        (["--list", "nowhere.txt"], "nowhere.txt", 2),
        (["ftp://a/b"], "is not http://HOST/PATH", 1),
        (["http://a/b", "-H", "nonsense"], "nonsense is not Name: value", 2),
        (["http://a/b", "--ca-file", "nowhere.pem"], "nowhere.pem: no such file", 2),
        (["http://a/b", "--location", "LHR50"], "edgecache.toml", 2),
        (["--sitemap", "http://127.0.0.1:1/sitemap.xml"], "http://127.0.0.1:1/sitemap.xml: ", 1),
    ],
)
def test_what_is_refused(
    words: list[str], said: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["warm", *words])
    assert (result.exit_code, said in result.output) == (code, True), result.output


def test_a_list_that_cannot_be_reached_fails(tmp_path: Path) -> None:
    path = tmp_path / "urls.txt"
    path.write_text("# pages\nhttp://www.example.org/a\n\n")
    result = CliRunner().invoke(app, ["warm", "--list", str(path), "--at", "127.0.0.1:1"])
    assert result.exit_code == 1
    assert "failed: http://www.example.org/a at 127.0.0.1:1: " in result.output
    assert "0 hit, 0 filled, 0 stayed, 1 failed" in result.output


FILE = """
[control]
listen = "127.0.0.1:8090"
[[locations]]
name = "ONE"
listen = "0.0.0.0:1"
[[locations]]
name = "TWO"
listen = "127.0.0.1:2"
listen_tls = "127.0.0.1:3"
"""


@pytest.mark.parametrize(
    ("names", "at"),
    [
        (["ONE"], ["http://a.test/b at 127.0.0.1:1: ", "https://a.test/b at 127.0.0.1:1: it does"]),
        (["TWO"], ["http://a.test/b at 127.0.0.1:2: ", "https://a.test/b at 127.0.0.1:3: "]),
        (["all"], ["http://a.test/b at 127.0.0.1:1: ", "http://a.test/b at 127.0.0.1:2: "]),
    ],
)
def test_locations_are_asked_by_their_names(
    names: list[str], at: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "edgecache.toml"
    path.write_text(FILE)
    words = ["http://a.test/b", "https://a.test/b", "-c", str(path), "--rate", "1000"]
    given = [word for name in names for word in ("--location", name)]
    result = CliRunner().invoke(app, ["warm", *words, *given])
    assert result.exit_code == 1
    assert [line for line in at if f"failed: {line}" not in result.output] == [], result.output


def test_a_location_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "edgecache.toml"
    path.write_text(FILE)
    result = CliRunner().invoke(app, ["warm", "http://a/b", "-c", str(path), "--location", "NO"])
    assert result.exit_code == 2
    assert f"--location: NO is not a location of {path} (ONE, TWO)" in result.output
