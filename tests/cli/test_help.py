"""Help: every command stands in it with a whole sentence, by subject, and in every shell."""

from __future__ import annotations

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from edgecache.cli.help import OTHERS, SUBJECTS
from edgecache.cli.main import app


def told(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, words, prog_name="edgecache")
    assert result.exit_code == code, result.output
    return str(result.output)


def test_every_command_stands_under_a_subject() -> None:
    hidden = {"help", "man"}
    commands = set(get_command(app).commands) - hidden  # type: ignore[attr-defined]
    named = [name for names in SUBJECTS.values() for name in names]
    assert len(named) == len(set(named))
    assert commands <= set(named), "give it a place in cli/help.py"
    assert f"{OTHERS}:" not in told("--help")


@pytest.mark.parametrize("words", [(), ("keys",), ("bucket",), ("distributions",)])
def test_no_sentence_is_cut(words: tuple[str, ...]) -> None:
    listed = told(*words, "-h")
    assert "..." not in listed.replace("[ARGS]...", "")
    assert listed == told(*words, "--help") == told("help", *words)


def test_nothing_is_drawn() -> None:
    assert told("--help").isascii()
    assert told("up", "-h").isascii()


@pytest.mark.parametrize("words", [("nonsense",), ("keys", "nonsense"), ("up", "nonsense")])
def test_help_of_what_is_no_command(words: tuple[str, ...]) -> None:
    line = f'edgecache: there is no command "{" ".join(words)}" (see: edgecache --help)\n'
    assert told("help", *words, code=2) == line


def test_completion_knows_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_EDGECACHE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "edgecache distri")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert told() == "distributions\n"
