"""The option `--set PATH=VALUE` of every command that reads the configuration file.

Law: it counts for this command and the processes it starts, and nothing is written. Processes hear
of it by their environment (`EDGECACHE_SET`), so that a reload in them means the same.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from edgecache.config.sources import SET_ENV

_PARAMETER = "assignments"
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="A value in place of the file's, several times: control.listen=0.0.0.0:8090.",
    ),
]


def add_set_option(app: typer.Typer) -> None:
    """Give the option to every command of `app`, and of its groups, that takes `--config`."""
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = _with_option(command.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            add_set_option(group.typer_instance)


def _with_option(callback: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(callback, eval_str=True)
    if "config" not in signature.parameters or _PARAMETER in signature.parameters:
        return callback

    @functools.wraps(callback)
    def command(*args: Any, **named: Any) -> Any:
        with _assigned(named.pop(_PARAMETER) or []):
            return callback(*args, **named)

    option = inspect.Parameter(
        _PARAMETER, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=SetOption
    )
    parameters = [*signature.parameters.values(), option]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {**callback.__annotations__, _PARAMETER: SetOption}
    return command


@contextmanager
def _assigned(assignments: list[str]) -> Iterator[None]:
    if not assignments:
        yield
        return
    former = os.environ.get(SET_ENV)
    os.environ[SET_ENV] = json.dumps(assignments)
    try:
        yield
    finally:
        os.environ.pop(SET_ENV)
        if former is not None:
            os.environ[SET_ENV] = former
