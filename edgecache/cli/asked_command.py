"""The app with nothing but the command or group that was asked for.

Typer works out the options of each of some eighty commands before it looks which one was asked for:
a tenth of a second that only help and an unknown name need.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import typer
from typer.main import get_command_name
from typer.models import CommandInfo, TyperInfo


def for_arguments(app: typer.Typer, arguments: Sequence[str]) -> typer.Typer:
    """`app` with the command that the first argument names; all of it where that is another word.

    `help` needs all commands, and is hidden from none.
    """
    if not arguments or arguments[0] in ("help", ""):
        return app
    return _with_only(app, arguments[0]) or app


def _with_only(app: typer.Typer, name: str) -> typer.Typer | None:
    commands = [one for one in app.registered_commands if _command_name(one) == name]
    if commands:
        return _copy(app, commands, [])
    for group in app.registered_groups:
        inner = group.typer_instance
        if inner is None:
            continue
        if not isinstance(group.name, str):  # its commands are ours
            inner = _with_only(inner, name)
        elif group.name != name:
            inner = None
        if inner is not None:
            asked = copy.copy(group)
            asked.typer_instance = inner
            return _copy(app, [], [asked])
    return None


def _command_name(info: CommandInfo) -> str:
    return info.name or get_command_name(getattr(info.callback, "__name__", ""))


def _copy(app: typer.Typer, commands: list[CommandInfo], groups: list[TyperInfo]) -> typer.Typer:
    made = copy.copy(app)
    made.registered_commands, made.registered_groups = commands, groups
    return made
