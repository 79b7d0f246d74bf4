"""`init --sample`: a sample project in a folder of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgecache.cli import samples
from edgecache.cli.main import app

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["init", *words])
    return done.exit_code, done.output


def test_a_sample_is_copied_into_a_folder_of_its_name(folder: Path) -> None:
    code, told = ran("--sample", "signed-cookies")
    assert code == 0
    assert told.startswith("signed-cookies is written: dist.json, pytest.ini, test_tickets.py")
    theirs = (EXAMPLES / "signed-cookies" / "dist.json").read_bytes()
    assert (folder / "signed-cookies" / "dist.json").read_bytes() == theirs
    assert not list(folder.rglob("__pycache__"))


def test_it_is_told_as_json() -> None:
    code, told = ran("--sample", "dev", "--json")
    files = ["Dockerfile", "compose.yaml", "ready.d/1-tell.sh"]
    assert (code, json.loads(told)) == (0, {"folder": "dev", "files": files})


def test_a_folder_that_is_there_is_left_alone_unless_it_is_said(folder: Path) -> None:
    (folder / "dev").mkdir()
    (folder / "dev" / "mine").write_text("")
    assert ran("--sample", "dev") == (
        2, "edgecache: dev: is there already: go elsewhere, or say --force to write in it\n"
    )  # fmt: skip
    assert ran("--sample", "dev", "--force")[0] == 0
    assert (folder / "dev" / "mine").exists()
    assert (folder / "dev" / "compose.yaml").exists()


def test_a_name_of_none_is_told_with_those_there_are() -> None:
    known = ", ".join(sorted(one.name for one in EXAMPLES.iterdir() if one.is_dir()))
    assert ran("--sample", "moon") == (2, f"edgecache: --sample: moon is not one of {known}\n")


@pytest.mark.parametrize("words", [(), ("--origin", "http://127.0.0.1:8000", "--sample", "dev")])
def test_it_is_a_sample_or_a_site(words: tuple[str, ...]) -> None:
    assert ran(*words) == (2, "edgecache: one of --origin and --sample\n")


def test_an_installed_package_has_them_in_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "samples" / "one").mkdir(parents=True)
    monkeypatch.setattr(samples, "PLACES", (folder / "samples", EXAMPLES))
    assert [*samples.samples()] == ["one"]
