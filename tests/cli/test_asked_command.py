"""The app of one command behaves as the whole app does for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from edgecache.cli.asked_command import for_arguments
from edgecache.cli.main import app

WHOLE: Any = get_command(app)


def _paths(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Each command and group by the words that name it."""
    for name, one in getattr(command, "commands", {}).items():
        yield (*words, name)
        yield from _paths(one, (*words, name))


PATHS = [*_paths(WHOLE)]


def _help(shown: typer.Typer, words: tuple[str, ...]) -> str:
    told = CliRunner().invoke(shown, [*words, "--help"], prog_name="edgecache")
    assert told.exit_code == 0
    return told.output


def test_there_are_commands_and_groups_of_each_kind() -> None:
    assert {("up",), ("invalidate",), ("keys",), ("keys", "store"), ("log",)} <= {*PATHS}
    assert len(PATHS) > 70


@pytest.mark.parametrize("name", sorted({words[0] for words in PATHS}))
def test_help_is_that_of_the_whole(name: str) -> None:
    narrow = for_arguments(app, [name])
    assert [*get_command(narrow).commands] == [name] or name == "help"  # type: ignore[attr-defined]
    for words in PATHS:
        if words[0] == name:
            assert _help(narrow, words) == _help(app, words)


@pytest.mark.parametrize("arguments", [[], [""], ["help"], ["--help"], ["--version"], ["uq"]])
def test_any_other_word_is_for_the_whole(arguments: list[str]) -> None:
    assert for_arguments(app, arguments) is app


def test_the_whole_is_left_as_it_was() -> None:
    before = [*app.registered_commands], [*app.registered_groups]
    for_arguments(app, ["keys"])
    for_arguments(app, ["up"])
    assert ([*app.registered_commands], [*app.registered_groups]) == before
