"""`--set` on every command that reads the file; commands that do not have no use for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from edgecache.cli.main import app
from edgecache.config.sources import SET_ENV


def commands(group: TyperGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[str, bool, bool]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, (*path, name))
        else:
            options = {option for one in command.params for option in one.opts}
            yield " ".join((*path, name)), "--config" in options, "--set" in options


def test_it_is_where_the_file_is() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    found = list(commands(group))
    assert len(found) > 40
    assert [name for name, config, with_set in found if config != with_set] == []


def test_it_counts_for_the_command_and_is_over_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SET_ENV, raising=False)
    path = tmp_path / "edgecache.toml"
    path.write_text('[control]\nlisten = "127.0.0.1:8090"\n')
    run = CliRunner().invoke
    assert run(app, ["check", str(path)]).exit_code == 0
    bad = run(app, ["check", str(path), "--set", "limits.idle_s_max=-1", "--set", "brand=a b"])
    assert bad.exit_code == 2
    assert "--set: brand: " in bad.output
    assert "--set: limits.idle_s_max: " in bad.output
    assert SET_ENV not in os.environ
